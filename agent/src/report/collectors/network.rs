//! Section network.

use std::hash::{DefaultHasher, Hash, Hasher};

use h8lio_model::section::SectionKind;

use crate::clock::Moment;
use crate::host::Fingerprint;
use crate::host::network::{RawNeighbours, RawNetwork};
use crate::reconcile::cadence::{DearRead, USUAL};
use crate::reconcile::{network, problems_to_conditions};
use crate::report::{Collector, Gathered, Hosts};

pub(super) struct Network {
    hosts: Hosts,
    asking: DearRead,
    neighbours: Option<RawNeighbours>,
    last: Option<(RawNetwork, Option<RawNeighbours>)>,
}

impl Network {
    pub(super) fn new(hosts: &Hosts) -> Self {
        Self {
            hosts: hosts.clone(),
            asking: DearRead::every(USUAL),
            neighbours: None,
            last: None,
        }
    }
}

impl Collector for Network {
    fn name(&self) -> &'static str {
        "network"
    }

    fn collect(&mut self, now: Moment) -> Option<Gathered> {
        let raw = self.hosts.network.network();
        let print = cables(&raw);
        if self.asking.is_due(print, now.wall) {
            self.neighbours = Some(self.hosts.network.neighbours());
            self.asking.done(print, now.wall);
        }
        let seen = (raw, self.neighbours.clone());
        if self.last.as_ref() == Some(&seen) {
            return None;
        }
        let facts = network::facts(&seen.0, seen.1.as_ref());
        self.last = Some(seen);
        Some(
            Gathered::default()
                .section(SectionKind::Network, &facts)
                .conditions(problems_to_conditions(&facts.problems, now.wall))
                .conditions(network::conditions(&facts, now.wall)),
        )
    }
}

/// Changes when a cable was plugged, pulled or moved: then the switch is asked again.
fn cables(raw: &RawNetwork) -> Fingerprint {
    let mut hash = DefaultHasher::new();
    for link in raw.links.iter().filter(|l| l.device.is_some()) {
        (link.index, &link.name, link.carrier).hash(&mut hash);
    }
    Fingerprint(hash.finish())
}
