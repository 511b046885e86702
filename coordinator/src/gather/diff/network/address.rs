//! Addresses and default routes.

use std::collections::BTreeSet;

use h8lio_model::inventory::{Interface, Route};

use super::super::super::inventory::quoted;
use super::super::Events;
use super::super::reason::Reason;
use super::name;

pub(super) fn diff(old: &Interface, new: &Interface, out: &mut Events) {
    let (before, now) = (lasting(old), lasting(new));
    for address in now.difference(&before) {
        let message = format!("{} has the address {}", name(new), quoted(address));
        out.info(Reason::AddressAdded, message);
    }
    for address in before.difference(&now) {
        let message = format!(
            "{} no longer has the address {}",
            name(new),
            quoted(address)
        );
        out.info(Reason::AddressRemoved, message);
    }
}

/// The addresses that say something: link-local ones come and go with the line.
fn lasting(interface: &Interface) -> BTreeSet<&str> {
    let all = interface.addresses.iter().map(String::as_str);
    all.filter(|a| !is_link_local(a)).collect()
}

pub(super) fn is_link_local(address: &str) -> bool {
    address.starts_with("169.254.")
        || address
            .get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case("fe80"))
}

pub(super) fn default_routes(old: &[Route], new: &[Route], out: &mut Events) {
    let (before, now) = (defaults(old), defaults(new));
    if before == now {
        return;
    }
    let was = list(&before);
    if now.is_empty() {
        let message = format!("the server has no default route any more (was {was})");
        out.warning(Reason::DefaultRouteLost, message);
    } else {
        let message = format!("the default route goes {} (was {was})", list(&now));
        out.info(Reason::DefaultRouteChanged, message);
    }
}

/// Gateway and interface of each default route.
fn defaults(routes: &[Route]) -> BTreeSet<(Option<&str>, Option<&str>)> {
    let default = |r: &&Route| matches!(r.destination.as_str(), "default" | "0.0.0.0/0" | "::/0");
    let defaults = routes.iter().filter(default);
    defaults
        .map(|r| (r.gateway.as_deref(), r.interface.as_deref()))
        .collect()
}

fn list(routes: &BTreeSet<(Option<&str>, Option<&str>)>) -> String {
    if routes.is_empty() {
        return "nowhere".to_owned();
    }
    let one = |(gateway, interface): &(Option<&str>, Option<&str>)| {
        let via = gateway.map_or_else(
            || "without a gateway".to_owned(),
            |g| format!("by {}", quoted(g)),
        );
        match interface {
            Some(interface) => format!("{via} on {}", quoted(interface)),
            None => via,
        }
    };
    routes
        .iter()
        .take(4)
        .map(one)
        .collect::<Vec<_>>()
        .join(" and ")
}
