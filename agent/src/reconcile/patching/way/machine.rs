//! One node's way through a patch, as the agent walks it: a pure state machine. What each state
//! does stands in [`State::step`]; whoever carries it out comes back with an [`Event`].
//!
//! ```text
//! Preflight -> Repairing -> Preflight
//! Preflight -> Downloading -> Securing -> Applying -> Settling -----------> Checking -> Committing -> done
//!                                                          -> Booting  (new boot) -> Checking
//!                                                          -> Mending -> as Applying
//! not well, another kernel, or not to be configured: PuttingBack -> SettlingBack | BootingBack -> CheckingBack -> rolled back
//! ```
//!
//! The order gives leave for **one** unattended fallback. Nothing in the fallback falls back again:
//! whatever goes wrong there ends the attempt, and a further boot takes a new order.

use h8lio_model::order::{Act, OnFailure, Outcome, SafePoint};
use serde::{Deserialize, Serialize};

/// What the attempt may and has to do; fixed when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    pub act: Act,
    pub on_failure: OnFailure,
    /// A package is changed that only goes forward, whatever the order hopes for.
    pub forward_only: bool,
    /// Packages stay after a fallback: they came anew (a kernel beside the old one), or are the agent's.
    pub adds: bool,
    /// The boot is to bring another kernel than the one that runs.
    pub other_kernel: bool,
}

impl Terms {
    /// Whether the way back is taken when it does not go well.
    pub const fn falls_back(&self) -> bool {
        matches!(self.on_failure, OnFailure::FallBackOnce) && !self.forward_only
    }
}

/// Where the attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    Preflight,
    Repairing,
    Downloading,
    Securing,
    /// What was secured is taken back, because a newer order does not want the attempt.
    Releasing,
    Applying,
    /// The transaction was cut off and left the database half-done: that is repaired, and then looked
    /// at again.
    Mending,
    Settling,
    Booting,
    /// With whether the server was booted into the change.
    Checking(Boot),
    Committing,
    PuttingBack(Through, Cause),
    SettlingBack(Cause),
    BootingBack(Cause),
    CheckingBack(Cause),
    Ended(End),
}

/// What the way back goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Through {
    /// Restarted services, or a boot if that is not enough: none was had since the change.
    Services,
    /// A boot, since the change was booted into.
    Boot,
    /// Services alone: the boot that the order gave leave for was had, when the boot loader or the
    /// firmware went back by itself.
    ServicesAlone,
}

/// Why the way back was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    PartlyApplied,
    /// What was changed cannot be configured.
    DatabaseDamaged,
    NotBooted,
    OldKernelBooted,
    OtherKernelBooted,
    NotWell,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct End {
    pub outcome: Outcome,
    /// The server is as it was before the attempt.
    pub as_before: bool,
    pub why: Why,
}

/// The reason of an end: a word for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Why {
    AllWell,
    Refused,
    Withdrawn,
    NotRepaired,
    DownloadFailed,
    NoWayBack,
    NothingApplied,
    DatabaseDamaged,
    /// It was to go back, or it has gone back.
    Back(Cause),
    NotPutBack,
    NotBootedBack,
    /// What was put back takes a further boot, and that takes a new order.
    FurtherBoot,
    StillNotWell,
    /// Well, and what runs could not be made what boots from now on.
    NotCommitted,
    /// For too long nobody could tell what became of a step.
    Untold,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Event {
    /// All checks before the first change pass.
    Fit,
    /// The package database was cut off before.
    Interrupted,
    /// The order cannot be carried out here.
    Refused,
    Repaired,
    NotRepaired,
    Downloaded,
    DownloadFailed,
    /// There is a way back.
    Secured,
    NoWayBack,
    /// What was secured is as before.
    Released,
    Applied(Boot),
    NothingApplied,
    PartlyApplied,
    Damaged,
    /// A repair left exactly such packages half-done as the attempt changed, and what was there before
    /// can take their place.
    Unconfigured,
    /// Services were restarted.
    Settled,
    /// A boot was asked for and refused, or did not come in its time.
    NotBooted,
    NewBoot(Found),
    Well,
    Unwell,
    /// What runs now is what boots from now on.
    Committed,
    NotCommitted,
    PutBack(Boot),
    NotPutBack,
    /// The package database cannot be read, somebody is in it, or a transaction does not end: for so
    /// long that nobody waits any more.
    Untold,
    /// A newer order does not want the attempt any more.
    Withdrawn,
}

/// Whether a boot has to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Boot {
    Needed,
    NotNeeded,
}

/// The kernel that runs after a boot, measured by what the boot was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Found {
    /// The one that the boot was for.
    Expected,
    /// The one that ran before the boot, where another was expected.
    Old,
    Other,
}

/// An event that cannot happen in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} cannot happen while {state:?}")]
pub struct Illegal {
    pub state: State,
    pub event: Event,
}

/// A state's name and how it gives way to a newer order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub name: &'static str,
    pub safe_point: SafePoint,
    /// After a crash in the middle of it.
    pub again: Again,
}

/// What a step that was cut off takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// Doing it again does no harm.
    Repeat,
    /// It happens once: look what became of it.
    Observe,
}

impl State {
    pub const FIRST: Self = Self::Preflight;

    /// The step; `None` for an end.
    pub const fn step(self) -> Option<Step> {
        use Again::{Observe, Repeat};
        use SafePoint::{Abort, Finish, Undo};
        let (name, safe_point, again) = match self {
            Self::Preflight => ("preflight", Abort, Repeat),
            Self::Repairing => ("repair", Finish, Repeat),
            Self::Downloading => ("download", Abort, Repeat),
            Self::Securing => ("secure", Undo, Repeat),
            Self::Releasing => ("release", Finish, Repeat),
            Self::Applying => ("apply", Finish, Observe),
            Self::Mending => ("mend", Finish, Repeat),
            Self::Settling => ("settle", Finish, Repeat),
            Self::Booting => ("boot", Finish, Observe),
            Self::Checking(_) => ("check", Finish, Repeat),
            Self::Committing => ("commit", Finish, Repeat),
            Self::PuttingBack(..) => ("put-back", Finish, Observe),
            Self::SettlingBack(_) => ("settle-back", Finish, Repeat),
            Self::BootingBack(_) => ("boot-back", Finish, Observe),
            Self::CheckingBack(_) => ("check-back", Finish, Repeat),
            Self::Ended(_) => return None,
        };
        Some(Step {
            name,
            safe_point,
            again,
        })
    }
}

const fn end(outcome: Outcome, as_before: bool, why: Why) -> State {
    State::Ended(End {
        outcome,
        as_before,
        why,
    })
}

/// Failed before anything was changed.
const fn untouched(why: Why) -> State {
    end(Outcome::Failed, true, why)
}

/// Failed, and what was changed stays until a person or a new order comes.
const fn halted(why: Why) -> State {
    end(Outcome::Failed, false, why)
}

/// The way back where the order gives leave for it, else a halt.
const fn back(terms: &Terms, through: Through, cause: Cause) -> State {
    if !terms.falls_back() {
        return halted(Why::Back(cause));
    }
    match (terms.act, through) {
        (Act::Patch, _) => State::PuttingBack(through, cause),
        // No package was changed: only another kernel is to be left.
        (Act::Reboot, Through::Boot) if terms.other_kernel => State::BootingBack(cause),
        (Act::Reboot, Through::ServicesAlone) => State::CheckingBack(cause),
        (Act::Reboot, _) => halted(Why::Back(cause)),
    }
}

/// Whether a withdrawal ends the attempt in this state, or on the way from it: where a step happens
/// once, only before it was begun.
pub fn gives_way(state: State, terms: &Terms) -> bool {
    next(state, Event::Withdrawn, terms).is_ok_and(|to| to != state)
}

/// The state after `event`.
///
/// # Errors
/// [`Illegal`].
pub fn next(state: State, event: Event, terms: &Terms) -> Result<State, Illegal> {
    use Event as E;
    use State as S;
    Ok(match (state, event) {
        (S::Preflight, E::Fit) => match terms.act {
            Act::Patch => S::Downloading,
            Act::Reboot => S::Securing,
        },
        (S::Preflight, E::Interrupted) => S::Repairing,
        (S::Preflight, E::Refused) => untouched(Why::Refused),
        // A repair finishes what somebody else began; it is told in any case, and what was ordered
        // is weighed anew on what is installed then.
        (S::Repairing, E::Repaired) => S::Preflight,
        (S::Repairing, E::NotRepaired) => halted(Why::NotRepaired),
        (S::Downloading, E::Downloaded) => S::Securing,
        (S::Downloading, E::DownloadFailed) => untouched(Why::DownloadFailed),
        (S::Securing, E::Secured) => match terms.act {
            Act::Patch => S::Applying,
            Act::Reboot => S::Booting,
        },
        (S::Securing, E::NoWayBack) => untouched(Why::NoWayBack),
        (S::Preflight | S::Downloading, E::Withdrawn) => untouched(Why::Withdrawn),
        (S::Securing, E::Withdrawn) => S::Releasing,
        // Nothing of it has begun yet: whoever carries it out says so only until then.
        (S::Applying, E::Withdrawn) => S::Releasing,
        (S::Booting, E::Withdrawn) if matches!(terms.act, Act::Reboot) => S::Releasing,
        (S::Releasing, E::Released) => untouched(Why::Withdrawn),

        (S::Applying | S::Mending, E::Applied(Boot::Needed)) => S::Booting,
        (S::Applying | S::Mending, E::Applied(Boot::NotNeeded)) => S::Settling,
        (S::Applying | S::Mending, E::NothingApplied) => untouched(Why::NothingApplied),
        (S::Applying | S::Mending, E::PartlyApplied) => {
            back(terms, Through::Services, Cause::PartlyApplied)
        }
        (S::Applying, E::Damaged) => S::Mending,
        // Putting back needs a database in which nothing else is broken.
        (S::Mending, E::NotRepaired) => halted(Why::DatabaseDamaged),
        (S::Mending, E::Unconfigured) => back(terms, Through::Services, Cause::DatabaseDamaged),
        (S::Repairing | S::Applying | S::Mending | S::PuttingBack(..), E::Untold) => {
            halted(Why::Untold)
        }
        (S::Settling, E::Settled) => S::Checking(Boot::NotNeeded),
        (S::Booting, E::NewBoot(Found::Expected)) => S::Checking(Boot::Needed),
        // The boot loader or the firmware went back by itself: that was the unattended boot. Until
        // the commit any boot does that, also one by a power cut, so the kernel is looked at anew
        // in each of these states.
        (S::Booting | S::Checking(_) | S::Committing, E::NewBoot(Found::Old)) => {
            back(terms, Through::ServicesAlone, Cause::OldKernelBooted)
        }
        (S::Booting | S::Checking(_) | S::Committing, E::NewBoot(Found::Other)) => {
            back(terms, Through::Boot, Cause::OtherKernelBooted)
        }
        (S::Booting, E::NotBooted) => match terms.act {
            Act::Patch => back(terms, Through::Services, Cause::NotBooted),
            Act::Reboot => untouched(Why::Back(Cause::NotBooted)),
        },
        (S::Checking(_), E::Well) => S::Committing,
        (S::Checking(Boot::NotNeeded), E::Unwell) => back(terms, Through::Services, Cause::NotWell),
        (S::Checking(Boot::Needed), E::Unwell) => back(terms, Through::Boot, Cause::NotWell),
        (S::Committing, E::Committed) => end(Outcome::Done, false, Why::AllWell),
        (S::Committing, E::NotCommitted) => halted(Why::NotCommitted),

        (S::PuttingBack(Through::Boot, cause), E::PutBack(_)) => S::BootingBack(cause),
        (S::PuttingBack(Through::Services, cause), E::PutBack(Boot::Needed)) => {
            S::BootingBack(cause)
        }
        (S::PuttingBack(Through::ServicesAlone, _), E::PutBack(Boot::Needed)) => {
            halted(Why::FurtherBoot)
        }
        (S::PuttingBack(_, cause), E::PutBack(Boot::NotNeeded)) => S::SettlingBack(cause),
        (S::PuttingBack(..), E::NotPutBack) => halted(Why::NotPutBack),
        (S::SettlingBack(cause), E::Settled) => S::CheckingBack(cause),
        (S::BootingBack(cause), E::NewBoot(Found::Expected)) => S::CheckingBack(cause),
        (S::BootingBack(_), E::NewBoot(_) | E::NotBooted) => halted(Why::NotBootedBack),
        (S::CheckingBack(cause), E::Well) => {
            end(Outcome::RolledBack, !terms.adds, Why::Back(cause))
        }
        (S::CheckingBack(_), E::Unwell) => halted(Why::StillNotWell),

        // Half of it is worse than none: it goes on to its end, which the ledger then latches.
        (
            S::Repairing
            | S::Releasing
            | S::Mending
            | S::Settling
            | S::Booting
            | S::Checking(_)
            | S::Committing
            | S::PuttingBack(..)
            | S::SettlingBack(_)
            | S::BootingBack(_)
            | S::CheckingBack(_),
            E::Withdrawn,
        ) => state,
        _ => return Err(Illegal { state, event }),
    })
}
