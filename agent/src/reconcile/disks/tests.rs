//! The judgement over real tools' output and hostile input.

use std::collections::BTreeMap;

use h8lio_model::condition::{ConditionType, Status};
use h8lio_model::inventory::{
    Disk, DiskKey, Health, OsdManager, Problem, Transport, UnusableReason as No,
};
use jiff::Timestamp;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::assess::{Assessment, Beside, SmartAnswers, assess};
use super::conditions::conditions;
use super::{osds, smart};
use crate::host::disks::{
    RawDrive, RawDrives, RawMount, RawPartition, RawSignatures, RawSmart, RawVirtual,
};
use crate::host::osds::{RawLayout, RawOsdDir, RawOsdProcess, RawOsds, RawVolumes};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../tests/fixtures/disks/", $name))
    };
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("the fixture is JSON")
}

fn answer(json: Value) -> RawSmart {
    let exit = json["smartctl"]["exit_status"].as_i64().unwrap_or(0);
    RawSmart {
        exit: i32::try_from(exit).expect("a status"),
        json,
    }
}

fn problem(reason: &str, message: &str) -> Problem {
    Problem {
        what: "smartctl".into(),
        reason: reason.into(),
        message: message.into(),
    }
}

/// A blank, healthy-sized SAS drive.
fn drive(device: &str, serial: &str) -> RawDrive {
    RawDrive {
        device: device.into(),
        number: format!("8:{}", device.len()),
        size_bytes: 6 << 40,
        serial: Some(serial.into()),
        ..RawDrive::default()
    }
}

fn looked_at() -> RawSignatures {
    RawSignatures {
        probed: true,
        ..RawSignatures::default()
    }
}

fn carrying(kind: &str) -> RawSignatures {
    RawSignatures {
        fs_type: Some(kind.into()),
        ..looked_at()
    }
}

type Found = Result<BTreeMap<String, RawSignatures>, Problem>;

fn found(pairs: impl IntoIterator<Item = (&'static str, RawSignatures)>) -> Found {
    Ok(pairs.into_iter().map(|(n, s)| (n.to_owned(), s)).collect())
}

fn healthy() -> SmartAnswers {
    let nvme = answer(parsed(fixture!("smartctl-scsi_debug.json")));
    let mut ok = nvme.json;
    ok["smart_support"]["enabled"] = json!(true);
    ok["serial_number"] = Value::Null;
    let ok = RawSmart { exit: 4, json: ok };
    ["sda", "sdb"]
        .map(|d| (d.to_owned(), Ok(ok.clone())))
        .into()
}

fn judged(raw: &RawDrives, signatures: &Found, answers: &SmartAnswers) -> Assessment {
    let beside = Beside::default();
    assess(raw, signatures, answers, &beside, Timestamp::UNIX_EPOCH)
}

fn one(raw: &RawDrives, signatures: &Found) -> Disk {
    let mut all = judged(raw, signatures, &healthy()).facts.disks;
    assert_eq!(all.len(), 1, "one drive");
    all.remove(0)
}

fn alone(drive: RawDrive) -> RawDrives {
    RawDrives {
        drives: vec![drive],
        ..RawDrives::default()
    }
}

// ---- health -------------------------------------------------------------------------------

#[test]
fn exit_4_with_a_passed_verdict_is_healthy() {
    let read = smart::read(&answer(parsed(fixture!("smartctl-ata-ide-hd.json"))));
    assert_eq!(read.health, Health::Healthy);
    assert_eq!(read.temperature, Some(31));
    let summary = read.summary.expect("attributes");
    assert_eq!(summary.reallocated_sectors, Some(0));
    assert_eq!(summary.pending_sectors, None, "not offered is unknown");
}

#[test]
fn a_healthy_nvme_drive_needs_no_line_about_smart_support() {
    let mut json = parsed(fixture!("smartctl-nvme.json"));
    json.as_object_mut()
        .expect("object")
        .remove("smart_support");
    assert_eq!(smart::read(&answer(json.clone())).health, Health::Healthy);
    json.as_object_mut().expect("object").remove("smart_status");
    assert_eq!(smart::read(&answer(json)).health, Health::Healthy);
}

#[test]
fn a_hot_nvme_drive_is_to_be_cooled_and_not_replaced() {
    let mut json = parsed(fixture!("smartctl-nvme.json"));
    json["smart_status"]["passed"] = json!(false);
    json["nvme_smart_health_information_log"]["critical_warning"] = json!(2);
    let hot = smart::read(&RawSmart {
        exit: 8,
        json: json.clone(),
    });
    let Health::Unknown { reason } = hot.health else {
        panic!("heat is no failure: {hot:?}");
    };
    assert!(reason.contains("temperature limits"), "{reason}");
    json["nvme_smart_health_information_log"]["critical_warning"] = json!(2 | 4);
    let worse = smart::read(&RawSmart { exit: 8, json });
    assert!(matches!(worse.health, Health::Failing { .. }));
}

#[test]
fn a_failing_nvme_drive_names_its_critical_warning() {
    let read = smart::read(&answer(parsed(fixture!("smartctl-nvme-failing.json"))));
    let Health::Failing { evidence } = read.health else {
        panic!("{:?}", read.health)
    };
    assert!(
        evidence.iter().any(|e| e.contains("bit 2: reliability")),
        "{evidence:?}"
    );
    assert_eq!(read.summary.expect("values").critical_warning, Some(4));
}

#[rstest]
#[case(8, json!({"smart_status": {"passed": true}}))]
#[case(0, json!({"smart_status": {"passed": false}}))]
#[case(16, json!({"smart_status": {"passed": true}}))]
#[case(0, json!({"nvme_smart_health_information_log": {"critical_warning": 1}}))]
#[case(0, json!({"smart_status": {"passed": true}, "ata_smart_attributes": {"table": [
    {"id": 5, "name": "R", "when_failed": "now", "flags": {"prefailure": true}}]}}))]
fn each_sign_of_failure_alone_is_enough(#[case] exit: i32, #[case] json: Value) {
    let read = smart::read(&RawSmart { exit, json });
    assert!(matches!(read.health, Health::Failing { .. }), "{read:?}");
}

#[rstest]
#[case::cannot_open(2, json!({"smartctl": {"messages": [{"string":
    "Smartctl open device: /dev/sda failed: Permission denied"}]}}), "Permission denied")]
#[case::virtio(1, json!({"smartctl": {"messages": [{"string": "Unable to detect"}]}}), "Unable")]
#[case::no_smart(4, parsed(fixture!("smartctl-scsi-hd.json")), "offers no SMART")]
#[case::switched_off(4, parsed(fixture!("smartctl-scsi_debug.json")), "switched off")]
#[case::silent(0, json!({}), "no verdict")]
#[case::junk(0, json!([1, 2]), "no JSON object")]
#[case::odd_types(0, json!({"smart_status": {"passed": "yes"}, "temperature": []}), "no verdict")]
fn what_is_not_said_is_unknown(#[case] exit: i32, #[case] json: Value, #[case] why: &str) {
    let read = smart::read(&RawSmart { exit, json });
    let Health::Unknown { reason } = read.health else {
        panic!("{:?}", read.health)
    };
    assert!(reason.contains(why), "{reason}");
}

#[test]
fn a_reading_does_not_follow_a_device_name_onto_another_drive() {
    let answers = SmartAnswers::from([(
        "sda".to_owned(),
        Ok(answer(
            json!({"serial_number": "OLD", "smart_status": {"passed": true}}),
        )),
    )]);
    let disks = judged(&alone(drive("sda", "NEW")), &found([]), &answers)
        .facts
        .disks;
    assert!(matches!(&disks[0].health, Health::Unknown { reason } if reason.contains("another")));
}

// ---- whether a disk is free ---------------------------------------------------------------

#[test]
fn a_blank_healthy_drive_that_was_looked_at_is_free() {
    let disk = one(&alone(drive("sda", "S1")), &found([("sda", looked_at())]));
    assert_eq!(disk.unusable, []);
    assert_eq!(disk.health, Health::Healthy);
}

#[test]
fn without_lsblk_no_disk_is_free() {
    let junk = Err(problem(
        "NotUnderstood",
        "lsblk: its answer is not the JSON expected",
    ));
    let disk = one(&alone(drive("sda", "S1")), &junk);
    assert!(matches!(&disk.unusable[..], [No::SignaturesUnknown { why }] if why.contains("lsblk")));
}

#[rstest]
#[case::not_listed(found([]), "does not list")]
#[case::not_probed(found([("sda", RawSignatures::default())]), "udev has not looked")]
#[case::ambiguous(
    found([("sda", RawSignatures { ambiguous: true, ..looked_at() })]),
    "contradict"
)]
fn an_empty_answer_that_proves_nothing_is_no_yes(#[case] given: Found, #[case] why: &str) {
    let disk = one(&alone(drive("sda", "S1")), &given);
    let doubt = disk.unusable.iter().find_map(|r| match r {
        No::SignaturesUnknown { why } => Some(why.as_str()),
        _ => None,
    });
    assert!(
        doubt.is_some_and(|d| d.contains(why)),
        "{:?}",
        disk.unusable
    );
}

#[test]
fn the_disk_below_a_root_on_lvm_is_the_system_disk() {
    let mut system = drive("sda", "S1");
    system.partitions = vec![RawPartition {
        device: "sda3".into(),
        number: "8:3".into(),
        size_bytes: 1 << 40,
        holders: vec!["dm-0".into()],
    }];
    let vg = RawVirtual {
        number: "253:0".into(),
        dm_name: Some("vg-root".into()),
        holders: vec!["dm-1".into()],
    };
    let top = RawVirtual {
        number: "253:1".into(),
        ..RawVirtual::default()
    };
    let raw = RawDrives {
        drives: vec![system],
        virtuals: [("dm-0".to_owned(), vg), ("dm-1".to_owned(), top)].into(),
        mounts: vec![RawMount {
            number: "253:1".into(),
            source: "/dev/mapper/whatever".into(),
            target: "/".into(),
        }],
        swaps: vec!["dm-0".into()],
        ..RawDrives::default()
    };
    let disk = one(
        &raw,
        &found([("sda", looked_at()), ("sda3", carrying("LVM2_member"))]),
    );
    let system = |m: &str| No::SystemDisk { mount: m.into() };
    assert_eq!(
        disk.unusable,
        [
            system("/"),
            system("[SWAP]"),
            No::Held {
                by: "dm-0 (vg-root)".into()
            },
            No::Signature {
                kind: "LVM2_member".into(),
                device: "sda3".into()
            },
            No::Partitioned { count: 1 },
        ]
    );
}

#[test]
fn every_plain_reason_is_named() {
    let odd = RawDrive {
        serial: None,
        size_bytes: 1 << 30,
        read_only: true,
        removable: true,
        ..drive("sda", "")
    };
    let mut signatures = looked_at();
    signatures.table = Some("gpt".into());
    let failing = SmartAnswers::from([(
        "sda".to_owned(),
        Ok(answer(parsed(fixture!("smartctl-nvme-failing.json")))),
    )]);
    let disks = judged(&alone(odd), &found([("sda", signatures)]), &failing)
        .facts
        .disks;
    assert_eq!(
        disks[0].unusable,
        [
            No::Signature {
                kind: "gpt".into(),
                device: "sda".into()
            },
            No::NoStableIdentity,
            No::ReadOnly,
            No::Removable,
            No::TooSmall {
                size_bytes: 1 << 30
            },
            No::Failing,
        ]
    );
    assert_eq!(disks[0].key, DiskKey::Unstable("sda".into()));
}

#[test]
fn a_closed_dmcrypt_osd_and_an_old_ceph_disk_still_look_like_ceph() {
    let mut held = drive("sda", "S1");
    held.holders = vec!["dm-0".into()];
    let dm = RawVirtual {
        number: "253:0".into(),
        dm_name: Some("ceph--1-osd--block--ad0d".into()),
        holders: Vec::new(),
    };
    let raw = RawDrives {
        virtuals: [("dm-0".to_owned(), dm)].into(),
        ..alone(held)
    };
    let ceph = No::CephOsd {
        osd_id: None,
        cluster_fsid: None,
    };
    assert!(
        one(&raw, &found([("sda", carrying("LVM2_member"))]))
            .unusable
            .contains(&ceph)
    );

    let mut old = drive("sda", "S1");
    old.partitions = vec![RawPartition {
        device: "sda1".into(),
        ..RawPartition::default()
    }];
    let part = RawSignatures {
        partition_type: Some("4FBD7E29-9D25-41B8-AFD0-062C0CEFF05D".into()),
        ..looked_at()
    };
    let given = found([("sda", looked_at()), ("sda1", part)]);
    assert!(one(&alone(old), &given).unusable.contains(&ceph));
}

// ---- identity -----------------------------------------------------------------------------

#[test]
fn the_same_disks_under_other_names_after_a_reboot_keep_their_keys() {
    let boot = |names: [&str; 2]| {
        let mut a = drive(names[0], "S-A");
        a.wwid = Some("naa.5000c50000000011".into());
        let b = drive(names[1], "S-B");
        let raw = RawDrives {
            drives: vec![a, b],
            ..RawDrives::default()
        };
        let all = judged(&raw, &found([]), &SmartAnswers::new()).facts.disks;
        all.into_iter()
            .map(|d| (d.key, d.device))
            .collect::<Vec<_>>()
    };
    let (before, after) = (boot(["sda", "sdb"]), boot(["sdb", "sda"]));
    let keys = |all: &[(DiskKey, String)]| all.iter().map(|(k, _)| k.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&before), keys(&after));
    assert_eq!(
        keys(&before),
        [
            DiskKey::Wwn("0x5000c50000000011".into()),
            DiskKey::Serial("S-B".into())
        ]
    );
    assert_ne!(before, after, "the names did change");
}

#[test]
fn a_key_does_not_depend_on_whether_lsblk_answered() {
    let mut sata = drive("sda", "S1");
    sata.wwid = Some("naa.5000C500AAAAAAAA".into());
    let udev = RawSignatures {
        wwn: Some("0x5000c500aaaaaaaa".into()),
        serial: Some("ANOTHER".into()),
        transport: Some("sata".into()),
        ..looked_at()
    };
    let with = one(&alone(sata.clone()), &found([("sda", udev)]));
    let without = one(&alone(sata), &Err(problem("TimedOut", "late")));
    assert_eq!(with.key, without.key);
    assert_eq!(with.transport, Transport::Sata);
}

proptest! {
    #[test]
    fn hostile_texts_never_reach_a_terminal_and_never_merge_two_drives(
        a in proptest::collection::vec(any::<u8>(), 0..40),
        b in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let make = |device: &str, bytes: &[u8]| RawDrive {
            model: Some(text(bytes)),
            wwid: Some(text(bytes)),
            ..drive(device, &text(bytes))
        };
        let raw = RawDrives {
            drives: vec![make("sda", &a), make("sdb", &b)],
            ..RawDrives::default()
        };
        let all = judged(&raw, &found([]), &SmartAnswers::new()).facts.disks;
        prop_assert_eq!(all.len(), 2);
        prop_assert_ne!(&all[0].key, &all[1].key);
        for disk in &all {
            let shown = [Some(disk.key.as_str()), disk.serial.as_deref(), disk.model.as_deref()];
            for text in shown.into_iter().flatten() {
                prop_assert!(!text.chars().any(char::is_control));
            }
            prop_assert!(serde_json::to_string(disk).is_ok());
        }
    }
}

/// scenario: 44 (unit)
#[test]
fn a_shell_command_in_a_serial_is_only_a_name() {
    let disk = one(
        &alone(drive("sda", "$(reboot)")),
        &found([("sda", looked_at())]),
    );
    assert_eq!(disk.key, DiskKey::Serial("$(reboot)".into()));
    let odd = one(&alone(drive("sda", "A\nB")), &found([("sda", looked_at())]));
    assert_eq!(odd.key, DiskKey::Unstable("sda".into()));
    assert_eq!(odd.serial.as_deref(), Some("A\u{fffd}B"));
}

// ---- OSDs ---------------------------------------------------------------------------------

const CLUSTER: &str = "ce6ede7c-dbc5-47ec-98a3-1cae9470c1a9";
const OSD: &str = "3f5208bc-6e38-40a7-91ff-ab62c3f44440";

#[path = "osd_tests.rs"]
mod osd_tests;
