//! Rollouts that are taken in, or only tried.

use h8lio_model::plan::{NodeState, RolloutState};
use h8lio_model::rollout::view::RolloutView;
use h8lio_model::rollout::{Lane, RolloutSpec, WaveSize};
use h8lio_proto::v1;
use h8lio_proto::v1::rollout_service_server::RolloutService as _;
use jiff::SignedDuration;

use super::desk::{Desk, as_admin, spec};

fn in_waves(name: &str) -> RolloutSpec {
    RolloutSpec {
        canary: 1,
        waves: vec![WaveSize::Percent(50)],
        soak: SignedDuration::from_hours(1),
        ..spec(name)
    }
}

fn waves(view: &RolloutView) -> Vec<u32> {
    view.nodes.iter().map(|n| n.wave).collect()
}

#[tokio::test]
async fn a_dry_run_shows_waves_who_goes_first_and_the_end_and_stores_nothing() {
    let desk = Desk::new().await;
    let view = desk.ask(&in_waves("march"), true).await.expect("planned");
    assert_eq!(view.state, Some(RolloutState::Running));
    assert_eq!(waves(&view), [0, 1, 1, 2]);
    let first: Vec<_> = view.in_slots().map(|n| (n.wave, n.state)).collect();
    assert_eq!(first, [(0, NodeState::InSlot)]);
    let forecast = view.forecast.as_ref().expect("an end");
    assert!(forecast.finish > Some(view.as_of), "{forecast:?}");
    assert_eq!(view.resolved[0].name.as_str(), "openssl");
    assert!(view.nodes[1].waiting[0].what.contains("wave 0"), "{view:?}");
    assert!(desk.maintenance().rollouts.list().is_empty());
    assert_eq!(desk.audited().await, []);
    assert_eq!(view.frozen, None);
}

#[tokio::test]
async fn a_dry_run_says_who_is_blocked_and_by_what() {
    let mut desk = Desk::new().await;
    let s2 = super::desk::id(2);
    let node = desk.world.inventory.nodes.get_mut(&s2).expect("a node");
    node.packages.as_mut().expect("packages").value.interrupted = Some(true);
    desk.publish();
    let view = desk.ask(&spec("march"), true).await.expect("planned");
    let blocked = view.nodes.iter().find(|n| n.id == s2).expect("s2");
    assert_eq!(blocked.state, NodeState::Waiting);
    assert!(!blocked.waiting.is_empty());
    assert!(!blocked.waiting[0].unblocked_by.is_empty());
    assert_eq!(view.forecast.expect("an end").left_out, 1);
}

#[tokio::test]
async fn what_is_created_is_stored_audited_planned_for_and_there_after_a_restart() {
    let mut desk = Desk::new().await;
    let view = desk.create(&in_waves("march")).await.expect("created");
    assert_eq!(
        view.state,
        Some(RolloutState::Running),
        "as the first plan has it"
    );
    assert_eq!(
        (view.created_by.as_str(), view.reason.as_str()),
        ("ada", "CVE-2026-1")
    );
    tokio::time::timeout(
        std::time::Duration::from_secs(20),
        desk.maintenance().woken(),
    )
    .await
    .expect("the driver was woken");
    let entries = desk.entries().await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].action, "rollout.create");
    assert_eq!(entries[0].actor, "operator/ada");
    assert_eq!(entries[0].target, "rollout/march");
    assert_eq!(entries[0].reason, "CVE-2026-1");
    assert_eq!(entries[0].ticket.as_deref(), Some("T-1"));
    let request: serde_json::Value = serde_json::from_str(&entries[0].request).expect("JSON");
    assert_eq!(request["spec"]["canary"], 1);
    assert_eq!(desk.show("march").await.state, None, "not planned yet");
    desk.round();
    let shown = desk.show("march").await;
    assert_eq!((shown.state, shown.nodes.len()), (view.state, 4));
    let again = desk.restarted().await;
    assert_eq!(again.show("march").await.spec, in_waves("march"));
}

#[tokio::test]
async fn the_same_again_is_harmless_also_after_its_deadline() {
    let desk = Desk::new().await;
    let mut dated = spec("march");
    dated.deadline = Some("2026-03-02T10:00:01Z".parse().expect("a time"));
    let first = desk.create(&dated).await.expect("created");
    let mut late = desk.restarted().await;
    late.world.now = "2026-03-03T10:00:00Z".parse().expect("a time");
    late.publish();
    let again = late.create(&dated).await.expect("harmless");
    assert_eq!(again.created_at, first.created_at);
    let dry = late.ask(&dated, true).await.expect("harmless");
    assert_eq!(dry.created_at, first.created_at);
    assert_eq!(late.maintenance().rollouts.list().len(), 1);
    let audited = late.audited().await;
    assert!(
        audited.iter().all(|(_, _, refused)| !refused),
        "{audited:?}"
    );
    assert_eq!(audited.len(), 2, "the second is on record, too");
}

#[tokio::test]
async fn two_rollouts_that_want_one_node_are_both_told_who_has_it() {
    let mut desk = Desk::new().await;
    desk.create(&spec("march")).await.expect("created");
    desk.round();
    let mut second = spec("second");
    second.selector = "rack=r1".parse().expect("a selector");
    let view = desk.create(&second).await.expect("allowed");
    let told = "rollout march has s1, s2 first: it is the older one; this one changes them when \
                that one is done with them";
    assert_eq!(view.notes, [told]);
    desk.round();
    let march = desk.show("march").await;
    assert_eq!(
        march.notes,
        ["rollout second wants s1, s2 too, and waits for this one"]
    );
    assert_eq!(desk.show("second").await.notes, [told]);

    let urgent = RolloutSpec {
        lane: Lane::Cve,
        ..spec("urgent")
    };
    let view = desk.create(&urgent).await.expect("allowed");
    let told = view.notes.join("; ");
    assert!(told.contains("march"), "{told}");
    desk.round();
    let waits = desk.show("second").await.notes.join("; ");
    assert!(
        waits.contains("rollout urgent has") && waits.contains("CVE lane"),
        "{waits}"
    );
}

#[tokio::test]
async fn the_list_has_the_newest_first_and_no_nodes() {
    let mut desk = Desk::new().await;
    desk.create(&spec("b")).await.expect("created");
    desk.create(&spec("a")).await.expect("created");
    desk.round();
    let answer = desk
        .server
        .list_rollouts(as_admin(v1::ListRolloutsRequest {}))
        .await;
    let all: Vec<RolloutView> = answer
        .expect("a list")
        .into_inner()
        .rollouts
        .iter()
        .map(|bytes| serde_json::from_slice(bytes).expect("a view"))
        .collect();
    // Both were created in one moment of a clock that stands still: then by name.
    let names: Vec<&str> = all.iter().map(|v| v.spec.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert!(
        all.iter()
            .all(|v| v.nodes.is_empty() && v.resolved.is_empty())
    );
    assert_eq!(all[1].count.in_slot + all[1].count.waiting, 4);
}

#[tokio::test]
async fn a_frozen_coordinator_says_so_first() {
    let mut desk = Desk::new().await;
    desk.create(&spec("march")).await.expect("created");
    desk.world.frozen = Some("it is behind its agents".to_owned());
    desk.round();
    for view in [
        desk.show("march").await,
        desk.create(&spec("april")).await.expect("kept"),
        desk.ask(&spec("may"), true).await.expect("shown"),
    ] {
        assert_eq!(view.frozen.as_deref(), Some("it is behind its agents"));
        assert_eq!(view.waiting[0].on["is"], "frozenCoordinator");
        let json = String::from_utf8(crate::registry::records::write(&view)).expect("text");
        assert!(json.starts_with("{\"frozen\":"), "{json}");
    }
}
