//! What is wrong with links and bonds.

use h8lio_model::condition::{Condition, ConditionType, Status};
use h8lio_model::inventory::{Carrier, Duplex, Interface, InterfaceKind, NetworkFacts};
use jiff::Timestamp;

use crate::words::{list, plain};

/// A server's link below this is a fault of cable, port or negotiation: 1 Gbit/s. The fleet's
/// private network wants more; that is checked against its declaration, not here.
const SLOW_MBPS: u32 = 1000;

/// Conditions of links and bonds, `since` and `observed_at` being `now`. A link or bond that an
/// administrator set down is not judged, and neither is a card that nobody uses.
pub fn conditions(facts: &NetworkFacts, now: Timestamp) -> Vec<Condition> {
    let mut out = Vec::new();
    for interface in facts.interfaces.iter().filter(|i| i.admin_up) {
        let (kind, verdict) = match interface.kind {
            InterfaceKind::Physical => (ConditionType::LinkDegraded, link(interface, facts)),
            InterfaceKind::Bond => (ConditionType::BondDegraded, bond(interface)),
            _ => continue,
        };
        let Some((status, reason, message)) = verdict else {
            continue;
        };
        out.push(Condition {
            kind,
            status,
            reason: reason.to_owned(),
            subject: interface.name.clone(),
            message,
            since: now,
            observed_at: now,
        });
    }
    out
}

type Verdict = Option<(Status, &'static str, String)>;

fn link(interface: &Interface, facts: &NetworkFacts) -> Verdict {
    let used = is_used(interface, facts);
    let name = plain(&interface.name);
    match interface.carrier {
        Carrier::Down if used => Some((
            Status::True,
            "NoCarrier",
            format!(
                "{name} is in use and has no carrier: check cable, transceiver and switch port"
            ),
        )),
        Carrier::Unknown if used => Some((
            Status::Unknown,
            "CarrierUnknown",
            format!("{name} is in use and its driver does not say whether there is a carrier"),
        )),
        Carrier::Down | Carrier::Unknown => None,
        Carrier::Up => negotiated(interface, &name).or_else(|| slower_leg(interface, facts)),
    }
}

fn negotiated(interface: &Interface, name: &str) -> Verdict {
    if interface.duplex == Duplex::Half {
        return Some((
            Status::True,
            "HalfDuplex",
            format!("{name} negotiated half duplex: set the switch port to autonegotiation"),
        ));
    }
    let speed = interface.speed_mbps.filter(|s| *s < SLOW_MBPS)?;
    Some((
        Status::True,
        "LowSpeed",
        format!("{name} runs at {speed} Mbit/s, below {SLOW_MBPS}: check cable and switch port"),
    ))
}

/// A leg of a bond that runs slower than the fastest of its bond: the bond then carries less than
/// it seems to, or (802.3ad) leaves the leg out.
fn slower_leg(interface: &Interface, facts: &NetworkFacts) -> Verdict {
    let bond = interface.controller.as_deref()?;
    let is_bond = |i: &&Interface| i.name == bond && i.kind == InterfaceKind::Bond;
    facts.interfaces.iter().find(is_bond)?;
    let speed = interface.speed_mbps?;
    let fastest = facts
        .interfaces
        .iter()
        .filter(|i| i.controller.as_deref() == Some(bond) && i.carrier == Carrier::Up)
        .filter(|i| i.speed_mbps.is_some_and(|s| s > speed))
        .max_by_key(|i| i.speed_mbps)?;
    Some((
        Status::True,
        "SlowerThanBond",
        format!(
            "{} runs at {speed} Mbit/s and {} of the same bond {} at {}: check cable, transceiver \
             and switch port",
            plain(&interface.name),
            plain(&fastest.name),
            plain(bond),
            fastest.speed_mbps.unwrap_or_default(),
        ),
    ))
}

/// Carries an address that somebody gave it, belongs to a bond or bridge, or has VLANs on it.
/// Link-local addresses come by themselves and prove nothing.
fn is_used(interface: &Interface, facts: &NetworkFacts) -> bool {
    let given = |a: &String| !a.starts_with("fe80:") && !a.starts_with("169.254.");
    interface.addresses.iter().any(given)
        || interface.controller.is_some()
        || facts
            .interfaces
            .iter()
            .any(|i| i.vlan.as_ref().is_some_and(|v| v.parent == interface.name))
}

fn bond(interface: &Interface) -> Verdict {
    let bond = interface.bond.as_ref()?;
    let name = plain(&interface.name);
    let down: Vec<_> = bond
        .members
        .iter()
        .filter(|m| !bond.members_up.contains(m))
        .collect();
    if bond.members.is_empty() {
        return Some((
            Status::True,
            "NoMembers",
            format!("bond {name} has no members: add its interfaces or remove it"),
        ));
    }
    if down.is_empty() {
        return None;
    }
    let reason = if bond.members_up.is_empty() {
        "AllMembersDown"
    } else {
        "MembersDown"
    };
    Some((
        Status::True,
        reason,
        format!(
            "bond {name} ({}) runs on {} of {} members, without {}: check their cables and the \
             switch's link group",
            plain(&bond.mode),
            bond.members_up.len(),
            bond.members.len(),
            list(&down, 4),
        ),
    ))
}
