//! Links, addresses and routes through netlink and `/sys/class/net`; neighbours through lldpctl.
//!
//! Netlink is asked with a plain blocking socket: the kernel answers a dump at once, no runtime
//! is needed, and a message that cannot be decoded is seen as such instead of being skipped.

mod convert;
mod netlink;
mod sysfs;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use h8lio_model::inventory::Problem;
use rtnetlink::packet_route::RouteNetlinkMessage;

use crate::host::network::{NetworkHost, RawLink, RawNeighbours, RawNetwork};
use crate::linux::exec::{self, Argv};

/// The real network.
#[derive(Debug, Clone)]
pub struct LinuxNetwork {
    /// `/sys/class/net`, which must belong to the same network namespace as the caller.
    sys: PathBuf,
}

impl LinuxNetwork {
    /// The server's network.
    pub fn new() -> Self {
        Self {
            sys: PathBuf::from("/sys/class/net"),
        }
    }
}

impl Default for LinuxNetwork {
    fn default() -> Self {
        Self::new()
    }
}

impl NetworkHost for LinuxNetwork {
    fn network(&self) -> RawNetwork {
        let mut raw = RawNetwork::default();
        let before = sysfs::names(&self.sys);
        for message in collect(netlink::links(), "netlink links", &mut raw.problems) {
            if let RouteNetlinkMessage::NewLink(link) = message {
                raw.links.push(convert::link(&link));
            }
        }
        for link in &mut raw.links {
            link.device = sysfs::device(&self.sys, &link.name);
        }
        self.report_missing(&before, &raw.links, &mut raw.problems);
        for message in collect(netlink::addresses(), "netlink addresses", &mut raw.problems) {
            if let RouteNetlinkMessage::NewAddress(address) = message {
                raw.addresses.extend(convert::address(&address));
            }
        }
        for message in collect(netlink::routes(), "netlink routes", &mut raw.problems) {
            if let RouteNetlinkMessage::NewRoute(route) = message {
                raw.routes.extend(convert::route(&route));
            }
        }
        raw
    }

    fn neighbours(&self) -> RawNeighbours {
        let what = "lldpctl";
        match exec::run(
            what,
            &Argv::of(&["-f", "json0"]),
            &[],
            Duration::from_secs(5),
        ) {
            Ok(answer) if answer.code == 0 => RawNeighbours {
                lldp: Some(answer.stdout),
                problems: Vec::new(),
            },
            Ok(mut answer) => {
                answer.stderr = undated(&answer.stderr).to_owned();
                RawNeighbours {
                    lldp: None,
                    problems: vec![super::refusal(what, &answer)],
                }
            }
            Err(e) => RawNeighbours {
                lldp: None,
                problems: vec![e.problem(what)],
            },
        }
    }
}

impl LinuxNetwork {
    /// An interface that `/sys` knows before and after the dump and netlink did not tell of is a
    /// problem, not an absence.
    fn report_missing(
        &self,
        before: &BTreeSet<String>,
        links: &[RawLink],
        problems: &mut Vec<Problem>,
    ) {
        let after = sysfs::names(&self.sys);
        for name in before.intersection(&after) {
            if !links.iter().any(|l| l.name == *name) {
                problems.push(Problem {
                    what: format!("interface {name}"),
                    reason: "NotUnderstood".to_owned(),
                    message: "it stands in /sys/class/net and netlink did not describe it; its \
                              facts are left out"
                        .to_owned(),
                });
            }
        }
    }
}

fn collect(
    dump: netlink::Dump,
    what: &str,
    problems: &mut Vec<Problem>,
) -> Vec<RouteNetlinkMessage> {
    if dump.not_understood > 0 {
        problems.push(Problem {
            what: what.to_owned(),
            reason: "NotUnderstood".to_owned(),
            message: format!(
                "{} of the kernel's messages could not be decoded; their facts are left out",
                dump.not_understood
            ),
        });
    }
    if let Some(e) = dump.ended {
        problems.push(e.problem(what));
    }
    dump.messages
}

/// lldpctl's complaint without the time and level in front, which would make each reading differ
/// from the last.
fn undated(complaint: &str) -> &str {
    match complaint.split_once("] ") {
        Some((date, rest)) if date.starts_with(|c: char| c.is_ascii_digit()) => rest,
        _ => complaint,
    }
}

#[cfg(test)]
mod tests;
