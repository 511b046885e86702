//! Sections disks and osds.

use std::sync::Arc;

use h8lio_model::section::SectionKind;

use crate::clock::Moment;
use crate::reconcile::disks::conditions::conditions;
use crate::reconcile::disks::watch::{DiskView, DiskWatch};
use crate::reconcile::problems_to_conditions;
use crate::report::{Collector, Gathered, Hosts, Shared};

pub(super) struct Disks {
    hosts: Hosts,
    shared: Arc<Shared>,
    watch: DiskWatch,
    last: Option<DiskView>,
}

impl Disks {
    pub(super) fn new(hosts: &Hosts, shared: Arc<Shared>) -> Self {
        Self {
            hosts: hosts.clone(),
            shared,
            watch: DiskWatch::default(),
            last: None,
        }
    }
}

impl Collector for Disks {
    fn name(&self) -> &'static str {
        "disks"
    }

    fn collect(&mut self, now: Moment) -> Option<Gathered> {
        let (disks, osds) = (self.hosts.disks.as_ref(), self.hosts.osds.as_ref());
        let view = self.watch.look(disks, osds, now.wall);
        if self.last.as_ref() == Some(view) {
            return None;
        }
        self.shared
            .with(|s| s.temperatures.clone_from(&view.temperatures));
        let problems = view.disks.problems.iter().chain(&view.osds.problems);
        let gathered = Gathered::default()
            .section(SectionKind::Disks, &view.disks)
            .section(SectionKind::Osds, &view.osds)
            .conditions(problems_to_conditions(problems, now.wall))
            .conditions(conditions(&view.disks, &view.osds, now.wall));
        self.last = Some(view.clone());
        Some(gathered)
    }
}
