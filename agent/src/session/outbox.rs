//! Which sections to send: those that the coordinator lacks, as few and as seldom as it asks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use h8lio_model::section::{Digest, Section, SectionKind};

/// A section, and whether it was read lately enough to be called true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub section: Section,
    /// `false`: its collector hangs or failed. It is not confirmed, so that it ages.
    pub fresh: bool,
}

/// All sections that the agent has now.
pub type Sections = Arc<BTreeMap<SectionKind, Arc<Held>>>;

/// A section that was sent and not receipted for this long is sent again.
const RESEND: Duration = Duration::from_secs(30);

/// A section that the coordinator refused rests first for so long, then twice as long each time, up
/// to [`REST_LONGEST`]: its store may have been in trouble, or the identity restricted.
const REST: Duration = Duration::from_secs(30);
/// See [`REST`].
const REST_LONGEST: Duration = Duration::from_secs(960);

/// How often digests of unchanged sections are confirmed.
const CONFIRM: Duration = Duration::from_secs(60);

/// Room for field tags, lengths and the digest around each body, bytes; generous.
const OVERHEAD: usize = 64;

/// One report, ready to go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub sections: Vec<Section>,
    pub confirmed: Vec<(SectionKind, Digest)>,
}

/// What the coordinator has, as far as the agent knows.
#[derive(Debug, Clone, Default)]
pub struct Outbox {
    have: Sections,
    /// Receipted (or named in `Hello` and not wanted).
    held: BTreeMap<SectionKind, Digest>,
    in_flight: BTreeMap<SectionKind, (Digest, Duration)>,
    /// Too large: not sent again until they change.
    hopeless: BTreeMap<SectionKind, Digest>,
    /// Refused: what, until when it rests unless it changes, and for how long it rested.
    resting: BTreeMap<SectionKind, (Digest, Duration, Duration)>,
    /// Known to fit a report.
    fitting: BTreeSet<SectionKind>,
    next_report: Duration,
    next_confirm: Duration,
}

impl Outbox {
    /// Starts from what `Hello` offered and `Welcome` wants.
    pub fn welcomed(
        &mut self,
        now: Duration,
        offered: &[(SectionKind, Digest)],
        wanted: &BTreeSet<SectionKind>,
    ) {
        self.held = offered
            .iter()
            .copied()
            .filter(|(kind, _)| !wanted.contains(kind))
            .collect();
        self.next_report = now;
        self.next_confirm = now + CONFIRM;
    }

    /// Newer sections.
    pub fn set(&mut self, sections: Sections) {
        self.have = sections;
    }

    /// Kind and digest of each section.
    pub fn digests(&self) -> Vec<(SectionKind, Digest)> {
        let each = |(k, h): (&SectionKind, &Arc<Held>)| (*k, h.section.digest);
        self.have.iter().map(each).collect()
    }

    /// The coordinator has these.
    pub fn receipted(&mut self, received: &[(SectionKind, Digest)]) {
        for (kind, digest) in received {
            if self.in_flight.get(kind).is_some_and(|(d, _)| d == digest) {
                self.in_flight.remove(kind);
            }
            self.held.insert(*kind, *digest);
            self.resting.remove(kind);
        }
    }

    /// The coordinator does not take this kind as it was sent, or does not hold what was
    /// confirmed.
    pub fn refused(&mut self, now: Duration, kind: SectionKind) {
        let Some((digest, _)) = self.in_flight.remove(&kind) else {
            self.held.remove(&kind);
            return;
        };
        let rest = match self.resting.get(&kind) {
            Some((before, _, rest)) if *before == digest => (*rest * 2).min(REST_LONGEST),
            _ => REST,
        };
        self.resting.insert(kind, (digest, now + rest, rest));
    }

    /// The restriction of the identity was lifted: what was refused meanwhile goes out again.
    pub fn lifted(&mut self) {
        self.resting.clear();
    }

    /// When to look again.
    pub fn next_look(&self) -> Duration {
        let report = if self.due(self.next_report).next().is_some() {
            Some(self.next_report)
        } else {
            None
        };
        let resend = self.in_flight.values().map(|(_, at)| *at + RESEND).min();
        let rested = self
            .resting
            .iter()
            .filter(|(kind, (digest, ..))| {
                let same = |h: &Arc<Held>| h.section.digest == *digest;
                self.have.get(kind).is_some_and(same) && !self.in_flight.contains_key(kind)
            })
            .map(|(_, (_, until, _))| *until)
            .min();
        [report, resend, rested, Some(self.next_confirm)]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(self.next_confirm)
            .max(self.next_report)
    }

    /// The sections that should go out at `now`.
    fn due(&self, now: Duration) -> impl Iterator<Item = (SectionKind, &Held)> {
        self.have.iter().filter_map(move |(kind, h)| {
            let digest = h.section.digest;
            let known = self.held.get(kind) == Some(&digest)
                || self.hopeless.get(kind) == Some(&digest)
                || self
                    .resting
                    .get(kind)
                    .is_some_and(|(d, until, _)| *d == digest && now < *until)
                || self
                    .in_flight
                    .get(kind)
                    .is_some_and(|(d, at)| *d == digest && now < *at + RESEND);
            (!known).then_some((*kind, h.as_ref()))
        })
    }

    /// The kinds whose section fits a report of `limit` bytes, each once until it no longer does.
    /// One that was too large before may go out again.
    pub fn newly_fitting(&mut self, limit: usize) -> Vec<SectionKind> {
        let mut fit = Vec::new();
        for (kind, h) in self.have.iter() {
            if size(h) > limit {
                self.fitting.remove(kind);
            } else if self.fitting.insert(*kind) {
                self.hopeless.remove(kind);
                fit.push(*kind);
            }
        }
        fit
    }

    /// Takes the next report, when one may go and there is something to say. `gap` is the least
    /// time between two, `limit` the largest, bytes. Kinds whose section alone exceeds `limit`
    /// are returned beside it, once.
    pub fn take(
        &mut self,
        now: Duration,
        gap: Duration,
        limit: usize,
    ) -> (Option<Report>, Vec<TooLarge>) {
        if now < self.next_report {
            return (None, Vec::new());
        }
        let mut report = Report::default();
        let mut too_large = Vec::new();
        let mut room = limit;
        for (kind, h) in self.due(now) {
            let size = size(h);
            if size > limit {
                too_large.push(TooLarge {
                    kind,
                    digest: h.section.digest,
                    size,
                    limit,
                });
            } else if size <= room {
                room -= size;
                report.sections.push(h.section.clone());
            }
        }
        for s in &report.sections {
            self.in_flight.insert(s.kind, (s.digest, now));
        }
        for t in &too_large {
            self.hopeless.insert(t.kind, t.digest);
        }
        if now >= self.next_confirm {
            report.confirmed = self.confirmable();
            self.next_confirm = now + CONFIRM;
        }
        if report.sections.is_empty() && report.confirmed.is_empty() {
            return (None, too_large);
        }
        self.next_report = now + gap;
        (Some(report), too_large)
    }

    /// What the coordinator holds in this very version and the agent has read lately.
    fn confirmable(&self) -> Vec<(SectionKind, Digest)> {
        self.have
            .iter()
            .filter(|(k, h)| h.fresh && self.held.get(k) == Some(&h.section.digest))
            .map(|(k, h)| (*k, h.section.digest))
            .collect()
    }
}

/// Bytes that a section takes in a report.
fn size(h: &Held) -> usize {
    h.section.body.len() + OVERHEAD
}

/// A section that no report can carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooLarge {
    pub kind: SectionKind,
    pub digest: Digest,
    /// Bytes.
    pub size: usize,
    /// Bytes.
    pub limit: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use SectionKind::{Disks, Os, Packages, Vitals};

    const GAP: Duration = Duration::from_secs(5);
    const fn s(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn sections(of: &[(SectionKind, &str)]) -> Sections {
        let held = |(kind, text): &(SectionKind, &str)| {
            let section = Section::encode(*kind, text).expect("has JSON");
            (
                *kind,
                Arc::new(Held {
                    section,
                    fresh: true,
                }),
            )
        };
        Arc::new(of.iter().map(held).collect())
    }

    fn kinds(report: Option<Report>) -> Vec<SectionKind> {
        report.map_or(Vec::new(), |r| r.sections.iter().map(|s| s.kind).collect())
    }

    fn open(of: &[(SectionKind, &str)], wanted: &[SectionKind]) -> Outbox {
        let mut o = Outbox::default();
        o.set(sections(of));
        let offered = o.digests();
        o.welcomed(s(0), &offered, &wanted.iter().copied().collect());
        o
    }

    #[test]
    fn only_wanted_and_changed_sections_go_out() {
        let mut o = open(&[(Os, "a"), (Disks, "b"), (Vitals, "c")], &[Disks]);
        assert_eq!(kinds(o.take(s(0), GAP, 1000).0), [Disks]);
        o.set(sections(&[(Os, "a"), (Disks, "b"), (Vitals, "d")]));
        assert_eq!(kinds(o.take(s(5), GAP, 1000).0), [Vitals]);
        assert_eq!(kinds(o.take(s(10), GAP, 1000).0), []);
    }

    #[test]
    fn reports_keep_their_distance() {
        let mut o = open(&[(Os, "a")], &[Os]);
        assert!(o.take(s(0), GAP, 1000).0.is_some());
        o.set(sections(&[(Os, "b")]));
        assert_eq!(o.take(s(4), GAP, 1000).0, None);
        assert_eq!(o.next_look(), s(5));
        assert!(o.take(s(5), GAP, 1000).0.is_some());
    }

    #[test]
    fn what_does_not_fit_waits_for_the_next_report() {
        let big = "x".repeat(300);
        let all = [(Os, big.as_str()), (Disks, &big), (Packages, &big)];
        let mut o = open(&all, &[Os, Disks, Packages]);
        let first = kinds(o.take(s(0), GAP, 800).0);
        let second = kinds(o.take(s(5), GAP, 800).0);
        assert_eq!((first.len(), second.len()), (2, 1));
        assert_eq!(kinds(o.take(s(10), GAP, 800).0), []);
    }

    #[test]
    fn a_section_that_fits_in_no_report_is_named_once_and_the_others_go_out() {
        let big = "x".repeat(3000);
        let mut o = open(&[(Os, "a"), (Packages, &big)], &[Os, Packages]);
        let (report, too_large) = o.take(s(0), GAP, 1000);
        assert_eq!(kinds(report), [Os]);
        assert_eq!(too_large.len(), 1);
        assert_eq!(too_large[0].kind, Packages);
        assert_eq!(o.take(s(5), GAP, 1000), (None, vec![]));
    }

    #[test]
    fn a_section_that_was_too_large_is_named_when_it_fits_again_and_goes_out() {
        let big = "x".repeat(3000);
        let mut o = open(&[(Os, "a"), (Packages, &big)], &[Packages]);
        assert_eq!(o.newly_fitting(1000), [Os]);
        assert_eq!(o.take(s(0), GAP, 1000).1.len(), 1);
        assert_eq!(o.newly_fitting(1000), []);
        assert_eq!(o.newly_fitting(5000), [Packages], "the limit rose");
        assert_eq!(kinds(o.take(s(5), GAP, 5000).0), [Packages]);
        assert_eq!(o.newly_fitting(1000), [], "and fell");
        o.set(sections(&[(Os, "a"), (Packages, "small")]));
        assert_eq!(o.newly_fitting(1000), [Packages]);
        assert_eq!(kinds(o.take(s(10), GAP, 1000).0), [Packages]);
        assert_eq!(o.newly_fitting(1000), [], "each is named once");
    }

    #[test]
    fn what_is_not_receipted_is_sent_again() {
        let mut o = open(&[(Os, "a")], &[Os]);
        assert_eq!(kinds(o.take(s(0), GAP, 1000).0), [Os]);
        assert_eq!(kinds(o.take(s(29), GAP, 1000).0), []);
        assert_eq!(kinds(o.take(s(30), GAP, 1000).0), [Os]);
        let digests = o.digests();
        o.receipted(&digests);
        assert_eq!(kinds(o.take(s(59), GAP, 1000).0), []);
    }

    #[test]
    fn a_refused_section_rests_ever_longer_unless_it_changes() {
        let mut o = open(&[(Os, "a")], &[Os]);
        o.take(s(0), GAP, 1000);
        o.refused(s(0), Os);
        assert_eq!(kinds(o.take(s(29), GAP, 1000).0), []);
        assert_eq!(o.next_look(), s(30));
        assert_eq!(kinds(o.take(s(30), GAP, 1000).0), [Os], "a store recovers");
        o.refused(s(31), Os);
        assert_eq!(kinds(o.take(s(90), GAP, 1000).0), []);
        o.set(sections(&[(Os, "b")]));
        assert_eq!(kinds(o.take(s(95), GAP, 1000).0), [Os]);
    }

    #[test]
    fn what_was_refused_under_a_restriction_goes_out_when_it_is_lifted() {
        let mut o = open(&[(Os, "a")], &[Os]);
        o.take(s(0), GAP, 1000);
        o.refused(s(0), Os);
        o.lifted();
        assert_eq!(kinds(o.take(s(5), GAP, 1000).0), [Os]);
    }

    #[test]
    fn a_confirmed_section_that_is_not_held_any_more_is_sent() {
        let mut o = open(&[(Os, "a")], &[]);
        assert_eq!(kinds(o.take(s(60), GAP, 1000).0), []);
        o.refused(s(61), Os);
        assert_eq!(kinds(o.take(s(65), GAP, 1000).0), [Os]);
    }

    #[test]
    fn unchanged_sections_are_confirmed_each_minute_and_stale_ones_are_not() {
        let mut o = open(&[(Os, "a"), (Disks, "b")], &[]);
        assert_eq!(o.next_look(), s(60));
        assert_eq!(o.take(s(59), GAP, 1000).0, None);
        let mut stale = (*sections(&[(Os, "a"), (Disks, "b")])).clone();
        if let Some(h) = stale.get_mut(&Disks) {
            Arc::make_mut(h).fresh = false;
        }
        o.set(Arc::new(stale));
        let report = o.take(s(60), GAP, 1000).0.expect("confirms");
        assert_eq!(report.sections, []);
        let confirmed: Vec<_> = report.confirmed.iter().map(|(k, _)| *k).collect();
        assert_eq!(confirmed, [Os]);
        assert_eq!(o.next_look(), s(120));
    }

    #[test]
    fn a_section_that_changes_while_it_is_on_its_way_goes_out_again() {
        let mut o = open(&[(Os, "a")], &[Os]);
        o.take(s(0), GAP, 1000);
        let old = o.digests();
        o.set(sections(&[(Os, "b")]));
        assert_eq!(kinds(o.take(s(5), GAP, 1000).0), [Os]);
        o.receipted(&old);
        assert_eq!(
            kinds(o.take(s(10), GAP, 1000).0),
            [],
            "the newer one is on its way"
        );
    }
}
