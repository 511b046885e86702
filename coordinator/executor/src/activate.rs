//! One activation: what each node is sent now.

use std::collections::BTreeMap;

use h8lio_model::ids::NodeId;
use h8lio_model::order::{AttemptId, LedgerId, NodeOrder};
use h8lio_model::plan::{Plan, PlannedOrder};

use crate::behind::{Behind, Term, behind};
use crate::known::{Given, Known, Record};

/// What is to be done for one node, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errand {
    pub node: NodeId,
    /// First to be made durable. When that fails, nothing is sent.
    pub record: Option<Record>,
    /// Then to be sent. Whether it arrives is told by the node's next report alone.
    pub order: NodeOrder,
}

/// An order that is not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    #[error("node {0} has not said yet which ledger it keeps")]
    NotHeard(NodeId),
    #[error(
        "attempt {attempt} of node {node} was given to ledger {given}, and the node keeps {now}: what \
         became of it has to be looked at, and only a new attempt may try again"
    )]
    GivenToAnotherLedger {
        node: NodeId,
        attempt: AttemptId,
        given: LedgerId,
        now: LedgerId,
    },
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Activation {
    pub errands: Vec<Errand>,
    pub withheld: Vec<Withheld>,
}

/// What each node is to be sent so that it follows `plan`: nobody more than one order, and nobody
/// who has it already. `nodes` holds everybody that is known; an order for any other waits until it
/// is heard.
///
/// # Errors
/// [`Behind`]: nobody is sent anything.
pub fn activate(
    term: &Term,
    plan: &Plan,
    nodes: &BTreeMap<NodeId, Known>,
) -> Result<Activation, Behind> {
    for (id, known) in nodes {
        if let Some(report) = &known.report {
            behind(term, plan, *id, report)?;
        }
    }
    let mut activation = Activation::default();
    for (id, planned) in &plan.content().orders {
        match errand(term, plan, *id, planned, nodes.get(id)) {
            Ok(errand) => activation.errands.extend(errand),
            Err(why) => activation.withheld.push(why),
        }
    }
    Ok(activation)
}

fn errand(
    term: &Term,
    plan: &Plan,
    node: NodeId,
    planned: &PlannedOrder,
    known: Option<&Known>,
) -> Result<Option<Errand>, Withheld> {
    let heard = known.and_then(|known| Some((&known.record, known.report.as_ref()?)));
    let (record, report) = heard.ok_or(Withheld::NotHeard(node))?;
    let order = NodeOrder {
        node,
        ledger: report.ledger,
        epoch: term.epoch,
        generation: planned.generation,
        incarnation: term.incarnation,
        plan: plan.id(),
        content: planned.content.clone(),
    };
    if report.highest() == Some(&order.mark()) {
        return Ok(None);
    }
    let record = given(node, record, &order)?;
    Ok(Some(Errand {
        node,
        record,
        order,
    }))
}

/// What has to be written before the order's ticket goes out. A content has at most one.
fn given(node: NodeId, record: &Record, order: &NodeOrder) -> Result<Option<Record>, Withheld> {
    let now = order.ledger;
    let Some(attempt) = order.content.tickets.first().map(|t| t.attempt) else {
        return Ok(None);
    };
    match record.given {
        Some(given) if given.attempt == attempt && given.ledger == now => Ok(None),
        Some(given) if given.attempt == attempt => Err(Withheld::GivenToAnotherLedger {
            node,
            attempt,
            given: given.ledger,
            now,
        }),
        _ => Ok(Some(Record {
            given: Some(Given {
                attempt,
                ledger: now,
            }),
            end: None,
        })),
    }
}
