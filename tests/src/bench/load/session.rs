//! One agent's session, without the agent: what a coordinator sees of a server.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use h8lio_agent::entropy::SystemEntropy;
use h8lio_agent::session::policy::{Dialing, Outcome};
use h8lio_proto::convert::timestamp;
use h8lio_proto::v1;
use h8lio_proto::v1::connect_request::Message as Up;
use h8lio_proto::v1::connect_response::Message as Down;
use h8lio_proto::v1::session_service_client::SessionServiceClient;
use h8lio_tls::client::{self, ConnectOptions};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_stream::wrappers::ReceiverStream;

use super::super::clock;
use super::inventory;
use super::join::Member;
use super::shared::Shared;

/// Keeps a session open while it is to be; dials again as the agent does.
pub async fn live(member: Member, shared: Shared) {
    let mut told = shared.told();
    let mut dialing = Dialing::new([member.address.to_string()]);
    let mut memory = Memory::default();
    loop {
        if told.wait_for(|c| c.active).await.is_err() {
            return;
        }
        memory.opened = None;
        let ended = session(&member, &shared, &mut memory).await;
        let Err(e) = ended else { continue };
        shared.failed(format!("{e:#}"));
        let outcome = match memory.opened {
            Some(at) => Outcome::Ended(Instant::elapsed(&at)),
            None => Outcome::Unreached,
        };
        tokio::time::sleep(dialing.ended(outcome, &SystemEntropy)).await;
    }
}

/// What is remembered over sessions.
#[derive(Debug, Default)]
struct Memory {
    /// When the last session opened, if it did.
    opened: Option<Instant>,
    /// The newest audit head that was ever shown.
    audit_head: Option<v1::AuditHead>,
}

/// A ticker whose first tick comes at this session's share of the interval; zero never ticks.
pub(super) fn ticker(every: Duration, number: usize, of: usize) -> Interval {
    let every = if every.is_zero() {
        Duration::from_secs(86_400)
    } else {
        every
    };
    let mut interval = tokio::time::interval(every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval.reset_after(every.mul_f64((number + 1) as f64 / of.max(1) as f64));
    interval
}

async fn session(member: &Member, shared: &Shared, memory: &mut Memory) -> anyhow::Result<()> {
    let tls = member.tls.clone();
    let channel = client::connect(&member.address, tls, ConnectOptions::default()).await?;
    let (up, queue) = mpsc::channel(4);
    let mut told = shared.told();
    let mut control = *told.borrow_and_update();
    let send = |message| {
        up.try_send(v1::ConnectRequest {
            message: Some(message),
        })
        .map_err(|e| anyhow::anyhow!("the stream takes nothing: {e}"))
    };
    send(Up::Hello(hello(member, memory, control.round)?)).context("cannot greet")?;
    let call = SessionServiceClient::new(channel)
        .connect(ReceiverStream::new(queue))
        .await;
    let mut down = call?.into_inner();
    let first = down.message().await?.and_then(|m| m.message);
    let Some(Down::Welcome(welcome)) = first else {
        bail!("no Welcome, but {first:?}")
    };
    memory.audit_head = welcome.audit_head;
    let _open = shared.opened();
    memory.opened = Some(clock::now());
    let mut tick = ticker(control.every, member.number, shared.count());
    let mut seq = 0;
    loop {
        tokio::select! {
            _ = tick.tick() => {
                seq += 1;
                let beat = v1::Beat { seq, wall_clock_ms: clock::wall().as_millisecond() };
                // Not sent when the coordinator does not keep up: then none is counted either.
                if send(Up::Beat(beat)).is_ok() {
                    shared.sent();
                }
            }
            message = down.message() => match message?.context("the coordinator ended the session")?.message {
                Some(Down::Receipt(r)) => {
                    if let Some(refused) = r.refused.first() {
                        bail!("a section was refused: {}", refused.why);
                    }
                    shared.received(r.received.len());
                }
                Some(Down::AuditHead(head)) => memory.audit_head = Some(head),
                Some(Down::Restricted(r)) => bail!("restricted: {}", r.explanation),
                _ => {}
            },
            changed = told.changed() => {
                changed?;
                let before = std::mem::replace(&mut control, *told.borrow_and_update());
                if !control.active {
                    let reason = v1::goodbye::Reason::Restart as i32;
                    send(Up::Goodbye(v1::Goodbye { reason })).context("cannot say goodbye")?;
                    // Until the coordinator has heard it.
                    while let Ok(Some(_)) = down.message().await {}
                    return Ok(());
                }
                if control.every != before.every {
                    tick = ticker(control.every, member.number, shared.count());
                }
                if control.round != before.round {
                    let sections = inventory::sections(member.number, control.round)?;
                    let sections = sections.into_iter().map(Into::into).collect();
                    let report = v1::Report { sections, confirmed: Vec::new() };
                    up.send(v1::ConnectRequest { message: Some(Up::Report(report)) }).await?;
                }
            }
        }
    }
}

fn hello(member: &Member, memory: &Memory, round: u64) -> anyhow::Result<v1::Hello> {
    let sections = match round {
        0 => Vec::new(),
        round => inventory::sections(member.number, round)?,
    };
    let digests = sections
        .iter()
        .map(|s| h8lio_proto::convert::section_digest(s.kind, s.digest));
    Ok(v1::Hello {
        boot_id: member.boot.to_string(),
        agent_instance: member.instance.to_string(),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        wall_clock: Some(timestamp(clock::wall())),
        sections: digests.collect(),
        audit_head: memory.audit_head.clone(),
        trust_bundle_digest: member.bundle.0.to_vec(),
    })
}
