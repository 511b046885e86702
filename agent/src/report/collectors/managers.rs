//! Section managers.

use std::sync::Arc;

use h8lio_model::section::SectionKind;

use crate::clock::Moment;
use crate::config::Modes;
use crate::host::Fingerprint;
use crate::host::managers::{ManagerTraces, ManagersHost};
use crate::reconcile::cadence::{AGAIN, DearRead, USUAL};
use crate::reconcile::{managers, problems_to_conditions};
use crate::report::{Collector, Gathered, Hosts};

pub(super) struct Managers {
    host: Arc<dyn ManagersHost>,
    modes: Modes,
    looking: DearRead,
    last: Option<ManagerTraces>,
}

impl Managers {
    pub(super) fn new(hosts: &Hosts, modes: Modes) -> Self {
        Self {
            host: Arc::clone(&hosts.managers),
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
        let traces = self.host.traces();
        // What is on disk alone may look like a manager that was switched off.
        let period = match traces.problems.is_empty() {
            true => USUAL,
            false => AGAIN,
        };
        self.looking.done_for(period, print, now.wall);
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use h8lio_model::inventory::Problem;
    use jiff::Timestamp;

    use super::*;

    /// Does not answer the first time.
    #[derive(Default)]
    struct Busy(AtomicUsize);

    impl ManagersHost for Busy {
        fn traces(&self) -> ManagerTraces {
            let first = self.0.fetch_add(1, Ordering::Relaxed) == 0;
            let problem = Problem {
                what: "systemctl list-unit-files".to_owned(),
                reason: "TimedOut".to_owned(),
                message: "it did not finish within 20 s".to_owned(),
            };
            ManagerTraces {
                units: (!first).then(Vec::new),
                problems: if first { vec![problem] } else { Vec::new() },
                ..ManagerTraces::default()
            }
        }
    }

    #[test]
    fn a_look_that_failed_in_part_is_repeated_within_a_minute_and_a_whole_one_is_not() {
        let host = Arc::new(Busy::default());
        let mut managers = Managers {
            host: Arc::clone(&host) as Arc<_>,
            modes: Modes::default(),
            looking: DearRead::every(USUAL),
            last: None,
        };
        let at = |seconds: u64| Moment {
            steady: Duration::from_secs(seconds),
            wall: Timestamp::UNIX_EPOCH + Duration::from_secs(seconds),
        };
        let failed = managers.collect(at(0)).expect("a first look");
        assert_eq!(failed.conditions.len(), 1, "{failed:?}");
        assert!(managers.collect(at(30)).is_none());
        let whole = managers.collect(at(60)).expect("another look");
        assert_eq!(whole.conditions, []);
        assert!(managers.collect(at(120)).is_none());
        assert_eq!(host.0.load(Ordering::Relaxed), 2);
    }
}
