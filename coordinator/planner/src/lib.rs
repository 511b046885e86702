//! The planner: from what is known and what is allowed to what is wanted of each node.
//!
//! [`plan`] is a function. It reads no clock, draws no number and does no I/O, so that the same
//! input gives the same plan in the coordinator, in a simulator and in a test. Whatever it does not
//! do carries a reason. Planning again on the result, with nothing new known, changes nothing.

pub mod admit;
pub mod calendar;
pub mod check;
pub mod constraints;
mod draft;
pub mod explain;
pub mod input;
pub mod inventory;
mod kernels;
pub mod policy;
mod priority;
mod steps;
pub mod target;
mod versions;
pub mod what_if;

use h8lio_model::plan::{Plan, PlanReport};

pub use input::{Answer, Control, Oracles, PlanningInput, Rollout, Wish};
pub use steps::grant::{BEGIN_WITHIN, DELIVERY};
pub use steps::settle::WITHDRAWN;

use constraints::Load;
use draft::Draft;
use steps::report::Chapter;

/// Plans. The result is `input.parent` itself when nothing is to be changed.
pub fn plan(input: &PlanningInput<'_>) -> (Plan, PlanReport) {
    if let Some(because) = input.frozen {
        return (input.parent.clone(), steps::report::frozen(input, because));
    }
    let (plan, report) = decide(input);
    if plan == *input.parent {
        return (plan, report);
    }
    // The report is about the plan as it came out, not about the way there: what is held up by a
    // slot that was granted last says so from the first.
    let parent = &plan;
    let (same, report) = decide(&PlanningInput { parent, ..*input });
    debug_assert!(same == plan, "planning again must change nothing");
    (plan, report)
}

fn decide(input: &PlanningInput<'_>) -> (Plan, PlanReport) {
    let mut draft = Draft::from_parent(input.parent);
    // What agents report ends slots and makes room.
    steps::settle::plan(input, &mut draft);
    steps::settle::withdraw_from_the_forgetful(input, &mut draft);
    // What rollouts and refusals give back makes room too.
    let mut rollouts: Vec<&Rollout> = input.rollouts.iter().collect();
    rollouts.sort_by_key(|rollout| rollout.turn());
    let looks: Vec<_> = rollouts
        .into_iter()
        .map(|rollout| (rollout, steps::rollout::look(input, &mut draft, rollout)))
        .collect();
    steps::ask::give_way(input, &mut draft);
    // Then each rollout takes of the room what the gates leave it, the urgent and the older first.
    let mut load = Load::of(input.constraints, input.inventory, &draft.content);
    let mut claims = steps::rollout::Claims::new();
    let mut chapters = Vec::new();
    for (rollout, look) in looks {
        let found = steps::rollout::plan(input, &mut draft, &mut load, &mut claims, rollout, look);
        let outlook = steps::forecast::plan(input, &draft, &load, rollout, &found);
        chapters.push(Chapter {
            rollout,
            found,
            outlook,
        });
    }
    // Who has no slot is wanted as operators want it.
    steps::scheduling::plan(input, &mut draft);
    let plan = draft.seal(input);
    let report = steps::report::write(input, &plan, chapters);
    (plan, report)
}
