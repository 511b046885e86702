//! Whose a hold is, and how it ends.

use h8lio_model::order::OwnHold;

use super::*;

/// Patched, booted, not well, and back: what it went back from is held.
fn went_back(reborn: bool, meanwhile: &str) -> Lab {
    let mut lab = Lab::new(reborn);
    lab.order(&order(1, bash_and_kernel(), BACK));
    while lab.acts("reboot") == 0 {
        lab.look();
    }
    lab.fault("link.down eno1");
    lab.fault(meanwhile);
    while lab.acts("reboot") == 1 {
        lab.look();
    }
    lab.fault("link.up eno1");
    assert_eq!(lab.walk().outcome, Outcome::RolledBack);
    assert!(lab.held("bash"));
    lab
}

fn own(lab: &Lab) -> Vec<String> {
    let holds = lab.ledger.report().holds;
    holds.iter().map(|hold| hold.package.to_string()).collect()
}

/// An order without a ticket that lets bash go.
fn let_go() -> NodeOrder {
    let mut order = order(2, Vec::new(), BACK);
    order.content.let_go = ["bash".parse().expect("valid")].into();
    order
}

#[rstest]
fn what_is_held_after_a_fallback_is_reported_and_let_go_when_an_order_says_so(
    #[values(false, true)] reborn: bool,
) {
    let mut lab = went_back(reborn, "link.down eno1");
    assert!(own(&lab).contains(&"bash".to_owned()), "{:?}", own(&lab));
    let attempt = AttemptId(Uuid::from_u128(101));
    assert!(
        lab.ledger
            .report()
            .holds
            .iter()
            .all(|h| h.attempt == attempt)
    );
    lab.look();
    assert!(lab.held("bash"), "nobody said so");
    lab.order(&let_go());
    lab.look();
    assert!(!lab.held("bash"));
    lab.order(&order(3, Vec::new(), BACK));
    lab.look();
    assert!(!own(&lab).contains(&"bash".to_owned()), "it is over");
}

#[rstest]
fn a_hold_of_an_operators_is_never_the_agents(#[values(false, true)] reborn: bool) {
    let mut lab = went_back(reborn, "package.hold bash");
    assert!(!own(&lab).contains(&"bash".to_owned()), "{:?}", own(&lab));
    lab.order(&let_go());
    lab.look();
    assert!(lab.held("bash"), "it is not the agent's to lift");
}

#[rstest]
fn what_an_operator_holds_after_it_was_let_go_is_not_let_go_by_the_same_order(
    #[values(false, true)] reborn: bool,
) {
    let mut lab = went_back(reborn, "link.down eno1");
    lab.order(&let_go());
    lab.look();
    lab.look();
    assert!(!lab.held("bash"));
    assert!(own(&lab).contains(&"bash".to_owned()), "the order names it");
    lab.fault("package.hold bash");
    lab.look();
    lab.look();
    assert!(lab.held("bash"), "it is the operator's");
    assert!(!own(&lab).contains(&"bash".to_owned()), "{:?}", own(&lab));
}

#[test]
fn a_hold_that_somebody_lifted_is_forgotten() {
    let mut lab = went_back(false, "link.down eno1");
    lab.fault("package.unhold bash");
    lab.look();
    assert!(!own(&lab).contains(&"bash".to_owned()));
}

/// Its hold is the agent's as any other: noted with its architecture, and let go by its name.
#[test]
fn a_package_of_a_foreign_architecture_is_noted_and_let_go() {
    let mut lab = Lab::new(false);
    lab.fault("package.upgrade libx:i386 1.0 2.0");
    lab.fault("transaction.next half");
    let mut foreign = change("libx", Some("1.0"), "2.0");
    foreign.architecture = "i386".parse().expect("valid");
    lab.order(&order(
        1,
        vec![change("bash", Some("1.0"), "2.0"), foreign],
        BACK,
    ));
    assert_eq!(lab.walk().outcome, Outcome::RolledBack);
    assert!(lab.held("libx:i386"));
    let names: Vec<String> = lab
        .ledger
        .report()
        .holds
        .iter()
        .map(OwnHold::name)
        .collect();
    assert_eq!(names, ["bash", "libx:i386"]);
    let mut go = order(2, Vec::new(), BACK);
    go.content.let_go = ["libx".parse().expect("valid")].into();
    lab.order(&go);
    lab.look();
    assert!(!lab.held("libx:i386") && lab.held("bash"));
}

/// What is not noted could never be let go by a person's word.
#[test]
fn a_package_that_never_came_is_not_held() {
    let mut lab = Lab::new(false);
    lab.fault("transaction.next half");
    lab.order(&order(1, bash_and_kernel(), BACK));
    assert_eq!(lab.walk().outcome, Outcome::RolledBack);
    let holds = std::fs::read_to_string(lab.dir.path().join("faults")).expect("there");
    let holds: Vec<&str> = holds
        .lines()
        .filter(|l| l.starts_with("package.hold"))
        .collect();
    assert_eq!(holds, ["package.hold bash"]);
    assert_eq!(own(&lab), ["bash"]);
}

/// A server whose agent has an update beside bash's.
fn with_an_agent(reborn: bool) -> Lab {
    let lab = Lab::new(reborn);
    let more = "[[packages.upgrade]]\nname = \"h8lio-agent\"\ninstalled = \"0.1.0\"\n\
                candidate = \"0.2.0\"\n";
    std::fs::write(lab.dir.path().join("s1.toml"), format!("{SERVER}{more}")).expect("written");
    let sim = load(&lab.dir);
    let walker = walker(&lab.dir, &sim);
    Lab { sim, walker, ..lab }
}

fn agent() -> PackageChange {
    change("h8lio-agent", Some("0.1.0"), "0.2.0")
}

fn come_to(lab: &mut Lab, step: &str) {
    while lab.ledger.report().running.is_none_or(|r| r.step != step) {
        lab.look();
    }
}

#[rstest]
fn a_fallback_leaves_the_agent_at_its_newer_version_and_does_not_hold_it(
    #[values(false, true)] reborn: bool,
) {
    let mut lab = with_an_agent(reborn);
    lab.order(&order(1, vec![bash().remove(0), agent()], BACK));
    come_to(&mut lab, "apply");
    lab.fault("link.down eno1");
    come_to(&mut lab, "put-back");
    lab.fault("link.up eno1");
    let report = lab.walk();
    let got = (report.outcome, report.as_before);
    assert_eq!(got, (Outcome::RolledBack, false), "{report:?}");
    assert_eq!(lab.version("bash").as_deref(), Some("1.0"));
    assert_eq!(lab.version("h8lio-agent").as_deref(), Some("0.2.0"));
    assert!(lab.held("bash") && !lab.held("h8lio-agent"));
    assert_eq!(own(&lab), ["bash"]);
}

#[test]
fn an_update_of_the_agent_alone_halts_and_does_not_go_back() {
    let mut lab = with_an_agent(false);
    lab.order(&order(1, vec![agent()], BACK));
    come_to(&mut lab, "apply");
    lab.fault("link.down eno1");
    let report = lab.walk();
    let got = (report.outcome, report.as_before, report.reason.as_str());
    assert_eq!(got, (Outcome::Failed, false, "NotWell"), "{report:?}");
    assert_eq!(lab.version("h8lio-agent").as_deref(), Some("0.2.0"));
    assert!(!lab.held("h8lio-agent"));
}
