//! The pure part of a round, on a thread of its own: some thousand nodes take a while.

use h8lio_model::plan::{Plan, PlanReport};
use h8lio_planner::check::check;
use h8lio_planner::constraints::{Constraints, Declared};
use h8lio_planner::plan;

use crate::maintenance::Snapshot;

/// What came of it.
#[derive(Debug)]
pub(super) struct Thought {
    /// All that it was made from; its plan is the parent.
    pub(super) snapshot: Snapshot,
    pub(super) child: Plan,
    pub(super) report: PlanReport,
    /// Why `child` must not become the target.
    pub(super) flaws: Vec<String>,
}

pub(super) fn think(mut snapshot: Snapshot, declared: &[Declared]) -> Thought {
    let mut flaws = Vec::new();
    match Constraints::resolve(declared, &snapshot.inventory) {
        Ok(constraints) => snapshot.constraints = constraints,
        // They were checked when they were read.
        Err(bad) => flaws.push(bad.to_string()),
    }
    let (child, report) = plan(&snapshot.input());
    let found = check(
        &snapshot.plan,
        &child,
        &report,
        &snapshot.inventory,
        &snapshot.constraints,
    );
    flaws.extend(found.iter().map(ToString::to_string));
    Thought {
        snapshot,
        child,
        report,
        flaws,
    }
}
