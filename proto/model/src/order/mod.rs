//! What is wanted of one node, as one declarative message, and the rule by which a node takes it.
//!
//! An order says how the server shall be, never what to run. Sending it again is harmless, a stale
//! one is refused, and **what an order does not mention stays as it is**: omission never destroys.
//! The only acts that cannot be repeated are [`Ticket`]s, each with an [`AttemptId`] that the agent
//! never forgets.
//!
//! OSDs and network configuration get their fields with the code that acts on them. An agent
//! refuses an order with a field that it does not know: half an order is none.

mod lease;
mod number;
mod outcome;
mod package;
mod reboot;
mod report;
mod rule;
mod ticket;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use lease::{HeldLease, LeaseResource};
pub use number::{Epoch, Generation, LedgerId, OrderMark, OrderNumber};
pub use outcome::{AttemptReport, Outcome, TOO_LATE, WITHDRAWN};
pub use package::{
    Architecture, NoPatchTarget, PackageChange, PackageName, PackageVersion, PatchTarget,
};
pub use reboot::{KernelRelease, RebootWish};
pub use report::{OrderReport, OwnHold, Refused, Running, SafePoint};
pub use rule::{Refusal, Verdict, epoch_beyond, weigh};
pub(crate) use ticket::uuid_of;
pub use ticket::{Act, AttemptId, OnFailure, Ticket};

use crate::ids::{Incarnation, NodeId};
use crate::lifecycle::Scheduling;
use crate::plan::PlanId;
use crate::section::Digest;

/// An order as it is sent. Number, incarnation and ledger say whether it is taken; the plan is for
/// the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeOrder {
    /// The node that it is for; any other refuses it.
    pub node: NodeId,
    /// The ledger that it is for. An agent that lost its ledger has another one, and is thereby
    /// out of reach of all orders that were made before the coordinator knew of the loss.
    pub ledger: LedgerId,
    pub epoch: Epoch,
    pub generation: Generation,
    /// The coordinator's data that it was made from.
    pub incarnation: Incarnation,
    /// The plan that it follows from. Plans may change without changing what is wanted of a node.
    pub plan: PlanId,
    pub content: OrderContent,
}

impl NodeOrder {
    /// What orders are compared by.
    pub const fn number(&self) -> OrderNumber {
        OrderNumber {
            epoch: self.epoch,
            generation: self.generation,
        }
    }

    /// What a ledger keeps of it for the comparison with the next.
    pub fn mark(&self) -> OrderMark {
        OrderMark {
            epoch: self.epoch,
            generation: self.generation,
            incarnation: self.incarnation,
            digest: self.content.digest(),
        }
    }
}

/// What is wanted. Whatever is absent is not wished for, and is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrderContent {
    /// Whether work may be placed on the server.
    pub scheduling: Scheduling,
    /// Versions that the server's packages shall have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<PatchTarget>,
    /// A boot that shall have happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reboot: Option<RebootWish>,
    /// Packages that the agent held by itself after a fallback and that a person lets go. Whatever an
    /// operator holds is not touched by it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub let_go: BTreeSet<PackageName>,
    /// What the server owns for a time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leases: Vec<HeldLease>,
    /// Leave for acts that cannot be taken back. Without one, nothing of `patch` or `reboot` is
    /// begun.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tickets: Vec<Ticket>,
}

impl OrderContent {
    /// An order that wishes for nothing but the scheduling state.
    pub const fn quiet(scheduling: Scheduling) -> Self {
        Self {
            scheduling,
            patch: None,
            reboot: None,
            let_go: BTreeSet::new(),
            leases: Vec::new(),
            tickets: Vec::new(),
        }
    }

    /// SHA-256 over its JSON. Fields keep their order, so equal contents give equal digests.
    pub fn digest(&self) -> Digest {
        let body = serde_json::to_vec(self).expect("texts, numbers and lists have a JSON form");
        Digest::of(&body)
    }

    /// The ticket with this attempt id.
    pub fn ticket(&self, attempt: AttemptId) -> Option<&Ticket> {
        self.tickets.iter().find(|t| t.attempt == attempt)
    }

    /// Whether the parts fit one another.
    ///
    /// # Errors
    /// The first [`Misfit`].
    pub fn check(&self) -> Result<(), Misfit> {
        let mut seen = BTreeSet::new();
        for ticket in &self.tickets {
            if !seen.insert(ticket.attempt) {
                return Err(Misfit::AttemptTwice(ticket.attempt));
            }
            match ticket.act {
                Act::Patch if self.patch.is_none() => {
                    return Err(Misfit::NothingToPatch(ticket.attempt));
                }
                Act::Reboot if self.reboot.is_none() => {
                    return Err(Misfit::NothingToRebootFor(ticket.attempt));
                }
                Act::Reboot if self.patch.is_some() => {
                    return Err(Misfit::RebootBesidePatch(ticket.attempt));
                }
                Act::Patch | Act::Reboot => {}
            }
        }
        if self.tickets.len() > 1 {
            return Err(Misfit::SeveralTickets(self.tickets.len()));
        }
        let mut resources = BTreeSet::new();
        match self
            .leases
            .iter()
            .find(|l| !resources.insert(l.resource.clone()))
        {
            Some(double) => Err(Misfit::LeaseTwice(double.resource.clone())),
            None => Ok(()),
        }
    }
}

/// Why the parts of an order contradict one another. Such an order is refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    #[error("attempt {0} stands in the order twice; the coordinator must make a new order")]
    AttemptTwice(AttemptId),
    #[error("attempt {0} is to patch, but the order names no package versions")]
    NothingToPatch(AttemptId),
    #[error("attempt {0} is to reboot, but the order does not say which boot must end")]
    NothingToRebootFor(AttemptId),
    #[error("attempt {0} is to reboot only, but the order also names package versions")]
    RebootBesidePatch(AttemptId),
    #[error("the order has {0} tickets; a server does one irreversible act at a time")]
    SeveralTickets(usize),
    #[error("the lease of {0} stands in the order twice")]
    LeaseTwice(LeaseResource),
}
