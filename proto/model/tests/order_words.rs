//! What an order may say, how it reads as JSON, and which outcomes end a slot.

use h8lio_model::ids::{BootId, Incarnation, NodeId};
use h8lio_model::lifecycle::Scheduling;
use h8lio_model::order::{
    Act, Architecture, AttemptId, AttemptReport, Epoch, Generation, HeldLease, KernelRelease,
    LedgerId, Misfit, NoPatchTarget, NodeOrder, OnFailure, OrderContent, Outcome, PackageChange,
    PackageName, PackageVersion, PatchTarget, RebootWish, Ticket,
};
use h8lio_model::plan::{Plan, PlanContent, PlanId, PlannedOrder};
use h8lio_model::section::Digest;
use jiff::Timestamp;
use rstest::rstest;
use serde_json::json;
use uuid::Uuid;

fn change(name: &str, to: &str) -> PackageChange {
    PackageChange {
        name: name.parse().expect("a name"),
        architecture: "amd64".parse().expect("an architecture"),
        from: Some("1.0".parse().expect("a version")),
        to: to.parse().expect("a version"),
    }
}

fn attempt(n: u128) -> AttemptId {
    AttemptId(Uuid::from_u128(n))
}

fn ticket(n: u128, act: Act) -> Ticket {
    Ticket {
        attempt: attempt(n),
        act,
        on_failure: OnFailure::FallBackOnce,
        begin_before: jiff::Timestamp::from_second(120).expect("in range"),
    }
}

fn wish() -> RebootWish {
    RebootWish {
        boot_id_not: BootId(Uuid::from_u128(4)),
        kernel: Some("6.1.0-28-amd64".parse().expect("a release")),
    }
}

fn full() -> OrderContent {
    OrderContent {
        scheduling: Scheduling::InMaintenance,
        patch: Some(PatchTarget::new(vec![change("openssl", "3.0.2")]).expect("a target")),
        reboot: Some(wish()),
        leases: vec![HeldLease {
            resource: "public-ip/192.0.2.7".parse().expect("a resource"),
            boot_id: BootId(Uuid::from_u128(4)),
            expires_at: Timestamp::from_second(60).expect("in range"),
        }],
        let_go: Default::default(),
        tickets: vec![ticket(3, Act::Patch)],
    }
}

#[test]
fn an_order_reads_as_the_words_of_the_design() {
    let order = NodeOrder {
        node: NodeId::new(Uuid::from_u128(1)),
        ledger: LedgerId(Uuid::from_u128(2)),
        epoch: Epoch(5),
        generation: Generation(7),
        incarnation: Incarnation(Uuid::from_u128(3)),
        plan: PlanId(Uuid::from_u128(9)),
        content: full(),
    };
    let id = |n: u128| Uuid::from_u128(n).to_string();
    let expected = json!({
        "node": id(1), "ledger": id(2), "epoch": 5, "generation": 7, "incarnation": id(3),
        "plan": id(9),
        "content": {
            "scheduling": "InMaintenance",
            "patch": [{"name": "openssl", "architecture": "amd64", "from": "1.0", "to": "3.0.2"}],
            "reboot": {"bootIdNot": id(4), "kernel": "6.1.0-28-amd64"},
            "leases": [{
                "resource": "public-ip/192.0.2.7", "bootId": id(4),
                "expiresAt": "1970-01-01T00:01:00Z",
            }],
            "tickets": [{"attempt": id(3), "act": "patch", "onFailure": "fallBackOnce",
                         "beginBefore": "1970-01-01T00:02:00Z"}],
        },
    });
    assert_eq!(serde_json::to_value(&order).expect("JSON"), expected);
    let read: NodeOrder = serde_json::from_value(expected).expect("an order");
    assert_eq!(read, order);
    assert_eq!(read.mark(), order.mark());
}

#[test]
fn what_is_not_wished_for_is_not_mentioned() {
    let quiet = serde_json::to_value(OrderContent::quiet(Scheduling::Active)).expect("JSON");
    assert_eq!(quiet, json!({"scheduling": "Active"}));
}

#[test]
fn an_order_with_a_field_that_is_not_known_is_not_read_by_half() {
    let newer = json!({"scheduling": "Active", "wipe": ["sda"]});
    let error = serde_json::from_value::<OrderContent>(newer).expect_err("unknown field");
    assert!(error.to_string().contains("wipe"), "{error}");
}

#[test]
fn each_part_of_the_content_changes_the_digest() {
    let mut digests = vec![full().digest()];
    let changes: [fn(&mut OrderContent); 5] = [
        |c| c.scheduling = Scheduling::Active,
        |c| c.patch = None,
        |c| c.reboot = None,
        |c| c.leases.clear(),
        |c| c.tickets[0].attempt = AttemptId(Uuid::from_u128(8)),
    ];
    for change in changes {
        let mut content = full();
        change(&mut content);
        digests.push(content.digest());
    }
    for (i, a) in digests.iter().enumerate() {
        assert!(!digests[i + 1..].contains(a), "change {i} is not seen");
    }
}

#[test]
fn an_order_whose_parts_fit_passes() {
    assert_eq!(full().check(), Ok(()));
    assert_eq!(OrderContent::quiet(Scheduling::Draining).check(), Ok(()));
    let mut wishes = full();
    wishes.tickets.clear();
    assert_eq!(wishes.check(), Ok(()), "wishes without leave are fine");
}

#[rstest]
#[case::patch_without_versions(
    |c: &mut OrderContent| c.patch = None,
    Misfit::NothingToPatch(attempt(3))
)]
#[case::one_attempt_twice(
    |c: &mut OrderContent| c.tickets.push(ticket(3, Act::Patch)),
    Misfit::AttemptTwice(attempt(3))
)]
#[case::two_acts(
    |c: &mut OrderContent| c.tickets.push(ticket(4, Act::Patch)),
    Misfit::SeveralTickets(2)
)]
#[case::reboot_without_wish(
    |c: &mut OrderContent| { c.patch = None; c.reboot = None; c.tickets = vec![ticket(5, Act::Reboot)] },
    Misfit::NothingToRebootFor(attempt(5))
)]
#[case::reboot_only_with_versions(
    |c: &mut OrderContent| c.tickets = vec![ticket(5, Act::Reboot)],
    Misfit::RebootBesidePatch(attempt(5))
)]
#[case::one_lease_twice(
    |c: &mut OrderContent| c.leases.push(c.leases[0].clone()),
    Misfit::LeaseTwice("public-ip/192.0.2.7".parse().expect("a resource"))
)]
fn parts_that_contradict_one_another_are_named(
    #[case] spoil: fn(&mut OrderContent),
    #[case] misfit: Misfit,
) {
    let mut content = full();
    spoil(&mut content);
    assert_eq!(content.check(), Err(misfit));
}

#[test]
fn a_patch_target_is_sorted_and_names_each_package_once() {
    let a = PatchTarget::new(vec![change("b", "2"), change("a", "2")]).expect("a target");
    let b = PatchTarget::new(vec![change("a", "2"), change("b", "2")]).expect("a target");
    assert_eq!(a, b);
    let names: Vec<_> = a.changes().iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(
        PatchTarget::new(vec![change("a", "2"), change("a", "3")]),
        Err(NoPatchTarget::Twice {
            name: "a".parse().expect("a name"),
            architecture: "amd64".parse().expect("an architecture"),
        })
    );
    assert_eq!(PatchTarget::new(Vec::new()), Err(NoPatchTarget::Empty));
    serde_json::from_value::<PatchTarget>(json!([])).expect_err("read from JSON it is the same");
}

#[rstest]
#[case("")]
#[case("-y")]
#[case("--purge")]
#[case("openssl-")]
#[case("a b")]
#[case("a=1")]
#[case("a/unstable")]
#[case("$(reboot)")]
#[case("a\n")]
#[case("*")]
fn a_package_name_that_a_package_manager_would_read_as_something_else_is_refused(
    #[case] name: &str,
) {
    name.parse::<PackageName>().expect_err("must be refused");
    name.parse::<Architecture>().expect_err("must be refused");
    name.parse::<PackageVersion>().expect_err("must be refused");
}

#[test]
fn real_names_versions_and_releases_pass() {
    for name in [
        "g++",
        "libc6",
        "python3.11",
        "linux-image-6.1.0-28-amd64",
        "0ad",
        "NetworkManager",
    ] {
        name.parse::<PackageName>().expect(name);
    }
    for version in [
        "1:9.2p1-2+deb12u3",
        "2.36-9+deb12u9",
        "0~git20210101",
        "1.0^1",
        "4:12.2.0-3",
    ] {
        version.parse::<PackageVersion>().expect(version);
    }
    for release in [
        "6.1.0-28-amd64",
        "6.8.0-50-generic",
        "5.14.0-503.el9.x86_64+debug",
    ] {
        release.parse::<KernelRelease>().expect(release);
    }
    for release in ["", "amd64", "6.1/../x", "6.1 quiet"] {
        release.parse::<KernelRelease>().expect_err(release);
    }
}

#[test]
fn a_reboot_wish_is_met_by_any_other_boot_and_stays_met() {
    let wish = wish();
    assert!(!wish.is_met_by(BootId(Uuid::from_u128(4))));
    assert!(wish.is_met_by(BootId(Uuid::from_u128(5))));
}

#[test]
fn a_latched_outcome_gives_way_to_nothing_and_an_unseen_end_to_what_was_observed() {
    for from in Outcome::ALL {
        for to in Outcome::ALL {
            let expected = from == to || from == Outcome::Unknown;
            assert_eq!(from.may_become(to), expected, "{from} to {to}");
        }
    }
}

#[test]
fn a_slot_ends_with_success_or_with_a_failure_that_changed_nothing() {
    let report = |outcome, as_before| AttemptReport {
        attempt: attempt(1),
        outcome,
        as_before,
        reason: String::new(),
        message: String::new(),
        at: Timestamp::UNIX_EPOCH,
    };
    let table = [
        (Outcome::Done, false, true),
        (Outcome::Failed, true, true),
        (Outcome::Failed, false, false),
        (Outcome::RolledBack, true, false),
        (Outcome::RolledBack, false, false),
        (Outcome::Unknown, false, false),
        (Outcome::Unknown, true, false),
    ];
    for (outcome, as_before, ends) in table {
        let report = report(outcome, as_before);
        assert_eq!(
            report.releases_the_slot(),
            ends,
            "{outcome} as before: {as_before}"
        );
    }
}

#[test]
fn a_derived_attempt_id_is_the_same_for_the_same_act_and_another_for_any_other() {
    let a = AttemptId::derived(&Digest::of(b"s1, try 1"));
    assert_eq!(a, AttemptId::derived(&Digest::of(b"s1, try 1")));
    assert_ne!(a, AttemptId::derived(&Digest::of(b"s1, try 2")));
    assert_eq!(a.0.get_version_num(), 8);
}

#[test]
fn a_plan_is_named_after_its_parent_and_its_content() {
    let at = Timestamp::from_second(100).expect("in range");
    let root = Plan::root(at);
    assert_eq!(root.parent(), None);
    let mut content = PlanContent::default();
    let empty = root.child(at, content.clone());
    assert_eq!(empty.parent(), Some(root.id()));
    assert_ne!(empty.id(), root.id());
    content.orders.insert(
        NodeId::new(Uuid::from_u128(1)),
        PlannedOrder {
            generation: Generation(1),
            content: full(),
        },
    );
    let child = root.child(at, content.clone());
    assert_ne!(child.id(), empty.id());
    assert_eq!(child, root.child(at, content.clone()));
    assert_ne!(child.id(), empty.child(at, content).id());
}

#[test]
fn a_plan_that_was_altered_on_its_way_is_not_read() {
    let plan =
        Plan::root(Timestamp::UNIX_EPOCH).child(Timestamp::UNIX_EPOCH, PlanContent::default());
    let json = serde_json::to_value(&plan).expect("JSON");
    assert_eq!(
        serde_json::from_value::<Plan>(json.clone()).expect("whole"),
        plan
    );
    let mut altered = json;
    altered["madeAt"] = json!("2026-01-01T00:00:00Z");
    let error = serde_json::from_value::<Plan>(altered).expect_err("altered");
    assert!(
        error.to_string().contains("was changed or damaged"),
        "{error}"
    );
}
