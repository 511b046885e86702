//! A node as operators see it, put together from record, verdict and facts.

use h8lio_model::availability::Why;
use h8lio_model::condition::{Condition, ConditionType, Status, carry_since};
use h8lio_model::lifecycle::{Admission, Availability, Quarantined};
use h8lio_model::node::NodeView;
use jiff::Timestamp;

use crate::clock::Clock;
use crate::registry::Node;

/// The view of a node at this moment.
pub fn view(node: &Node, clock: &dyn Clock) -> NodeView {
    let record = node.record();
    let r = &record.value;
    let verdict = node.verdict();
    let seen = node.seen();
    let now = clock.now();
    let enrolled = r.admission == Admission::Enrolled;
    NodeView {
        id: r.id,
        name: r.name.clone(),
        admission: r.admission,
        scheduling: r.scheduling,
        availability: verdict.availability,
        availability_reason: match r.admission {
            Admission::Pending => r.pending_reason.clone(),
            Admission::Decommissioned => "decommissioned".to_owned(),
            Admission::Enrolled => reason(node, verdict.availability, verdict.why, clock),
        },
        availability_since: enrolled.then_some(verdict.since),
        restriction: node.restriction(),
        roles: r.roles.clone(),
        topology: r.topology.clone(),
        labels: r.labels.clone(),
        clusters: node.clusters(),
        conditions: conditions(node, now).into_iter().map(Into::into).collect(),
        agent_version: seen.agent_version,
        boot_id: seen.boot_id,
        last_seen: last_seen(node, clock),
        created_at: r.created_at,
        certificate_expires_at: r
            .current
            .as_ref()
            .or(r.pending.as_ref())
            .map(|c| c.not_after),
    }
}

/// Monotonic silence as wall-clock time.
fn last_seen(node: &Node, clock: &dyn Clock) -> Option<Timestamp> {
    let silent = clock.mono().saturating_sub(node.live.last_heard()?);
    clock
        .now()
        .checked_sub(jiff::SignedDuration::try_from(silent).ok()?)
        .ok()
}

fn reason(node: &Node, availability: Availability, why: Why, clock: &dyn Clock) -> String {
    let silent = || match node.live.last_heard() {
        Some(at) => format!(
            "no beat for {:.1} s",
            clock.mono().saturating_sub(at).as_secs_f64()
        ),
        None => "not heard since the coordinator's start".to_owned(),
    };
    match (availability, why) {
        (Availability::Online, _) => "beats arrive".to_owned(),
        (_, Why::Banned) => match &node.record().value.banned {
            Some(ban) => format!("banned by {}, not failed: it is not listened to", ban.by),
            None => "the ban has ended; it has not been heard yet".to_owned(),
        },
        (_, Why::StreamClosed) => format!("its stream closed; {}", silent()),
        (_, Why::Restarting) => "its agent said that it restarts".to_owned(),
        (_, Why::GoingDown) => {
            format!("its agent said that the server goes down; {}", silent())
        }
        (_, Why::Stabilizing) => "heard again; has to stay for a while".to_owned(),
        (Availability::WarmingUp, _) => {
            "the coordinator has just begun to watch; no verdict yet".to_owned()
        }
        _ => silent(),
    }
}

/// The agent's conditions and the coordinator's own.
fn conditions(node: &Node, now: Timestamp) -> Vec<Condition> {
    let mut all = node.conditions();
    let own = |kind, reason: &str, message: String, since| Condition {
        kind,
        status: Status::True,
        reason: reason.to_owned(),
        subject: String::new(),
        message,
        since,
        observed_at: now,
    };
    if let Some(Quarantined { reason, at }) = node.quarantined() {
        let message = format!("{reason}; find the copy, then approve the node");
        all.push(own(
            ConditionType::IdentityCloned,
            "Quarantined",
            message,
            at,
        ));
    }
    if let Some((offset, since)) = node.live.clock_off() {
        let way = if offset > 0 { "ahead of" } else { "behind" };
        let message = format!(
            "the server's clock is {:.1} s {way} the coordinator's; set it (chronyc makestep) and look at its time source",
            offset.unsigned_abs() as f64 / 1000.0
        );
        all.retain(|c| c.kind != ConditionType::ClockUnsynchronized);
        all.push(own(
            ConditionType::ClockUnsynchronized,
            "OffsetFromCoordinator",
            message,
            since,
        ));
    }
    carry_since(&[], all)
}
