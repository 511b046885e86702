//! What the messages say, and how grave they are.

use h8lio_model::condition::{ConditionType, Status};
use h8lio_model::event::Severity;
use h8lio_model::inventory::{
    DiskFacts, Domain, DomainMode, ForeignManager, ManagerFacts, PackageFacts, UnusableReason,
};
use h8lio_model::section::SectionKind;
use rstest::rstest;
use serde::Serialize;

use super::super::reason::Reason;
use super::super::{Events, FactEvent, MAX_EVENTS, MAX_MESSAGE_BYTES, diff};
use super::facts::*;

/// The only event of a change.
fn only<T: Serialize>(kind: SectionKind, old: &T, new: &T) -> FactEvent {
    let mut events = diff(kind, Some(&json(old)), &json(new)).expect("well formed");
    assert_eq!(events.len(), 1, "{events:#?}");
    events.remove(0)
}

fn disks(disks: Vec<h8lio_model::inventory::Disk>) -> DiskFacts {
    DiskFacts {
        disks,
        problems: Vec::new(),
    }
}

#[test]
fn a_failing_disk_is_an_alert_that_names_the_disk_its_place_and_the_evidence() {
    let well = disk(wwn("0x5000c500a1b2c3d4"), "sdb");
    let ill = with(&well, |d| d.health = failing());
    let event = only(SectionKind::Disks, &disks(vec![well]), &disks(vec![ill]));
    assert_eq!(event.severity, Severity::Alert);
    assert_eq!(
        event.message,
        r#"disk 0x5000c500a1b2c3d4 (sdb) is failing: "MediumErrors: 12" (was healthy)"#
    );
}

#[test]
fn a_disk_that_takes_an_osd_along_is_an_alert_and_a_memory_stick_is_not() {
    let plain = disk(wwn("0x1"), "sda");
    let with_osd = with(&plain, |d| {
        d.unusable.push(UnusableReason::CephOsd {
            osd_id: Some(7),
            cluster_fsid: None,
        });
    });
    let stick = with(&plain, |d| d.removable = true);
    let gone = |d| only(SectionKind::Disks, &disks(vec![d]), &disks(Vec::new()));
    let event = gone(with_osd);
    assert_eq!(event.severity, Severity::Alert);
    assert_eq!(
        event.message,
        "disk 0x1 (sda) vanished from slot 7; it held osd.7"
    );
    assert_eq!(gone(plain).severity, Severity::Warning);
    assert_eq!(gone(stick).severity, Severity::Info);
}

#[test]
fn a_move_names_the_disk_and_both_device_names() {
    let (old, new) = (disk(wwn("0x1"), "sda"), disk(wwn("0x1"), "sdc"));
    let event = only(SectionKind::Disks, &disks(vec![old]), &disks(vec![new]));
    assert_eq!(event.severity, Severity::Info);
    assert_eq!(event.message, "disk 0x1 is now sdc (was sda)");
}

#[test]
fn another_serial_under_one_identity_is_an_alert() {
    let event = only(
        SectionKind::Hardware,
        &hardware(),
        &with(&hardware(), |h| h.serial = some("SN2")),
    );
    assert_eq!(event.severity, Severity::Alert);
    assert!(event.message.contains("SN2 (was SN1)"), "{event:?}");
}

#[test]
fn security_updates_are_counted_and_five_are_named() {
    let packages = |names: &[String]| PackageFacts {
        upgradable: Some(names.iter().map(|n| update(n, true)).collect()),
        ..PackageFacts::default()
    };
    let names: Vec<String> = (0..9).map(|n| format!("pkg{n}")).collect();
    let event = only(
        SectionKind::Packages,
        &packages(&names[..1]),
        &packages(&names),
    );
    assert_eq!(
        event.message,
        "8 new security updates: pkg1, pkg2, pkg3, pkg4, pkg5 and 3 more (9 wait in all)"
    );
}

#[test]
fn a_second_hand_is_a_conflict_only_where_h8lio_may_act() {
    let facts = |mode, managers| ManagerFacts {
        managers,
        modes: [("network".to_owned(), mode)].into(),
        problems: Vec::new(),
    };
    let netplan = || ForeignManager {
        domain: Domain::Network,
        name: "netplan".into(),
        evidence: Vec::new(),
    };
    for (mode, severity) in [
        (DomainMode::Observe, Severity::Info),
        (DomainMode::Act, Severity::Warning),
    ] {
        let (old, new) = (facts(mode, Vec::new()), facts(mode, vec![netplan()]));
        assert_eq!(only(SectionKind::Managers, &old, &new).severity, severity);
    }
}

#[rstest]
#[case(ConditionType::SecurityUpdatesPending, Severity::Info)]
#[case(ConditionType::OsdDown, Severity::Warning)]
#[case(ConditionType::DiskFailing, Severity::Alert)]
#[case(ConditionType::IdentityCloned, Severity::Alert)]
fn a_condition_is_as_grave_as_its_type(#[case] kind: ConditionType, #[case] severity: Severity) {
    let raised = vec![condition(kind, "x", Status::True)];
    let event = only(SectionKind::Conditions, &Vec::new(), &raised);
    assert_eq!(event.severity, severity);
    assert_eq!(
        event.message,
        format!("{} of x raised: Because: it is so; look at it", kind.name())
    );
    let first = diff(SectionKind::Conditions, None, &json(&raised)).expect("well formed");
    assert_eq!(first[0].severity, severity);
}

#[test]
fn of_too_many_events_the_gravest_are_kept() {
    let all: Vec<_> = (0..300)
        .map(|n| disk(wwn(&format!("0x{n:04}")), "sda"))
        .collect();
    let mut ill = all[299].clone();
    ill.health = failing();
    let new = disks(vec![ill]);
    let events = diff(SectionKind::Disks, Some(&json(&disks(all))), &json(&new)).expect("fine");
    assert_eq!(events.len(), MAX_EVENTS);
    assert_eq!(events[0].reason, "DiskHealthChanged");
    let last = &events[MAX_EVENTS - 1];
    assert_eq!(
        (last.reason, last.severity),
        ("FurtherChanges", Severity::Warning)
    );
    // 299 vanished and one is failing: 63 are listed of 300.
    assert!(
        last.message.starts_with("237 further changes in disks"),
        "{last:?}"
    );
}

#[test]
fn a_hostile_name_stays_inside_its_quotes() {
    let name = "sda\u{1b}[2J\n\" vanished; all disks are fine\u{202e}";
    let evil = disk(wwn(name), name);
    let event = only(SectionKind::Disks, &disks(Vec::new()), &disks(vec![evil]));
    assert_eq!(
        event.message,
        "disk \"sda\\u{1b}[2J\\u{a}\\\" vanished; all disks are fine\\u{202e}\" \
         (\"sda\\u{1b}[2J\\u{a}\\\" vanished; all disks are fine\\u{202e}\") appeared: \
         12000 GB, model \"HGST HUH721212\", slot 7"
    );
}

#[test]
fn a_report_that_is_not_understood_gives_no_event_but_an_error() {
    let bad = diff(SectionKind::Disks, None, br#"{"disks":[{"device":7}]}"#);
    let message = bad.expect_err("refused").to_string();
    assert!(message.contains("disks[0].device"), "{message}");
}

#[test]
fn a_message_is_cleaned_once_more_as_a_whole() {
    let mut events = Events::default();
    events.info(Reason::DiskMoved, format!("a\nb{}", "x".repeat(5000)));
    let events = events.bounded(SectionKind::Disks);
    assert!(events[0].message.starts_with("a\\u{a}bxx"));
    assert_eq!(events[0].message.len(), MAX_MESSAGE_BYTES);
}
