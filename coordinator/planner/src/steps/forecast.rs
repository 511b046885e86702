//! How the rollout would go from here if nothing else got in the way: the same packing, played
//! forward over windows, waves and soaks. It decides nothing; it tells when, and why not sooner.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use h8lio_model::ids::NodeId;
use h8lio_model::plan::{Absence, Forecast, NodeState, RolloutProgress, WaitingOn};
use jiff::{SignedDuration, Timestamp};

use crate::constraints::{Constraints, Load, Rule, Seat};
use crate::draft::Draft;
use crate::input::{PlanningInput, Rollout, Wish};
use crate::priority::{Priorities, estimate};
use crate::steps::begin::is_in_quorum;
use crate::steps::rollout::Found;

/// So often the calendar is waited for without anything to begin, before the end counts as unknown.
const IDLE: usize = 100;

/// What can be said about the rest of a rollout.
#[derive(Debug, Default)]
pub(crate) struct Outlook {
    pub(crate) forecast: Option<Forecast>,
    /// When each node's turn comes.
    pub(crate) starts: BTreeMap<NodeId, Timestamp>,
    pub(crate) deadline: Option<WaitingOn>,
}

pub(crate) fn plan(
    input: &PlanningInput<'_>,
    draft: &Draft,
    load: &Load,
    rollout: &Rollout,
    found: &Found,
) -> Outlook {
    let Some(progress) = draft.content.rollouts.get(rollout.name()) else {
        return Outlook::default();
    };
    let open = progress.nodes.values().any(|n| !n.state.is_settled());
    if !open || matches!(rollout.control.wish, Wish::Cancel { .. }) {
        return Outlook::default();
    }
    let mut play = Play::new(input, draft, load, rollout, progress, found);
    let finish = play.run().filter(|_| !play.all.is_empty());
    let bound = bound(input, progress, &play.all);
    let because = because(input, rollout, &play, &bound);
    let not_before = input.now.checked_add(bound.1).unwrap_or(Timestamp::MAX);
    let deadline = rollout
        .spec
        .deadline
        .filter(|d| finish.is_none_or(|f| f > *d));
    let deadline = deadline.map(|deadline| WaitingOn::DeadlineImpossible {
        deadline,
        finish,
        because: because.clone(),
    });
    Outlook {
        forecast: Some(Forecast {
            finish,
            not_before,
            left_out: play.left_out,
            because,
        }),
        starts: play.starts,
        deadline,
    }
}

/// The set that takes the longest, and the least that all of it takes: all that is not in a
/// quorum, then the longest quorum.
fn bound(
    input: &PlanningInput<'_>,
    progress: &RolloutProgress,
    all: &BTreeSet<NodeId>,
) -> (Option<usize>, SignedDuration) {
    let open = progress
        .nodes
        .iter()
        .filter(|(id, n)| !n.state.is_settled() && all.contains(id));
    let (last, first): (Vec<NodeId>, Vec<NodeId>) = open
        .map(|(id, _)| *id)
        .partition(|id| is_in_quorum(input.constraints, *id));
    let part = |ids: Vec<NodeId>| Priorities::of(input.constraints, input.inventory, ids).bound();
    let (first, last) = (part(first), part(last));
    let total = [first, last].into_iter().flatten();
    let total = total.fold(SignedDuration::ZERO, |sum, (_, d)| sum.saturating_add(d));
    let heaviest = [first, last].into_iter().flatten().max_by_key(|(_, d)| *d);
    (heaviest.map(|(set, _)| set), total)
}

fn because(
    input: &PlanningInput<'_>,
    rollout: &Rollout,
    play: &Play<'_>,
    bound: &(Option<usize>, SignedDuration),
) -> String {
    let closed = play.closed.max(SignedDuration::ZERO);
    if closed > bound.1 && closed > play.soaked {
        return format!("windows and freezes, which keep it waiting for {closed:#} in all");
    }
    if play.soaked > bound.1 {
        return format!("soaks of {:#}, {:#} in all", rollout.spec.soak, play.soaked);
    }
    let Some(set) = bound.0 else {
        let left = play.left_out;
        return format!("{left} nodes that are held by something of their own");
    };
    let set = &input.constraints.sets()[set];
    let rule = match set.rule {
        Rule::Nodes(n) => format!("at most {n} nodes at once"),
        Rule::Quorum => "one member at a time".to_owned(),
        Rule::Domains { most, level } => format!("at most {most} of its {level:?} domains at once"),
        Rule::PerDomain { most, level } => format!("at most {most} nodes at once in a {level:?}"),
    };
    format!("constraint {}: {rule}", set.name)
}

/// A node that waits, with what is asked about it at every turn.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    id: NodeId,
    seats: &'a [Seat],
    work: SignedDuration,
    is_last: bool,
}

/// The rollout played forward.
struct Play<'a> {
    input: &'a PlanningInput<'a>,
    rollout: &'a Rollout,
    constraints: &'a Constraints,
    load: Load,
    now: Timestamp,
    /// In slots, by the time they are done.
    busy: BinaryHeap<Reverse<(Timestamp, NodeId)>>,
    /// Waiting, by wave, critical path first.
    waves: BTreeMap<u32, Vec<Candidate<'a>>>,
    /// Open nodes by set, and outside of quorums, for what goes last or after.
    open: BTreeSet<NodeId>,
    open_first: usize,
    all: BTreeSet<NodeId>,
    starts: BTreeMap<NodeId, Timestamp>,
    left_out: u32,
    closed: SignedDuration,
    soaked: SignedDuration,
    /// All of the present wave was begun, and the next one waits for its end.
    drains: bool,
    /// Since something was begun, how often the calendar was waited for.
    idle: usize,
    opens: BTreeMap<(Timestamp, SignedDuration), Option<Timestamp>>,
}

impl<'a> Play<'a> {
    fn new(
        input: &'a PlanningInput<'a>,
        draft: &Draft,
        load: &Load,
        rollout: &'a Rollout,
        progress: &RolloutProgress,
        found: &Found,
    ) -> Self {
        let mut play = Self {
            input,
            rollout,
            constraints: input.constraints,
            load: load.clone(),
            now: input.now,
            busy: BinaryHeap::new(),
            waves: BTreeMap::new(),
            open: BTreeSet::new(),
            open_first: 0,
            all: BTreeSet::new(),
            starts: BTreeMap::new(),
            left_out: 0,
            closed: SignedDuration::ZERO,
            soaked: SignedDuration::ZERO,
            drains: false,
            idle: 0,
            opens: BTreeMap::new(),
        };
        for (id, slot) in &draft.content.slots {
            if !matches!(slot.phase, h8lio_model::plan::SlotPhase::Kept { .. }) {
                let done = slot.since.checked_add(estimate(input.inventory, *id));
                let done = done.unwrap_or(Timestamp::MAX).max(input.now);
                play.busy.push(Reverse((done, *id)));
            }
        }
        let waiting = progress
            .nodes
            .iter()
            .filter(|(_, n)| n.state == NodeState::Waiting);
        for (id, node) in waiting {
            match found
                .nodes
                .get(id)
                .is_none_or(|reasons| reasons.iter().all(ends_by_itself))
            {
                true => {
                    let one = play.candidate(*id);
                    play.waves.entry(node.wave).or_default().push(one);
                }
                false => play.left_out += 1,
            }
        }
        play.arrange(progress);
        let first = play.waves.keys().next();
        play.drains = first.is_some_and(|wave| *wave > progress.wave);
        if let Some(until) = found.nodes.values().flatten().find_map(soak_end) {
            play.soaked = until.duration_since(play.now);
            play.now = until;
            play.drains = false;
        }
        play
    }

    fn candidate(&self, id: NodeId) -> Candidate<'a> {
        Candidate {
            id,
            seats: self.constraints.seats(id),
            work: estimate(self.input.inventory, id),
            is_last: is_in_quorum(self.constraints, id),
        }
    }

    fn arrange(&mut self, progress: &RolloutProgress) {
        let waiting: Vec<NodeId> = self.waves.values().flatten().map(|c| c.id).collect();
        let in_slot = progress
            .nodes
            .iter()
            .filter(|(_, n)| n.state == NodeState::InSlot);
        self.open = waiting.iter().copied().collect();
        self.open.extend(in_slot.map(|(id, _)| *id));
        self.all = self.open.clone();
        let quorum = |id: &&NodeId| !is_in_quorum(self.constraints, **id);
        self.open_first = self.open.iter().filter(quorum).count();
        let priorities = Priorities::of(self.constraints, self.input.inventory, waiting);
        for wave in self.waves.values_mut() {
            wave.sort_by_cached_key(|one| priorities.key(one.id));
        }
    }

    /// The end; `None` when it was not found.
    fn run(&mut self) -> Option<Timestamp> {
        while self.idle < IDLE {
            if self.drains {
                self.end_the_wave();
            }
            self.begin_all_that_fit();
            let opens = self.next_opening();
            match (self.busy.peek(), opens) {
                (Some(Reverse((done, _))), Some(opens)) if opens < *done => self.wait(opens),
                (Some(_), _) => self.finish_next(),
                (None, Some(opens)) => self.wait(opens),
                (None, None) if self.drains => {}
                (None, None) => break,
            }
        }
        self.waves.is_empty().then_some(self.now)
    }

    fn wait(&mut self, until: Timestamp) {
        self.idle += 1;
        self.closed += until.duration_since(self.now);
        self.now = until;
    }

    fn end_the_wave(&mut self) {
        while !self.busy.is_empty() {
            self.finish_next();
        }
        let soak = self.rollout.spec.soak;
        self.soaked += soak;
        self.now = self.now.checked_add(soak).unwrap_or(Timestamp::MAX);
        self.drains = false;
    }

    /// When nothing fits because the calendar is closed: when it opens for somebody.
    fn next_opening(&mut self) -> Option<Timestamp> {
        if self.drains {
            return None;
        }
        let wave = self.waves.values().next()?;
        let works: BTreeSet<SignedDuration> = wave.iter().map(|one| one.work).collect();
        let now = self.now;
        let opens: Vec<_> = works
            .into_iter()
            .map(|work| self.opens(now, work))
            .collect();
        opens.into_iter().flatten().filter(|t| *t > now).min()
    }

    fn opens(&mut self, at: Timestamp, work: SignedDuration) -> Option<Timestamp> {
        let calendar = self.rollout.calendar(self.input.policy);
        let found = self.opens.entry((at, work));
        *found.or_insert_with(|| calendar.opens(at, work))
    }

    fn begin_all_that_fit(&mut self) {
        let Some((wave, mut waiting)) = self.waves.pop_first() else {
            return;
        };
        // Neighbours in line have the same seats, and within one turn room only grows less.
        let mut full: Option<&[Seat]> = None;
        waiting.retain(|one| {
            if full == Some(one.seats) {
                return true;
            }
            if !self.load.fits(self.constraints, one.seats) {
                full = Some(one.seats);
                return true;
            }
            let begins = self.is_its_turn(one) && self.opens(self.now, one.work) == Some(self.now);
            if begins {
                self.begin(one);
            }
            !begins
        });
        match waiting.is_empty() {
            true => self.drains = !self.waves.is_empty(),
            false => {
                self.waves.insert(wave, waiting);
            }
        }
    }

    fn begin(&mut self, one: &Candidate<'_>) {
        let done = self.now.checked_add(one.work).unwrap_or(Timestamp::MAX);
        self.load
            .take(self.constraints, one.id, Absence::Slot, self.now);
        self.busy.push(Reverse((done, one.id)));
        self.starts.insert(one.id, self.now);
        self.idle = 0;
    }

    fn is_its_turn(&self, one: &Candidate<'_>) -> bool {
        if one.is_last && self.open_first > 0 {
            return false;
        }
        one.seats.iter().all(|seat| {
            self.constraints.sets()[seat.set].after.iter().all(|after| {
                let before = &self.constraints.sets()[*after].members;
                before
                    .iter()
                    .all(|other| *other == one.id || !self.open.contains(other))
            })
        })
    }

    /// All that end together end before anything begins.
    fn finish_next(&mut self) {
        let Some(Reverse((done, _))) = self.busy.peek().copied() else {
            return;
        };
        self.now = self.now.max(done);
        while let Some(Reverse((next, id))) = self.busy.peek().copied() {
            if next > done {
                break;
            }
            self.busy.pop();
            self.load.give_back(self.constraints, id);
            if self.open.remove(&id) && !is_in_quorum(self.constraints, id) {
                self.open_first -= 1;
            }
        }
    }
}

const fn soak_end(on: &WaitingOn) -> Option<Timestamp> {
    match on {
        WaitingOn::CanarySoak { until } | WaitingOn::Soak { until, .. } => Some(*until),
        _ => None,
    }
}

/// Whether the forecast plays it forward itself.
const fn ends_by_itself(on: &WaitingOn) -> bool {
    matches!(
        on,
        WaitingOn::Window { .. }
            | WaitingOn::Freeze { .. }
            | WaitingOn::CanarySoak { .. }
            | WaitingOn::Soak { .. }
            | WaitingOn::Wave { .. }
            | WaitingOn::Quota { .. }
            | WaitingOn::DomainTaken {
                absence: Absence::Slot,
                ..
            }
            | WaitingOn::QuorumTogether { .. }
            | WaitingOn::QuorumLast { .. }
            | WaitingOn::After { .. }
            | WaitingOn::OtherRollout { .. }
            | WaitingOn::Oracle { .. }
    )
}
