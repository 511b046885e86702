//! What happens and when: by the virtual clock, and by turn where two things fall on one moment.

use std::time::Duration;

use h8lio_model::ids::NodeId;
use h8lio_model::order::{NodeOrder, OrderReport};

use crate::node::Says;

/// Something that happens.
#[derive(Debug)]
pub(crate) enum Event {
    /// The agent looks at what is to be done, and reports.
    Look(NodeId),
    Boots(NodeId),
    AgentStarts(NodeId),
    ToNode(Box<NodeOrder>),
    ToCoordinator(Box<Says>),
    Round,
    CoordinatorStarts,
    /// A person comes by.
    Person,
    /// Something may go wrong.
    Trouble,
}

impl Event {
    pub(crate) fn words(&self) -> String {
        match self {
            Self::ToNode(order) => format!("order {} reaches {}", order.number(), order.node),
            Self::ToCoordinator(says) => format!("{} reports {}", says.node, told(&says.report)),
            other => format!("{other:?}"),
        }
    }
}

pub(crate) fn told(report: &OrderReport) -> String {
    let number = report
        .highest()
        .map_or_else(|| "-".to_owned(), |m| m.number().to_string());
    let running = report.running.as_ref().map_or("-", |r| r.step.as_str());
    let ends = report.attempts.iter().map(|a| format!(" {}", a.outcome));
    format!("{number} {running}{}", ends.collect::<String>())
}

#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) at: Duration,
    pub(crate) turn: u64,
    pub(crate) event: Event,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.turn) == (other.at, other.turn)
    }
}

impl Eq for Queued {}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.turn).cmp(&(other.at, other.turn))
    }
}
