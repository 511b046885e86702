//! Windows and freezes: when a node may be begun, and when next.
//!
//! A stretch begins where cron says so on the clock of its zone and lasts in elapsed time. Where
//! the clock skips its beginning, it begins at the end of the skip; where the clock shows it twice,
//! it begins the first time, once.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use h8lio_model::plan::WaitingOn;
use h8lio_model::rollout::WindowSpec;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};

/// How often stretches are strung together or jumped over before the search gives up. Enough for
/// more than a year of nightly windows.
const STEPS: usize = 500;

/// Why a window or freeze cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadWindow {
    #[error("{cron:?} is no cron expression of five fields (minute hour day month weekday): {why}")]
    NoCron { cron: String, why: String },
    #[error("time zone {zone:?} does not exist; use an IANA name like Europe/Paris")]
    NoZone { zone: String },
    #[error("the window {cron:?} lasts {lasts:#}; it must last longer than nothing")]
    NoLength { cron: String, lasts: SignedDuration },
    #[error("the window {cron:?} in {zone} never opens")]
    NeverOpens { cron: String, zone: String },
}

/// A stretch of time that comes again and again.
#[derive(Debug, Clone)]
pub struct Stretch {
    /// Large: it holds a table for each field.
    cron: Box<Cron>,
    lasts: SignedDuration,
    zone: TimeZone,
}

impl Stretch {
    /// Reads a specification. `now` only serves to find out whether it ever begins.
    ///
    /// # Errors
    /// [`BadWindow`].
    pub fn compile(
        spec: &WindowSpec,
        zones: &TimeZoneDatabase,
        now: Timestamp,
    ) -> Result<Self, BadWindow> {
        let cron = spec.cron.clone();
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .dom_and_dow(true)
            .build();
        let parsed = parser.parse(&spec.cron).map_err(|e| BadWindow::NoCron {
            cron: cron.clone(),
            why: e.to_string(),
        })?;
        let zone = spec.zone.clone();
        let tz = zones
            .get(&spec.zone)
            .map_err(|_| BadWindow::NoZone { zone: zone.clone() })?;
        if spec.lasts <= SignedDuration::ZERO {
            let lasts = spec.lasts;
            return Err(BadWindow::NoLength { cron, lasts });
        }
        let stretch = Self {
            cron: Box::new(parsed),
            lasts: spec.lasts,
            zone: tz,
        };
        match stretch.next(now) {
            Some(_) => Ok(stretch),
            None => Err(BadWindow::NeverOpens { cron, zone }),
        }
    }

    /// The first beginning after `at`.
    pub fn next(&self, at: Timestamp) -> Option<Timestamp> {
        let local = at.to_zoned(self.zone.clone());
        let next = self.cron.find_next_occurrence(&local, false).ok()?;
        Some(next.timestamp()).filter(|t| *t > at)
    }

    /// The last beginning at or before `at`.
    fn previous(&self, at: Timestamp) -> Option<Timestamp> {
        let local = at.to_zoned(self.zone.clone());
        let previous = self.cron.find_previous_occurrence(&local, true).ok()?;
        Some(previous.timestamp()).filter(|t| *t <= at)
    }

    /// The end of the stretch that holds `at`, over all that follow without a gap.
    pub fn end_if_open(&self, at: Timestamp) -> Option<Timestamp> {
        let begun = self.previous(at)?;
        let mut end = begun.checked_add(self.lasts).ok()?;
        if end <= at {
            return None;
        }
        for _ in 0..STEPS {
            // One second before the end: a beginning exactly at the end continues the stretch.
            let before = end.checked_sub(SignedDuration::from_secs(1)).ok()?;
            let next = self.next(before.max(at))?;
            if next > end {
                break;
            }
            end = next.checked_add(self.lasts).ok()?;
        }
        Some(end)
    }
}

/// A time without changes.
#[derive(Debug, Clone)]
pub struct Freeze {
    pub name: String,
    pub when: FreezeTime,
}

/// When a freeze holds.
#[derive(Debug, Clone)]
pub enum FreezeTime {
    Again(Stretch),
    /// From the first moment on, and until just before the second, if there is one.
    Once {
        from: Timestamp,
        until: Option<Timestamp>,
    },
}

impl Freeze {
    /// Whether it holds at `at`, and then its end if it has one.
    fn holds(&self, at: Timestamp) -> Option<Option<Timestamp>> {
        match &self.when {
            FreezeTime::Again(stretch) => stretch.end_if_open(at).map(Some),
            FreezeTime::Once { from, until } => {
                (*from <= at && until.is_none_or(|u| at < u)).then_some(*until)
            }
        }
    }

    /// The first beginning after `at`.
    fn next(&self, at: Timestamp) -> Option<Timestamp> {
        match &self.when {
            FreezeTime::Again(stretch) => stretch.next(at),
            FreezeTime::Once { from, .. } => Some(*from).filter(|f| *f > at),
        }
    }
}

/// The calendar of one rollout.
#[derive(Debug, Clone, Copy)]
pub struct Calendar<'a> {
    /// `None`: windows are not waited for.
    pub windows: Option<&'a [Stretch]>,
    pub freezes: &'a [Freeze],
}

impl Calendar<'_> {
    /// Why work of this length may not begin at `at`. Empty: it may.
    pub fn closed(&self, at: Timestamp, work: SignedDuration) -> Vec<WaitingOn> {
        let mut reasons = Vec::new();
        if !self.window_holds(at, work) {
            reasons.push(WaitingOn::Window {
                next: self.opens(at, work),
            });
        }
        for freeze in self.freezes {
            if let Some(until) = freeze.holds(at) {
                let name = freeze.name.clone();
                reasons.push(WaitingOn::Freeze { name, until });
            } else if let Some(from) = freeze.next(at).filter(|f| *f < end_of(at, work)) {
                // It would be half-done when the freeze begins.
                let name = freeze.name.clone();
                let until = freeze.holds(from).flatten();
                reasons.push(WaitingOn::Freeze { name, until });
            }
        }
        reasons
    }

    /// The last moment at which work of this length may still begin, if it may at `at`; `None`: none
    /// is known.
    pub fn latest(&self, at: Timestamp, work: SignedDuration) -> Option<Timestamp> {
        let windows = self.windows.into_iter().flatten();
        let window = windows.filter_map(|w| w.end_if_open(at)).max();
        let freezes = self.freezes.iter().filter_map(|f| f.next(at));
        let end = window.into_iter().chain(freezes).min()?;
        end.checked_sub(work).ok()
    }

    fn window_holds(&self, at: Timestamp, work: SignedDuration) -> bool {
        let Some(windows) = self.windows else {
            return true;
        };
        let ends = windows.iter().filter_map(|w| w.end_if_open(at));
        ends.max().is_some_and(|end| end >= end_of(at, work))
    }

    /// The first moment from `at` on at which work of this length may begin. `None`: none was
    /// found within a long time.
    pub fn opens(&self, at: Timestamp, work: SignedDuration) -> Option<Timestamp> {
        let mut at = at;
        for _ in 0..STEPS {
            let frozen = self.freezes.iter().find_map(|f| {
                let soon = f.next(at).filter(|from| *from < end_of(at, work));
                f.holds(at).or_else(|| soon.and_then(|from| f.holds(from)))
            });
            match frozen {
                Some(until) => at = until.filter(|u| *u > at)?,
                None if self.window_holds(at, work) => return Some(at),
                None => at = self.windows?.iter().filter_map(|w| w.next(at)).min()?,
            }
        }
        None
    }
}

fn end_of(at: Timestamp, work: SignedDuration) -> Timestamp {
    at.checked_add(work).unwrap_or(Timestamp::MAX)
}
