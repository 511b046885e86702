//! A rollout, watched from outside until it stands.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::SAMPLE;
use crate::clock::until_asked;
use crate::fleet::Fleet;
use crate::lab::Lab;
use crate::server::Server;

/// Three servers one after the other, each with a boot of an emulated machine.
const ROLLOUT: Duration = Duration::from_secs(1500);

/// What was seen of a rollout.
#[derive(Debug)]
pub(super) struct Seen {
    /// Where it ended, for example `finished`.
    pub(super) state: String,
    /// The state of each node at the end.
    pub(super) nodes: BTreeMap<String, String>,
    /// The order in which nodes were first seen in a slot.
    pub(super) order: Vec<String>,
}

impl Seen {
    pub(super) fn tell(&self) -> String {
        let nodes: Vec<String> = self
            .nodes
            .iter()
            .map(|(name, state)| format!("{name} {state}"))
            .collect();
        format!(
            "{}: {} (begun in the order {})",
            self.state,
            nodes.join(", "),
            self.order.join(" ")
        )
    }
}

/// From a cause on a server to the operator's screen.
const EXPLAINED: Duration = Duration::from_secs(300);

/// The next look of an emulated server's agent at its packages, and who manages them.
const KNOWN: Duration = Duration::from_secs(900);

/// Waits until the fleet knows that this version waits on every server, and that nobody else would
/// bring it.
pub(super) fn until_it_waits(fleet: &Fleet<'_>, lab: &Lab, version: &str) -> Result<()> {
    until_waits(fleet, lab, SAMPLE, version)
}

/// As [`until_it_waits`], for a package of this name.
pub(super) fn until_waits(
    fleet: &Fleet<'_>,
    lab: &Lab,
    package: &str,
    version: &str,
) -> Result<()> {
    for server in lab.servers()? {
        until_waits_on(fleet, &server, package, version)?;
    }
    Ok(())
}

/// The same on one server.
pub(super) fn until_waits_on(
    fleet: &Fleet<'_>,
    server: &Server<'_>,
    package: &str,
    version: &str,
) -> Result<()> {
    let name = server.name();
    let what = format!("the fleet knows that {version} waits on {name}");
    until_asked(&what, KNOWN, || {
        let inventory = &fleet.ctl().show(&name)?["inventory"];
        let none = Vec::new();
        let list = |value: &Value| value.as_array().unwrap_or(&none).clone();
        let waits = list(&inventory["packages"]["upgradable"])
            .iter()
            .any(|p| p["name"] == package && p["candidate"] == version);
        let others = list(&inventory["managers"]["managers"])
            .iter()
            .any(|m| m["domain"] == "patching");
        Ok((waits && !others).then_some(()))
    })
}

/// Creates a rollout of this target over all servers.
pub(super) fn create(fleet: &Fleet<'_>, name: &str, target: &str) -> Result<()> {
    create_for(fleet, name, target, "role=storage", &[])
}

/// Creates a rollout of this target over the servers of a selector, with more options.
pub(super) fn create_for(
    fleet: &Fleet<'_>,
    name: &str,
    target: &str,
    selector: &str,
    more: &[&str],
) -> Result<()> {
    let words = [
        "rollout",
        "create",
        name,
        "--target",
        target,
        "--selector",
        selector,
        "--failure-threshold",
        "1",
    ];
    let words = [&words[..], more].concat();
    // A coordinator that has just started gives its servers time to come back.
    until_asked(
        "the coordinator takes the rollout",
        EXPLAINED,
        || match fleet.ctl().change(&words) {
            Err(e) if format!("{e:#}").contains("ask again in a moment") => Ok(None),
            taken => taken.map(|_| Some(())),
        },
    )
}

/// A person has looked at the node that a rollout stopped at, and gives the rollout up.
pub(super) fn settle(fleet: &Fleet<'_>, name: &str, node: &str, outcome: &str) -> Result<()> {
    acknowledge(fleet, name, node, outcome)?;
    fleet.ctl().change(&["rollout", "cancel", name])?;
    Ok(())
}

/// A person has looked at the node that a rollout stopped at.
pub(super) fn acknowledge(fleet: &Fleet<'_>, name: &str, node: &str, outcome: &str) -> Result<()> {
    let looked = [
        "rollout",
        "acknowledge",
        name,
        "--node",
        node,
        "--outcome",
        outcome,
    ];
    fleet.ctl().change(&looked)?;
    Ok(())
}

/// Waits until a rollout is in one of these states; on the way no two nodes may be in slots.
pub(super) fn until_it_is(fleet: &Fleet<'_>, name: &str, wanted: &[&str]) -> Result<Seen> {
    let mut order = Vec::new();
    let mut last = String::new();
    let found = until_asked(
        &format!("{name} is {}", wanted.join(" or ")),
        ROLLOUT,
        || {
            let shown = fleet.ctl().ask(&["rollout", "show", name])?;
            // It has none before the first plan that knows it.
            let state = shown["state"].as_str().unwrap_or_default().to_owned();
            let nodes = states(&shown)?;
            let in_slot: Vec<&String> = nodes
                .iter()
                .filter(|(_, state)| *state == "inSlot")
                .map(|(name, _)| name)
                .collect();
            ensure!(in_slot.len() <= 1, "two in slots at once: {in_slot:?}");
            for name in in_slot {
                if !order.contains(name) {
                    order.push(name.clone());
                }
            }
            last = format!("{state}, {nodes:?}");
            Ok(wanted.contains(&state.as_str()).then_some((state, nodes)))
        },
    );
    match found {
        Ok((state, nodes)) => Ok(Seen {
            state,
            nodes,
            order,
        }),
        Err(e) => {
            let why = fleet.ctl().ask(&["explain", "rollout", name]);
            bail!("{e:#}; it is {last}; explained: {why:?}")
        }
    }
}

/// Waits until the explanation of a node has all of these words; what it says.
pub(super) fn until_explained(fleet: &Fleet<'_>, node: &str, words: &[&str]) -> Result<String> {
    let mut last = String::new();
    let what = format!("{node} is explained with {}", words.join(" and "));
    let found = until_asked(&what, EXPLAINED, || {
        last = fleet.ctl().ask(&["explain", "node", node])?.to_string();
        Ok(words.iter().all(|w| last.contains(w)).then_some(()))
    });
    match found {
        Ok(()) => Ok(last),
        Err(e) => bail!("{e:#}; it is explained with {last}"),
    }
}

fn states(shown: &Value) -> Result<BTreeMap<String, String>> {
    let nodes = shown["nodes"].as_array().context("no nodes")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(nodes
        .iter()
        .map(|node| (text(&node["name"]), text(&node["state"])))
        .collect())
}
