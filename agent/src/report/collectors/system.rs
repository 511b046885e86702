//! Sections hardware, os and vitals.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use h8lio_model::inventory::{ClockSync, DAEMONS, HardwareFacts, OsFacts, Problem, WayBack};
use h8lio_model::section::SectionKind;

use crate::clock::Moment;
use crate::host::Fingerprint;
use crate::host::os::RawOs;
use crate::reconcile::cadence::{DearRead, SLOW, USUAL};
use crate::reconcile::patching::boot::fact;
use crate::reconcile::{problems_to_conditions, system};
use crate::report::{Collector, Gathered, Hosts, Shared};

pub(super) struct System {
    hosts: Hosts,
    shared: Arc<Shared>,
    machine: DearRead,
    clock: DearRead,
    sensing: DearRead,
    sensors: BTreeMap<String, i32>,
    hardware: HardwareFacts,
    raw_os: RawOs,
    sync: (ClockSync, Vec<Problem>),
    /// What the planner asks before the server may go down.
    leaving: DearRead,
    daemons: Result<BTreeSet<String>, Problem>,
    way_back: Option<WayBack>,
    os: OsFacts,
}

impl System {
    pub(super) fn new(hosts: &Hosts, shared: Arc<Shared>) -> Self {
        Self {
            hosts: hosts.clone(),
            shared,
            machine: DearRead::every(SLOW),
            clock: DearRead::every(USUAL),
            sensing: DearRead::every(USUAL),
            sensors: BTreeMap::new(),
            hardware: HardwareFacts::default(),
            raw_os: RawOs::default(),
            sync: Default::default(),
            leaving: DearRead::every(USUAL),
            daemons: Ok(BTreeSet::new()),
            way_back: None,
            os: OsFacts::default(),
        }
    }
}

impl System {
    /// The section: what was read apart from each other, put together.
    fn system(&self) -> OsFacts {
        let mut os = system::os::assess(&self.raw_os, self.sync.clone());
        match &self.daemons {
            Ok(daemons) => os.daemons = Some(daemons.clone()),
            Err(problem) => os.problems.push(problem.clone()),
        }
        os.way_back.clone_from(&self.way_back);
        os
    }
}

impl Collector for System {
    fn name(&self) -> &'static str {
        "system"
    }

    fn collect(&mut self, now: Moment) -> Option<Gathered> {
        let print = Fingerprint::default();
        if self.machine.is_due(print, now.wall) {
            self.hardware = system::hardware::assess(&self.hosts.hardware.hardware());
            self.raw_os = self.hosts.os.os();
            self.machine.done(print, now.wall);
        }
        if self.clock.is_due(print, now.wall) {
            self.sync = system::clock::assess(&self.hosts.os.clock(), now.wall);
            self.clock.done(print, now.wall);
        }
        if self.sensing.is_due(print, now.wall) {
            self.sensors = self.hosts.vitals.sensors();
            self.sensing.done(print, now.wall);
        }
        if self.leaving.is_due(print, now.wall) {
            self.daemons = self.hosts.os.running(&DAEMONS);
            let kernel = self.raw_os.kernel.as_deref().map(str::trim);
            self.way_back = kernel.map(|k| fact::way_back(&self.hosts.boot.boot(), k));
            self.leaving.done(print, now.wall);
        }
        self.os = self.system();
        let raw = self.hosts.vitals.vitals();
        let (temperatures, offset, before) = self.shared.with(|s| {
            (
                s.temperatures.clone(),
                s.offset.map(|o| o.now(now)),
                s.standing.clone(),
            )
        });
        let vitals = system::vitals::assess(&raw, &temperatures, &self.sensors, offset);
        let problems = self.hardware.problems.iter();
        let problems = problems.chain(&self.os.problems).chain(&raw.problems);
        let memory = &self.hardware.memory;
        Some(
            Gathered::default()
                .section(SectionKind::Hardware, &self.hardware)
                .section(SectionKind::Os, &self.os)
                .section(SectionKind::Vitals, &vitals)
                .conditions(problems_to_conditions(problems, now.wall))
                .conditions(system::conditions::conditions(
                    &self.os, memory, &vitals, &before, now.wall,
                )),
        )
    }
}
