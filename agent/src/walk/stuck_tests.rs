//! A new version that can never be configured.

use super::*;

fn plain() -> Vec<PackageChange> {
    bash()
        .into_iter()
        .chain([change("zsh", Some("1.0"), "2.0")])
        .collect()
}

fn stuck(reborn: bool, changes: Vec<PackageChange>, on_failure: OnFailure) -> Lab {
    let mut lab = Lab::new(reborn);
    lab.fault("package.upgrade zsh 1.0 2.0");
    lab.fault("transaction.next stuck");
    lab.order(&order(1, changes, on_failure));
    lab
}

#[rstest]
fn what_cannot_be_configured_gives_way_to_the_version_before(#[values(false, true)] reborn: bool) {
    let mut lab = stuck(reborn, plain(), BACK);
    let report = lab.walk();
    let got = (report.outcome, report.as_before, report.reason.as_str());
    let back = (Outcome::RolledBack, false, "DatabaseDamaged");
    assert_eq!(got, back, "{report:?}");
    let versions = ["bash", "zsh"].map(|name| lab.version(name));
    assert_eq!(versions, [Some("1.0".to_owned()), Some("1.0".to_owned())]);
    assert!(lab.held("bash") && lab.held("zsh"));
    let raw = lab.sim.patching().database();
    let database = database::read(&raw).expect("understood");
    assert_eq!(database.diagnose(), database::Diagnosis::Whole);
    assert_eq!(
        lab.acts("transaction "),
        4,
        "install, two steps of a repair, put back"
    );
}

/// It stays as it is, and nothing was put back.
fn halts(lab: &mut Lab) {
    let report = lab.walk();
    let got = (report.outcome, report.as_before, report.reason.as_str());
    let halted = (Outcome::Failed, false, "DatabaseDamaged");
    assert_eq!(got, halted, "{report:?}");
    assert!(!report.releases_the_slot());
    let done = std::fs::read_to_string(lab.dir.path().join("faults")).expect("there");
    assert!(!done.contains("put-back"), "{done}");
}

#[test]
fn what_cannot_be_configured_halts_where_the_order_says_so() {
    halts(&mut stuck(false, bash(), OnFailure::Halt));
}

#[test]
fn what_only_goes_forward_and_cannot_be_configured_halts() {
    let mut lab = stuck(false, vec![change("libc6", Some("1.0"), "2.0")], BACK);
    lab.fault("package.upgrade libc6 1.0 2.0");
    halts(&mut lab);
}

#[test]
fn what_cannot_be_configured_halts_where_something_else_is_broken_too() {
    let mut lab = stuck(false, bash(), BACK);
    while lab.acts("transaction ") == 0 {
        lab.look();
    }
    lab.fault("transaction.next stuck");
    lab.fault("transaction 00000000-0000-0000-0000-00000000ffff install zsh=2.0");
    halts(&mut lab);
}

#[test]
fn an_old_version_that_cannot_be_configured_either_halts() {
    let mut lab = stuck(false, bash(), BACK);
    while lab.acts("transaction ") < 3 {
        lab.look();
    }
    lab.fault("transaction.next stuck");
    let report = lab.walk();
    let got = (report.outcome, report.as_before, report.reason.as_str());
    assert_eq!(got, (Outcome::Failed, false, "NotPutBack"), "{report:?}");
    assert!(!report.releases_the_slot());
}
