//! Walks one node's way through a patch: puts the pure parts of `reconcile/patching` together with
//! the ledger, the step log and the host traits.
//!
//! [`Walker::walk`] blocks while it does one step after the other, and returns as soon as something
//! has to be waited for; it is called again every few seconds. It may be killed anywhere: the next
//! call, in this life or another, reads the log and goes on. Without the owner's leave ([`MayAct`])
//! there is no walker.

mod back;
mod boots;
mod carry;
mod clean;
mod countdown;
mod doing;
mod effects;
mod ending;
mod gates;
mod ground;
mod hang;
mod holds;
mod index;
mod late;
mod repair;
mod silence;
#[cfg(test)]
mod sim_tests;
mod subject;
#[cfg(test)]
mod tests;
mod transactions;
mod untold;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use h8lio_model::ids::BootId;
use h8lio_model::order::{AttemptId, AttemptReport, Epoch, SafePoint};
use h8lio_tls::files::FileError;

use crate::clock::Moment;
use crate::host::bmc::BmcTimerHost;
use crate::host::boot::BootHost;
use crate::host::managers::ManagersHost;
use crate::host::os::OsHost;
use crate::host::packages::PackagesHost;
use crate::host::patching::{MayAct, PatchHost};
use crate::host::services::ServicesHost;
use crate::ledger::book::{Book, GoOn, NotNow};
use crate::ledger::steps::{FileTape, StepLog, StepLogError, Tape};
use crate::ledger::{Ledger, LedgerError};
use crate::reconcile::patching::transaction::judge::Held;
use crate::reconcile::patching::way::gates::passed;
use crate::reconcile::patching::way::log::{Next, NoWay, Record, position};
use crate::reconcile::patching::way::machine::{Event, State, Step, gives_way};
use crate::report::{CoordinatorNow, Hosts};
pub use countdown::Countdown;
pub use gates::GateReader;
use late::MayBegin;
use subject::Subject;
use untold::Waiting;

/// What a server can be asked and told.
#[derive(Clone)]
pub struct Server {
    pub patch: Arc<dyn PatchHost>,
    pub boot: Arc<dyn BootHost>,
    pub bmc: Arc<dyn BmcTimerHost>,
    pub managers: Arc<dyn ManagersHost>,
    pub services: Arc<dyn ServicesHost>,
    pub os: Arc<dyn OsHost + Send + Sync>,
    pub packages: Arc<dyn PackagesHost>,
    pub gates: Arc<dyn GateReader>,
}

impl Server {
    /// The server of `hosts`, whose packages and units are changed through the others.
    pub fn of(hosts: &Hosts, patch: Arc<dyn PatchHost>, services: Arc<dyn ServicesHost>) -> Self {
        Self {
            patch,
            boot: Arc::clone(&hosts.boot),
            bmc: Arc::clone(&hosts.bmc),
            managers: Arc::clone(&hosts.managers),
            services,
            os: Arc::clone(&hosts.os),
            packages: Arc::clone(&hosts.packages),
            gates: Arc::new(hosts.clone()),
        }
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Server")
    }
}

/// How long things may take before they count as not happening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Somebody else's lock on the package manager.
    pub lock: Duration,
    /// A transaction, until it is killed.
    pub transaction: Duration,
    /// A boot that was asked for, until it counts as refused.
    pub boot: Duration,
    /// Gates that passed before and do not yet.
    pub gates: Duration,
    /// A boot into another kernel, until the BMC resets the server: from the moment that it is asked
    /// for until the agent is up again. Longer than the patience for the boot, so that a boot that
    /// does not come ends in order.
    pub hang: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        Self {
            lock: minutes(30),
            transaction: minutes(60),
            boot: minutes(15),
            gates: minutes(10),
            hang: minutes(20),
        }
    }
}

/// Where the walk is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Walked {
    /// Nothing is ordered that is not done.
    Idle,
    /// Call again later.
    Waiting {
        attempt: AttemptId,
        step: &'static str,
    },
    Ended(AttemptReport),
}

/// Why the walk did not go on. Nothing is lost; it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("cannot go on with attempt {attempt}")]
    Log {
        attempt: AttemptId,
        #[source]
        source: StepLogError,
    },
    #[error("this server's boot id or kernel cannot be read, so nothing is begun")]
    WhoAmI,
}

/// The walker.
#[derive(Debug)]
pub struct Walker {
    server: Server,
    tapes: Arc<dyn Tapes>,
    leave: MayAct,
    held: Held,
    patience: Patience,
    /// The step that this life has begun, and when.
    begun: Option<(State, Duration)>,
    /// When this life last tried to fetch the package index, on the steady clock.
    fetched: Option<Duration>,
    /// When the boot of this step was asked for in this life, on the steady clock.
    asked: Option<Duration>,
    /// What the step waits for that has no end of its own.
    waits: Waiting,
    /// What the attempt is about to hold, and has noted.
    noted: Vec<String>,
    countdown: Countdown,
    /// Since when the end of an attempt whose log tells nothing is let go of, on the steady clock.
    unseen: Option<Duration>,
    /// The transaction that this life asked for last.
    asked_for: Option<carry::Asked>,
    /// For the report, while this life remembers: why something was refused or went wrong.
    note: String,
    /// The last warning about something that is tried again.
    warned: String,
    /// For the report: how far the step is, or what it waits for.
    doing: Option<String>,
}

/// What is asked of the rest of the agent between two steps.
pub trait Between {
    /// The time now.
    fn moment(&mut self) -> Moment;

    /// The coordinator's time and epoch in the session that is open; `None`: nothing is begun.
    fn coordinator(&mut self) -> Option<CoordinatorNow>;

    /// Takes a newer order, if one has come: the next step gives way to one.
    fn take(&mut self, ledger: &mut Ledger);

    /// Whether the agent is on its way out. Tools end with it, so what they say now is not believed:
    /// nothing is begun, and what came of a step is observed in the next life.
    fn is_stopping(&self) -> bool;
}

/// Time stands still, as the coordinator's does, and no order comes: the one that is followed is of the
/// coordinator's life.
struct Still(Moment, Epoch);

impl Between for Still {
    fn moment(&mut self) -> Moment {
        self.0
    }

    fn is_stopping(&self) -> bool {
        false
    }

    fn coordinator(&mut self) -> Option<CoordinatorNow> {
        Some(CoordinatorNow {
            time: self.0.wall,
            epoch: self.1,
        })
    }

    fn take(&mut self, _: &mut Ledger) {}
}

type Log = StepLog<Record, Box<dyn Tape>>;

/// Where step logs lie.
pub trait Tapes: Send + Sync + std::fmt::Debug {
    /// The log of one attempt, whether there is one yet or not.
    fn tape(&self, attempt: AttemptId) -> Box<dyn Tape>;

    /// Removes logs of attempts that ended, but for the last few and the one of `last`.
    ///
    /// # Errors
    /// [`FileError`]; what could not be removed stays.
    fn prune(&self, last: AttemptId) -> Result<(), FileError>;
}

/// Private files in a folder.
#[derive(Debug)]
struct Folder(PathBuf);

impl Tapes for Folder {
    fn tape(&self, attempt: AttemptId) -> Box<dyn Tape> {
        Box::new(FileTape::new(&self.0, attempt))
    }

    fn prune(&self, last: AttemptId) -> Result<(), FileError> {
        clean::prune(&self.0, last)
    }
}

/// The boot that the server is in, and its kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Now {
    boot_id: BootId,
    kernel: String,
    moment: Moment,
}

impl Walker {
    /// Keeps step logs as files in `state_dir`.
    pub fn new(
        server: Server,
        state_dir: &Path,
        leave: MayAct,
        held: Held,
        patience: Patience,
    ) -> Self {
        let tapes = Arc::new(Folder(state_dir.to_owned()));
        Self::logging_to(tapes, server, leave, held, patience)
    }

    /// Keeps step logs elsewhere.
    pub fn logging_to(
        tapes: Arc<dyn Tapes>,
        server: Server,
        leave: MayAct,
        held: Held,
        patience: Patience,
    ) -> Self {
        Self {
            server,
            tapes,
            leave,
            held,
            patience,
            begun: None,
            fetched: None,
            asked: None,
            waits: Waiting::default(),
            noted: Vec::new(),
            countdown: Countdown::default(),
            unseen: None,
            asked_for: None,
            note: String::new(),
            warned: String::new(),
            doing: None,
        }
    }

    /// Goes on until something has to be waited for. Blocks; meant for a thread that may.
    ///
    /// # Errors
    /// [`WalkError`].
    pub fn walk(&mut self, ledger: &mut Ledger, moment: Moment) -> Result<Walked, WalkError> {
        let epoch = ledger.book().effective().map(|order| order.epoch);
        let mut still = Still(moment, epoch.unwrap_or_default());
        self.walk_between(ledger, &mut still)
    }

    /// As [`Walker::walk`], where steps take their time and orders come meanwhile.
    ///
    /// # Errors
    /// [`WalkError`].
    pub fn walk_between(
        &mut self,
        ledger: &mut Ledger,
        between: &mut dyn Between,
    ) -> Result<Walked, WalkError> {
        let moment = between.moment();
        if let Err(why) = self.sweep(moment.steady) {
            self.warn_once(why);
        }
        if ledger.book().running().is_none() {
            self.let_go(ledger)?;
        }
        match late::may_begin(ledger.book(), between.coordinator()) {
            MayBegin::Yes => {}
            MayBegin::NotYet => return Ok(Walked::Idle),
            MayBegin::TooLate(ticket) => return late::refuse(ledger, &ticket, moment),
        }
        let Some(mut subject) = subject(ledger, moment)? else {
            return Ok(Walked::Idle);
        };
        let mut now = self.now(moment)?;
        let attempt = subject.attempt;
        let mut log = match StepLog::open(self.tapes.tape(attempt)) {
            Ok(log) => log,
            Err(StepLogError::Damaged { line }) => {
                let why = format!("line {line} of the step log is damaged");
                return self.unknown(ledger, &subject, &why, moment);
            }
            Err(source) => return Err(WalkError::Log { attempt, source }),
        };
        loop {
            subject.know(log.records());
            let here = match position(log.records(), &subject.terms) {
                Ok(here) => here,
                Err(e @ (NoWay::OutOfPlace { .. } | NoWay::Illegal { .. })) => {
                    return self.unknown(ledger, &subject, &crate::chain(&e), moment);
                }
            };
            now.moment = between.moment();
            let failed = |source| WalkError::Log { attempt, source };
            let counts = self.counts_on(&mut log, here.state, &now);
            if let Some(why) = counts.map_err(failed)? {
                ledger.doing(Some(why));
                let step = here.state.step().map_or("let-go", |s| s.name);
                return Ok(Walked::Waiting { attempt, step });
            }
            match here.next {
                Next::Nothing => {
                    if !self.holds_the_kernel(ledger, &subject, &log, here.state, &now)? {
                        let step = "hold";
                        return Ok(Walked::Waiting { attempt, step });
                    }
                    if !self.lets_go(&subject, &log, here.state, &now) {
                        let step = "let-go";
                        return Ok(Walked::Waiting { attempt, step });
                    }
                    self.tell_cover(log.records());
                    return self.end(ledger, &subject, &here, now.moment);
                }
                Next::LookFirst => {
                    let record = self.before(&now);
                    log.write(record).map_err(failed)?;
                }
                Next::Begin | Next::Observe { .. } => {
                    if here.next == Next::Begin && gives_way(here.state, &subject.terms) {
                        between.take(ledger);
                    }
                    let step = here.state.step().map_or("", |s| s.name);
                    if between.is_stopping() {
                        return Ok(Walked::Waiting { attempt, step });
                    }
                    let event = self.step(ledger, &subject, &mut log, here.state, &now)?;
                    let Some(event) = event.filter(|_| !between.is_stopping()) else {
                        ledger.doing(self.doing.clone());
                        return Ok(Walked::Waiting { attempt, step });
                    };
                    self.begun = None;
                    ledger.doing(None);
                    log.write(Record::Result { event }).map_err(failed)?;
                }
            }
        }
    }

    fn now(&self, moment: Moment) -> Result<Now, WalkError> {
        let raw = self.server.os.os();
        let boot_id = raw.boot_id.as_deref().and_then(|b| b.parse().ok());
        let (boot_id, kernel) = boot_id.zip(raw.kernel).ok_or(WalkError::WhoAmI)?;
        Ok(Now {
            boot_id,
            kernel: kernel.trim().to_owned(),
            moment,
        })
    }

    fn before(&self, now: &Now) -> Record {
        Record::Before {
            boot_id: now.boot_id,
            kernel: now.kernel.clone(),
            passed: passed(&self.server.gates.answers()),
            ground: Some(self.ground(&now.kernel)),
        }
    }

    /// Begins a step where this life has not, and looks what has come of it.
    fn step(
        &mut self,
        ledger: &mut Ledger,
        subject: &Subject,
        log: &mut Log,
        state: State,
        now: &Now,
    ) -> Result<Option<Event>, WalkError> {
        let Some(step) = state.step() else {
            return Ok(None);
        };
        let attempt = subject.attempt;
        let here = position(log.records(), &subject.terms);
        let begun_in = match here.map(|h| h.next) {
            Ok(Next::Observe { begun_in }) => Some(begun_in),
            _ => None,
        };
        // Asked each time, and not only when a newer order waits: who died, or could not write, after
        // it was followed and before the withdrawal was in the log finds none waiting any more.
        if begun_in.is_none()
            && gives_way(state, &subject.terms)
            && ledger.change(|b| Ok(b.safe_point()))? == GoOn::Withdrawn
        {
            return Ok(Some(Event::Withdrawn));
        }
        let fresh = self.begun.is_none_or(|(begun, _)| begun != state);
        if fresh && begun_in.is_none() {
            self.enter(ledger, attempt, step, now.moment)?;
            let boot_id = now.boot_id;
            log.write(Record::Intent { state, boot_id })
                .map_err(|source| WalkError::Log { attempt, source })?;
        }
        if fresh {
            self.begun = Some((state, now.moment.steady));
            self.asked = None;
            self.waits = Waiting::default();
            self.doing = None;
        }
        if matches!(state, State::CheckingBack(_)) && !self.note_holds(ledger, subject, now)? {
            return Ok(None);
        }
        let begun_in = begun_in.unwrap_or(now.boot_id);
        Ok(self.look(subject, log, state, begun_in, now))
    }

    /// Tells the ledger of the step. An agent that ended between a step that gives way and one that
    /// goes on to its end (a repair, or the release of a withdrawn attempt) may find a newer order
    /// waiting: it is followed from now on, and the next step that gives way asks it.
    fn enter(
        &self,
        ledger: &mut Ledger,
        attempt: AttemptId,
        step: Step,
        moment: Moment,
    ) -> Result<(), WalkError> {
        let begin = |b: &mut Book| b.step(attempt, step.name, step.safe_point, moment.wall);
        let entered = match ledger.change(begin) {
            Err(LedgerError::NotNow(NotNow::GiveWay)) => {
                ledger.change(|b| Ok(b.safe_point()))?;
                ledger.change(begin)
            }
            other => other,
        };
        Ok(entered?)
    }

    /// How long this life has been at the step.
    fn waited(&self, now: &Now) -> Duration {
        self.begun.map_or(Duration::ZERO, |(_, since)| {
            now.moment.steady.saturating_sub(since)
        })
    }

    fn warn_once(&mut self, what: String) {
        if self.warned != what {
            tracing::warn!("{what}");
            self.warned = what;
        }
    }
}

/// The attempt that runs, or the one that is due and begins now.
fn subject(ledger: &mut Ledger, moment: Moment) -> Result<Option<Subject>, WalkError> {
    if ledger.book().running().is_none() {
        let Some(due) = ledger.book().due().map(|t| t.attempt) else {
            return Ok(None);
        };
        match ledger.change(|b| b.begin(due, "preflight", SafePoint::Abort, moment.wall)) {
            Err(LedgerError::NotNow(NotNow::ObserveOnly { .. })) => return Ok(None),
            other => other?,
        }
    }
    let running = ledger.book().running();
    Ok(running.map(|(ticket, content)| Subject::new(ticket, content)))
}
