//! What a person at the keyboard does to the world, and sees of it.

use std::str::FromStr as _;
use std::time::Duration;

use h8lio_agent::sim::fault::Fault;
use h8lio_model::ids::NodeId;
use h8lio_model::plan::PlanReport;
use h8lio_model::section::Digest;
use h8lio_planner::{Wish, explain};

use super::{World, moment};
use crate::shape::Shape;

/// Nothing of a workflow for so long: whatever it waits for does not come by itself.
const QUIET: Duration = Duration::from_secs(15 * 60);

impl World {
    pub(crate) const fn now(&self) -> Duration {
        self.now
    }

    pub(crate) const fn steps(&self) -> u64 {
        self.steps
    }

    pub(crate) const fn hash(&self) -> Digest {
        self.trace.hash()
    }

    pub(crate) fn trace(&self) -> &[String] {
        self.trace.lines()
    }

    /// When the next event comes.
    pub(crate) fn next_at(&self) -> Option<Duration> {
        self.queue.peek().map(|queued| queued.0.at)
    }

    /// How often an attempt was gone on with, an order taken or a plan written.
    pub(crate) const fn workflow(&self) -> u64 {
        self.workflow
    }

    /// Whether a fleet in which nothing happened since then will go on by itself.
    pub(crate) fn is_quiet_since(&self, last: Duration) -> bool {
        self.now.saturating_sub(last) >= QUIET
    }

    /// The node of this name.
    pub(crate) fn node_named(&self, name: &str) -> Option<NodeId> {
        let mut all = 0..self.shape.nodes;
        let n = all.find(|n| format!("s{n}") == name)?;
        Some(self.shape.id(n))
    }

    /// What is wanted of the rollout from here on. `false`: it was so already, or was cancelled.
    pub(crate) fn wish(&mut self, wish: Wished) -> bool {
        let at = moment(self.now).wall;
        let by = "a person".to_owned();
        let control = &mut self.coordinator.stored.rollout.control;
        let next = match (wish, &control.wish) {
            (_, Wish::Cancel { .. })
            | (Wished::Run, Wish::Run)
            | (Wished::Pause, Wish::Pause { .. }) => return false,
            (Wished::Run, Wish::Pause { .. }) => Wish::Run,
            (Wished::Pause, Wish::Run) => Wish::Pause { by, at },
            (Wished::Cancel, _) => Wish::Cancel { by, at },
        };
        control.wish = next;
        self.trace.note(format!("          by hand: {wish:?}"));
        true
    }

    /// Something happens to a server or its agent now.
    ///
    /// # Errors
    /// With the words that there are, when these are none.
    pub(crate) fn strike(&mut self, id: NodeId, words: &str) -> Result<(), String> {
        let Some(node) = self.nodes.get_mut(&id) else {
            return Err(format!("{id} is no server of this fleet"));
        };
        match words {
            "agent.dies" => node.kill(),
            "ledger.lost" => {
                node.lose_ledger();
                self.promises.lost_ledger(id);
            }
            _ => {
                Fault::from_str(words)?;
                node.suffers(words);
                if words.starts_with("package.") {
                    self.promises.by_hand(id);
                }
            }
        }
        self.promises.spoilt();
        self.trace.note(format!("          by hand: {id} {words}"));
        self.moves(id);
        self.after_agent(id);
        Ok(())
    }

    /// The coordinator's process ends, and is started again.
    pub(crate) fn kill_the_coordinator(&mut self) {
        self.coordinator.kill();
        self.coordinator_may_be_dead();
    }

    /// The plan that is written: the rollout, its slots, and where each node stands.
    pub(crate) fn plan_lines(&self) -> Vec<String> {
        let plan = &self.coordinator.stored.plan;
        let content = plan.content();
        let mut lines = vec![format!("plan {}", plan.id())];
        let Some(progress) = content.rollouts.get(&Shape::rollout()) else {
            lines.push("no rollout is planned yet".to_owned());
            return lines;
        };
        for (n, (id, node)) in progress.nodes.iter().enumerate() {
            let slot = content.slots.get(id);
            let slot = slot.map_or_else(String::new, |s| format!(", slot {:?}", s.phase));
            lines.push(format!(
                "s{n}: {:?}, wave {}, tries {}{slot}",
                node.state, node.wave, node.tries
            ));
        }
        lines
    }

    /// What holds a node, in the planner's own words.
    pub(crate) fn explain_node(&self, id: NodeId) -> Result<String, String> {
        let found = explain::node(self.said()?, id).map_err(|e| e.to_string())?;
        Ok(found.to_string())
    }

    /// What holds the rollout, in the planner's own words.
    pub(crate) fn explain_rollout(&self) -> Result<String, String> {
        let found = explain::rollout(self.said()?, &Shape::rollout());
        Ok(found.map_err(|e| e.to_string())?.to_string())
    }

    fn said(&self) -> Result<&PlanReport, String> {
        let report = self.coordinator.report();
        report.ok_or_else(|| "the coordinator is not there, or has not planned yet".to_owned())
    }
}

/// What a person wishes of a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wished {
    Run,
    Pause,
    Cancel,
}
