//! The plan in the making.

use h8lio_model::ids::{NodeId, RolloutName};
use h8lio_model::order::{Generation, OrderContent};
use h8lio_model::plan::{NodeProgress, NodeState, Plan, PlanContent, PlannedOrder};
use jiff::Timestamp;

use crate::input::PlanningInput;

/// Begins as the parent's content. What no step touches stays as it is.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) content: PlanContent,
}

impl Draft {
    pub(crate) fn from_parent(parent: &Plan) -> Self {
        Self {
            content: parent.content().clone(),
        }
    }

    /// Wants `content` of a node. The generation grows when that is something else than before.
    pub(crate) fn order(&mut self, id: NodeId, content: OrderContent) -> Generation {
        let before = self.content.orders.get(&id);
        let generation = match before {
            Some(planned) if planned.content == content => return planned.generation,
            Some(planned) => planned.generation.next(),
            None => Generation(1),
        };
        let planned = PlannedOrder {
            generation,
            content,
        };
        self.content.orders.insert(id, planned);
        generation
    }

    /// Moves a node of a rollout into a state; its age begins when the state is another one.
    pub(crate) fn moved(
        &mut self,
        rollout: &RolloutName,
        id: NodeId,
        state: NodeState,
        now: Timestamp,
    ) {
        if let Some(node) = self.node(rollout, id)
            && node.state != state
        {
            node.state = state;
            node.since = now;
        }
    }

    /// Gives a slot back of which nothing was ordered: its node waits again.
    pub(crate) fn give_back(&mut self, id: NodeId, now: Timestamp) {
        if let Some(slot) = self.content.slots.remove(&id) {
            self.moved(&slot.rollout, id, NodeState::Waiting, now);
        }
    }

    pub(crate) fn node(&mut self, rollout: &RolloutName, id: NodeId) -> Option<&mut NodeProgress> {
        self.content.rollouts.get_mut(rollout)?.nodes.get_mut(&id)
    }

    /// The parent itself when nothing came of it.
    pub(crate) fn seal(self, input: &PlanningInput<'_>) -> Plan {
        match self.content == *input.parent.content() {
            true => input.parent.clone(),
            false => input.parent.child(input.now, self.content),
        }
    }
}
