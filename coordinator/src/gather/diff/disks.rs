//! Drives. They are followed by WWN or serial; the device name is only where one is today.
//!
//! A drive with neither (`DiskKey::Unstable`) has no identity: `vdb` of today may be `vdc` of
//! tomorrow. Such drives never appear or vanish in events, else each reboot that shuffles names
//! would give a storm; only their number is watched, and the health of what a name shows.

use std::collections::{BTreeMap, BTreeSet};

use h8lio_model::inventory::{Disk, DiskFacts, DiskKey, Health, UnusableReason};

use super::super::inventory::quoted;
use super::Events;
use super::pair::pair;
use super::reason::Reason;
use super::unread::{Seen, unread};

pub(super) fn diff(old: &DiskFacts, new: &DiskFacts, out: &mut Events) {
    if unread("disks", &seen(old), &seen(new), out) {
        return;
    }
    let (old, new) = (&old.disks, &new.disks);
    let mut pairs = pair(stable(old), stable(new), |d| &d.key);
    let known_otherwise = same_drive(&mut pairs.vanished, &mut pairs.appeared);
    for (a, b) in known_otherwise {
        let (was, is) = (quoted(a.key.as_str()), name(b));
        out.info(
            Reason::DiskKeyChanged,
            format!("disk {is} was known as {was} before"),
        );
        attributes(a, b, out);
    }
    for disk in pairs.appeared {
        appeared(disk, out);
    }
    for disk in pairs.vanished {
        vanished(disk, out);
    }
    let (was, is) = (devices(old), devices(new));
    for (a, b) in pairs.kept {
        moved(&was[&a.key], &is[&b.key], b, out);
        attributes(a, b, out);
    }
    unidentified(old, new, out);
}

fn seen(facts: &DiskFacts) -> Seen<'_> {
    Seen {
        count: facts.disks.len(),
        problems: &facts.problems,
    }
}

const fn is_stable(disk: &Disk) -> bool {
    !matches!(disk.key, DiskKey::Unstable(_))
}

fn stable(disks: &[Disk]) -> impl Iterator<Item = &Disk> {
    disks.iter().filter(|d| is_stable(d))
}

/// The device names of each key: several when a drive is reached by several paths.
fn devices(disks: &[Disk]) -> BTreeMap<&DiskKey, BTreeSet<&str>> {
    let mut map: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for disk in disks {
        map.entry(&disk.key)
            .or_default()
            .insert(disk.device.as_str());
    }
    map
}

/// Takes out of both lists the drives that are the same by model, size and serial although their
/// key is another (the WWN became readable, say).
fn same_drive<'a>(
    vanished: &mut Vec<&'a Disk>,
    appeared: &mut Vec<&'a Disk>,
) -> Vec<(&'a Disk, &'a Disk)> {
    let mark = |d: &&'a Disk| Some((d.serial.as_deref()?, d.model.as_deref()?, d.size_bytes));
    let both = pair(
        vanished.iter().filter(|d| mark(d).is_some()),
        appeared.iter().filter(|d| mark(d).is_some()),
        mark,
    );
    let same: Vec<(&Disk, &Disk)> = both.kept.iter().map(|(a, b)| (**a, **b)).collect();
    vanished.retain(|d| !same.iter().any(|(a, _)| a.key == d.key));
    appeared.retain(|d| !same.iter().any(|(_, b)| b.key == d.key));
    same
}

/// A drive as operators find it: what it is, and where it is today.
fn name(disk: &Disk) -> String {
    format!("{} ({})", quoted(disk.key.as_str()), quoted(&disk.device))
}

fn appeared(disk: &Disk, out: &mut Events) {
    let model = disk
        .model
        .as_deref()
        .map_or_else(String::new, |m| format!(", model {}", quoted(m)));
    let slot = disk
        .slot
        .as_deref()
        .map_or_else(String::new, |s| format!(", slot {}", quoted(s)));
    let size = disk.size_bytes / 1_000_000_000;
    let message = format!("disk {} appeared: {size} GB{model}{slot}", name(disk));
    out.info(Reason::DiskAppeared, message);
    if let Health::Failing { evidence } = &disk.health {
        failing(disk, "it has just appeared", evidence, out);
    }
}

fn vanished(disk: &Disk, out: &mut Events) {
    let osd = disk.unusable.iter().find_map(|reason| match reason {
        UnusableReason::CephOsd { osd_id, .. } => {
            Some(osd_id.map_or_else(|| "an OSD".to_owned(), |id| format!("osd.{id}")))
        }
        _ => None,
    });
    let mount = disk.mounts.first().map(|m| quoted(m));
    let (name, slot) = (name(disk), disk.slot.as_deref());
    let slot = slot.map_or_else(String::new, |s| format!(" from slot {}", quoted(s)));
    match osd.or(mount) {
        Some(held) => {
            let message = format!("disk {name} vanished{slot}; it held {held}");
            out.alert(Reason::DiskVanished, message);
        }
        None if disk.removable => {
            out.info(
                Reason::DiskVanished,
                format!("removable disk {name} vanished{slot}"),
            );
        }
        None => out.warning(Reason::DiskVanished, format!("disk {name} vanished{slot}")),
    }
}

fn moved(was: &BTreeSet<&str>, is: &BTreeSet<&str>, disk: &Disk, out: &mut Events) {
    if was == is {
        return;
    }
    let list = |names: &BTreeSet<&str>| {
        names
            .iter()
            .map(|n| quoted(n))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let key = quoted(disk.key.as_str());
    let message = format!("disk {key} is now {} (was {})", list(is), list(was));
    out.info(Reason::DiskMoved, message);
}

/// What may change about a drive that stays the same drive.
fn attributes(old: &Disk, new: &Disk, out: &mut Events) {
    health(old, new, out);
    let name = || name(new);
    if old.size_bytes != new.size_bytes {
        let (a, b) = (old.size_bytes, new.size_bytes);
        let message = format!("disk {} has {b} bytes (had {a})", name());
        out.warning(Reason::DiskSizeChanged, message);
    }
    if let (Some(a), Some(b)) = (&old.firmware, &new.firmware)
        && a != b
    {
        let message = format!(
            "disk {} runs firmware {} (was {})",
            name(),
            quoted(b),
            quoted(a)
        );
        out.info(Reason::DiskFirmwareChanged, message);
    }
    match (old.read_only, new.read_only) {
        (false, true) => {
            let message = format!("disk {} became read-only", name());
            out.warning(Reason::DiskBecameReadOnly, message);
        }
        (true, false) => {
            out.info(
                Reason::DiskBecameWritable,
                format!("disk {} became writable", name()),
            );
        }
        _ => {}
    }
}

fn health(old: &Disk, new: &Disk, out: &mut Events) {
    let (was, name) = (verdict(&old.health), name(new));
    match (&old.health, &new.health) {
        (Health::Healthy | Health::Unknown { .. }, Health::Failing { evidence }) => {
            failing(new, &format!("was {was}"), evidence, out);
        }
        (Health::Failing { .. }, Health::Healthy) => {
            // A drive that takes its verdict back deserves no trust yet.
            let message = format!("disk {name} says that it is healthy (was {was})");
            out.warning(Reason::DiskHealthChanged, message);
        }
        (Health::Failing { .. }, Health::Unknown { reason }) => {
            let reason = quoted(reason);
            let message = format!("the health of disk {name} is unknown: {reason} (was {was})");
            out.warning(Reason::DiskHealthChanged, message);
        }
        _ => {}
    }
}

fn failing(disk: &Disk, before: &str, evidence: &[String], out: &mut Events) {
    let evidence = evidence
        .iter()
        .take(5)
        .map(|e| quoted(e))
        .collect::<Vec<_>>()
        .join(", ");
    let evidence = if evidence.is_empty() {
        "no evidence given".to_owned()
    } else {
        evidence
    };
    let message = format!("disk {} is failing: {evidence} ({before})", name(disk));
    out.alert(Reason::DiskHealthChanged, message);
}

const fn verdict(health: &Health) -> &'static str {
    match health {
        Health::Healthy => "healthy",
        Health::Failing { .. } => "failing",
        Health::Unknown { .. } => "unknown",
    }
}

fn unidentified(old: &[Disk], new: &[Disk], out: &mut Events) {
    let without = |disks: &[Disk]| disks.iter().filter(|d| !is_stable(d)).count();
    let (a, b) = (without(old), without(new));
    if a != b {
        let message = format!("disks without WWN and serial: {b} (were {a})");
        out.info(Reason::UnidentifiedDisksChanged, message);
    }
    let nameless = |d: &&Disk| !is_stable(d);
    let (old, new) = (old.iter().filter(nameless), new.iter().filter(nameless));
    for (a, b) in pair(old, new, |d| &d.key).kept {
        health(a, b, out);
    }
}
