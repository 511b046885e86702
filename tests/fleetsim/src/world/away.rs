//! Servers that go down and come back.

use std::time::Duration;

use h8lio_agent::sim::changes::Boot;
use h8lio_model::ids::NodeId;

use super::{World, moment};
use crate::queue::Event;

/// Until somebody looks at a server that hangs, and switches it off and on.
const PERSON: Duration = Duration::from_secs(3_600);

impl World {
    pub(super) fn moves(&mut self, id: NodeId) {
        self.moves_and_is_back(id, 20_000, 240_000);
    }

    /// Where it goes down it is up again after so many milliseconds.
    fn moves_and_is_back(&mut self, id: NodeId, least: u64, most: u64) {
        let at = moment(self.now);
        let Some(node) = self.nodes.get_mut(&id).filter(|n| n.is_on) else {
            return;
        };
        node.move_on(at);
        let hung = match node.last_boot() {
            Boot::Up => Duration::ZERO,
            Boot::ResetAfter(hung) => hung,
            // Until a person sees to it.
            Boot::Hangs => PERSON,
        };
        if !node.is_on {
            if !hung.is_zero() {
                self.trace
                    .note(format!("          {id} hangs for {hung:?}"));
            }
            let hung = u64::try_from(hung.as_millis()).unwrap_or(u64::MAX);
            self.later(hung + least, hung + most, Event::Boots(id));
        }
    }

    /// Away for long: its power, or its agent, which has its orders and does nothing about them.
    pub(super) fn outage(&mut self, id: NodeId) {
        if self.chance.permille(500) {
            self.trace
                .note(format!("          {id} is without power for long"));
            self.nodes[&id].suffers("reboot 1s");
            self.moves_and_is_back(id, 600_000, 3_600_000);
        } else {
            self.trace
                .note(format!("          {id} stands still for long"));
            let until = self.now + self.chance.millis(300_000, 3_600_000);
            self.paused.insert(id, until);
        }
    }
}
