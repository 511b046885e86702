//! Interfaces, addresses, neighbours, default routes.
//!
//! Only interfaces that somebody set up are followed: cards, bonds, VLANs, bridges. A Kubernetes
//! node makes and drops a veth with each pod; those are no news.

mod address;
mod link;

use h8lio_model::inventory::{Carrier, Interface, InterfaceKind, LldpNeighbour, NetworkFacts};

use super::super::inventory::quoted;
use super::Events;
use super::pair::pair;
use super::reason::Reason;
use super::unread::{Seen, unread};

pub(super) fn diff(old: &NetworkFacts, new: &NetworkFacts, out: &mut Events) {
    if unread("interfaces", &seen(old), &seen(new), out) {
        return;
    }
    let mut pairs = pair(followed(old), followed(new), |i| &i.name);
    for (a, b) in same_card(&mut pairs.vanished, &mut pairs.appeared) {
        let message = format!(
            "interface {} is now called {}",
            quoted(&a.name),
            quoted(&b.name)
        );
        out.info(Reason::InterfaceRenamed, message);
        changed(a, b, out);
    }
    for interface in pairs.appeared {
        appeared(interface, out);
    }
    for interface in pairs.vanished {
        vanished(interface, out);
    }
    for (a, b) in pairs.kept {
        changed(a, b, out);
    }
    let loopback = |facts| of_kind(facts, |k| k == InterfaceKind::Loopback);
    for (a, b) in pair(loopback(old), loopback(new), |i| &i.name).kept {
        address::diff(a, b, out);
    }
    address::default_routes(&old.routes, &new.routes, out);
}

fn seen(facts: &NetworkFacts) -> Seen<'_> {
    Seen {
        count: facts.interfaces.len(),
        problems: &facts.problems,
    }
}

fn of_kind(
    facts: &NetworkFacts,
    wanted: impl Fn(InterfaceKind) -> bool,
) -> impl Iterator<Item = &Interface> {
    facts.interfaces.iter().filter(move |i| wanted(i.kind))
}

fn followed(facts: &NetworkFacts) -> impl Iterator<Item = &Interface> {
    of_kind(facts, |kind| match kind {
        InterfaceKind::Physical
        | InterfaceKind::Bond
        | InterfaceKind::Vlan
        | InterfaceKind::Bridge => true,
        InterfaceKind::Loopback
        | InterfaceKind::Veth
        | InterfaceKind::Tunnel
        | InterfaceKind::Other => false,
    })
}

/// Takes out of both lists the cards that are the same by the address burnt into them.
fn same_card<'a>(
    vanished: &mut Vec<&'a Interface>,
    appeared: &mut Vec<&'a Interface>,
) -> Vec<(&'a Interface, &'a Interface)> {
    let burnt = |i: &&'a Interface| {
        let card = i.kind == InterfaceKind::Physical;
        card.then_some(())?;
        i.permanent_mac.as_deref()
    };
    let both = pair(
        vanished.iter().filter(|i| burnt(i).is_some()),
        appeared.iter().filter(|i| burnt(i).is_some()),
        burnt,
    );
    let same: Vec<_> = both.kept.iter().map(|(a, b)| (**a, **b)).collect();
    vanished.retain(|i| !same.iter().any(|(a, _)| a.name == i.name));
    appeared.retain(|i| !same.iter().any(|(_, b)| b.name == i.name));
    same
}

/// A card or a bond: its loss is felt. VLANs and bridges follow what is below them.
const fn carries(kind: InterfaceKind) -> bool {
    matches!(kind, InterfaceKind::Physical | InterfaceKind::Bond)
}

const fn word(kind: InterfaceKind) -> &'static str {
    match kind {
        InterfaceKind::Physical => "card",
        InterfaceKind::Loopback => "loopback",
        InterfaceKind::Bond => "bond",
        InterfaceKind::Vlan => "VLAN",
        InterfaceKind::Bridge => "bridge",
        InterfaceKind::Veth => "veth",
        InterfaceKind::Tunnel => "tunnel",
        InterfaceKind::Other => "interface",
    }
}

fn name(interface: &Interface) -> String {
    format!("{} {}", word(interface.kind), quoted(&interface.name))
}

fn appeared(interface: &Interface, out: &mut Events) {
    let mac = interface.mac.as_deref();
    let mac = mac.map_or_else(String::new, |m| format!(", MAC {}", quoted(m)));
    let link = if interface.carrier == Carrier::Down {
        ", no link"
    } else {
        ""
    };
    let message = format!("{} appeared{mac}{link}", name(interface));
    out.info(Reason::InterfaceAppeared, message);
}

fn vanished(interface: &Interface, out: &mut Events) {
    let addresses = interface
        .addresses
        .iter()
        .filter(|a| !address::is_link_local(a));
    let held: Vec<String> = addresses.take(5).map(|a| quoted(a)).collect();
    let with = if held.is_empty() {
        String::new()
    } else {
        format!(" with {}", held.join(", "))
    };
    let message = format!("{} vanished{with}", name(interface));
    if carries(interface.kind) {
        out.warning(Reason::InterfaceVanished, message);
    } else {
        out.info(Reason::InterfaceVanished, message);
    }
}

/// What may change about an interface that stays the same one.
fn changed(old: &Interface, new: &Interface, out: &mut Events) {
    link::diff(old, new, out);
    address::diff(old, new, out);
    if old.mtu != new.mtu {
        let message = format!("{} has MTU {} (was {})", name(new), new.mtu, old.mtu);
        out.info(Reason::MtuChanged, message);
    }
    if let (Some(a), Some(b)) = (&old.permanent_mac, &new.permanent_mac)
        && !a.eq_ignore_ascii_case(b)
    {
        let (a, b) = (quoted(a), quoted(b));
        let message = format!("{} is another card: its MAC is {b} (was {a})", name(new));
        out.warning(Reason::MacChanged, message);
    }
    neighbours(old, new, out);
}

/// The cable's other end. Bonds and bridges show their members' neighbours; only cards count.
fn neighbours(old: &Interface, new: &Interface, out: &mut Events) {
    if new.kind != InterfaceKind::Physical {
        return;
    }
    let (a, b) = (ports(&old.lldp), ports(&new.lldp));
    if a == b || a.is_empty() {
        return;
    }
    let (name, was) = (name(new), a.join(", "));
    if b.is_empty() {
        let message = format!("{name} hears no neighbour any more (was {was})");
        out.info(Reason::LldpNeighbourLost, message);
    } else {
        let message = format!("{name} is connected to {} (was {was})", b.join(", "));
        out.warning(Reason::LldpNeighbourChanged, message);
    }
}

/// Switch and port of each neighbour, sorted. The chassis id stands in where the switch does not
/// say its name.
fn ports(neighbours: &[LldpNeighbour]) -> Vec<String> {
    let mut ports: Vec<String> = neighbours
        .iter()
        .map(|n| {
            let switch = n.system_name.as_deref().or(n.chassis_id.as_deref());
            let port = n.port_id.as_deref().or(n.port_description.as_deref());
            let known = |text: Option<&str>| text.map_or_else(|| "unknown".to_owned(), quoted);
            format!("{} port {}", known(switch), known(port))
        })
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}
