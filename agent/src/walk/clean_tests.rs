//! Room that is asked for before anything is changed, and what is cleaned after a commit.

use super::*;

#[test]
fn a_server_that_is_too_full_is_told_before_anything_is_changed() {
    let mut lab = Lab::new(false);
    lab.fault("var.fill 100");
    lab.order(&order(1, bash_and_kernel(), BACK));
    let report = lab.walk();
    let got = (report.outcome, report.as_before, report.reason.as_str());
    assert_eq!(got, (Outcome::Failed, true, "Refused"), "{report:?}");
    let says = "/var has 0 kB free, the change needs about 100 MB: make room";
    assert!(report.message.starts_with(says), "{}", report.message);
    assert_eq!((lab.acts("transaction "), lab.acts("boot.")), (0, 0));
}

#[test]
fn step_logs_of_long_ago_are_removed_when_an_attempt_is_committed() {
    let mut lab = Lab::new(false);
    let logs = |lab: &Lab| {
        let entries = std::fs::read_dir(lab.dir.path()).expect("there");
        let names = entries.map(|e| e.expect("read").file_name());
        names
            .filter(|n| n.to_string_lossy().starts_with("steps-"))
            .count()
    };
    for n in 0..40 {
        let name = format!("steps-{}.log", Uuid::from_u128(5000 + n));
        std::fs::write(lab.dir.path().join(name), "").expect("written");
    }
    lab.fault("transaction.next nothing");
    lab.order(&order(1, bash(), BACK));
    assert_eq!(lab.walk().outcome, Outcome::Failed);
    assert_eq!(
        logs(&lab),
        41,
        "a failed one may be looked at with all before it"
    );
    lab.order(&order(2, bash(), BACK));
    assert_eq!(lab.walk().outcome, Outcome::Done);
    assert_eq!(logs(&lab), 16);
    let own = format!("steps-{}.log", Uuid::from_u128(102));
    assert!(lab.dir.path().join(own).exists());
}
