mod world;

use h8lio_model::event::Severity;
use h8lio_model::ids::Incarnation;
use h8lio_model::lifecycle::Availability;
use h8lio_model::order::{Epoch, Generation, OrderMark};
use h8lio_model::plan::{RolloutState, SlotPhase};
use h8lio_model::rollout::{Lane, RolloutSpec, RolloutTarget};
use h8lio_model::section::Digest;
use h8lio_planner::Control;
use h8lio_planner::constraints::{Declared, Level, Members, Rule};
use jiff::{SignedDuration, Timestamp};
use rstest::rstest;
use uuid::Uuid;

use super::*;
use crate::clock::ManualClock;
use crate::maintenance::Rollouts;
use crate::maintenance::testing::{Cut, Fragile, Server, enroll, id, judge};
use crate::store::health::WatchedStore;
use crate::store::memory::MemoryStore;
use world::{World, begin, rollout, rules};

#[tokio::test]
async fn two_servers_of_one_rack_go_one_after_the_other() {
    let mut world = World::new(&["r1", "r1"]).await;
    world.step().await;
    let [first] = world.running()[..] else {
        panic!("one runs, not {:?}", world.running());
    };
    for _ in 0..3 {
        world.step().await;
        assert_eq!(world.running(), [first], "nobody else while it runs");
    }
    let done = |world: &mut World| {
        for server in &mut world.servers {
            server.finish(Outcome::Done);
        }
    };
    done(&mut world);
    world.step().await;
    let [second] = world.running()[..] else {
        panic!("one runs, not {:?}", world.running());
    };
    assert_ne!(second, first);
    done(&mut world);
    world.step().await;
    assert_eq!(world.state(), Some(RolloutState::Finished));
    assert!(world.snapshot().plan.content().slots.is_empty());
    let done = world.events("NodeDone");
    assert_eq!(done.len(), 2, "{done:?}");
    assert!(done.iter().all(|(severity, _)| *severity == Severity::Info));
    let audited = world.audited().await;
    assert_eq!(audited.len(), 2);
    for (entry, id) in audited.iter().zip([first, second]) {
        let server = world.servers.iter().find(|s| s.id == id).expect("known");
        let attempt = server.ends[0].attempt.to_string();
        let name = world
            .life
            .registry
            .by_id(id)
            .expect("known")
            .record()
            .value
            .name
            .clone();
        assert_eq!(
            *entry,
            format!("{{\"march\":{{\"done\":{{\"{name}\":\"{attempt}\"}}}}}}")
        );
    }
}

/// Cuts the coordinator off at its n-th write of this life, and again at the n-th of each of the
/// next lives, until the rollout is over without a cut.
///
/// scenario: 11 (unit)
#[rstest]
#[case(Cut::Before)]
#[case(Cut::After)]
#[tokio::test]
async fn a_coordinator_that_dies_at_any_write_begins_no_attempt_twice_and_loses_no_slot(
    #[case] cut: Cut,
) {
    for writes in 1..25 {
        let mut world = World::new(&["r1", "r1"]).await;
        world.fragile.set(Some((writes, cut)));
        let mut deaths = 0;
        for step in 0..60 {
            world.step().await;
            assert!(world.running().len() <= 1, "{cut:?} at {writes}: both away");
            if world.fragile.is_cut() {
                deaths += 1;
                world.restart().await;
                if deaths < 4 {
                    world.fragile.set(Some((writes, cut)));
                }
            } else if step % 2 == 1 {
                for server in &mut world.servers {
                    server.finish(Outcome::Done);
                }
            }
        }
        // A life without a cut makes some sixteen writes.
        assert!(deaths > 0 || writes > 12, "{cut:?} at {writes}");
        world.fragile.set(None);
        assert_eq!(
            world.state(),
            Some(RolloutState::Finished),
            "{cut:?} at {writes}"
        );
        for server in &world.servers {
            assert_eq!(server.begun.len(), 1, "{cut:?} at {writes}: {}", server.id);
        }
        let ends = world.audited().await;
        assert_eq!(ends.len(), 2, "{cut:?} at {writes}: {ends:?}");
    }
}

#[rstest]
#[case(1)]
#[case(2)]
#[case(3)]
#[case(4)]
#[tokio::test]
async fn a_write_whose_answer_is_lost_is_looked_for_and_not_made_again(#[case] writes: u32) {
    let mut world = World::new(&["r1", "r1"]).await;
    world.fragile.set(Some((writes, Cut::Unheard)));
    for step in 0..20 {
        world.step().await;
        assert!(world.running().len() <= 1);
        if step % 2 == 1 {
            for server in &mut world.servers {
                server.finish(Outcome::Done);
            }
        }
        if let Some(words) = world.life.driver.parts.health.failure() {
            // What asks a failing store for a sign of life, in the coordinator.
            assert!(!words.is_empty());
            let put = crate::store::Op::put("/h8lio/meta/alive", "1");
            let txn = crate::store::Txn::default().then([put]);
            world
                .life
                .driver
                .parts
                .store
                .txn(txn)
                .await
                .expect("written");
        }
    }
    assert_eq!(world.state(), Some(RolloutState::Finished));
    assert_eq!(world.audited().await.len(), 2);
}

#[tokio::test]
async fn a_coordinator_that_was_started_again_sends_what_it_sent_under_its_new_epoch() {
    let mut world = World::new(&["r1"]).await;
    world.step().await;
    let before = world.server(1).accepted.expect("ordered");
    world.restart().await;
    world.step().await;
    let after = world.server(1).accepted.expect("ordered");
    assert_eq!(after.epoch, before.epoch.next());
    assert_eq!(
        (after.generation, after.digest),
        (before.generation, before.digest)
    );
    assert_eq!(world.server(1).begun.len(), 1);
    let slots = world.snapshot().plan.content().slots.clone();
    assert_eq!(slots[&id(1)].phase, SlotPhase::Ordered, "its slot stands");
}

/// scenario: 15 (unit)
#[tokio::test]
async fn a_server_that_was_ordered_more_than_is_known_here_freezes_the_coordinator() {
    let mut world = World::new(&["r1", "r2"]).await;
    world.server(2).accepted = Some(OrderMark {
        epoch: Epoch(1),
        generation: Generation(9),
        incarnation: Incarnation(Uuid::from_u128(42)),
        digest: Digest([7; 32]),
    });
    world.step().await;
    let frozen = world.snapshot().frozen.clone().expect("frozen");
    assert!(frozen.contains("has accepted order 1.9"), "{frozen}");
    assert_eq!(world.servers[0].received, 0, "nobody is sent anything");
    assert!(world.snapshot().plan.content().slots.is_empty());
    // That it falls silent unsays nothing.
    let table = Arc::clone(&world.life.table);
    world.server(2).disconnect(&table);
    world.step().await;
    assert!(world.snapshot().frozen.is_some());
    assert_eq!(world.servers[0].received, 0);
    let told = world.events("CoordinatorFrozen");
    assert_eq!(told.len(), 1, "told once: {told:?}");
    assert_eq!(told[0].0, Severity::Alert);
}

#[tokio::test]
async fn a_store_that_refuses_keeps_everything_as_it_was() {
    let mut world = World::new(&["r1", "r1"]).await;
    world.fragile.set(Some((1, Cut::Full)));
    let before = world.snapshot().plan.id();
    for _ in 0..3 {
        world.step().await;
        assert_eq!(world.snapshot().plan.id(), before);
        let frozen = world.snapshot().frozen.clone().expect("frozen");
        assert!(frozen.contains("no space left"), "{frozen}");
        assert_eq!(world.running(), []);
    }
    assert_eq!(world.events("CoordinatorFrozen").len(), 1);
    world.restart().await;
    world.step().await;
    assert_eq!(world.running().len(), 1, "it goes on from there");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_is_given_up_and_said() {
    let mut world = World::new(&["r1", "r2"]).await;
    world.fragile.set(Some((1, Cut::Stalls)));
    world.step().await;
    let frozen = world.snapshot().frozen.clone().expect("frozen");
    assert!(frozen.contains("does not answer"), "{frozen}");
    assert_eq!(world.running(), []);
    world.fragile.set(None);
    world.step().await;
    assert_eq!(world.snapshot().frozen, None);
    assert_eq!(world.running().len(), 2);
}

#[tokio::test]
async fn what_a_ledger_says_is_believed_only_when_it_is_written() {
    let mut world = World::new(&["r1"]).await;
    world.step().await;
    world.server(1).finish(Outcome::Done);
    world.fragile.set(Some((1, Cut::Full)));
    world.step().await;
    let slot = world.snapshot().plan.content().slots.get(&id(1)).cloned();
    assert_eq!(slot.map(|s| s.phase), Some(SlotPhase::Ordered));
    assert_eq!(world.events("NodeDone"), []);
}

#[tokio::test]
async fn an_end_that_contradicts_the_recorded_one_is_an_alert_and_the_node_is_sent_nothing() {
    let mut world = World::new(&["r1", "r1"]).await;
    world.step().await;
    let [first] = world.running()[..] else {
        panic!("one runs");
    };
    let index = world
        .servers
        .iter()
        .position(|s| s.id == first)
        .expect("known");
    world.servers[index].finish(Outcome::RolledBack);
    world.step().await;
    let kept = world.snapshot().plan.content().slots[&first].phase;
    assert!(matches!(kept, SlotPhase::Kept { .. }), "{kept:?}");
    let told = world.events("NodeRolledBack");
    assert_eq!((told.len(), told[0].0), (1, Severity::Warning));
    let received = world.servers[index].received;
    world.servers[index].ends[0].outcome = Outcome::Done;
    for _ in 0..3 {
        world.step().await;
    }
    let told = world.events("AttemptContradicted");
    assert_eq!((told.len(), told[0].0), (1, Severity::Alert), "{told:?}");
    let phase = world.snapshot().plan.content().slots[&first].phase;
    assert_eq!(phase, kept, "its slot stands");
    assert_eq!(world.servers[index].received, received);
    assert!(world.snapshot().inventory.nodes[&first].orders.is_none());
}

#[tokio::test]
async fn an_order_that_is_not_shown_is_sent_again_every_ten_seconds_and_at_once_in_a_new_session() {
    let mut world = World::new(&["r1"]).await;
    world.report().await;
    world.round().await;
    let count = |world: &mut World| {
        // The agent takes it, and its report is held up.
        let before = world.servers[0].received;
        world.servers[0].receive();
        world.servers[0].received - before
    };
    assert_eq!(count(&mut world), 1);
    for _ in 0..9 {
        world.round().await;
        assert_eq!(count(&mut world), 0);
    }
    world.round().await;
    assert_eq!(count(&mut world), 1);
    let table = Arc::clone(&world.life.table);
    world.server(1).connect(&table);
    let accepted = world.server(1).accepted.take();
    let node = world.node(1);
    world.servers[0].say(&node, &world.clock);
    world.server(1).accepted = accepted;
    world.round().await;
    assert_eq!(count(&mut world), 1);
    world.report().await;
    for _ in 0..12 {
        world.round().await;
    }
    assert_eq!(count(&mut world), 0, "once it is shown, never again");
}

#[tokio::test]
async fn what_an_earlier_session_said_of_its_ledger_counts_for_nothing_in_the_next() {
    let mut world = World::new(&["r1"]).await;
    world.step().await;
    assert!(world.snapshot().inventory.nodes[&id(1)].orders.is_some());
    let table = Arc::clone(&world.life.table);
    world.server(1).connect(&table);
    world.round().await;
    assert_eq!(world.snapshot().inventory.nodes[&id(1)].orders, None);
    world.server(1).disconnect(&table);
    world.round().await;
    assert_eq!(world.snapshot().inventory.nodes[&id(1)].orders, None);
    let slots = &world.snapshot().plan.content().slots.clone();
    assert_eq!(
        slots[&id(1)].phase,
        SlotPhase::Ordered,
        "silence ends no slot"
    );
}

#[tokio::test]
async fn a_coordinator_that_hears_fewer_than_half_of_its_servers_freezes_and_thaws() {
    let mut world = World::new(&["r1", "r2", "r3"]).await;
    for number in [2, 3] {
        judge(&world.node(number), Availability::Unreachable);
    }
    world.step().await;
    let frozen = world.snapshot().frozen.clone().expect("frozen");
    assert!(
        frozen.contains("only 1 of 3 servers are online"),
        "{frozen}"
    );
    assert_eq!(world.running(), []);
    judge(&world.node(2), Availability::Online);
    world.step().await;
    assert_eq!(world.snapshot().frozen, None);
    assert!(!world.running().is_empty());
    assert_eq!(world.events("CoordinatorFrozen").len(), 1);
    assert_eq!(world.events("CoordinatorThawed").len(), 1);
}

#[tokio::test]
async fn servers_that_are_away_in_their_slots_do_not_make_it_believe_that_it_is_cut_off() {
    let mut world = World::new(&["r1", "r2"]).await;
    world.step().await;
    assert_eq!(world.running().len(), 2, "two racks go together");
    for number in [1, 2] {
        judge(&world.node(number), Availability::Unreachable);
    }
    world.step().await;
    assert_eq!(world.snapshot().frozen, None);
}

#[tokio::test]
async fn a_flawed_plan_is_an_alert_and_is_never_written() {
    let mut world = World::new(&["r1"]).await;
    world.report().await;
    let nodes = world.life.registry.all();
    world.life.driver.read(&nodes).await;
    world.life.driver.hear(&nodes).await;
    let matter = world.life.driver.matter(&nodes, vec![rollout()], None);
    let parent = matter.plan.id();
    let mut thought = think(matter, &rules().constraints);
    assert_eq!(thought.flaws, [""; 0]);
    assert_ne!(thought.child.id(), parent, "a plan that would be written");
    thought.flaws = vec!["the order of s1 contradicts itself".to_owned()];
    world.life.driver.act(thought, false).await;
    assert_eq!(world.snapshot().plan.id(), parent);
    let frozen = world.snapshot().frozen.clone().expect("said");
    assert!(frozen.contains("contradicts itself"), "{frozen}");
    let told = world.events("PlanFlawed");
    assert_eq!((told.len(), told[0].0), (1, Severity::Alert));
    world.server(1).receive();
    assert_eq!(world.server(1).received, 0);
    let stored = Plans::load(Arc::clone(&world.inner), begin())
        .await
        .expect("read");
    assert_eq!(stored.current().parent(), None, "no plan was ever written");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_decided_before_the_warm_up_is_over_and_a_wake_brings_the_next_round() {
    let world = World::new(&["r1"]).await;
    world.report().await;
    let maintenance = Arc::clone(&world.life.maintenance);
    let mut rounds = maintenance.subscribe();
    let driver = tokio::spawn(world.life.driver.run(Duration::from_secs(15)));
    let begun = tokio::time::timeout(Duration::from_millis(14_900), rounds.changed()).await;
    assert!(begun.is_err(), "not yet");
    let begun = tokio::time::timeout(Duration::from_millis(200), rounds.changed()).await;
    assert!(begun.is_ok(), "the first round");
    maintenance.wake();
    let woken = tokio::time::timeout(Duration::from_millis(1_100), rounds.changed()).await;
    assert!(woken.is_ok(), "a second later, for it was woken");
    let early = tokio::time::timeout(Duration::from_millis(4_900), rounds.changed()).await;
    assert!(early.is_err(), "nothing has happened");
    let late = tokio::time::timeout(Duration::from_millis(200), rounds.changed()).await;
    assert!(late.is_ok(), "after five seconds in any case");
    judge(
        &world.life.registry.by_id(id(1)).expect("known"),
        Availability::Suspect,
    );
    let told = tokio::time::timeout(Duration::from_millis(2_100), rounds.changed()).await;
    assert!(told.is_ok(), "a verdict is news");
    driver.abort();
}

#[tokio::test]
async fn a_plan_that_took_too_long_is_neither_written_nor_sent() {
    let mut world = World::new(&["r1", "r1"]).await;
    world.report().await;
    let nodes = world.life.registry.all();
    let driver = &mut world.life.driver;
    driver.read(&nodes).await;
    driver.hear(&nodes).await;
    let begun = world.clock.mono();
    let matter = driver.matter(&nodes, vec![rollout()], None);
    let thought = think(matter, &rules().constraints);
    assert_ne!(
        thought.child.id(),
        driver.plans.current().id(),
        "it would order something"
    );
    world.clock.advance(OVERTAKEN);
    assert_eq!(driver.overtaken(begun), None);
    world.clock.advance(Duration::from_millis(1));
    let why = driver.overtaken(begun).expect("too old");
    driver.drop_thought(thought, why);
    for server in &mut world.servers {
        server.receive();
    }
    assert!(world.running().is_empty());
    let snapshot = world.snapshot();
    assert!(snapshot.plan.content().slots.is_empty());
    assert!(
        snapshot
            .frozen
            .as_ref()
            .is_some_and(|f| f.contains("planned anew"))
    );
    world.step().await;
    assert_eq!(world.running().len(), 1, "the next one is in time");
}
