//! What blocks it, since when, what would unblock it, and when that is expected: from a report, as
//! structure and as text.

use std::fmt;

use h8lio_model::ids::{NodeId, NodeName, RolloutName};
use h8lio_model::plan::{
    Forecast, NodePart, NodeState, PlanReport, RolloutState, Waiting, WaitingOn,
};
use jiff::Timestamp;
use serde::Serialize;

/// One reason, ready to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// The node whose reason it is; `None`: it holds the rollout or the fleet.
    pub node: Option<NodeName>,
    pub on: WaitingOn,
    pub what: String,
    pub since: Timestamp,
    pub unblocked_by: String,
    pub expected: Option<Timestamp>,
}

/// A node or a rollout, explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// What is explained and how it stands, for example `rollout march is halted`.
    pub about: String,
    pub as_of: Timestamp,
    pub reasons: Vec<Reason>,
    /// When it would be over, or its turn would come.
    pub expected: Option<Timestamp>,
    /// What the end depends on.
    pub because: Option<String>,
}

/// What there is nothing to say about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NothingKnown {
    #[error("the plan knows no rollout {0}; `h8lctl rollout list` shows them")]
    Rollout(RolloutName),
    #[error("node {0} takes part in no rollout that is going on, so nothing holds it")]
    Node(NodeId),
}

fn reason(node: Option<&NodeName>, waiting: &Waiting, expected: Option<Timestamp>) -> Reason {
    Reason {
        node: node.cloned(),
        on: waiting.on.clone(),
        what: waiting.on.to_string(),
        since: waiting.since,
        unblocked_by: waiting.on.unblocked_by(),
        expected: waiting.expected.or(expected),
    }
}

/// Explains a rollout: what holds all of it, then what holds its nodes.
///
/// # Errors
/// [`NothingKnown::Rollout`].
pub fn rollout(report: &PlanReport, name: &RolloutName) -> Result<Explanation, NothingKnown> {
    let whole = fleet(report);
    let Some(told) = report.rollouts.get(name) else {
        return match whole.is_empty() {
            true => Err(NothingKnown::Rollout(name.clone())),
            false => Ok(only(report, format!("rollout {name}"), whole)),
        };
    };
    let mut reasons = whole;
    reasons.extend(told.waiting.iter().map(|w| reason(None, w, None)));
    for node in report.nodes.values() {
        let part = node.parts.get(name);
        let part = part.filter(|p| p.state != NodeState::Done);
        let waiting = part
            .into_iter()
            .flat_map(|p| p.waiting.iter().map(|w| (w, p.expected)));
        reasons.extend(waiting.map(|(w, expected)| reason(Some(&node.name), w, expected)));
    }
    let count = told.count;
    let about = format!(
        "rollout {name} is {}: {} done, {} in a slot, {} waiting, {} failed or rolled back",
        state(told.state),
        count.done + count.nothing_to_do,
        count.in_slot,
        count.waiting,
        count.failed + count.rolled_back,
    );
    let forecast: Option<&Forecast> = told.forecast.as_ref();
    Ok(Explanation {
        about,
        as_of: report.at,
        reasons,
        expected: forecast.and_then(|f| f.finish),
        because: forecast.map(because),
    })
}

/// Explains a node: for each rollout that it takes part in, what holds it there.
///
/// # Errors
/// [`NothingKnown::Node`].
pub fn node(report: &PlanReport, id: NodeId) -> Result<Explanation, NothingKnown> {
    let whole = fleet(report);
    let Some(node) = report.nodes.get(&id) else {
        return match whole.is_empty() {
            true => Err(NothingKnown::Node(id)),
            false => Ok(only(report, format!("node {id}"), whole)),
        };
    };
    let mut reasons = whole;
    for (name, part) in &node.parts {
        if !part.state.is_settled() {
            let told = report.rollouts.get(name);
            let told = told.into_iter().flat_map(|r| &r.waiting);
            reasons.extend(told.map(|w| reason(None, w, part.expected)));
        }
        let own = part.waiting.iter();
        reasons.extend(own.map(|w| reason(Some(&node.name), w, part.expected)));
    }
    let parts: Vec<String> = node
        .parts
        .iter()
        .map(|(name, part)| words(name, part))
        .collect();
    Ok(Explanation {
        about: format!("node {} {}", node.name, parts.join("; ")),
        as_of: report.at,
        reasons,
        expected: node.parts.values().filter_map(|p| p.expected).min(),
        because: None,
    })
}

/// Nodes that the forecast leaves out are said, so that its end is not taken for theirs.
fn because(forecast: &Forecast) -> String {
    let because = &forecast.because;
    match (forecast.left_out, forecast.finish) {
        (0, _) | (_, None) => because.clone(),
        (left, Some(_)) => {
            format!("{because}, and without {left} nodes that are held by themselves")
        }
    }
}

fn fleet(report: &PlanReport) -> Vec<Reason> {
    report
        .waiting
        .iter()
        .map(|w| reason(None, w, None))
        .collect()
}

fn only(report: &PlanReport, about: String, reasons: Vec<Reason>) -> Explanation {
    Explanation {
        about,
        as_of: report.at,
        reasons,
        expected: None,
        because: None,
    }
}

fn words(rollout: &RolloutName, part: &NodePart) -> String {
    let state = match part.state {
        NodeState::Waiting => "waits",
        NodeState::InSlot => "has its slot",
        NodeState::Done => "is done",
        NodeState::NothingToDo => "had nothing to do",
        NodeState::Failed => "failed",
        NodeState::RolledBack => "was rolled back",
        NodeState::Gone => "left the fleet",
    };
    format!("{state} in rollout {rollout} (wave {})", part.wave)
}

const fn state(state: RolloutState) -> &'static str {
    match state {
        RolloutState::Waiting => "waiting",
        RolloutState::Running => "running",
        RolloutState::Halted => "halted",
        RolloutState::Paused => "paused",
        RolloutState::Cancelling => "being cancelled",
        RolloutState::Cancelled => "cancelled",
        RolloutState::Finished => "finished",
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} (as of {})", self.about, self.as_of)?;
        for reason in &self.reasons {
            let who = reason.node.as_ref().map(|n| format!("{n}: "));
            writeln!(f, "- {}{}", who.unwrap_or_default(), reason.what)?;
            writeln!(f, "  since {}; until {}", reason.since, reason.unblocked_by)?;
            if let Some(expected) = reason.expected {
                writeln!(f, "  expected {expected}")?;
            }
        }
        match (self.expected, &self.because) {
            (Some(at), Some(why)) => writeln!(f, "expected to be over {at}, because of {why}"),
            (Some(at), None) => writeln!(f, "its turn is expected {at}"),
            (None, Some(why)) => writeln!(f, "no end is in sight, because of {why}"),
            (None, None) => Ok(()),
        }
    }
}
