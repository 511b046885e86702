//! Keeps the picture of the machine and its operating system fresh at little cost.

use h8lio_model::inventory::{HardwareFacts, OsFacts};
use jiff::Timestamp;

use super::{clock, hardware, os};
use crate::host::Fingerprint;
use crate::host::hardware::HardwareHost;
use crate::host::os::OsHost;
use crate::reconcile::cadence::{DearRead, SLOW, USUAL};

/// What is known of the machine and its operating system.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SystemView {
    pub hardware: HardwareFacts,
    pub os: OsFacts,
}

/// Remembers what was read when.
#[derive(Debug)]
pub struct SystemWatch {
    hardware: DearRead,
    os: DearRead,
    view: SystemView,
}

impl Default for SystemWatch {
    fn default() -> Self {
        Self {
            hardware: DearRead::every(SLOW),
            os: DearRead::every(USUAL),
            view: SystemView::default(),
        }
    }
}

impl SystemWatch {
    /// The present picture. Call it on every tick; most calls read nothing.
    pub fn look(
        &mut self,
        machine: &dyn HardwareHost,
        system: &dyn OsHost,
        now: Timestamp,
    ) -> &SystemView {
        let any = Fingerprint::default();
        if self.hardware.is_due(any, now) {
            self.view.hardware = hardware::assess(&machine.hardware());
            self.hardware.done(any, now);
        }
        if self.os.is_due(any, now) {
            self.view.os = os::assess(&system.os(), clock::assess(&system.clock(), now));
            self.os.done(any, now);
        }
        &self.view
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeSet;

    use h8lio_model::inventory::Problem;

    use super::*;
    use crate::host::hardware::RawHardware;
    use crate::host::os::{RawClock, RawOs};

    #[derive(Default)]
    struct Server {
        machine: Cell<u32>,
        system: Cell<u32>,
    }

    impl HardwareHost for Server {
        fn hardware(&self) -> RawHardware {
            self.machine.set(self.machine.get() + 1);
            RawHardware::default()
        }
    }

    impl OsHost for Server {
        fn os(&self) -> RawOs {
            self.system.set(self.system.get() + 1);
            RawOs {
                kernel: Some(format!("{}", self.system.get())),
                ..RawOs::default()
            }
        }

        fn clock(&self) -> RawClock {
            RawClock::default()
        }

        fn running(&self, _: &[&str]) -> Result<BTreeSet<String>, Problem> {
            Ok(BTreeSet::new())
        }
    }

    #[test]
    fn an_hour_of_ticks_reads_the_machine_twice_and_the_system_every_five_minutes() {
        let (server, mut watch) = (Server::default(), SystemWatch::default());
        for tick in 0..360 {
            let now = Timestamp::from_second(tick * 10).expect("in range");
            watch.look(&server, &server, now);
        }
        assert_eq!((server.machine.get(), server.system.get()), (2, 12));
        assert_eq!(watch.view.os.kernel, "12", "the last reading is kept");
    }
}
