//! The line itself: up, carrier, speed, duplex, a bond's legs.

use std::collections::BTreeSet;

use h8lio_model::inventory::{BondFacts, Carrier, Duplex, Interface};

use super::super::super::inventory::quoted;
use super::super::Events;
use super::super::reason::Reason;
use super::{carries, name};

pub(super) fn diff(old: &Interface, new: &Interface, out: &mut Events) {
    match (old.admin_up, new.admin_up) {
        (true, false) => set_down(new, out),
        (false, true) => {
            let line = match new.carrier {
                Carrier::Up => "the line is up",
                Carrier::Down => "no signal on the line",
                Carrier::Unknown => "the line is not known yet",
            };
            let message = format!("{} was set up: {line}", name(new));
            out.info(Reason::LinkSetUp, message);
        }
        _ => carrier(old, new, out),
    }
    if carries(new.kind) {
        speed(old, new, out);
        duplex(old.duplex, new, out);
    }
    if let (Some(a), Some(b)) = (&old.bond, &new.bond) {
        bond(a, b, &name(new), out);
    }
}

fn set_down(interface: &Interface, out: &mut Events) {
    let message = format!("{} was set down on the server", name(interface));
    if carries(interface.kind) {
        out.warning(Reason::LinkSetDown, message);
    } else {
        out.info(Reason::LinkSetDown, message);
    }
}

fn carrier(old: &Interface, new: &Interface, out: &mut Events) {
    let before = match (old.carrier, new.carrier) {
        (Carrier::Up, Carrier::Down) => "it was up",
        (Carrier::Unknown, Carrier::Down) => "not known before",
        (Carrier::Down, Carrier::Up) => {
            let speed = new
                .speed_mbps
                .map_or_else(String::new, |s| format!(" at {s} Mbit/s"));
            let message = format!("{} has a link again{speed}", name(new));
            return out.info(Reason::LinkUp, message);
        }
        _ => return,
    };
    let message = format!("{} has no link ({before})", name(new));
    if carries(new.kind) {
        out.warning(Reason::LinkDown, message);
    } else {
        out.info(Reason::LinkDown, message);
    }
}

fn speed(old: &Interface, new: &Interface, out: &mut Events) {
    let (Some(a), Some(b)) = (old.speed_mbps, new.speed_mbps) else {
        return;
    };
    let message = format!("{} runs at {b} Mbit/s (was {a})", name(new));
    if b < a {
        out.warning(Reason::LinkSpeedFell, message);
    } else if b > a {
        out.info(Reason::LinkSpeedRose, message);
    }
}

fn duplex(old: Duplex, new: &Interface, out: &mut Events) {
    match (old, new.duplex) {
        (Duplex::Full, Duplex::Half) => {
            let message = format!("{} runs half duplex (was full)", name(new));
            out.warning(Reason::DuplexFell, message);
        }
        (Duplex::Unknown, Duplex::Half) => {
            let message = format!("{} runs half duplex (not known before)", name(new));
            out.warning(Reason::DuplexFell, message);
        }
        (Duplex::Half, Duplex::Full) => {
            let message = format!("{} runs full duplex again", name(new));
            out.info(Reason::DuplexRestored, message);
        }
        _ => {}
    }
}

fn bond(old: &BondFacts, new: &BondFacts, name: &str, out: &mut Events) {
    let (members_before, members) = (set(&old.members), set(&new.members));
    let (up_before, up) = (set(&old.members_up), set(&new.members_up));
    let legs = format!("{} of {} legs up", up.len(), members.len());
    for leg in up_before.difference(&up) {
        let message = format!("{name} lost its leg {}: {legs}", quoted(leg));
        out.warning(Reason::BondLegLost, message);
    }
    for leg in up.difference(&up_before) {
        // A leg that is new in the bond is told as a change of its members.
        if members_before.contains(leg) {
            let message = format!("{name} has its leg {} again: {legs}", quoted(leg));
            out.info(Reason::BondLegReturned, message);
        }
    }
    if members_before != members {
        let message = format!(
            "{name} has the members {} (were {})",
            list(&members),
            list(&members_before)
        );
        out.info(Reason::BondMembersChanged, message);
    }
}

fn set(names: &[String]) -> BTreeSet<&str> {
    names.iter().map(String::as_str).collect()
}

fn list(names: &BTreeSet<&str>) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names
        .iter()
        .take(8)
        .map(|n| quoted(n))
        .collect::<Vec<_>>()
        .join(", ")
}
