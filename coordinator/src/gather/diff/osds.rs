//! Ceph OSDs, followed by cluster and id.

use std::collections::{BTreeMap, BTreeSet};

use h8lio_model::inventory::{Osd, OsdFacts, OsdManager};

use super::super::inventory::quoted;
use super::Events;
use super::pair::pair;
use super::reason::Reason;
use super::unread::{Seen, unread};

pub(super) fn diff(old: &OsdFacts, new: &OsdFacts, out: &mut Events) {
    if unread("OSDs", &seen(old), &seen(new), out) {
        return;
    }
    let ambiguous = ambiguous(old.osds.iter().chain(&new.osds));
    let pairs = pair(&old.osds, &new.osds, |o| key(o, &ambiguous));
    for osd in pairs.appeared {
        let by = manager(osd.manager);
        let message = format!("{} appeared, managed by {by}", name(osd));
        out.info(Reason::OsdAppeared, message);
        if osd.running == Some(false) {
            stopped(osd, "it has just appeared", out);
        }
    }
    for osd in pairs.vanished {
        let message = format!("{} is no longer on the server", name(osd));
        out.warning(Reason::OsdVanished, message);
    }
    for (a, b) in pairs.kept {
        changed(a, b, out);
    }
}

fn seen(facts: &OsdFacts) -> Seen<'_> {
    Seen {
        count: facts.osds.len(),
        problems: &facts.problems,
    }
}

/// The ids that stand for OSDs of more than one cluster.
fn ambiguous<'a>(osds: impl Iterator<Item = &'a Osd>) -> BTreeSet<u32> {
    let mut first = BTreeMap::new();
    osds.filter_map(|o| Some((o.id, o.cluster_fsid.as_deref()?)))
        .filter(|(id, cluster)| *first.entry(*id).or_insert(*cluster) != *cluster)
        .map(|(id, _)| id)
        .collect()
}

/// An OSD's id, and its cluster only where the id alone would not tell: a cluster's fsid that
/// could not be read this time then makes no new OSD.
fn key<'a>(osd: &'a Osd, ambiguous: &BTreeSet<u32>) -> (u32, Option<&'a str>) {
    let cluster = osd.cluster_fsid.as_deref();
    (osd.id, cluster.filter(|_| ambiguous.contains(&osd.id)))
}

fn name(osd: &Osd) -> String {
    let cluster = osd.cluster_fsid.as_deref();
    let cluster = cluster.map_or_else(String::new, |c| format!(" of cluster {}", quoted(c)));
    format!("osd.{}{cluster}", osd.id)
}

fn changed(old: &Osd, new: &Osd, out: &mut Events) {
    if let (Some(a), Some(b)) = (&old.fsid, &new.fsid)
        && a != b
    {
        let (a, b) = (quoted(a), quoted(b));
        let message = format!("{} was made anew: its fsid is {b} (was {a})", name(new));
        out.warning(Reason::OsdReplaced, message);
    }
    match (old.running, new.running) {
        (Some(true), Some(false)) => stopped(new, "it ran before", out),
        (None, Some(false)) => stopped(new, "not known before", out),
        (Some(false), Some(true)) => {
            out.info(Reason::OsdStarted, format!("{} runs again", name(new)));
        }
        _ => {}
    }
    if old.manager != new.manager
        && old.manager != OsdManager::Unknown
        && new.manager != OsdManager::Unknown
    {
        let (a, b) = (manager(old.manager), manager(new.manager));
        let message = format!("{} is managed by {b} (was {a})", name(new));
        out.warning(Reason::OsdManagerChanged, message);
    }
}

fn stopped(osd: &Osd, before: &str, out: &mut Events) {
    let disks = osd
        .disks
        .iter()
        .take(3)
        .map(|d| quoted(d.as_str()))
        .collect::<Vec<_>>();
    let on = if disks.is_empty() {
        String::new()
    } else {
        format!(", on disk {}", disks.join(", "))
    };
    let message = format!("{} does not run ({before}){on}", name(osd));
    out.warning(Reason::OsdStopped, message);
}

const fn manager(manager: OsdManager) -> &'static str {
    match manager {
        OsdManager::Packages => "distribution packages",
        OsdManager::Cephadm => "cephadm",
        OsdManager::Rook => "rook",
        OsdManager::Unknown => "nobody known",
    }
}
