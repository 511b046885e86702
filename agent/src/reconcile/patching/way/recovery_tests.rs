//! The whole way over a pretended server, cut off everywhere: before and after every write and every
//! effect, in the middle of every write, by a crash of the agent and by a power cut.

use std::sync::{Arc, Mutex};

use h8lio_model::ids::BootId;
use h8lio_model::order::{Act, OnFailure, Outcome};
use h8lio_tls::files::FileError;
use rstest::rstest;
use uuid::Uuid;

use super::gates::{Answers, Gate, Health, health, passed};
use super::log::{Next, NoWay, Record, before, position};
use super::machine::{Boot, End, Event, Found, State, Terms, Through, Why};
use crate::ledger::steps::{StepLog, Tape};

const OLD: &str = "6.1.0-50-amd64";
const NEW: &str = "6.1.0-56-amd64";

/// How the server behaves in one scenario.
#[derive(Debug, Clone, Copy)]
struct Script {
    terms: Terms,
    /// A boot follows the change.
    boots: bool,
    /// The new kernel does not come up, and the boot loader goes back.
    panics: bool,
    /// The link is lost with the new version.
    breaks_link: bool,
    /// Power that fails while the transaction works leaves the database half-done.
    applies_half: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Server {
    boot: u128,
    kernel: &'static str,
    default_kernel: &'static str,
    /// Boots this one next, once.
    once: Option<&'static str>,
    new_version: bool,
    half_done: bool,
    /// A transaction is at work at this moment.
    at_work: bool,
    /// How often each thing was done that may be done once.
    applied: u32,
    put_back: u32,
    booted_on_purpose: u32,
}

impl Server {
    fn new() -> Self {
        Self {
            boot: 1,
            kernel: OLD,
            default_kernel: OLD,
            once: None,
            new_version: false,
            half_done: false,
            at_work: false,
            applied: 0,
            put_back: 0,
            booted_on_purpose: 0,
        }
    }

    fn boot_id(&self) -> BootId {
        BootId(Uuid::from_u128(self.boot))
    }

    fn power_cycle(&mut self, script: &Script) {
        self.boot += 1;
        let chosen = self.once.take().unwrap_or(self.default_kernel);
        let panics = script.panics && chosen == NEW;
        self.kernel = if panics { OLD } else { chosen };
    }

    fn answers(&self, script: &Script) -> Answers {
        let link = !(script.breaks_link && self.new_version);
        Answers::from([(Gate::Link("eth0".into()), link), (Gate::Kubelet, false)])
    }
}

#[derive(Debug)]
struct Cut;

/// Counts moments at which everything may end.
#[derive(Debug, Default)]
struct Fate {
    moment: u32,
    cut_at: Option<u32>,
    /// How much of a write that is cut off reaches the disk, in tenths.
    tenths: usize,
}

impl Fate {
    fn moment(&mut self) -> Result<(), Cut> {
        let now = self.moment;
        self.moment += 1;
        if self.cut_at == Some(now) {
            Err(Cut)
        } else {
            Ok(())
        }
    }
}

/// The log's bytes, which outlive the agent, and its fate, which does not.
#[derive(Debug, Clone)]
struct Strip(Arc<Mutex<(Vec<u8>, Fate)>>);

impl Strip {
    fn with<T>(&self, act: impl FnOnce(&mut Vec<u8>, &mut Fate) -> T) -> T {
        let mut both = self.0.lock().expect("whole");
        let (bytes, fate) = &mut *both;
        act(bytes, fate)
    }

    fn moment(&self) -> Result<(), Cut> {
        self.with(|_, fate| fate.moment())
    }
}

fn cut_off() -> FileError {
    FileError::Write {
        path: "steps".into(),
        source: std::io::ErrorKind::Other.into(),
    }
}

impl Tape for Strip {
    fn read(&self) -> Result<Vec<u8>, FileError> {
        Ok(self.with(|bytes, _| bytes.clone()))
    }

    fn append(&mut self, new: &[u8]) -> Result<(), FileError> {
        self.with(|bytes, fate| {
            if fate.moment().is_err() {
                bytes.extend(&new[..new.len() * fate.tenths / 10]);
                bytes.extend(vec![0; fate.tenths]);
                return Err(cut_off());
            }
            bytes.extend(new);
            fate.moment().map_err(|Cut| cut_off())
        })
    }

    fn replace(&mut self, new: &[u8]) -> Result<(), FileError> {
        self.with(|bytes, fate| {
            fate.moment().map_err(|Cut| cut_off())?;
            *bytes = new.to_vec();
            Ok(())
        })
    }
}

type Log = StepLog<Record, Strip>;

fn open(strip: &Strip) -> Log {
    Log::open(strip.clone()).expect("a torn tail is no error")
}

/// One life of the agent: from what the log says to the end of the attempt, or to the cut.
fn live(server: &mut Server, strip: &Strip, script: &Script) -> Result<End, Cut> {
    let mut log = open(strip);
    let mut write = |record| log.write(record).map_err(|_| Cut);
    loop {
        let records = open(strip).records().to_vec();
        let here = position(&records, &script.terms).expect("the log makes a way");
        let boot_id = server.boot_id();
        match here.next {
            Next::LookFirst => write(Record::Before {
                boot_id,
                kernel: server.kernel.into(),
                passed: passed(&server.answers(script)),
                ground: None,
            })?,
            Next::Begin => {
                let state = here.state;
                write(Record::Intent { state, boot_id })?;
                strip.moment()?;
                let done = act(state, server, &records, script);
                strip.moment()?;
                server.at_work = false;
                // A boot ends the agent's life as well; the next one observes it.
                let Some(event) = done else {
                    return Err(Cut);
                };
                write(Record::Result { event })?;
            }
            Next::Observe { begun_in } => {
                let event = match observe(here.state, begun_in, server, &records, script) {
                    Some(event) => event,
                    None => {
                        strip.moment()?;
                        let done = act(here.state, server, &records, script);
                        strip.moment()?;
                        server.at_work = false;
                        done.ok_or(Cut)?
                    }
                };
                write(Record::Result { event })?;
            }
            Next::Nothing => match here.state {
                State::Ended(end) => return Ok(end),
                other => panic!("{other:?} is no end"),
            },
        }
    }
}

/// Does a step. `None`: the server was booted, and nobody is there to say what came of it.
fn act(state: State, server: &mut Server, log: &[Record], script: &Script) -> Option<Event> {
    let boot = if script.boots {
        Boot::Needed
    } else {
        Boot::NotNeeded
    };
    let another = script.terms.other_kernel && server.kernel != NEW;
    Some(match state {
        State::Checking(_) | State::Committing if another => Event::NewBoot(Found::Old),
        State::Preflight if server.half_done => Event::Interrupted,
        State::Preflight => Event::Fit,
        State::Downloading => Event::Downloaded,
        State::Securing => {
            server.default_kernel = OLD;
            Event::Secured
        }
        State::Applying => {
            server.applied += 1;
            server.new_version = true;
            server.at_work = true;
            Event::Applied(boot)
        }
        State::Repairing => {
            server.half_done = false;
            Event::Repaired
        }
        State::Mending => {
            server.half_done = false;
            Event::Applied(boot)
        }
        State::Settling | State::SettlingBack(_) => Event::Settled,
        State::Booting => {
            server.booted_on_purpose += 1;
            server.once = script.terms.other_kernel.then_some(NEW);
            server.power_cycle(script);
            return None;
        }
        State::BootingBack(_) => {
            server.booted_on_purpose += 1;
            server.once = Some(OLD);
            server.power_cycle(script);
            return None;
        }
        State::Checking(_) | State::CheckingBack(_) => {
            let (_, _, passed) = before(log).expect("written down first");
            match health(passed, &server.answers(script), true) {
                Health::Well => Event::Well,
                _ => Event::Unwell,
            }
        }
        State::Committing => {
            server.default_kernel = server.kernel;
            Event::Committed
        }
        State::PuttingBack(..) => {
            server.put_back += 1;
            server.new_version = false;
            Event::PutBack(Boot::NotNeeded)
        }
        State::Releasing | State::Ended(_) => panic!("not in these scenarios: {state:?}"),
    })
}

/// What became of a step that was begun. `None`: it has not happened, so it is done now.
fn observe(
    state: State,
    begun_in: BootId,
    server: &Server,
    log: &[Record],
    script: &Script,
) -> Option<Event> {
    let (_, old, _) = before(log).expect("written down first");
    let found = |expected: &str, from: &str| match server.kernel {
        k if k == expected => Event::NewBoot(Found::Expected),
        k if k == from => Event::NewBoot(Found::Old),
        _ => Event::NewBoot(Found::Other),
    };
    let new = if script.terms.other_kernel { NEW } else { OLD };
    let booted = server.boot_id() != begun_in;
    match state {
        State::Applying if server.half_done => Some(Event::Damaged),
        State::Applying => server
            .new_version
            .then_some(Event::Applied(if script.boots {
                Boot::Needed
            } else {
                Boot::NotNeeded
            })),
        State::PuttingBack(..) => (!server.new_version).then_some(Event::PutBack(Boot::NotNeeded)),
        State::Booting => booted.then(|| found(new, old)),
        State::BootingBack(_) => booted.then(|| found(old, new)),
        other => panic!("{other:?} is not observed"),
    }
}

const PATCH: Terms = Terms {
    act: Act::Patch,
    on_failure: OnFailure::FallBackOnce,
    forward_only: false,
    adds: false,
    other_kernel: false,
};

const PLAIN: Script = Script {
    terms: PATCH,
    boots: false,
    panics: false,
    breaks_link: false,
    applies_half: false,
};

const KERNEL: Script = Script {
    terms: Terms {
        other_kernel: true,
        ..PATCH
    },
    boots: true,
    ..PLAIN
};

/// From the beginning to the end, cut off once at `moment`.
fn lived(script: &Script, moment: Option<u32>, tenths: usize, power: bool) -> (Server, End, u32) {
    let fate = Fate {
        cut_at: moment,
        tenths,
        ..Fate::default()
    };
    let strip = Strip(Arc::new(Mutex::new((Vec::new(), fate))));
    let mut server = Server::new();
    let mut cut = false;
    for _ in 0..8 {
        match live(&mut server, &strip, script) {
            Ok(end) => return (server, end, strip.with(|_, f| f.moment)),
            Err(Cut) => {
                let by_fate = strip.with(|_, f| f.cut_at.is_some_and(|at| f.moment > at));
                if by_fate && !cut && power {
                    // What was under way when power failed is half-done.
                    server.half_done = script.applies_half && server.at_work;
                    server.power_cycle(script);
                }
                server.at_work = false;
                cut |= by_fate;
            }
        }
    }
    panic!("it never ends: {server:?}");
}

fn check(script: &Script, server: &Server, end: End) {
    assert!(server.applied <= 1, "applied twice: {server:?}");
    assert!(server.put_back <= 1, "put back twice: {server:?}");
    assert!(server.booted_on_purpose <= 2, "{server:?}");
    assert!(!server.half_done, "{server:?}");
    match end.outcome {
        Outcome::Done => {
            assert!(server.new_version, "{server:?}");
            let kernel = if script.terms.other_kernel { NEW } else { OLD };
            assert_eq!((server.kernel, server.default_kernel), (kernel, kernel));
        }
        Outcome::RolledBack => {
            assert!(!server.new_version, "{server:?}");
            assert_eq!((server.kernel, server.default_kernel), (OLD, OLD));
        }
        Outcome::Failed if end.as_before => {
            assert!(!server.new_version && server.applied == 0, "{server:?}");
        }
        other => panic!("{other:?} in a scenario that has none: {end:?}"),
    }
}

#[rstest]
#[case::plain_packages_that_are_well(PLAIN, Outcome::Done)]
#[case::plain_packages_that_lose_the_link(Script { breaks_link: true, ..PLAIN }, Outcome::RolledBack)]
#[case::a_kernel_that_is_well(KERNEL, Outcome::Done)]
#[case::a_kernel_that_panics(Script { panics: true, ..KERNEL }, Outcome::RolledBack)]
#[case::a_kernel_that_loses_the_link(Script { breaks_link: true, ..KERNEL }, Outcome::RolledBack)]
fn a_crash_of_the_agent_anywhere_ends_as_if_there_had_been_none(
    #[case] script: Script,
    #[case] outcome: Outcome,
) {
    let (server, end, moments) = lived(&script, None, 0, false);
    assert_eq!(end.outcome, outcome, "{end:?}");
    check(&script, &server, end);
    assert!(moments > 20, "{moments}");
    for moment in 0..moments {
        for tenths in [0, 3, 7, 10] {
            let (again, again_end, _) = lived(&script, Some(moment), tenths, false);
            check(&script, &again, again_end);
            assert_eq!(again_end, end, "cut at {moment}, {tenths} tenths");
            assert_eq!(again, server, "cut at {moment}, {tenths} tenths");
        }
    }
}

#[rstest]
#[case::plain_packages_that_are_well(PLAIN)]
#[case::plain_packages_cut_in_the_middle(Script { applies_half: true, ..PLAIN })]
#[case::plain_packages_that_lose_the_link(Script { breaks_link: true, ..PLAIN })]
#[case::a_kernel_that_is_well(KERNEL)]
#[case::a_kernel_cut_in_the_middle(Script { applies_half: true, ..KERNEL })]
#[case::a_kernel_that_panics(Script { panics: true, ..KERNEL })]
#[case::a_kernel_that_loses_the_link(Script { breaks_link: true, ..KERNEL })]
fn a_power_cut_anywhere_ends_done_or_wholly_back_with_everything_done_once(#[case] script: Script) {
    let (_, _, moments) = lived(&script, None, 0, false);
    for moment in 0..moments {
        for tenths in [0, 5, 10] {
            let (server, end, _) = lived(&script, Some(moment), tenths, true);
            check(&script, &server, end);
        }
    }
}

/// The log of a whole way.
fn records(script: &Script) -> (Vec<Record>, Vec<u8>) {
    let strip = Strip(Arc::new(Mutex::new((Vec::new(), Fate::default()))));
    let mut server = Server::new();
    while live(&mut server, &strip, script).is_err() {}
    (
        open(&strip).records().to_vec(),
        strip.with(|bytes, _| bytes.clone()),
    )
}

#[test]
fn every_prefix_of_the_log_says_where_the_attempt_is_and_only_what_happens_once_is_observed() {
    let script = Script {
        breaks_link: true,
        ..KERNEL
    };
    let (records, _) = records(&script);
    let mut states = Vec::new();
    for cut in 0..=records.len() {
        let here = position(&records[..cut], &script.terms).expect("a way");
        if let Next::Observe { .. } = here.next {
            states.push(here.state);
        }
        match records.get(cut) {
            Some(Record::Before { .. }) => assert_eq!(here.next, Next::LookFirst),
            Some(Record::Intent { state, .. }) => assert_eq!(here.state, *state),
            Some(Record::Armed { .. } | Record::Covered { .. }) => {
                assert_eq!(here.state, State::Booting);
            }
            Some(Record::Uncovered { .. }) => assert_ne!(here.next, Next::LookFirst),
            Some(Record::Result { .. }) => assert_ne!(here.next, Next::Nothing),
            None => assert_eq!(here.next, Next::Nothing),
        }
    }
    use super::machine::Cause::NotWell;
    assert_eq!(
        states,
        [
            State::Applying,
            State::Booting,
            State::PuttingBack(Through::Boot, NotWell),
            State::BootingBack(NotWell),
        ]
    );
}

#[test]
fn every_byte_prefix_of_the_log_is_a_prefix_of_its_records() {
    let (records, bytes) = records(&KERNEL);
    for cut in 0..=bytes.len() {
        let strip = Strip(Arc::new(Mutex::new((
            bytes[..cut].to_vec(),
            Fate::default(),
        ))));
        let read = open(&strip).records().to_vec();
        assert_eq!(read, records[..read.len()], "{cut}");
        position(&read, &KERNEL.terms).expect("a way");
    }
}

#[test]
fn a_log_that_makes_no_way_is_an_error_that_names_the_record() {
    let (mut records, _) = records(&PLAIN);
    records.swap(1, 2);
    let error = position(&records, &PLAIN.terms).expect_err("out of place");
    assert_eq!(error, NoWay::OutOfPlace { at: 1 });
    let (mut records, _) = self::records(&PLAIN);
    records[2] = Record::Result {
        event: Event::Committed,
    };
    let error = position(&records, &PLAIN.terms).expect_err("cannot happen");
    assert!(matches!(error, NoWay::Illegal { at: 2, .. }), "{error}");
}

#[test]
fn an_attempt_that_is_withdrawn_before_anything_was_begun_is_over() {
    let withdrawn = [Record::Result {
        event: Event::Withdrawn,
    }];
    let here = position(&withdrawn, &PLAIN.terms).expect("a way");
    assert_eq!(here.next, Next::Nothing);
    assert!(
        matches!(here.state, State::Ended(e) if e.why == Why::Withdrawn),
        "{here:?}"
    );
}

/// Once the transaction was asked for, nobody knows any more that nothing of it has begun.
#[test]
fn a_log_in_which_what_had_begun_to_be_applied_is_withdrawn_makes_no_way() {
    let (records, _) = records(&PLAIN);
    let is_apply = |r: &Record| {
        matches!(
            r,
            Record::Intent {
                state: State::Applying,
                ..
            }
        )
    };
    let begun = records.iter().position(is_apply).expect("applied");
    let withdrawn = Record::Result {
        event: Event::Withdrawn,
    };
    let before: Vec<Record> = records[..begun]
        .iter()
        .cloned()
        .chain([withdrawn.clone()])
        .collect();
    let here = position(&before, &PLAIN.terms).expect("a way");
    assert_eq!(here.state, State::Releasing);
    let after: Vec<Record> = records[..=begun]
        .iter()
        .cloned()
        .chain([withdrawn])
        .collect();
    let error = position(&after, &PLAIN.terms).expect_err("no way");
    assert_eq!(error, NoWay::OutOfPlace { at: begun + 1 });
}
