//! Explanations and objections. That the coordinator is frozen is said before anything else.

use h8lio_model::ids::{NodeId, NodeName};
use h8lio_model::plan::{Waiting, WaitingOn};
use h8lio_model::rollout::view::{ExplanationView, ObjectionView, ReasonView};
use h8lio_planner::explain::{self, Explanation, Reason};
use h8lio_planner::what_if::Objection;
use tonic::Status;

use crate::maintenance::Snapshot;
use crate::maintenance::rollouts::RolloutRecord;

/// What holds a node.
pub(super) fn node(snapshot: &Snapshot, id: NodeId, name: &NodeName) -> ExplanationView {
    let told = snapshot.report.as_ref();
    let explained = told.map(|report| explain::node(report, id));
    match explained {
        Some(Ok(mut explained)) => {
            add_doing(snapshot, id, &mut explained.reasons);
            let known = snapshot.report.iter().any(|r| r.nodes.contains_key(&id));
            let mut view = view(snapshot, explained);
            if !known {
                view.about = format!("node {name}");
            }
            view
        }
        Some(Err(_)) => nothing(
            snapshot,
            format!("node {name} takes part in no rollout that is going on, so nothing holds it"),
        ),
        None => unplanned(snapshot, &format!("node {name}")),
    }
}

/// What the node says of its step, behind the reason that the step goes on. Plans do not know it:
/// one that changed with each per cent would be a new plan for nothing.
fn add_doing(snapshot: &Snapshot, id: NodeId, reasons: &mut [Reason]) {
    let report = snapshot.inventory.get(id).and_then(|n| n.orders.as_ref());
    let running = report.and_then(|r| r.value.running.as_ref());
    let Some(doing) = running.and_then(|r| r.doing.as_deref()) else {
        return;
    };
    for reason in reasons {
        if matches!(reason.on, WaitingOn::TerminalState { step: Some(_) }) {
            reason.what = format!("{}: {doing}", reason.what);
        }
    }
}

/// What holds a rollout.
pub(super) fn rollout(snapshot: &Snapshot, record: &RolloutRecord) -> ExplanationView {
    let name = &record.spec.name;
    let told = snapshot.report.as_ref();
    match told.map(|report| explain::rollout(report, name)) {
        Some(Ok(explained)) => view(snapshot, explained),
        Some(Err(_)) | None => unplanned(snapshot, &format!("rollout {name}")),
    }
}

/// All objections, each with its sentence.
pub(super) fn objections(snapshot: &Snapshot, found: &[Objection]) -> Vec<ObjectionView> {
    let frozen = frozen(snapshot).map(|on| objection(None, &on));
    let found = found.iter().map(|o| objection(Some(&o.node), &o.on));
    frozen.into_iter().chain(found).collect()
}

/// The node is known, and no plan has seen it.
pub(super) fn not_looked(snapshot: &Snapshot, node: &str) -> Status {
    let frozen = frozen(snapshot).map(|on| format!("{on}; "));
    Status::failed_precondition(format!(
        "{}node {node} is not in what plans are made from yet; ask again in a moment",
        frozen.unwrap_or_default()
    ))
}

fn objection(node: Option<&NodeName>, on: &WaitingOn) -> ObjectionView {
    ObjectionView {
        node: node.cloned(),
        on: serde_json::to_value(on).unwrap_or_default(),
        what: on.to_string(),
        unblocked_by: on.unblocked_by(),
    }
}

fn frozen(snapshot: &Snapshot) -> Option<WaitingOn> {
    let because = snapshot.frozen.clone()?;
    Some(WaitingOn::FrozenCoordinator { because })
}

fn unplanned(snapshot: &Snapshot, what: &str) -> ExplanationView {
    let about = format!("{what} was not planned for yet; the next plan says what holds it");
    nothing(snapshot, about)
}

fn nothing(snapshot: &Snapshot, about: String) -> ExplanationView {
    let view = ExplanationView {
        about,
        as_of: snapshot.now,
        reasons: Vec::new(),
        expected: None,
        because: None,
    };
    frozen_first(snapshot, view)
}

fn view(snapshot: &Snapshot, explained: Explanation) -> ExplanationView {
    let view = ExplanationView {
        about: explained.about,
        as_of: explained.as_of,
        reasons: explained.reasons.into_iter().map(reason).collect(),
        expected: explained.expected,
        because: explained.because,
    };
    frozen_first(snapshot, view)
}

fn reason(reason: Reason) -> ReasonView {
    ReasonView {
        node: reason.node,
        on: serde_json::to_value(&reason.on).unwrap_or_default(),
        what: reason.what,
        since: reason.since,
        unblocked_by: reason.unblocked_by,
        expected: reason.expected,
    }
}

/// The report may be of a time before the freeze.
fn frozen_first(snapshot: &Snapshot, mut view: ExplanationView) -> ExplanationView {
    if let Some(on) = frozen(snapshot) {
        let json = serde_json::to_value(&on).unwrap_or_default();
        if view.reasons.first().is_none_or(|r| r.on != json) {
            let since = snapshot.now;
            let waiting = Waiting {
                on,
                since,
                expected: None,
            };
            view.reasons.insert(0, ReasonView::new(None, &waiting));
        }
    }
    view
}
