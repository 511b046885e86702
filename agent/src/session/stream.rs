//! One attempt at a session, from the dial to its end: moves messages between the machine and
//! the wire.

use std::sync::Arc;
use std::time::Duration;

use h8lio_model::condition::ConditionType;
use h8lio_model::section::SectionKind;
use h8lio_proto::v1;
use h8lio_proto::v1::session_service_client::SessionServiceClient;
use h8lio_tls::bundle::TrustBundle;
use h8lio_tls::cause::find_tls;
use h8lio_tls::client::{self, ConnectError, ConnectOptions};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};

use super::machine::{Action, End, Event, Goodbye, Machine, Outgoing};
use super::witness::{self, Verdict};
use super::{Caller, Context, cause, convert};
use crate::clock::sleep_until;
use crate::identity::authority::RemoteAuthority;
use crate::identity::renewal;
use crate::identity::vault::Member;
use crate::report::ClockOffset;

/// Messages that may wait for a coordinator that reads slowly. More means that it is stuck.
const QUEUE: usize = 16;

/// Largest message taken from a coordinator, bytes. A welcome with a bundle has a few KiB.
const MESSAGE_MAX: usize = 1 << 20;

/// How long a coordinator may take to open a stream: it does so without waiting for anything, so
/// that one that hangs is told from one that has a contest to decide before its Welcome.
const OPENED_WITHIN: Duration = Duration::from_secs(10);

/// How long a goodbye may take to leave.
const FAREWELL: Duration = Duration::from_millis(700);

/// How a session ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// Nobody answered at the address.
    Unreached(String),
    /// The coordinator answered and opened no session.
    Refused {
        why: String,
        /// It was our certificate that it did not take.
        certificate: bool,
    },
    /// An open session ended.
    Lost { lived: Duration, why: String },
    /// The coordinator ended it, since a newer session of this server is open.
    Replaced { lived: Duration },
    /// We left.
    Left,
    /// The certificate had expired and was replaced; dial again.
    Reattested,
}

/// An open session, for those who want to use its connection.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) channel: Channel,
    pub(super) coordinator: String,
}

/// One attempt.
pub(super) struct Attempt {
    pub(super) context: Arc<Context>,
    pub(super) member: Arc<Member>,
    pub(super) address: String,
    pub(super) tls: Arc<rustls::ClientConfig>,
    pub(super) welcomed: Option<oneshot::Sender<Opened>>,
    pub(super) leave: watch::Receiver<Option<Goodbye>>,
}

impl Attempt {
    /// Dials, talks, ends.
    pub(super) async fn run(mut self) -> Ended {
        let mut leave = self.leave.clone();
        let dial = client::connect(&self.address, self.tls.clone(), ConnectOptions::default());
        let channel = tokio::select! {
            connected = dial => match connected {
                Ok(channel) => channel,
                Err(e) => return not_connected(&e),
            },
            _ = leave.wait_for(Option::is_some) => return Ended::Left,
        };
        // The session is tried even with a certificate that has expired by this clock: the clock
        // may be wrong, and the coordinator decides by its own.
        let ended = self.converse(channel.clone()).await;
        let Ended::Refused { why, certificate } = &ended else {
            return ended;
        };
        let wall = self.context.clock.now().wall;
        let expired_here = renewal::is_expired(self.member.identity.validity(), wall);
        if expired_here || (*certificate && why.contains("expired")) {
            return self.reattest(channel).await;
        }
        ended
    }

    async fn reattest(&self, channel: Channel) -> Ended {
        let c = &self.context;
        tracing::info!("the node certificate has expired; asking for a new one with the old key");
        let authority = RemoteAuthority::new(channel);
        match renewal::reattest(&c.vault, &authority, &c.claims).await {
            Ok(()) => Ended::Reattested,
            Err(e) => {
                let why = crate::chain(&e);
                let kind = ConditionType::CertificateNotRenewed;
                c.board.raise(kind, "", "Expired", &why, c.clock.now().wall);
                Ended::Refused {
                    why,
                    certificate: false,
                }
            }
        }
    }

    async fn converse(&mut self, channel: Channel) -> Ended {
        let c = Arc::clone(&self.context);
        let (send, outbox) = mpsc::channel(QUEUE);
        let mut sections = c.sections.clone();
        let have = sections.borrow_and_update().clone();
        let remembered = c.keeper.witness().map(|w| w.head);
        let mut talk = Talk {
            machine: Machine::new(have, remembered),
            caller: Caller {
                boot_id: c.boot_id,
                instance: c.instance,
                version: env!("CARGO_PKG_VERSION"),
                bundle: self.member.bundle.digest(),
            },
            send: Some(send),
            welcomed_at: None,
            channel: channel.clone(),
            attempt: self,
        };
        talk.step(Event::Opened);
        let mut client = SessionServiceClient::new(channel).max_decoding_message_size(MESSAGE_MAX);
        let opening = client.connect(ReceiverStream::new(outbox));
        let wake = c.clock.now().steady + OPENED_WITHIN;
        let mut leave = talk.attempt.leave.clone();
        let inbound = tokio::select! {
            opened = opening => match opened {
                Ok(response) => response.into_inner(),
                Err(status) => return talk.over(&status),
            },
            () = sleep_until(c.clock.as_ref(), wake) => {
                let why = format!("the coordinator did not open the stream within {} s", OPENED_WITHIN.as_secs());
                return Ended::Refused { why, certificate: false };
            }
            _ = leave.wait_for(Option::is_some) => return Ended::Left,
        };
        talk.run(inbound, &mut sections).await
    }
}

/// A stream that is open.
struct Talk<'a> {
    machine: Machine,
    caller: Caller,
    send: Option<mpsc::Sender<v1::ConnectRequest>>,
    /// On the steady clock.
    welcomed_at: Option<Duration>,
    channel: Channel,
    attempt: &'a mut Attempt,
}

impl Talk<'_> {
    async fn run(
        &mut self,
        mut inbound: Streaming<v1::ConnectResponse>,
        sections: &mut watch::Receiver<super::outbox::Sections>,
    ) -> Ended {
        let c = Arc::clone(&self.attempt.context);
        let mut leave = self.attempt.leave.clone();
        let mut frozen = c.frozen.clone();
        loop {
            if frozen.wait_for(|f| !f).await.is_err() {
                return Ended::Left;
            }
            // Every arm is cancel-safe: streams and watches lose nothing when they are not
            // polled to the end, and the timer is made anew from the machine each time.
            let event = tokio::select! {
                message = inbound.message() => match message {
                    Ok(Some(m)) => match convert::response(m) {
                        Ok(Some(incoming)) => Event::Received(incoming),
                        Ok(None) => continue,
                        Err(e) => return self.lost(format!("the coordinator sent nonsense: {e}")),
                    },
                    Ok(None) => return self.lost("the coordinator closed the session".into()),
                    Err(status) => return self.over(&status),
                },
                // Without a reporter (the agent stops) there is nothing newer; the goodbye is due.
                Ok(()) = sections.changed() => {
                    Event::Sections(sections.borrow_and_update().clone())
                }
                () = sleep_until(c.clock.as_ref(), self.machine.next_wake()) => Event::Timer,
                why = leave.wait_for(Option::is_some) => {
                    Event::Leave(why.ok().and_then(|w| *w).unwrap_or(Goodbye::Restart))
                }
                // On a real server nobody holds the other end: the arm is then off.
                Ok(_) = frozen.wait_for(|f| *f) => continue,
            };
            match self.step(event) {
                None => {}
                Some(End::Left) => {
                    self.send = None;
                    let drained = async { while let Ok(Some(_)) = inbound.message().await {} };
                    let _ = tokio::time::timeout(FAREWELL, drained).await;
                    return Ended::Left;
                }
                Some(end) => return self.lost(end.to_string()),
            }
        }
    }

    /// One step of the machine and its effects; answers why to end, if so.
    fn step(&mut self, event: Event) -> Option<End> {
        let now = self.attempt.context.clock.now();
        let mut end = None;
        for action in self.machine.step(now, event) {
            match action {
                Action::End(why) => end = Some(why),
                Action::Send(out) => {
                    if !self.send(out) {
                        end = Some(End::Stuck);
                    }
                }
                other => self.effect(other),
            }
        }
        end
    }

    fn send(&self, out: Outgoing) -> bool {
        let wall = self.attempt.context.clock.now().wall;
        let message = convert::request(out, &self.caller, wall);
        self.send
            .as_ref()
            .is_some_and(|send| send.try_send(message).is_ok())
    }

    fn effect(&mut self, action: Action) {
        let c = &self.attempt.context;
        match action {
            Action::Welcomed { coordinator } => self.welcomed(coordinator),
            Action::ClockOffset(ms) => {
                let at = c.clock.now();
                c.shared.set_clock_offset(ClockOffset { ms, at });
            }
            Action::Epoch(epoch) => c.shared.set_epoch(epoch),
            Action::Audit { incarnation, head } => {
                match witness::judge(c.keeper.witness(), incarnation, head) {
                    Verdict::Known => {}
                    Verdict::Remember(w) => {
                        c.board.clear(ConditionType::AuditLogRewritten, "");
                        c.keeper.remember(w);
                    }
                    Verdict::Rewritten { message } => {
                        tracing::warn!("{message}");
                        let kind = ConditionType::AuditLogRewritten;
                        c.board
                            .raise(kind, "", "HeadWentBack", message, c.clock.now().wall);
                    }
                }
            }
            Action::AdoptBundle(roots) => {
                match TrustBundle::new(roots.into_iter().map(Into::into).collect()) {
                    Ok(bundle) => c.keeper.adopt(bundle),
                    Err(e) => tracing::warn!("the coordinator's trust bundle is not used: {e}"),
                }
            }
            Action::Renew => c.status.renew.notify_one(),
            Action::Restrict(why) => restrict(c, why),
            Action::Order(body) => {
                c.status.order.send_replace(Some(body));
            }
            Action::SectionRefused { kind, why } => {
                tracing::warn!("the coordinator does not take section {kind}: {why}");
            }
            Action::SectionTooLarge(t) => {
                let message = format!(
                    "section {} has {} bytes and the coordinator takes {}; it is not reported",
                    t.kind, t.size, t.limit
                );
                tracing::warn!("{message}");
                let kind = ConditionType::ProbeFailed;
                let subject = section_subject(t.kind);
                c.board
                    .raise(kind, &subject, "TooLarge", message, c.clock.now().wall);
            }
            Action::SectionsFit(kinds) => {
                for kind in kinds {
                    let subject = section_subject(kind);
                    c.board.clear(ConditionType::ProbeFailed, &subject);
                }
            }
            Action::Send(_) | Action::End(_) => {}
        }
    }

    fn welcomed(&mut self, coordinator: String) {
        let c = &self.attempt.context;
        self.welcomed_at = Some(c.clock.now().steady);
        tracing::info!(
            "session open with coordinator {coordinator} at {}",
            self.attempt.address
        );
        c.keeper.acknowledge(self.attempt.member.identity.serial());
        if let Some(welcomed) = self.attempt.welcomed.take() {
            let channel = self.channel.clone();
            let _ = welcomed.send(Opened {
                channel,
                coordinator,
            });
        }
    }

    /// The coordinator or the transport ended the stream.
    fn over(&self, status: &Status) -> Ended {
        let why = cause(status);
        if let Some(at) = self.welcomed_at {
            // The one reason for which a coordinator aborts an open session.
            if status.code() == Code::Aborted {
                let now = self.attempt.context.clock.now().steady;
                let lived = now.saturating_sub(at);
                return Ended::Replaced { lived };
            }
            return self.lost(why);
        }
        let tls = std::error::Error::source(status).and_then(|e| find_tls(e));
        match (status.code(), tls) {
            (_, Some(rustls::Error::AlertReceived(_))) | (Code::Unauthenticated, _) => {
                Ended::Refused {
                    why,
                    certificate: true,
                }
            }
            (Code::Unavailable | Code::Unknown | Code::Cancelled, _) => Ended::Unreached(why),
            _ => Ended::Refused {
                why,
                certificate: false,
            },
        }
    }

    fn lost(&self, why: String) -> Ended {
        match self.welcomed_at {
            Some(at) => Ended::Lost {
                lived: self.attempt.context.clock.now().steady.saturating_sub(at),
                why,
            },
            None => Ended::Refused {
                why,
                certificate: false,
            },
        }
    }
}

fn section_subject(kind: SectionKind) -> String {
    format!("section {kind}")
}

fn not_connected(e: &ConnectError) -> Ended {
    judged(find_tls(e), e.to_string())
}

fn judged(tls: Option<&rustls::Error>, why: String) -> Ended {
    match tls {
        Some(rustls::Error::AlertReceived(_)) => Ended::Refused {
            why,
            certificate: true,
        },
        // Nobody said no: its clock or this one is wrong, and is soon set right.
        Some(e) if is_not_yet_valid(e) => Ended::Unreached(why),
        Some(_) => Ended::Refused {
            why,
            certificate: false,
        },
        None => Ended::Unreached(why),
    }
}

fn is_not_yet_valid(e: &rustls::Error) -> bool {
    use rustls::CertificateError::{NotValidYet, NotValidYetContext};
    matches!(
        e,
        rustls::Error::InvalidCertificate(NotValidYet | NotValidYetContext { .. })
    )
}

fn restrict(c: &Context, why: Option<String>) {
    let changed = c.status.restricted.send_if_modified(|now| {
        let differs = *now != why;
        now.clone_from(&why);
        differs
    });
    match why {
        Some(why) if changed => {
            tracing::warn!(
                "this identity may do nothing new: {why}; what runs here stays as it is"
            );
        }
        None if changed => tracing::info!("the restriction of this identity was lifted"),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::UnixTime;
    use rustls::{AlertDescription, CertificateError, Error};

    use super::*;

    #[test]
    fn a_coordinator_whose_certificate_has_not_begun_is_dialled_again_soon() {
        let at = |s| UnixTime::since_unix_epoch(Duration::from_secs(s));
        let early = Error::InvalidCertificate(CertificateError::NotValidYetContext {
            time: at(1),
            not_before: at(2),
        });
        let why = || "a clock".to_owned();
        assert!(matches!(judged(Some(&early), why()), Ended::Unreached(_)));
        assert!(matches!(judged(None, why()), Ended::Unreached(_)));
        let foreign = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let refused = judged(Some(&foreign), why());
        assert!(matches!(
            refused,
            Ended::Refused {
                certificate: false,
                ..
            }
        ));
        let alert = Error::AlertReceived(AlertDescription::UnknownCA);
        let refused = judged(Some(&alert), why());
        assert!(matches!(
            refused,
            Ended::Refused {
                certificate: true,
                ..
            }
        ));
    }
}
