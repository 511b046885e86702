//! Every relation that an order can have to the one that was accepted, and what the rule says.

use h8lio_model::ids::{Incarnation, NodeId};
use h8lio_model::lifecycle::Scheduling;
use h8lio_model::order::{
    Act, AttemptId, Epoch, Generation, LedgerId, Misfit, NodeOrder, OnFailure, OrderContent,
    OrderMark, Refusal, Ticket, Verdict, epoch_beyond, weigh,
};
use h8lio_model::plan::PlanId;
use proptest::prelude::*;
use uuid::Uuid;

const ME: NodeId = NodeId::new(Uuid::from_u128(1));
const LEDGER: LedgerId = LedgerId(Uuid::from_u128(2));

fn content(variant: u8) -> OrderContent {
    OrderContent::quiet(Scheduling::ALL[usize::from(variant) % Scheduling::ALL.len()])
}

fn order(epoch: u64, generation: u64, incarnation: u128, variant: u8) -> NodeOrder {
    NodeOrder {
        node: ME,
        ledger: LEDGER,
        epoch: Epoch(epoch),
        generation: Generation(generation),
        incarnation: Incarnation(Uuid::from_u128(incarnation)),
        plan: PlanId(Uuid::from_u128(9)),
        content: content(variant),
    }
}

fn said(result: &Result<Verdict, Refusal>) -> &'static str {
    match result {
        Ok(Verdict::Newer) => "Newer",
        Ok(Verdict::Repeat) => "Repeat",
        Err(refusal) => refusal.word(),
    }
}

#[test]
fn every_relation_of_an_order_to_the_accepted_one_has_its_answer() {
    // Accepted: epoch 5, generation 7, incarnation 1, content 0. Columns: generation 6, 7, 8.
    // Rows: epoch, incarnation, content.
    const ANOTHER: [&str; 3] = ["AnotherIncarnation"; 3];
    const OLDER: [&str; 3] = ["Older"; 3];
    const NEWER: [&str; 3] = ["Newer"; 3];
    #[rustfmt::skip]
    let table: [(u64, u128, u8, [&str; 3]); 12] = [
        (4, 1, 0, OLDER),
        (4, 1, 1, OLDER),
        (4, 2, 0, OLDER),
        (4, 2, 1, OLDER),
        (5, 1, 0, ["Older", "Repeat", "Newer"]),
        (5, 1, 1, ["Older", "OtherContent", "Newer"]),
        (5, 2, 0, ANOTHER),
        (5, 2, 1, ANOTHER),
        (6, 1, 0, NEWER),
        (6, 1, 1, NEWER),
        (6, 2, 0, NEWER),
        (6, 2, 1, NEWER),
    ];
    let accepted = order(5, 7, 1, 0).mark();
    for (epoch, incarnation, variant, expected) in table {
        for (generation, expected) in (6..).zip(expected) {
            let order = order(epoch, generation, incarnation, variant);
            let result = weigh(ME, LEDGER, Some(&accepted), &order);
            assert_eq!(said(&result), expected, "{order:?}");
        }
    }
}

#[test]
fn an_empty_ledger_takes_any_order_that_names_it() {
    for order in [order(0, 0, 1, 0), order(5, 7, 2, 1)] {
        assert_eq!(weigh(ME, LEDGER, None, &order), Ok(Verdict::Newer));
    }
}

#[test]
fn an_order_for_another_node_is_refused_whatever_its_number() {
    let mut order = order(9, 9, 1, 0);
    order.node = NodeId::new(Uuid::from_u128(99));
    for accepted in [None, Some(order.mark())] {
        let result = weigh(ME, LEDGER, accepted.as_ref(), &order);
        assert_eq!(said(&result), "AnotherNode");
    }
}

#[test]
fn an_order_that_was_made_for_a_lost_ledger_is_refused_also_by_an_empty_one() {
    let mut order = order(9, 9, 1, 0);
    order.ledger = LedgerId(Uuid::from_u128(77));
    for accepted in [None, Some(order.mark())] {
        let result = weigh(ME, LEDGER, accepted.as_ref(), &order);
        assert_eq!(said(&result), "AnotherLedger");
    }
}

#[test]
fn a_newer_order_that_contradicts_itself_is_refused_as_a_whole() {
    let mut order = order(6, 1, 1, 0);
    let attempt = AttemptId(Uuid::from_u128(3));
    order.content.tickets.push(Ticket {
        attempt,
        act: Act::Patch,
        on_failure: OnFailure::Halt,
        begin_before: jiff::Timestamp::MAX,
    });
    let refusal = weigh(ME, LEDGER, None, &order).expect_err("nothing to patch");
    assert_eq!(
        refusal,
        Refusal::Contradiction {
            number: order.number(),
            misfit: Misfit::NothingToPatch(attempt),
        }
    );
}

#[test]
fn the_plan_that_an_order_follows_from_makes_it_no_other_order() {
    let mut repeated = order(5, 7, 1, 0);
    let accepted = repeated.mark();
    repeated.plan = PlanId(Uuid::from_u128(10));
    let result = weigh(ME, LEDGER, Some(&accepted), &repeated);
    assert_eq!(result, Ok(Verdict::Repeat));
}

#[test]
fn a_restored_coordinator_takes_an_epoch_beyond_all_that_any_node_has_seen() {
    let seen = [order(3, 99, 1, 0).mark(), order(8, 1, 2, 0).mark()];
    let epoch = epoch_beyond(&seen);
    assert_eq!(epoch, Epoch(9));
    for accepted in &seen {
        let order = order(epoch.0, 1, 3, 1);
        assert_eq!(
            weigh(ME, LEDGER, Some(accepted), &order),
            Ok(Verdict::Newer)
        );
    }
    assert_eq!(epoch_beyond([]), Epoch(1));
}

fn orders() -> impl Strategy<Value = Vec<NodeOrder>> {
    let one = (0..4u64, 0..4u64, 0..2u128, 0..3u8);
    prop::collection::vec(one.prop_map(|(e, g, i, v)| order(e, g, i, v)), 0..40)
}

/// A ledger in its shortest form: remembers the last order that was accepted.
fn take(ledger: &mut Option<OrderMark>, order: &NodeOrder) -> Result<Verdict, Refusal> {
    let verdict = weigh(ME, LEDGER, ledger.as_ref(), order)?;
    if verdict == Verdict::Newer {
        *ledger = Some(order.mark());
    }
    Ok(verdict)
}

proptest! {
    #[test]
    fn what_is_accepted_only_ever_grows(orders in orders()) {
        let mut ledger: Option<OrderMark> = None;
        for order in &orders {
            let before = ledger;
            match take(&mut ledger, order) {
                Ok(Verdict::Newer) => {
                    prop_assert!(before.is_none_or(|b| b.number() < order.number()));
                }
                Ok(Verdict::Repeat) => prop_assert_eq!(before, Some(order.mark())),
                Err(_) => prop_assert_eq!(before, ledger, "a refused order changes nothing"),
            }
        }
    }

    #[test]
    fn repeating_an_accepted_order_is_always_harmless(orders in orders()) {
        let mut ledger = None;
        for order in &orders {
            if take(&mut ledger, order).is_ok() {
                let kept = ledger;
                prop_assert_eq!(take(&mut ledger, order), Ok(Verdict::Repeat));
                prop_assert_eq!(kept, ledger);
            }
        }
    }

    #[test]
    fn orders_of_one_coordinator_end_alike_in_whatever_sequence_and_number_they_come(
        count in 1..20u64,
        arrivals in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
    ) {
        let sent: Vec<_> = (1..=count).map(|g| order(1, g, 1, u8::try_from(g % 3).unwrap())).collect();
        let mut ledger = None;
        for at in &arrivals {
            let _ = take(&mut ledger, at.get(&sent));
        }
        let last = sent.last().expect("one at least");
        prop_assert!(take(&mut ledger, last).is_ok());
        prop_assert_eq!(ledger, Some(last.mark()));
    }

    #[test]
    fn two_orders_of_one_number_are_never_both_followed(orders in orders()) {
        let mut ledger = None;
        let mut followed = std::collections::BTreeMap::new();
        for order in &orders {
            if take(&mut ledger, order).is_ok() {
                let before = followed.insert(order.number(), order.mark());
                prop_assert!(before.is_none_or(|b| b == order.mark()));
            }
        }
    }
}
