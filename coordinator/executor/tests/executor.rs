//! What is sent, what is written before it, and what is believed.

use std::collections::{BTreeMap, BTreeSet};

use h8lio_executor::{Behind, Known, LEDGER_LOST, Term, Withheld, activate, behind, ended};
use h8lio_model::ids::{BootId, Incarnation, NodeId, RolloutName};
use h8lio_model::lifecycle::Scheduling;
use h8lio_model::order::{
    Act, AttemptId, AttemptReport, Epoch, Generation, LedgerId, NodeOrder, OnFailure, OrderContent,
    OrderReport, Outcome, RebootWish, Ticket, WITHDRAWN,
};
use h8lio_model::plan::{
    NodeProgress, NodeState, Plan, PlanContent, PlannedOrder, RolloutProgress, Slot, SlotPhase,
};
use jiff::Timestamp;
use uuid::Uuid;

const TERM: Term = Term {
    epoch: Epoch(3),
    incarnation: Incarnation(Uuid::from_u128(5)),
};

fn node(n: u128) -> NodeId {
    NodeId::new(Uuid::from_u128(n))
}

fn attempt(n: u128) -> AttemptId {
    AttemptId(Uuid::from_u128(100 + n))
}

fn ledger(n: u128) -> LedgerId {
    LedgerId(Uuid::from_u128(200 + n))
}

fn march() -> RolloutName {
    "march".parse().expect("a name")
}

fn reboot(n: u128) -> OrderContent {
    let mut content = OrderContent::quiet(Scheduling::InMaintenance);
    content.reboot = Some(RebootWish {
        boot_id_not: BootId(Uuid::from_u128(9)),
        kernel: None,
    });
    content.tickets = vec![Ticket {
        attempt: attempt(n),
        act: Act::Reboot,
        on_failure: OnFailure::FallBackOnce,
        begin_before: jiff::Timestamp::MAX,
    }];
    content
}

/// Nodes 1 to `count` are to reboot, each in its slot.
fn plan(count: u128) -> Plan {
    let mut content = PlanContent::default();
    let mut nodes = BTreeMap::new();
    for n in 1..=count {
        let order = PlannedOrder {
            generation: Generation(4),
            content: reboot(n),
        };
        content.orders.insert(node(n), order);
        let slot = Slot {
            rollout: march(),
            wave: 0,
            attempt: attempt(n),
            ledger: None,
            since: Timestamp::UNIX_EPOCH,
            phase: SlotPhase::Ordered,
        };
        content.slots.insert(node(n), slot);
        let part = NodeProgress {
            state: NodeState::InSlot,
            wave: 0,
            tries: 1,
            since: Timestamp::UNIX_EPOCH,
        };
        nodes.insert(node(n), part);
    }
    let progress = RolloutProgress {
        unread: BTreeSet::new(),
        begun_at: Timestamp::UNIX_EPOCH,
        resolved: Vec::new(),
        wave: 0,
        nodes,
    };
    content.rollouts.insert(march(), progress);
    Plan::root(Timestamp::UNIX_EPOCH).child(Timestamp::UNIX_EPOCH, content)
}

fn report(n: u128) -> OrderReport {
    OrderReport {
        ledger: ledger(n),
        effective: None,
        pending: None,
        running: None,
        attempts: Vec::new(),
        last_ended: None,
        holds: Vec::new(),
        refused: None,
    }
}

fn end(n: u128, outcome: Outcome) -> AttemptReport {
    AttemptReport {
        attempt: attempt(n),
        outcome,
        as_before: false,
        reason: "AllWell".to_owned(),
        message: String::new(),
        at: Timestamp::UNIX_EPOCH,
    }
}

fn heard(n: u128) -> Known {
    Known {
        report: Some(report(n)),
        ..Known::default()
    }
}

/// Node 1 has been given its ticket.
fn given() -> Known {
    let nodes = BTreeMap::from([(node(1), heard(1))]);
    let activation = activate(&TERM, &plan(1), &nodes).expect("not behind");
    let record = activation.errands[0].record.clone();
    Known {
        record: record.expect("written first"),
        ..heard(1)
    }
}

/// What the planner may believe of node 1 in its slot.
fn told(known: &Known) -> OrderReport {
    let plan = plan(1);
    let slot = plan.content().slots.get(&node(1));
    known.told(slot).expect("heard")
}

fn hears(known: &mut Known, report: OrderReport) -> h8lio_executor::Heard {
    let heard = known.hear(&report);
    known.take(report, &heard);
    heard
}

#[test]
fn each_node_is_sent_one_order_for_its_own_ledger_and_the_ticket_is_written_before() {
    let nodes = BTreeMap::from([(node(1), heard(1)), (node(2), heard(2))]);
    let plan = plan(2);
    let errands = activate(&TERM, &plan, &nodes).expect("not behind").errands;
    assert_eq!(errands.len(), 2);
    for (n, errand) in (1..).zip(&errands) {
        let order: &NodeOrder = &errand.order;
        assert_eq!((order.node, order.ledger), (node(n), ledger(n)));
        assert_eq!(order.number().to_string(), "3.4");
        assert_eq!(
            (order.incarnation, order.plan),
            (TERM.incarnation, plan.id())
        );
        let given = errand
            .record
            .as_ref()
            .and_then(|r| r.given)
            .expect("written");
        assert_eq!((given.attempt, given.ledger), (attempt(n), ledger(n)));
    }
}

#[test]
fn sending_again_writes_nothing_and_sends_the_same() {
    let nodes = BTreeMap::from([(node(1), given())]);
    let once = activate(&TERM, &plan(1), &nodes).expect("not behind");
    let again = activate(&TERM, &plan(1), &nodes).expect("not behind");
    assert_eq!(once, again);
    assert_eq!(once.errands[0].record, None);
}

#[test]
fn who_has_accepted_the_order_is_sent_nothing() {
    let mut known = given();
    let nodes = BTreeMap::from([(node(1), known.clone())]);
    let errands = activate(&TERM, &plan(1), &nodes)
        .expect("not behind")
        .errands;
    let mut after = report(1);
    after.pending = Some(errands[0].order.mark());
    hears(&mut known, after);
    let nodes = BTreeMap::from([(node(1), known)]);
    let activation = activate(&TERM, &plan(1), &nodes).expect("not behind");
    assert_eq!(activation, h8lio_executor::Activation::default());
}

#[test]
fn a_node_that_was_not_heard_keeps_no_other_back() {
    let nodes = BTreeMap::from([(node(2), heard(2))]);
    let activation = activate(&TERM, &plan(2), &nodes).expect("not behind");
    assert_eq!(activation.errands.len(), 1);
    assert_eq!(activation.withheld, [Withheld::NotHeard(node(1))]);
}

#[test]
fn a_ticket_is_never_given_to_a_second_ledger_and_its_end_is_unknown() {
    let mut known = given();
    let heard = hears(&mut known, report(7));
    let record = heard.record.expect("to be written");
    let lost = record.end.expect("an end");
    assert_eq!(
        (lost.outcome, lost.reason.as_str()),
        (Outcome::Unknown, LEDGER_LOST)
    );
    let plan = plan(1);
    assert_eq!(told(&known).attempt(attempt(1)), Some(&lost));
    let nodes = BTreeMap::from([(node(1), known)]);
    let activation = activate(&TERM, &plan, &nodes).expect("not behind");
    assert_eq!(activation.errands, []);
    assert!(matches!(
        activation.withheld[..],
        [Withheld::GivenToAnotherLedger { given, now, .. }] if (given, now) == (ledger(1), ledger(7))
    ));
}

/// A slot of node 1 whose ticket was taken back with generation 5.
fn taken_back() -> Slot {
    let slot = plan(1).content().slots[&node(1)].clone();
    let with = Generation(5);
    Slot {
        phase: SlotPhase::Withdrawn {
            with,
            by_hand: false,
        },
        ledger: Some(ledger(1)),
        ..slot
    }
}

/// The report of a node that keeps another ledger and follows this generation.
fn follows(generation: u64) -> OrderReport {
    let order = NodeOrder {
        node: node(1),
        ledger: ledger(7),
        epoch: TERM.epoch,
        generation: Generation(generation),
        incarnation: TERM.incarnation,
        plan: plan(1).id(),
        content: OrderContent::quiet(Scheduling::Active),
    };
    OrderReport {
        effective: Some(order.mark()),
        ..report(7)
    }
}

#[test]
fn a_ticket_that_was_taken_back_before_it_was_sent_was_never_begun_whatever_became_of_the_ledger() {
    let slot = taken_back();
    let mut never = Known::default();
    hears(&mut never, follows(4));
    let told = never.told(Some(&slot)).expect("heard");
    assert_eq!(told.attempts, [], "its order is not followed yet");
    hears(&mut never, follows(5));
    let told = never.told(Some(&slot)).expect("heard");
    let end = told.attempt(slot.attempt).expect("an end");
    let got = (end.outcome, end.as_before, end.reason.as_str());
    assert_eq!(got, (Outcome::Failed, true, WITHDRAWN));
    let mut sent = given();
    hears(&mut sent, follows(5));
    let told = sent.told(Some(&slot)).expect("heard");
    let end = told.attempt(slot.attempt).expect("an end");
    assert_eq!(
        end.outcome,
        Outcome::Unknown,
        "it was sent to the ledger that is lost"
    );
}

#[test]
fn an_unknown_end_gives_way_to_what_is_then_reported_and_a_terminal_one_stands() {
    let mut known = given();
    hears(&mut known, report(7));
    let mut found = report(1);
    found.attempts = vec![end(1, Outcome::Done)];
    hears(&mut known, found);
    assert_eq!(known.record.end, Some(end(1, Outcome::Done)));
    let mut other = report(1);
    other.attempts = vec![end(1, Outcome::Failed)];
    let heard = hears(&mut known, other);
    assert_eq!(heard.record, None);
    assert_eq!(heard.contradicted, Some(end(1, Outcome::Failed)));
    assert_eq!(told(&known).attempts, [end(1, Outcome::Done)]);
}

#[test]
fn a_terminal_end_outlives_the_ledger_that_reported_it() {
    let mut known = given();
    let mut done = report(1);
    done.attempts = vec![end(1, Outcome::Done)];
    hears(&mut known, done);
    let heard = hears(&mut known, report(7));
    assert_eq!(heard.record, None);
    assert_eq!(told(&known).attempts, [end(1, Outcome::Done)]);
}

#[test]
fn silence_is_no_end() {
    let mut known = given();
    let heard = hears(&mut known, report(1));
    assert_eq!((heard.record, heard.contradicted), (None, None));
    assert_eq!(known.record.end, None);
}

#[test]
fn a_coordinator_that_is_behind_one_node_sends_nothing_to_anybody() {
    let mut ahead = given();
    let nodes = BTreeMap::from([(node(1), ahead.clone())]);
    let order = activate(&TERM, &plan(1), &nodes)
        .expect("not behind")
        .errands[0]
        .order
        .clone();
    let seen = |change: fn(&mut NodeOrder)| {
        let mut order = order.clone();
        change(&mut order);
        let mut report = report(1);
        report.effective = Some(order.mark());
        report
    };
    // The next epoch of this very data is what a restart begins, and hides no lost generation.
    behind(&TERM, &plan(1), node(1), &seen(|o| o.epoch = Epoch(2))).expect("an old epoch");
    for change in [
        (|o: &mut NodeOrder| o.epoch = Epoch(4)) as fn(&mut NodeOrder),
        |o| o.generation = Generation(5),
        |o| (o.epoch, o.generation) = (Epoch(2), Generation(5)),
        |o| o.incarnation = Incarnation(Uuid::from_u128(6)),
    ] {
        hears(&mut ahead, seen(change));
        let nodes = BTreeMap::from([(node(1), ahead.clone()), (node(2), heard(2))]);
        let error: Behind = activate(&TERM, &plan(2), &nodes).expect_err("behind");
        assert_eq!(error.node, node(1));
    }
}

#[test]
fn an_attempt_is_on_record_once_when_its_slot_ends_or_is_kept() {
    let parent = plan(3);
    let mut content = parent.content().clone();
    content.slots.remove(&node(1));
    let at = Timestamp::UNIX_EPOCH;
    let kept = SlotPhase::Kept {
        outcome: Outcome::RolledBack,
        at,
    };
    content.slots.get_mut(&node(2)).expect("a slot").phase = kept;
    let nodes = &mut content.rollouts.get_mut(&march()).expect("a rollout").nodes;
    nodes.get_mut(&node(1)).expect("a part").state = NodeState::Done;
    nodes.get_mut(&node(2)).expect("a part").state = NodeState::RolledBack;
    let child = parent.child(at, content.clone());
    let found = ended(&parent, &child);
    let found: Vec<_> = found.iter().map(|e| (e.attempt, e.state)).collect();
    assert_eq!(
        found,
        [
            (attempt(1), NodeState::Done),
            (attempt(2), NodeState::RolledBack)
        ]
    );
    content.slots.remove(&node(2));
    assert_eq!(ended(&child, &child.child(at, content)), []);
}
