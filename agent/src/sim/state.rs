//! The one state behind all host traits.

use std::collections::BTreeMap;
use std::time::Duration;

use h8lio_model::ids::BootId;
use jiff::Timestamp;

use super::changes::Changes;
use super::fault::Fault;
use super::scenario::{Disk, DiskType, DiskUse, Nic, Scenario, Upgrade};

/// A server at a moment.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) server: Scenario,
    pub(super) boot_id: BootId,
    pub(super) booted_at: Timestamp,
    /// Bumped by every change, for fingerprints.
    pub(super) changes: u64,
    /// What the agent did.
    pub(super) changes_made: Changes,
    /// Until when a collector hangs, on the steady clock.
    pub(super) hangs: BTreeMap<String, Duration>,
}

impl State {
    /// Applies what a fault changes on the server. Faults that act on the agent (frozen, clock,
    /// disk of the state directory) are not the state's business.
    pub(super) fn apply(&mut self, fault: &Fault) -> Result<(), String> {
        self.changes += 1;
        let s = &mut self.server;
        match fault {
            Fault::DiskFail(d) => disk(s, d)?.failing = true,
            Fault::DiskHeal(d) => disk(s, d)?.failing = false,
            Fault::DiskUnreadable(d, sectors) => disk(s, d)?.unreadable_sectors = *sectors,
            Fault::DiskRemove(d) => {
                let device = disk(s, d)?.device.clone();
                s.disk.retain(|d| d.device != device);
            }
            Fault::DiskAdd { device, serial, gb } => add(s, device, serial, *gb)?,
            Fault::LinkSpeed(n, mbps) => nic(s, n)?.speed_mbps = *mbps,
            Fault::LinkDown(n) => nic(s, n)?.cable = false,
            Fault::LinkUp(n) => nic(s, n)?.cable = true,
            Fault::OsdDown(id) => osd(s, *id, false)?,
            Fault::OsdUp(id) => osd(s, *id, true)?,
            Fault::Runtime { up } => runtime(s)?.containerd_up = *up,
            Fault::Kubelet { up } => runtime(s)?.kubelet_up = *up,
            Fault::PackageUpgrade {
                name,
                installed,
                candidate,
                security,
            } => {
                s.packages.upgrade.retain(|u| u.name != *name);
                s.packages.upgrade.push(Upgrade {
                    name: name.clone(),
                    installed: installed.clone(),
                    candidate: candidate.clone(),
                    security: *security,
                    brings: None,
                });
            }
            Fault::PackageBreak(name) => s.packages.broken.push(name.clone()),
            Fault::PackageRepair(name) => {
                self.changes_made.stuck.remove(name);
                s.packages.broken.retain(|b| b != name);
            }
            Fault::KernelInstall(release) => s.packages.newest_kernel.clone_from(release),
            Fault::UnitStart(unit) => s.traces.units.push(unit.clone()),
            Fault::UnitStop(unit) => s.traces.units.retain(|u| u != unit),
            Fault::VarFill(percent) => s.os.var_used_percent = *percent,
            Fault::Act(act) => self.changes_made.apply(act, s),
            Fault::Reboot(_) => {
                self.changes_made.boot(s);
                s.packages.restart.clear();
            }
            Fault::BeatStop(_)
            | Fault::ClockJump(_)
            | Fault::CollectorHang(..)
            | Fault::StateDir { .. } => {}
        }
        Ok(())
    }
}

impl State {
    /// The version of an offered package that is installed now.
    pub(super) fn version_of<'a>(&'a self, offered: &'a Upgrade) -> &'a str {
        let changed = self.changes_made.versions.get(&offered.name);
        changed.unwrap_or(&offered.installed)
    }
}

fn disk<'a>(s: &'a mut Scenario, name: &str) -> Result<&'a mut Disk, String> {
    let fits = |d: &Disk| match name.split_once('=') {
        Some(("wwn", wwn)) => d.wwn.eq_ignore_ascii_case(wwn.trim_start_matches("0x")),
        Some(("serial", serial)) => d.serial == serial,
        _ => d.device == name,
    };
    let found = s.disk.iter_mut().find(|d| fits(d));
    found.ok_or_else(|| format!("this server has no disk {name}"))
}

fn add(s: &mut Scenario, device: &str, serial: &str, gb: u64) -> Result<(), String> {
    if s.disk.iter().any(|d| d.device == device) {
        return Err(format!("this server has a disk {device} already"));
    }
    s.disk.push(Disk {
        device: device.to_owned(),
        model: "SIM-NEW".to_owned(),
        serial: serial.to_owned(),
        wwn: String::new(),
        size_gb: gb,
        r#type: DiskType::Hdd,
        slot: None,
        r#use: DiskUse::Blank,
        osd: None,
        failing: false,
        unreadable_sectors: 0,
    });
    Ok(())
}

fn nic<'a>(s: &'a mut Scenario, name: &str) -> Result<&'a mut Nic, String> {
    let found = s.nic.iter_mut().find(|n| n.name == name);
    found.ok_or_else(|| format!("this server has no interface {name}"))
}

fn osd(s: &mut Scenario, id: u32, up: bool) -> Result<(), String> {
    if !s.disk.iter().any(|d| d.osd == Some(id)) {
        return Err(format!("this server has no osd.{id}"));
    }
    let ceph = s.ceph.as_mut().ok_or("this server has no Ceph")?;
    ceph.down.retain(|d| *d != id);
    if !up {
        ceph.down.push(id);
    }
    Ok(())
}

fn runtime(s: &mut Scenario) -> Result<&mut super::scenario::Runtime, String> {
    s.runtime
        .as_mut()
        .ok_or_else(|| "this server has no container runtime".to_owned())
}
