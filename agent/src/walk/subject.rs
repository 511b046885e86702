//! What an attempt is about, from its ticket and the order that it was begun for.

use h8lio_model::order::{AttemptId, OrderContent, PatchTarget, RebootWish, Ticket};
use h8lio_model::section::Digest;
use uuid::Uuid;

use crate::reconcile::patching::parse::dpkg::kernel;
use crate::reconcile::patching::transaction::class::{Class, Way};
use crate::reconcile::patching::transaction::judge::Change;
use crate::reconcile::patching::way::machine::Terms;

/// The subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) attempt: AttemptId,
    pub(super) terms: Terms,
    pub(super) target: Option<PatchTarget>,
    pub(super) wish: Option<RebootWish>,
    /// What is to change, as ordered.
    pub(super) changes: Vec<Change>,
    /// The kernel that the boot is to bring; `None`: the one that runs.
    pub(super) kernel: Option<String>,
}

impl Subject {
    pub(super) fn new(ticket: &Ticket, content: &OrderContent) -> Self {
        let target = content.patch.clone();
        let changes: Vec<Change> = target
            .iter()
            .flat_map(PatchTarget::changes)
            .map(|c| Change {
                name: c.name.to_string(),
                from: c.from.as_ref().map(ToString::to_string),
                to: c.to.to_string(),
                class: Class::of(c.name.as_str()),
            })
            .collect();
        let wished = content.reboot.as_ref().and_then(|r| r.kernel.as_ref());
        let brought = || {
            changes
                .iter()
                .filter(|c| c.from.is_none())
                .find_map(|c| kernel(&c.name))
        };
        let kernel = wished.map(ToString::to_string).or_else(brought);
        let forward = |c: &Change| c.class.strategy().way == Way::ForwardOnly;
        Self {
            attempt: ticket.attempt,
            terms: Terms {
                act: ticket.act,
                on_failure: ticket.on_failure,
                forward_only: changes.iter().any(forward),
                adds: changes.iter().any(|c| c.from.is_none()),
                other_kernel: kernel.is_some(),
            },
            target,
            wish: content.reboot.clone(),
            changes,
            kernel,
        }
    }

    /// Whether a boot is a part of what was ordered, so that its way back is put in place first. What
    /// else on the server asks for one (a sentinel, a kernel that somebody installed) waits for an
    /// order of its own.
    pub(super) const fn may_boot(&self) -> bool {
        self.wish.is_some() || self.terms.other_kernel
    }

    /// The way back of the changes: those that were not there before stay.
    pub(super) fn reversed(&self) -> Vec<Change> {
        let back = self.changes.iter().filter_map(|c| {
            Some(Change {
                name: c.name.clone(),
                from: Some(c.to.clone()),
                to: c.from.clone()?,
                class: c.class,
            })
        });
        back.collect()
    }

    /// The id of one of the attempt's transactions: the same for the same thing, after any crash.
    pub(super) fn transaction(&self, what: &str) -> Uuid {
        AttemptId::derived(&Digest::of(format!("{} {what}", self.attempt).as_bytes())).0
    }
}
