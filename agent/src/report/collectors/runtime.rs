//! Section runtime.

use h8lio_model::section::SectionKind;
use jiff::SignedDuration;

use crate::clock::Moment;
use crate::host::Fingerprint;
use crate::host::runtime::RawRuntime;
use crate::reconcile::cadence::DearRead;
use crate::reconcile::{problems_to_conditions, runtime};
use crate::report::{Collector, Gathered, Hosts};

/// A runtime that stopped is to be seen within a minute; asking costs milliseconds.
const PERIOD: SignedDuration = SignedDuration::from_secs(30);

pub(super) struct Runtime {
    hosts: Hosts,
    asking: DearRead,
    last: Option<RawRuntime>,
}

impl Runtime {
    pub(super) fn new(hosts: &Hosts) -> Self {
        Self {
            hosts: hosts.clone(),
            asking: DearRead::every(PERIOD),
            last: None,
        }
    }
}

impl Collector for Runtime {
    fn name(&self) -> &'static str {
        "runtime"
    }

    fn collect(&mut self, now: Moment) -> Option<Gathered> {
        let print = Fingerprint::default();
        if !self.asking.is_due(print, now.wall) {
            return None;
        }
        self.asking.done(print, now.wall);
        let raw = self.hosts.runtime.runtime();
        if self.last.as_ref() == Some(&raw) {
            return None;
        }
        let facts = runtime::facts(&raw);
        self.last = Some(raw);
        Some(
            Gathered::default()
                .section(SectionKind::Runtime, &facts)
                .conditions(problems_to_conditions(&facts.problems, now.wall))
                .conditions(runtime::conditions(&facts, now.wall)),
        )
    }
}
