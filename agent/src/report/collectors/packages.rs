//! Section packages.

use h8lio_model::inventory::PackageFacts;
use h8lio_model::section::SectionKind;

use crate::clock::Moment;
use crate::reconcile::patching::{LastRead, conditions, facts, must_read};
use crate::reconcile::problems_to_conditions;
use crate::report::{Collector, Gathered, Hosts};

pub(super) struct Packages {
    hosts: Hosts,
    last: Option<LastRead>,
    facts: PackageFacts,
}

impl Packages {
    pub(super) fn new(hosts: &Hosts) -> Self {
        Self {
            hosts: hosts.clone(),
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
        if must_read(self.last.as_ref(), &fingerprint, now.wall) {
            self.facts = facts(&self.hosts.packages.packages());
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
