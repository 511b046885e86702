//! Whether all has come to its end, and where it stands when it does not.

use h8lio_agent::ledger::Ledger;
use h8lio_model::plan::NodeState;
use h8lio_planner::Wish;

use super::World;
use crate::promises::Broken;
use crate::queue::told;
use crate::shape::Shape;

impl World {
    /// Everything has come to its end.
    pub(super) fn is_over(&self) -> bool {
        let content = self.coordinator.stored.plan.content();
        let Some(rollout) = content.rollouts.get(&Shape::rollout()) else {
            return false;
        };
        let wish = &self.coordinator.stored.rollout.control.wish;
        let cancelled = matches!(wish, Wish::Cancel { .. });
        let over =
            |state: NodeState| state.is_settled() || (cancelled && state == NodeState::Waiting);
        content.slots.is_empty() && rollout.nodes.values().all(|n| over(n.state))
    }

    pub(super) fn stuck(&self) -> Broken {
        let content = self.coordinator.stored.plan.content();
        let slots = content
            .slots
            .iter()
            .map(|(id, slot)| format!("{id} {:?}", slot.phase));
        let slots: Vec<String> = slots.collect();
        let ledgers = self.nodes.values().map(|n| {
            let report = n.ledger().map(Ledger::report);
            report.map_or_else(|| "no agent".to_owned(), |r| told(&r))
        });
        let ledgers: Vec<String> = ledgers.collect();
        Broken::NoEnd {
            what: format!("slots {slots:?}, nodes {ledgers:?}"),
        }
    }
}
