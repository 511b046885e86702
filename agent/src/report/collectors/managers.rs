//! Section managers.

use h8lio_model::section::SectionKind;

use crate::clock::Moment;
use crate::config::Modes;
use crate::host::Fingerprint;
use crate::host::managers::ManagerTraces;
use crate::reconcile::cadence::{DearRead, USUAL};
use crate::reconcile::{managers, problems_to_conditions};
use crate::report::{Collector, Gathered, Hosts};

pub(super) struct Managers {
    hosts: Hosts,
    modes: Modes,
    looking: DearRead,
    last: Option<ManagerTraces>,
}

impl Managers {
    pub(super) fn new(hosts: &Hosts, modes: Modes) -> Self {
        Self {
            hosts: hosts.clone(),
            modes,
            looking: DearRead::every(USUAL),
            last: None,
        }
    }
}

impl Collector for Managers {
    fn name(&self) -> &'static str {
        "managers"
    }

    fn collect(&mut self, now: Moment) -> Option<Gathered> {
        let print = Fingerprint::default();
        if !self.looking.is_due(print, now.wall) {
            return None;
        }
        self.looking.done(print, now.wall);
        let traces = self.hosts.managers.traces();
        if self.last.as_ref() == Some(&traces) {
            return None;
        }
        let facts = managers::facts(&traces, &self.modes);
        self.last = Some(traces);
        Some(
            Gathered::default()
                .section(SectionKind::Managers, &facts)
                .conditions(problems_to_conditions(&facts.problems, now.wall))
                .conditions(managers::conditions(&facts, now.wall)),
        )
    }
}
