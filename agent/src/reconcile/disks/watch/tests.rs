use std::cell::{Cell, RefCell};
use std::time::Duration;

use h8lio_model::inventory::{Health, RaidRole, UnusableReason};
use serde_json::json;

use super::*;
use crate::host::disks::{RawKernelErrors, RawMediumError, RawMember, RawSmart};
use crate::host::osds::{RawLayout, RawOsdDir, RawOsdProcess};

/// A server that counts how often each dear read was done.
#[derive(Default)]
struct Server {
    print: Cell<u64>,
    drives: RefCell<Vec<RawDrive>>,
    osd_runs: Cell<Option<bool>>,
    smart_missing: Cell<bool>,
    failing: Cell<bool>,
    kernel: RefCell<RawKernelErrors>,
    behind: RefCell<Vec<RawMember>>,
    reads: RefCell<BTreeMap<&'static str, u32>>,
}

impl Server {
    fn count(&self, what: &'static str) {
        *self.reads.borrow_mut().entry(what).or_default() += 1;
    }

    fn taken(&self) -> Vec<(&'static str, u32)> {
        self.reads.take().into_iter().collect()
    }
}

impl DiskHost for Server {
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint(self.print.get())
    }

    fn drives(&self) -> RawDrives {
        self.count("drives");
        RawDrives {
            drives: self.drives.borrow().clone(),
            ..RawDrives::default()
        }
    }

    fn signatures(&self) -> Result<BTreeMap<String, RawSignatures>, Problem> {
        Ok(BTreeMap::new())
    }

    fn smart(&self, _: &str) -> Result<RawSmart, Problem> {
        self.count("smart");
        if self.smart_missing.get() {
            return Err(Problem {
                what: "smartctl".into(),
                reason: "ToolMissing".into(),
                message: "m".into(),
            });
        }
        Ok(RawSmart {
            exit: 0,
            json: json!({"smart_status": {"passed": !self.failing.get()}}),
        })
    }

    fn kernel_errors(&self) -> RawKernelErrors {
        let told = self.kernel.take();
        self.kernel.borrow_mut().problem.clone_from(&told.problem);
        told
    }

    fn members(&self) -> Result<Vec<RawMember>, Problem> {
        self.count("members");
        Ok(self.behind.borrow().clone())
    }

    fn smart_of(&self, member: &RawMember) -> Result<RawSmart, Problem> {
        self.count("smart of a member");
        let passed = !self.failing.get();
        let json = json!({
            "serial_number": format!("S-{}", member.position),
            "user_capacity": {"bytes": 4_000_787_030_016_u64},
            "smart_status": {"passed": passed},
        });
        Ok(RawSmart { exit: 0, json })
    }
}

impl OsdHost for Server {
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint(0)
    }

    fn osds(&self) -> RawOsds {
        self.count("osds");
        let Some(runs) = self.osd_runs.get() else {
            return RawOsds::default();
        };
        let process = RawOsdProcess {
            pid: 9,
            id: 0,
            cluster_fsid: None,
        };
        RawOsds {
            dirs: vec![RawOsdDir {
                layout: RawLayout::Packages,
                path: "/osd".into(),
                id: Some(0),
                fsid: None,
                cluster_fsid: None,
                devices: Vec::new(),
            }],
            running: Some(runs.then_some(process).into_iter().collect()),
            problems: Vec::new(),
        }
    }

    fn volumes(&self) -> Result<Option<RawVolumes>, Problem> {
        self.count("volumes");
        Ok(None)
    }
}

fn drive(device: &str, serial: &str) -> RawDrive {
    RawDrive {
        device: device.into(),
        serial: Some(serial.into()),
        ..RawDrive::default()
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).expect("in range")
}

#[test]
fn a_quiet_server_is_read_seldom_and_a_server_without_ceph_is_never_asked_about_volumes() {
    let server = Server::default();
    server
        .drives
        .replace(vec![drive("sda", "S-A"), drive("sdb", "S-B")]);
    let mut watch = DiskWatch::default();
    watch.look(&server, &server, at(0));
    assert_eq!(server.taken(), [("drives", 1), ("osds", 1), ("smart", 2)]);
    for tick in 1..180 {
        watch.look(&server, &server, at(tick * 10));
    }
    // Half an hour: six listings less one, and no second round of smartctl.
    assert_eq!(server.taken(), [("drives", 5), ("osds", 5)]);
    watch.look(&server, &server, at(1800));
    assert_eq!(server.taken(), [("drives", 1), ("osds", 1), ("smart", 2)]);
}

#[test]
fn a_drive_swapped_under_the_same_name_is_asked_at_once() {
    let server = Server::default();
    server
        .drives
        .replace(vec![drive("sda", "S-A"), drive("sdb", "S-B")]);
    let mut watch = DiskWatch::default();
    watch.look(&server, &server, at(0));
    server.taken();
    server
        .drives
        .replace(vec![drive("sda", "NEW"), drive("sdb", "S-B")]);
    server.print.set(1);
    let view = watch.look(&server, &server, at(30)).clone();
    assert_eq!(server.taken(), [("drives", 1), ("smart", 1)]);
    let seen: Vec<_> = view
        .disks
        .disks
        .iter()
        .map(|d| (d.key.as_str(), &d.health))
        .collect();
    assert_eq!(seen, [("NEW", &Health::Healthy), ("S-B", &Health::Healthy)]);

    server.drives.replace(Vec::new());
    server.print.set(2);
    assert_eq!(watch.look(&server, &server, at(60)).disks.disks, []);
}

#[test]
fn a_tool_that_failed_is_tried_again_sooner() {
    let server = Server::default();
    server.drives.replace(vec![drive("sda", "S-A")]);
    server.smart_missing.set(true);
    let mut watch = DiskWatch::default();
    let view = watch.look(&server, &server, at(0));
    assert!(matches!(view.disks.disks[0].health, Health::Unknown { .. }));
    server.smart_missing.set(false);
    let view = watch.look(&server, &server, at(300));
    assert_eq!(view.disks.disks[0].health, Health::Healthy);
    assert_eq!(view.disks.problems, []);
}

#[test]
fn the_return_of_an_osd_is_looked_for_while_it_is_down() {
    let server = Server::default();
    server.osd_runs.set(Some(false));
    let mut watch = DiskWatch::default();
    let running = |watch: &mut DiskWatch, second| {
        watch.look(&server, &server, at(second)).osds.osds[0].running
    };
    assert_eq!(running(&mut watch, 0), Some(false));
    server.osd_runs.set(Some(true));
    assert_eq!(running(&mut watch, 10), Some(false));
    assert_eq!(running(&mut watch, 30), Some(true));
    server.taken();
    running(&mut watch, 200);
    assert_eq!(server.taken(), [], "up again: no hurry");
}

fn health(watch: &mut DiskWatch, server: &Server, second: i64) -> Health {
    watch.look(server, server, at(second)).disks.disks[0]
        .health
        .clone()
}

#[test]
fn one_good_answer_does_not_end_a_failure_and_a_new_drive_does_not_inherit_it() {
    let server = Server::default();
    server.drives.replace(vec![drive("sda", "S-A")]);
    server.failing.set(true);
    let mut watch = DiskWatch::default();
    let is_failing = |h: Health| matches!(h, Health::Failing { .. });
    assert!(is_failing(health(&mut watch, &server, 0)));
    server.failing.set(false);
    let half_hours = (1..48).map(|n| n * 1800);
    for second in half_hours {
        assert!(is_failing(health(&mut watch, &server, second)), "{second}");
    }
    let mut other = DiskWatch {
        beside: watch.beside.clone(),
        ..DiskWatch::default()
    };
    server.drives.replace(vec![drive("sda", "NEW")]);
    assert_eq!(health(&mut other, &server, 47 * 1800), Health::Healthy);
    server.drives.replace(vec![drive("sda", "S-A")]);
    assert_eq!(health(&mut watch, &server, 48 * 1800), Health::Healthy);
}

fn unreadable(device: &str, sectors: std::ops::Range<u64>) -> RawKernelErrors {
    let error = |sector| RawMediumError {
        device: device.into(),
        sector,
        age: Duration::from_secs(5),
    };
    RawKernelErrors {
        errors: sectors.map(error).collect(),
        problem: None,
    }
}

#[test]
fn sectors_that_the_kernel_cannot_read_are_seen_at_once_and_judged_together() {
    let server = Server::default();
    server
        .drives
        .replace(vec![drive("sda", "S-A"), drive("sdb", "S-B")]);
    let mut watch = DiskWatch::default();
    watch.look(&server, &server, at(0));
    server.kernel.replace(unreadable("sdb", 0..2));
    let disks = watch.look(&server, &server, at(10)).disks.disks.clone();
    let seen: Vec<_> = disks.iter().map(|d| d.unreadable_sectors).collect();
    assert_eq!(seen, [Some(0), Some(2)]);
    assert_eq!(disks[1].health, Health::Healthy, "two are not many");

    server.kernel.replace(unreadable("sdb", 1..5));
    let disks = watch.look(&server, &server, at(20)).disks.disks.clone();
    assert_eq!(disks[0].health, Health::Healthy);
    let Health::Failing { evidence } = &disks[1].health else {
        panic!("five are many: {disks:?}");
    };
    assert!(evidence[0].contains("5 sectors"), "{evidence:?}");
    assert!(disks[1].unusable.contains(&UnusableReason::Failing));
}

#[test]
fn a_log_that_cannot_be_read_is_a_problem_and_no_clean_record() {
    let server = Server::default();
    server.drives.replace(vec![drive("sda", "S-A")]);
    server.kernel.borrow_mut().problem = Some(Problem {
        what: "/dev/kmsg".into(),
        reason: "NotPermitted".into(),
        message: "m".into(),
    });
    let mut watch = DiskWatch::default();
    let facts = &watch.look(&server, &server, at(0)).disks;
    assert_eq!(facts.disks[0].unreadable_sectors, None);
    assert_eq!(facts.problems.len(), 1);
}

/// A volume that smartctl can say nothing of, as a MegaRAID shows it.
fn volume() -> RawDrive {
    RawDrive {
        scsi_driver: Some("megaraid_sas".into()),
        ..drive("sda", "VOLUME")
    }
}

fn member(position: &str) -> RawMember {
    RawMember {
        device: "/dev/bus/0".into(),
        position: position.into(),
    }
}

#[test]
fn disks_behind_a_controller_are_disks_that_nobody_may_take() {
    let server = Server::default();
    server.drives.replace(vec![volume()]);
    server.smart_missing.set(true);
    server
        .behind
        .replace(vec![member("megaraid,8"), member("megaraid,9")]);
    server.failing.set(true);
    let mut watch = DiskWatch::default();
    let facts = watch.look(&server, &server, at(0)).disks.clone();
    let keys: Vec<_> = facts.disks.iter().map(|d| d.key.as_str()).collect();
    assert_eq!(keys, ["S-megaraid,8", "S-megaraid,9", "VOLUME"]);
    let behind = &facts.disks[0];
    assert!(matches!(behind.health, Health::Failing { .. }));
    assert_eq!(behind.size_bytes, 4_000_787_030_016);
    assert_eq!(
        behind.unusable,
        [UnusableReason::BehindController {
            controller: "/dev/bus/0".into()
        }]
    );
    assert_eq!(
        facts.disks[2].raid,
        Some(RaidRole::Volume {
            driver: "megaraid_sas".into()
        })
    );
    server.taken();
    watch.look(&server, &server, at(10));
    assert_eq!(server.taken(), [], "a scan opens every drive: seldom");
}

#[test]
fn a_controller_that_passes_its_disks_through_is_not_searched_for_more() {
    let server = Server::default();
    server.drives.replace(vec![volume()]);
    let mut watch = DiskWatch::default();
    let facts = watch.look(&server, &server, at(0)).disks.clone();
    assert_eq!(facts.disks[0].raid, None, "it answered smartctl itself");
    assert!(!server.taken().iter().any(|(what, _)| *what == "members"));
}

#[test]
fn a_disk_that_both_the_kernel_and_the_controller_show_is_one_disk() {
    let server = Server::default();
    server
        .drives
        .replace(vec![volume(), drive("sdb", "S-megaraid,8")]);
    server.smart_missing.set(true);
    server.behind.replace(vec![member("megaraid,8")]);
    let mut watch = DiskWatch::default();
    let facts = &watch.look(&server, &server, at(0)).disks;
    let devices: Vec<_> = facts.disks.iter().map(|d| d.device.as_str()).collect();
    assert_eq!(devices, ["sdb", "sda"]);
}
