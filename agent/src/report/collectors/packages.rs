//! Section packages.

use std::sync::Arc;

use h8lio_model::inventory::PackageFacts;
use h8lio_model::section::SectionKind;

use crate::clock::Moment;
use crate::reconcile::patching::{LastRead, conditions, facts, must_read};
use crate::reconcile::problems_to_conditions;
use crate::report::{Collector, Gathered, Hosts, Shared};

pub(super) struct Packages {
    hosts: Hosts,
    shared: Arc<Shared>,
    last: Option<LastRead>,
    facts: PackageFacts,
}

impl Packages {
    pub(super) fn new(hosts: &Hosts, shared: Arc<Shared>) -> Self {
        Self {
            hosts: hosts.clone(),
            shared,
            last: None,
            facts: PackageFacts::default(),
        }
    }
}

impl Collector for Packages {
    fn name(&self) -> &'static str {
        "packages"
    }

    fn collect(&mut self, now: Moment) -> Option<Gathered> {
        let fingerprint = self.hosts.packages.fingerprint();
        // Before it is read: an attempt that ends meanwhile makes it old.
        let after = self.shared.last_ended();
        let is_due = must_read(self.last.as_ref(), &fingerprint, now.wall);
        if is_due || after != self.facts.after {
            let boot_id = self.hosts.os.os().boot_id;
            self.facts = PackageFacts {
                boot_id: boot_id.and_then(|id| id.parse().ok()),
                after,
                ..facts(&self.hosts.packages.packages())
            };
            self.last = Some(LastRead {
                fingerprint,
                at: now.wall,
                busy: !self.facts.busy.is_empty(),
            });
        }
        // Judged each round: an index goes stale by the passing of time alone.
        Some(
            Gathered::default()
                .section(SectionKind::Packages, &self.facts)
                .conditions(problems_to_conditions(&self.facts.problems, now.wall))
                .conditions(conditions(&self.facts, now.wall)),
        )
    }
}
