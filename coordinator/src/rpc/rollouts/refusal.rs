//! What an operator is told who asks for something that cannot be.

use h8lio_model::ids::{NodeName, RolloutName};
use h8lio_model::order::{AttemptId, Outcome};
use h8lio_model::plan::NodeState;
use tonic::Status;

/// Why an end is not acknowledged, or a node may not try again. Each says what to do instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotSettled {
    #[error(
        "the coordinator is frozen: {because}; what it knows of attempts may be old, so nothing \
         is settled before that ends"
    )]
    Frozen { because: String },
    #[error(
        "node {node} takes no part in rollout {rollout}; `h8lctl rollout show {rollout}` lists who does"
    )]
    NoPart {
        node: NodeName,
        rollout: RolloutName,
    },
    #[error(
        "node {node} has no slot in rollout {rollout}, where it {}: there is nothing to acknowledge",
        state(*is)
    )]
    NoSlot {
        node: NodeName,
        rollout: RolloutName,
        is: NodeState,
    },
    #[error(
        "the slot of node {node} belongs to rollout {holder}; its end is acknowledged there: \
         h8lctl rollout acknowledge {holder} --node {node}"
    )]
    AnotherRollout { node: NodeName, holder: RolloutName },
    #[error(
        "the slot of node {node} is for attempt {now}, not for {asked}; look at how that one \
         ended: h8lctl rollout show {rollout}"
    )]
    AnotherAttempt {
        node: NodeName,
        rollout: RolloutName,
        now: AttemptId,
        asked: AttemptId,
    },
    #[error(
        "attempt {attempt} on node {node} has no reported end{}; wait for it, then look at it",
        at(step.as_deref())
    )]
    NotEnded {
        node: NodeName,
        attempt: AttemptId,
        step: Option<String>,
    },
    #[error(
        "attempt {attempt} on node {node} ended as {now}, not as {asked}; look again, then \
         acknowledge it with --outcome {now}"
    )]
    AnotherOutcome {
        node: NodeName,
        attempt: AttemptId,
        now: Outcome,
        asked: Outcome,
    },
    #[error("rollout {rollout} was cancelled by {by}, and tries nothing again; create a new one")]
    Cancelled { rollout: RolloutName, by: String },
    #[error(
        "node {node} did not fail in rollout {rollout}: it {}; only a node that failed tries again",
        state(*is)
    )]
    DidNotFail {
        node: NodeName,
        rollout: RolloutName,
        is: NodeState,
    },
    #[error(
        "the slot of node {node} in rollout {rollout} is kept, because its attempt ended as \
         {outcome}; look at the node, then: h8lctl rollout acknowledge {rollout} --node {node} \
         --outcome {outcome}"
    )]
    SlotStands {
        node: NodeName,
        rollout: RolloutName,
        outcome: Outcome,
    },
}

impl From<NotSettled> for Status {
    fn from(no: NotSettled) -> Self {
        Self::failed_precondition(no.to_string())
    }
}

fn at(step: Option<&str>) -> String {
    step.map(|s| format!(" (it is at {s})")).unwrap_or_default()
}

const fn state(state: NodeState) -> &'static str {
    match state {
        NodeState::Waiting => "waits for its turn",
        NodeState::InSlot => "is in its slot",
        NodeState::Done => "is done",
        NodeState::NothingToDo => "had nothing to do",
        NodeState::Failed => "failed",
        NodeState::RolledBack => "was rolled back",
        NodeState::Gone => "left the fleet",
    }
}

/// No rollout has this name.
pub(super) fn no_rollout(text: &str) -> Status {
    let text: String = text.chars().take(80).collect();
    Status::not_found(format!(
        "there is no rollout called {text:?}; `h8lctl rollout list` shows what there is"
    ))
}
