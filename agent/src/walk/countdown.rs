//! A countdown of the BMC's that an earlier life of the agent may have left: it goes on over a boot, and
//! ends in a reset. Stopping one's own takes nobody's leave.

use std::path::Path;
use std::time::Duration;

use h8lio_model::order::AttemptId;

use super::Server;
use crate::host::bmc::Access;
use crate::ledger::steps::{FileTape, StepLog, StepLogError};
use crate::reconcile::patching::boot::timer::{self, Timer};
use crate::reconcile::patching::way::log::{Record, counting};

/// How soon to ask a BMC again that did not do as it was told: one that is broken takes long to say so.
const AGAIN: Duration = Duration::from_secs(30);

/// So much longer than it was told to count, it cannot count any more, by whatever clock.
const SURELY: Duration = Duration::from_secs(60);

/// What this life knows of the countdown.
#[derive(Debug, Default)]
pub struct Countdown {
    known: Known,
    /// When this life first looked, on the steady clock. What an earlier one armed was armed before.
    looked: Option<Duration>,
    /// The log of the attempt that runs says that one was armed for so long, and not that it ended.
    armed: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Known {
    /// An earlier life may have left one.
    #[default]
    Unknown,
    /// The same: it could not be stopped, or not be told, when this was last tried on the steady clock.
    Untold {
        at: Duration,
        why: String,
    },
    None,
    /// This life has begun to arm one.
    Own,
}

impl Countdown {
    /// What the log of the attempt that runs says, for who walks none. A log that cannot be read may say
    /// anything, and then it is for the longest that is armed (`longest`).
    pub fn by_log(&mut self, folder: &Path, attempt: Option<AttemptId>, longest: Duration) {
        let counts = attempt.map(|attempt| {
            match StepLog::<Record, _>::open(FileTape::new(folder, attempt)) {
                Ok(log) => counting(log.records()),
                Err(StepLogError::Damaged { .. } | StepLogError::Read(_)) => Some(longest),
                Err(StepLogError::Write(_)) => None,
            }
        });
        self.armed = counts.flatten();
    }

    /// Whether a log says that one may count.
    pub fn is_armed(&self) -> bool {
        self.armed.is_some()
    }

    pub(super) fn armed(&mut self, armed: Option<Duration>) {
        self.armed = armed;
    }

    pub(super) fn own(&mut self) {
        self.known = Known::Own;
    }

    pub(super) fn is_own(&self) -> bool {
        self.known == Known::Own
    }

    pub(super) fn is_over(&mut self) {
        self.known = Known::None;
    }

    /// The boot that this life armed one for is not waited for any more: it was armed before now, and is
    /// stopped as any other.
    pub(super) fn disown(&mut self, now: Duration) {
        if self.is_own() {
            self.known = Known::Unknown;
            self.looked = Some(now);
        }
    }

    /// Stops it, once in this life. While it is an error, the server may be reset. Where nothing reaches
    /// a BMC and no log says that one was armed, nothing is known, and nothing is wrong.
    ///
    /// # Errors
    /// What to tell a person.
    pub fn sweep(&mut self, server: &Server, now: Duration) -> Result<(), String> {
        let since = *self.looked.get_or_insert(now);
        let ends = self.armed.map(|armed| since + armed + SURELY);
        match &self.known {
            Known::None | Known::Own => return Ok(()),
            _ if ends.is_some_and(|ends| now >= ends) => {
                tracing::warn!("what the BMC's watchdog was armed for would have ended by now");
                self.known = Known::None;
                return Ok(());
            }
            Known::Untold { at, why } if now < *at + AGAIN => return Err(why.clone()),
            Known::Untold { .. } | Known::Unknown => {}
        }
        let stopped = match (server.bmc.access(), self.armed) {
            (Access::Open, _) => is_stopped(server),
            (Access::None(why) | Access::Taken(why), Some(_)) => Err(untold(&why)),
            // What drives it may come later.
            (Access::None(_) | Access::Taken(_), None) => {
                self.known = Known::Unknown;
                return Ok(());
            }
        };
        match stopped {
            Ok(stopped) => {
                if stopped {
                    tracing::info!("the BMC's watchdog, which was armed for a boot, was stopped");
                }
                self.known = Known::None;
                Ok(())
            }
            Err(why) => {
                let told = why.clone();
                self.known = Known::Untold { at: now, why };
                Err(told)
            }
        }
    }
}

fn untold(why: &str) -> String {
    format!(
        "whether the BMC's watchdog counts since a boot cannot be told: {why}; if it does, it will \
         reset this server; look with `ipmitool mc watchdog get`"
    )
}

/// Stops it if it is the agent's and counts; answers whether it did.
pub(super) fn is_stopped(server: &Server) -> Result<bool, String> {
    let told = |why: String| {
        format!(
            "the BMC's watchdog was armed for a boot and cannot be stopped: {why}; it will reset this \
             server; stop it with `ipmitool mc watchdog off`"
        )
    };
    let before = read(server).map_err(|why| untold(&why))?;
    if !before.is_ours() {
        return Ok(false);
    }
    let set = server.bmc.set(timer::stop(&before));
    set.map_err(|e| told(crate::chain(&e)))?;
    match read(server).map_err(told)?.is_ours() {
        false => Ok(true),
        true => Err(told("it counts on".to_owned())),
    }
}

pub(super) fn read(server: &Server) -> Result<Timer, String> {
    let answer = server.bmc.timer().map_err(|e| crate::chain(&e))?;
    timer::read(&answer).map_err(|e| e.to_string())
}
