//! The session of one agent, from Hello to its end.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::{Stream, StreamExt as _};
use h8lio_model::audit::AuditHead;
use h8lio_model::event::Severity;
use h8lio_model::ids::{AgentInstance, BootId, Incarnation, Rotation};
use h8lio_model::lifecycle::Restriction;
use h8lio_model::release::Release;
use h8lio_model::section::{Section, SectionKind};
use h8lio_proto::convert::{
    self, Invalid, duration, read_section_digests, read_timestamp, timestamp,
};
use h8lio_proto::v1;
use h8lio_proto::v1::connect_request::Message as Up;
use h8lio_proto::v1::connect_response::Message;
use h8lio_proto::v1::session_service_server::SessionService;
use jiff::Timestamp;
use prost::Message as _;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::admit::{Admit, Claim, admit};
use super::contest::{SETTLED_WITHIN, still_beats};
use super::counters::Counters;
use super::table::{Cut, Down, Open, SessionTable, down};
use super::witness::Witnesses;
use crate::audit::AuditLog;
use crate::clock::Clock;
use crate::feed::Feed;
use crate::gather::ingest::Ingest;
use crate::observe::{Notice, Notifier};
use crate::pki::AuthorityCell;
use crate::quarantine::Quarantine;
use crate::registry::records::IssuedRecord;
use crate::registry::{Node, Registry};
use crate::rpc::authz::{self, NodeCaller};

/// Longest wait for Hello.
const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// Messages that may wait for an agent that does not read.
const DOWN_QUEUE: usize = 16;

/// What all sessions share.
#[derive(Debug)]
pub struct Sessions {
    pub registry: Arc<Registry>,
    pub table: Arc<SessionTable>,
    pub ingest: Arc<Ingest>,
    pub feed: Arc<Feed>,
    pub quarantine: Arc<Quarantine>,
    pub audit: Arc<AuditLog>,
    pub authority: AuthorityCell,
    pub clock: Arc<dyn Clock>,
    pub notifier: Notifier,
    pub counters: Arc<Counters>,
    pub witnesses: Arc<Witnesses>,
    pub settings: SessionSettings,
}

/// What the coordinator tells agents.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    pub coordinator: String,
    pub incarnation: Incarnation,
    pub epoch: u64,
    pub beat: Duration,
    pub report: Duration,
    /// Largest report, bytes.
    pub max_report: u32,
    /// Largest message, bytes.
    pub max_message: usize,
}

/// The gRPC face.
#[derive(Debug, Clone)]
pub struct SessionServer(pub Arc<Sessions>);

#[tonic::async_trait]
impl SessionService for SessionServer {
    type ConnectStream = Pin<Box<dyn Stream<Item = Result<v1::ConnectResponse, Status>> + Send>>;

    async fn connect(
        &self,
        request: Request<Streaming<v1::ConnectRequest>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let caller = authz::node(&request, &self.0.registry, self.0.clock.now())?;
        let counted = caller.node.allowance.session(self.0.clock.mono());
        counted.map_err(|e| Status::resource_exhausted(e.to_string()))?;
        let (send, receive) = mpsc::channel(DOWN_QUEUE);
        let sessions = Arc::clone(&self.0);
        let up = request.into_inner();
        tokio::spawn(async move {
            if let Err(status) = sessions.run(caller, up, &send).await {
                // The agent may be gone already.
                let _ = send.try_send(Box::new(Err(status)));
            }
        });
        let receive = ReceiverStream::new(receive).map(|down| *down);
        Ok(Response::new(Box::pin(receive)))
    }
}

/// A checked Hello.
struct Greeting {
    claim: Claim,
    agent_version: String,
    wall_clock: Timestamp,
    audit_head: Option<AuditHead>,
    hello: v1::Hello,
}

fn read_hello(hello: v1::Hello, rotation: Rotation) -> Result<Greeting, Invalid> {
    let boot_id: BootId = hello
        .boot_id
        .parse()
        .map_err(|e| Invalid::new("hello.boot_id", e))?;
    let instance = hello
        .agent_instance
        .parse()
        .map_err(|e| Invalid::new("hello.agent_instance", e))?;
    if hello.agent_version.len() > 64 || hello.agent_version.chars().any(char::is_control) {
        return Err(Invalid::new(
            "hello.agent_version",
            "at most 64 printable characters",
        ));
    }
    Ok(Greeting {
        claim: Claim {
            boot_id,
            instance: AgentInstance(instance),
            rotation,
        },
        agent_version: hello.agent_version.clone(),
        wall_clock: read_timestamp("hello.wall_clock", hello.wall_clock)?,
        audit_head: hello
            .audit_head
            .clone()
            .map(TryInto::try_into)
            .transpose()?,
        hello,
    })
}

impl Sessions {
    async fn run(
        self: &Arc<Self>,
        caller: NodeCaller,
        mut up: Streaming<v1::ConnectRequest>,
        send: &mpsc::Sender<Down>,
    ) -> Result<(), Status> {
        let first = tokio::time::timeout(HELLO_WITHIN, up.message())
            .await
            .map_err(|_| Status::deadline_exceeded("no Hello within 10 s"))?
            .map_err(|e| self.unreadable(&e))?;
        let Some(v1::ConnectRequest {
            message: Some(Up::Hello(hello)),
        }) = first
        else {
            return Err(Status::invalid_argument(
                "the first message of a session must be Hello",
            ));
        };
        let greeting = read_hello(hello, caller.serial.rotation())?;
        let node = Arc::clone(&caller.node);
        let greeted_ms = greeting.wall_clock.as_millisecond();
        let (open, cut) = Open::new(greeting.claim, greeted_ms, send.clone());
        let settled = tokio::time::timeout(SETTLED_WITHIN, self.settle(&node, &open));
        settled.await.unwrap_or_else(|_| Err(unsettled()))?;
        if let Err(barred) = authz::may_speak(&node) {
            self.table.remove(node.id, &open);
            return Err(barred);
        }
        self.acknowledge(&node, &caller, &greeting).await;
        node.live.heard(self.clock.mono());
        self.note_clock(&node, greeting.wall_clock.as_millisecond());
        self.notifier.tell(Notice::Opened(node.id));
        self.table.welcome(&open, || {
            Message::Welcome(self.welcome(&node, &open, &greeting))
        });
        if caller.authority < self.authority.load().generation() {
            let _ = send.try_send(down(Message::RenewNow(v1::RenewNow {})));
        }
        if let Some(head) = greeting.audit_head {
            let (witnesses, node) = (Arc::clone(&self.witnesses), Arc::clone(&node));
            // Reads the store, for which no beat waits.
            tokio::spawn(async move { witnesses.hear(&node, head).await });
        }
        let end = self.pump(&node, &open, &caller, up, cut).await;
        self.close(&node, &open, end)
    }

    /// Finds out what the session means beside another one, and takes its place.
    async fn settle(&self, node: &Arc<Node>, open: &Arc<Open>) -> Result<(), Status> {
        // Each round ends with a place, a refusal, or another session that came in between.
        for _ in 0..8 {
            let present = self.table.get(node.id);
            let acknowledged = node.acknowledged();
            match admit(
                present.as_ref().map(|p| &p.claim),
                &open.claim,
                acknowledged,
            ) {
                Admit::Open | Admit::Replace => {}
                Admit::RotationWentBack {
                    shown,
                    acknowledged,
                } => {
                    let why = format!(
                        "a certificate with rotation {} was shown after rotation {} had been used: a copy of this identity exists",
                        shown.0, acknowledged.0
                    );
                    self.quarantine.set(node, &why).await;
                    return Err(Status::permission_denied(why));
                }
                Admit::Contest => {
                    if let Some(old) = &present
                        && still_beats(old, self.settings.beat).await
                    {
                        return Err(self.two_servers(node, old, open).await);
                    }
                }
            }
            if open.down.is_closed() {
                // It hung up while it waited: it must not push out one that lives.
                return Err(Status::cancelled("the agent has gone"));
            }
            if self
                .table
                .put(node.id, present.as_ref(), Arc::clone(open))
                .is_ok()
            {
                if let Some(old) = present {
                    old.cut(Cut::Replaced);
                }
                return Ok(());
            }
        }
        Err(unsettled())
    }

    /// Notes that the certificate was used, and what the session says of itself.
    async fn acknowledge(self: &Arc<Self>, node: &Arc<Node>, caller: &NodeCaller, g: &Greeting) {
        node.note_used(IssuedRecord {
            serial: caller.serial.to_string(),
            rotation: caller.serial.rotation(),
            not_after: caller.not_after,
            authority: caller.authority,
        });
        self.look_at_release(node, &g.agent_version);
        let head = g.audit_head;
        let bundle = convert::read_digest("bundle", &g.hello.trust_bundle_digest).ok();
        node.change_seen(|s| {
            s.boot_id = Some(g.claim.boot_id);
            s.saw_agent(&g.agent_version);
            s.trust_bundle = bundle.or(s.trust_bundle);
            s.audit_head = newest(s.audit_head, head);
        });
        self.store_start(node).await;
    }

    /// An agent that is older than one that ran there before is told once, when it comes.
    fn look_at_release(&self, node: &Node, version: &str) {
        let seen = node.seen();
        let was_it = seen.agent_version.as_deref() == Some(version);
        let Some(newest) = seen.newest_agent().filter(|newest| {
            let release = version.parse::<Release>();
            !was_it && !release.is_ok_and(|release| release >= *newest)
        }) else {
            return;
        };
        let record = node.record();
        let name = &record.value.name;
        let message = format!(
            "node {name} came back with agent {version:?}, and had {newest} before; no rollout begins \
             anything on it that does not bring a newer agent"
        );
        let feed = &self.feed;
        feed.node(Severity::Warning, "AgentOlder", node.id, name, message);
    }

    fn note_clock(&self, node: &Node, wall_ms: i64) {
        let now = self.clock.now().as_millisecond();
        node.live.set_offset(wall_ms.saturating_sub(now), now);
    }

    fn welcome(&self, node: &Node, open: &Open, g: &Greeting) -> v1::Welcome {
        let now = self.clock.now();
        let theirs = read_section_digests(&g.hello.sections).unwrap_or_default();
        let mut wanted = Vec::new();
        for (kind, digest) in theirs {
            match node.confirm(kind, digest, now) {
                true => open.told(kind),
                false => wanted.push(kind as i32),
            }
        }
        let bundle = self.authority.load().bundle().clone();
        let stale = g.hello.trust_bundle_digest != bundle.digest().0;
        v1::Welcome {
            coordinator: self.settings.coordinator.clone(),
            incarnation: self.settings.incarnation.0.to_string(),
            epoch: self.settings.epoch,
            pace: Some(v1::Pace {
                beat: Some(duration(self.settings.beat)),
                report: Some(duration(self.settings.report)),
                max_report_bytes: self.settings.max_report,
            }),
            wall_clock: Some(timestamp(now)),
            wanted,
            audit_head: Some((*self.audit.heads().borrow()).into()),
            trust_bundle: stale.then(|| authz::bundle_to_wire(&bundle)),
            restricted: node.restriction().as_ref().map(restricted),
        }
    }

    async fn pump(
        &self,
        node: &Arc<Node>,
        open: &Arc<Open>,
        caller: &NodeCaller,
        mut up: Streaming<v1::ConnectRequest>,
        mut cut: watch::Receiver<Option<Cut>>,
    ) -> End {
        let left = caller
            .not_after
            .as_second()
            .saturating_sub(self.clock.now().as_second());
        let expiry = tokio::time::sleep(Duration::from_secs(left.max(0) as u64));
        tokio::pin!(expiry);
        loop {
            // Cancel-safe: `message` buffers in the stream, `changed` and the timer hold no data.
            tokio::select! {
                message = up.message() => match message {
                    Ok(Some(v1::ConnectRequest { message: Some(up) })) => {
                        match self.take(node, open, up) {
                            Ok(None) => {}
                            Ok(Some(end)) => return end,
                            Err(status) => return End::Refused(status),
                        }
                    }
                    Ok(Some(_)) => {}
                    Ok(None) => return End::Lost,
                    Err(e) => return End::Refused(self.unreadable(&e)),
                },
                _ = cut.changed() => {
                    let why = cut.borrow().clone().unwrap_or(Cut::Stopping);
                    if why == Cut::Replaced
                        && let Some(end) = self.listen_on(node, open, &mut up).await
                    {
                        return end;
                    }
                    return End::Cut(why);
                }
                () = &mut expiry => return End::Refused(Status::unauthenticated(
                    "the certificate of this connection has expired; connect with the renewed one",
                )),
            }
        }
    }

    fn take(&self, node: &Arc<Node>, open: &Arc<Open>, up: Up) -> Result<Option<End>, Status> {
        let now = self.clock.mono();
        let bytes = match &up {
            // All of it: confirmations cost as much as bodies do.
            Up::Report(r) => r.encoded_len(),
            _ => 0,
        };
        node.allowance
            .message(bytes, now)
            .map_err(|e| Status::resource_exhausted(e.to_string()))?;
        // Anything from the agent is a sign of life.
        node.live.heard(now);
        match up {
            Up::Beat(beat) => {
                open.beats.fetch_add(1, Ordering::Relaxed);
                self.counters.beats.fetch_add(1, Ordering::Relaxed);
                self.note_clock(node, beat.wall_clock_ms);
                Ok(None)
            }
            Up::Report(report) => {
                self.report(node, open, report, bytes)?;
                Ok(None)
            }
            Up::Goodbye(g) => Ok(Some(match g.reason() {
                v1::goodbye::Reason::Moved => End::Moved,
                v1::goodbye::Reason::Shutdown => End::GoingDown,
                _ => End::Goodbye,
            })),
            Up::Hello(_) => Err(Status::invalid_argument("Hello comes once, at the start")),
        }
    }

    fn report(
        &self,
        node: &Arc<Node>,
        open: &Arc<Open>,
        report: v1::Report,
        bytes: usize,
    ) -> Result<(), Status> {
        let now = self.clock.now();
        let mut receipt = v1::Receipt::default();
        let most = self.settings.max_report;
        let none = match node.restriction() {
            Some(r) => Some(restricted(&r).explanation),
            None if bytes > most as usize => Some(format!(
                "the report has {bytes} bytes, {most} are taken; send it in parts"
            )),
            None => None,
        };
        if let Some(why) = none {
            // A section of a kind is said once, however often it came.
            let kinds: BTreeSet<i32> = report.sections.iter().map(|s| s.kind).collect();
            let refused = |kind| v1::receipt::Refused {
                kind,
                why: why.clone(),
            };
            receipt
                .refused
                .extend(kinds.into_iter().take(SectionKind::ALL.len()).map(refused));
        } else {
            for section in report.sections {
                let kind = section.kind;
                match Section::try_from(section) {
                    Ok(section) => self.ingest.submit(node.id, open, section),
                    Err(e) => receipt.refused.push(v1::receipt::Refused {
                        kind,
                        why: e.to_string(),
                    }),
                }
            }
            for (kind, digest) in read_section_digests(&report.confirmed)? {
                if node.confirm(kind, digest, now) {
                    open.told(kind);
                } else if kind != SectionKind::Vitals {
                    let why = "not held here; send it again".to_owned();
                    receipt.refused.push(v1::receipt::Refused {
                        kind: kind as i32,
                        why,
                    });
                }
            }
        }
        if !receipt.refused.is_empty() {
            let _ = open.down.try_send(down(Message::Receipt(receipt)));
        }
        Ok(())
    }

    /// Why a message could not be read. A connection that broke comes this way, too; then
    /// nobody reads the answer.
    fn unreadable(&self, e: &Status) -> Status {
        if e.code() != tonic::Code::OutOfRange {
            return e.clone();
        }
        Status::out_of_range(format!(
            "a message is larger than the {} bytes that the coordinator takes (limits.message_bytes); the session is closed",
            self.settings.max_message
        ))
    }

    fn close(&self, node: &Node, open: &Arc<Open>, end: End) -> Result<(), Status> {
        let ours = self.table.remove(node.id, open);
        let notice = match &end {
            End::Goodbye => Some(Notice::Goodbye(node.id)),
            End::GoingDown => Some(Notice::GoingDown(node.id)),
            End::Moved => None,
            End::Lost | End::Refused(_) | End::Cut(_) => Some(Notice::Closed(node.id)),
        };
        // When another session has taken the place, this one's end says nothing of the server.
        if ours && let Some(notice) = notice {
            self.notifier.tell(notice);
        }
        match end {
            End::Goodbye | End::GoingDown | End::Moved | End::Lost => Ok(()),
            End::Refused(status) => Err(status),
            End::Cut(Cut::Replaced) => {
                Err(Status::aborted("a newer session of this server took over"))
            }
            End::Cut(Cut::Barred(why)) => Err(Status::permission_denied(why)),
            End::Cut(Cut::Stopping) => Err(Status::unavailable("the coordinator stops")),
        }
    }
}

fn unsettled() -> Status {
    Status::unavailable("sessions of this identity come and go too fast; try again")
}

/// How a session ended.
pub(super) enum End {
    Goodbye,
    GoingDown,
    Moved,
    Lost,
    Refused(Status),
    Cut(Cut),
}

fn newest(a: Option<AuditHead>, b: Option<AuditHead>) -> Option<AuditHead> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.seq >= a.seq { b } else { a }),
        (a, b) => a.or(b),
    }
}

/// A restriction as the agent is told.
pub fn restricted(r: &Restriction) -> v1::Restricted {
    let explanation = match r {
        Restriction::Banned { reason, by, .. } => {
            format!("this node is banned by {by}: {reason}")
        }
        Restriction::Quarantined { reason, .. } => format!("this node is quarantined: {reason}"),
    };
    v1::Restricted {
        explanation,
        lifted: false,
    }
}
