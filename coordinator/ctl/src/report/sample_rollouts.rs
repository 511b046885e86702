//! Rollouts for tests: one that is halted, with something in every list.

#![allow(
    dead_code,
    reason = "each test binary that includes this uses a part of it"
)]

use h8lio_model::ids::NodeId;
use h8lio_model::order::{AttemptId, Outcome, SafePoint};
use h8lio_model::plan::{Count, NodeState, ResolvedPackage, RolloutState, SlotPhase};
use h8lio_model::rollout::view::{
    ExplanationView, ForecastView, ObjectionView, ReasonView, RolloutNodeView, RolloutView,
    SlotView, StepView, WishView,
};
use h8lio_model::rollout::{Lane, RolloutSpec, WaveSize, WindowSpec};
use jiff::SignedDuration;
use serde_json::json;
use uuid::Uuid;

use super::samples::{as_of, before};

pub(crate) const ATTEMPT: &str = "00000000-0000-0000-0000-0000000000aa";

fn spec() -> RolloutSpec {
    RolloutSpec {
        name: "march".parse().expect("valid"),
        target: "security".parse().expect("valid"),
        selector: "role=storage".parse().expect("valid"),
        lane: Lane::Cve,
        windows: vec![WindowSpec {
            cron: "0 22 * * FRI".into(),
            lasts: SignedDuration::from_hours(4),
            zone: "Europe/Paris".into(),
        }],
        canary: 1,
        waves: vec![WaveSize::Nodes(5), WaveSize::Percent(20)],
        soak: SignedDuration::from_mins(90),
        failure_threshold: 2,
        deadline: Some(as_of() + SignedDuration::from_hours(48)),
        health_checks: vec!["shop-front".into()],
    }
}

fn reason(is: &str, what: &str, until: &str) -> ReasonView {
    ReasonView {
        node: None,
        on: json!({ "is": is }),
        what: what.into(),
        since: before(600),
        unblocked_by: until.into(),
        expected: None,
    }
}

fn node(n: u128, wave: u32, state: NodeState) -> RolloutNodeView {
    RolloutNodeView {
        id: NodeId::new(Uuid::from_u128(n)),
        name: format!("r1-s{n}").parse().expect("valid"),
        state,
        wave,
        tries: 0,
        since: before(3_600),
        slot: None,
        waiting: Vec::new(),
        expected: None,
    }
}

fn slot(phase: SlotPhase, outcome: Option<Outcome>) -> SlotView {
    SlotView {
        phase,
        attempt: AttemptId(ATTEMPT.parse().expect("valid")),
        since: before(1_200),
        outcome,
        message: None,
        step: None,
    }
}

fn nodes() -> Vec<RolloutNodeView> {
    let outcome = Outcome::RolledBack;
    let at = before(600);
    let mut kept = node(1, 0, NodeState::RolledBack);
    kept.tries = 1;
    kept.slot = Some(SlotView {
        message: Some("bond0 lost its carrier".into()),
        ..slot(SlotPhase::Kept { outcome, at }, Some(outcome))
    });
    kept.waiting = vec![reason(
        "personsWord",
        "its attempt ended as rolledBack, and its slot is kept until a person has looked",
        "look at the node, then acknowledge its attempt",
    )];
    let mut busy = node(2, 1, NodeState::InSlot);
    busy.tries = 1;
    busy.slot = Some(SlotView {
        step: Some(StepView {
            name: "apply".into(),
            since: before(60),
            safe_point: SafePoint::Finish,
            doing: Some("40 %, Unpacking libssl3".into()),
        }),
        ..slot(SlotPhase::Ordered, None)
    });
    let mut held = node(3, 1, NodeState::Waiting);
    held.waiting = vec![
        reason(
            "wave",
            "wave 0 goes on, and this is wave 1",
            "wave 0 is done",
        ),
        reason(
            "noWayBack",
            "the previous kernel could not be booted again: \u{1b}[2J/boot is on md",
            "give it UEFI entries",
        ),
    ];
    held.expected = Some(as_of() + SignedDuration::from_hours(2));
    vec![kept, busy, held, node(4, 1, NodeState::Done)]
}

/// Halted, with a kept slot.
pub(crate) fn halted() -> RolloutView {
    RolloutView {
        frozen: None,
        spec: spec(),
        created_at: before(7_200),
        created_by: "ada".into(),
        reason: "CVE-2026-1".into(),
        wish: WishView::Run,
        as_of: as_of(),
        state: Some(RolloutState::Halted),
        wave: 1,
        count: Count {
            waiting: 1,
            in_slot: 1,
            done: 1,
            rolled_back: 1,
            ..Count::default()
        },
        waiting: vec![reason(
            "keptSlot",
            "the attempt on r1-s1 ended as rolledBack, and its slot is kept",
            "look at r1-s1, then acknowledge its attempt",
        )],
        forecast: Some(ForecastView {
            finish: Some(as_of() + SignedDuration::from_hours(5)),
            not_before: as_of() + SignedDuration::from_hours(4),
            left_out: 1,
            because: "constraint ceph-a: 12 racks one after the other".into(),
        }),
        notes: vec!["rollout april wants r1-s3 too, and waits for this one".into()],
        resolved: vec![ResolvedPackage {
            release: "debian/12".into(),
            name: "openssl".parse().expect("valid"),
            architecture: "amd64".parse().expect("valid"),
            to: "3.0.15-1~deb12u1".parse().expect("valid"),
        }],
        nodes: nodes(),
    }
}

/// What holds a node.
pub(crate) fn explanation() -> ExplanationView {
    let mut held = halted().waiting;
    held[0].expected = Some(as_of() + SignedDuration::from_hours(1));
    held.extend(halted().nodes.swap_remove(2).waiting);
    let name = halted().nodes[2].name.clone();
    held[2].node = Some(name);
    ExplanationView {
        about: "node r1-s3 waits in rollout march (wave 1)".into(),
        as_of: as_of(),
        reasons: held,
        expected: Some(as_of() + SignedDuration::from_hours(2)),
        because: None,
    }
}

/// Why two nodes may not go together.
pub(crate) fn objections() -> Vec<ObjectionView> {
    vec![ObjectionView {
        node: Some("r1-s2".parse().expect("valid")),
        on: json!({ "is": "quota", "constraint": "undeclared" }),
        what: "constraint undeclared: 1 of 1 are taken in all".into(),
        unblocked_by: "one of them is back".into(),
    }]
}
