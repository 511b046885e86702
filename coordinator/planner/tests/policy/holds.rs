//! What h8lio holds on a node since a fallback, and how it is let go.

use h8lio_model::inventory::{RebootReason, RebootRequired};
use h8lio_model::order::{AttemptId, OwnHold};
use h8lio_model::plan::{NodeState, WaitingOn};
use rstest::rstest;
use uuid::Uuid;

use crate::gates::{one_server, packages};
use crate::support::{Scene, id, t0, update};

/// It went back from openssl in an earlier rollout, and holds it since.
fn held_after_a_fallback() -> Scene {
    let mut fleet = one_server();
    packages(fleet.node(0)).upgradable = Some(Vec::new());
    packages(fleet.node(0)).held = vec!["openssl".into()];
    let hold = OwnHold {
        package: "openssl".parse().expect("a name"),
        architecture: None,
        attempt: AttemptId(Uuid::from_u128(7)),
        since: t0(),
    };
    fleet
        .node(0)
        .orders
        .as_mut()
        .expect("orders")
        .value
        .holds
        .push(hold);
    fleet
}

fn lets_go(fleet: &Scene) -> bool {
    let order = fleet.plan.content().orders.get(&id(0));
    order.is_some_and(|o| {
        o.content
            .let_go
            .iter()
            .any(|name| name.as_str() == "openssl")
    })
}

#[test]
fn a_node_that_holds_what_it_went_back_from_has_not_nothing_to_do() {
    let mut fleet = held_after_a_fallback();
    fleet.plan();
    let (package, since) = ("openssl".to_owned(), t0());
    let why = WaitingOn::HeldAfterFallback { package, since };
    assert_eq!(fleet.why("march", 0), std::slice::from_ref(&why));
    assert!(why.to_string().contains("since 2026-03-02") && why.unblocked_by().contains("retry"));
    assert_eq!(fleet.state("march", 0), NodeState::Waiting);
    assert!(!lets_go(&fleet), "nobody allowed it");
}

#[test]
fn another_try_lets_go_what_h8lio_holds_and_then_it_is_installed() {
    let mut fleet = held_after_a_fallback();
    fleet.rollouts[0].control.retries.insert(id(0), 0);
    fleet.plan();
    assert!(lets_go(&fleet) && fleet.ordered().is_empty());
    fleet.follows(0);
    packages(fleet.node(0)).held.clear();
    packages(fleet.node(0)).upgradable = Some(vec![update("openssl", "3.0.2")]);
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0"]);
    assert!(!lets_go(&fleet), "once");
}

/// Of two architectures of one package, it is the one that was held.
#[test]
fn a_hold_of_a_foreign_architecture_is_named_with_it_and_only_where_it_stands() {
    for (held, stands) in [("openssl:i386", true), ("openssl:amd64", false)] {
        let mut fleet = held_after_a_fallback();
        packages(fleet.node(0)).held = vec![held.into()];
        let holds = &mut fleet.node(0).orders.as_mut().expect("orders").value.holds;
        holds[0].architecture = Some("i386".parse().expect("a word"));
        fleet.plan();
        match stands {
            true => {
                let why = format!("{:?}", fleet.why("march", 0));
                assert!(why.contains("openssl:i386"), "{why}");
            }
            false => assert_eq!(fleet.state("march", 0), NodeState::NothingToDo),
        }
        fleet.rollouts[0].control.retries.insert(id(0), 0);
        fleet.plan();
        assert_eq!(lets_go(&fleet), stands, "{held}");
    }
}

#[test]
fn a_hold_of_an_operators_is_not_let_go_by_another_try() {
    let mut fleet = held_after_a_fallback();
    fleet
        .node(0)
        .orders
        .as_mut()
        .expect("orders")
        .value
        .holds
        .clear();
    fleet.rollouts[0].control.retries.insert(id(0), 0);
    fleet.plan();
    assert!(!lets_go(&fleet));
    assert_eq!(fleet.state("march", 0), NodeState::NothingToDo);
}

const BAD: &str = "linux-image-6.1.0-30-amd64";

/// It went back from a kernel, which is installed still, and asks for the boot into it.
fn held_kernel(target: &str) -> Scene {
    let mut fleet = one_server();
    fleet.rollouts[0].spec.target = target.parse().expect("a target");
    let facts = packages(fleet.node(0));
    let running = facts.kernel.as_mut().expect("known");
    running.newest = Some("6.1.0-30-amd64".into());
    let running = running.running.clone();
    facts.held = vec![BAD.into()];
    facts.reboot_required = RebootRequired {
        required: Some(true),
        reasons: vec![RebootReason::Kernel {
            running,
            installed: "6.1.0-30-amd64".into(),
        }],
    };
    fleet
}

fn wished(fleet: &Scene) -> Option<String> {
    let order = &fleet.plan.content().orders.get(&id(0))?.content;
    let kernel = order.reboot.as_ref()?.kernel.as_ref()?;
    Some(kernel.to_string())
}

#[rstest]
fn a_kernel_that_a_node_went_back_from_is_not_booted_again_by_whatever_boots_it(
    #[values("reboot-only", "security", "all", "kernel", "packages:libc6")] target: &str,
) {
    let mut fleet = held_kernel(target);
    packages(fleet.node(0)).upgradable = Some(vec![update("libc6", "2.36-10")]);
    let holds = &mut fleet.node(0).orders.as_mut().expect("orders").value.holds;
    holds.push(OwnHold {
        package: BAD.parse().expect("a name"),
        architecture: None,
        attempt: AttemptId(Uuid::from_u128(7)),
        since: t0(),
    });
    fleet.plan();
    let (package, since) = (BAD.to_owned(), t0());
    let why = WaitingOn::HeldAfterFallback { package, since };
    assert_eq!(fleet.why("march", 0), [why]);
    assert!(fleet.ordered().is_empty(), "nobody allowed it");
    fleet.rollouts[0].control.retries.insert(id(0), 0);
    fleet.plan();
    let order = &fleet.plan.content().orders[&id(0)].content;
    assert!(order.let_go.iter().any(|name| name.as_str() == BAD));
}

#[test]
fn what_needs_no_boot_does_not_wait_for_a_kernel_that_is_held() {
    let mut fleet = held_kernel("packages:openssl");
    let holds = &mut fleet.node(0).orders.as_mut().expect("orders").value.holds;
    holds.push(OwnHold {
        package: BAD.parse().expect("a name"),
        architecture: None,
        attempt: AttemptId(Uuid::from_u128(7)),
        since: t0(),
    });
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0"]);
}

#[test]
fn a_kernel_that_an_operator_holds_is_not_booted_and_is_no_reason_to_boot() {
    let mut fleet = held_kernel("reboot-only");
    fleet.plan();
    let running = packages(fleet.node(0))
        .kernel
        .clone()
        .expect("known")
        .running;
    assert_eq!(wished(&fleet), Some(running));
    let mut fleet = held_kernel("security");
    packages(fleet.node(0)).upgradable = Some(Vec::new());
    fleet.plan();
    assert_eq!(fleet.state("march", 0), NodeState::NothingToDo);
}
