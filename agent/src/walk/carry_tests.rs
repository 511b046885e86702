//! Transactions that were written down and whose unit was not started.

use super::*;

/// Looks until the server was asked for so many transactions.
fn until(lab: &mut Lab, transactions: usize) {
    for _ in 0..200 {
        if lab.acts("transaction ") >= transactions {
            return;
        }
        lab.look();
    }
    panic!("it is never asked for");
}

#[rstest]
fn an_install_whose_unit_was_not_started_is_asked_for_again(#[values(false, true)] reborn: bool) {
    let mut lab = Lab::new(reborn);
    lab.fault("transaction.next unstarted");
    lab.order(&order(1, bash(), BACK));
    let report = lab.walk();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!(lab.version("bash").as_deref(), Some("2.0"));
    assert_eq!(lab.acts("transaction "), 2);
}

#[rstest]
fn a_repair_whose_unit_was_not_started_is_asked_for_again(#[values(false, true)] reborn: bool) {
    let mut lab = Lab::new(reborn);
    lab.fault("package.break zsh");
    lab.fault("transaction.next unstarted");
    lab.order(&order(1, bash(), BACK));
    let report = lab.walk();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!(lab.acts("transaction "), 4, "one of three twice");
}

#[rstest]
fn a_mend_whose_unit_was_not_started_is_asked_for_again(#[values(false, true)] reborn: bool) {
    let mut lab = Lab::new(reborn);
    lab.fault("transaction.next damage");
    lab.order(&order(1, bash(), BACK));
    until(&mut lab, 1);
    lab.fault("transaction.next unstarted");
    let report = lab.walk();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!(lab.acts("transaction "), 4, "one of three twice");
}

#[rstest]
fn a_way_back_whose_unit_was_not_started_is_asked_for_again(#[values(false, true)] reborn: bool) {
    let mut lab = Lab::new(reborn);
    lab.fault("transaction.next half");
    lab.order(&order(1, bash_and_kernel(), BACK));
    until(&mut lab, 1);
    lab.fault("transaction.next unstarted");
    let report = lab.walk();
    assert_eq!(report.outcome, Outcome::RolledBack, "{report:?}");
    assert_eq!(lab.version("bash").as_deref(), Some("1.0"));
}

/// A unit that cannot be started at all: of the install, then of its repair and of the way back.
#[rstest]
#[case::install("", "NothingApplied")]
#[case::mend("transaction.next damage", "DatabaseDamaged")]
#[case::put_back("transaction.next half", "NotPutBack")]
fn a_transaction_that_never_begins_is_taken_back_and_ends_the_attempt(
    #[case] first: &str,
    #[case] reason: &str,
) {
    let mut lab = Lab::new(false);
    lab.order(&order(1, bash_and_kernel(), BACK));
    if !first.is_empty() {
        lab.fault(first);
        until(&mut lab, 1);
    }
    for _ in 0..400 {
        lab.fault("transaction.next unstarted");
        if let Walked::Ended(report) = lab.look() {
            assert_eq!(report.reason, reason, "{report:?}");
            let says = "the transaction was taken back: its unit was started and did not begin it";
            assert!(report.message.starts_with(says), "{}", report.message);
            assert_eq!(report.as_before, reason == "NothingApplied");
            assert_eq!(lab.acts("transaction.withdrawn "), 1);
            return;
        }
    }
    panic!("it never ends: {:?}", lab.ledger.report());
}

#[test]
fn an_order_that_does_not_fit_any_more_before_its_install_has_begun_is_given_up() {
    let mut lab = Lab::new(false);
    lab.fault("transaction.next unstarted");
    lab.order(&order(1, bash(), BACK));
    until(&mut lab, 1);
    lab.fault("package.upgrade bash 1.5 2.0");
    let report = lab.walk();
    let got = (report.as_before, report.reason.as_str());
    assert_eq!(got, (true, "NothingApplied"), "{report:?}");
    let says = "somebody else changed it";
    assert!(report.message.contains(says), "{}", report.message);
    assert_eq!(lab.version("bash").as_deref(), Some("1.5"));
    assert_eq!(lab.acts("transaction.withdrawn "), 1);
}

/// scenario: 19 (unit)
#[test]
fn an_install_that_somebody_else_made_meanwhile_is_withdrawn_and_done() {
    let mut lab = Lab::new(false);
    lab.fault("transaction.next unstarted");
    lab.order(&order(1, bash(), BACK));
    until(&mut lab, 1);
    lab.fault("transaction 00000000-0000-0000-0000-00000000ffff install bash=2.0");
    let report = lab.walk();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert!(lab.acts("transaction.withdrawn ") > 0);
}
