//! A kernel that hangs: no panic boots the server again, but the watchdog of its BMC does, which is
//! armed before the boot and counts on over it. Whoever comes up stops it.

use std::time::Duration;

use h8lio_model::inventory::Domain;

use super::silence::No;
use super::{Server, Walker};
use crate::host::bmc::Access;
use crate::host::patching::MayAct;
use crate::reconcile::managers;
use crate::reconcile::patching::boot::timer::{self, Timer};
use crate::reconcile::patching::way::log::{Cover, Record, cover};
use crate::reconcile::patching::way::machine::Found;

/// How soon to ask a BMC again that did not do as it was told: one that is broken takes long to say so.
const AGAIN: Duration = Duration::from_secs(30);

/// How often a timer that was just started is looked at again.
const LOOKS: usize = 3;

/// What this life knows of the countdown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Countdown {
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

impl Walker {
    /// Stops a countdown that an earlier life of the agent left, once in this life. To be called before
    /// anything else is done, and again while it is an error: then the server may be reset. `now` is on
    /// the steady clock.
    ///
    /// # Errors
    /// What to tell a person.
    pub fn sweep(&mut self, now: Duration) -> Result<(), String> {
        match &self.countdown {
            Countdown::None | Countdown::Own => return Ok(()),
            Countdown::Untold { at, why } if now < *at + AGAIN => return Err(why.clone()),
            Countdown::Untold { .. } | Countdown::Unknown => {}
        }
        let server = &self.server;
        let stopped = match server.bmc.access() {
            Access::Open => is_stopped(server),
            Access::None(_) | Access::Taken(_) => Ok(false),
        };
        match stopped {
            Ok(stopped) => {
                if stopped {
                    tracing::info!("the BMC's watchdog, which was armed for a boot, was stopped");
                }
                self.countdown = Countdown::None;
                Ok(())
            }
            Err(why) => {
                let told = why.clone();
                self.countdown = Countdown::Untold { at: now, why };
                Err(told)
            }
        }
    }

    /// Has the BMC reset the server if the next boot comes to nothing. Where it cannot, the boot goes
    /// on uncovered; what must not be is a countdown of which nobody knows.
    pub(super) fn cover(&mut self) -> Result<Cover, No> {
        let countdown = self.patience.hang.min(timer::LONGEST);
        let mut armed = is_free(&self.server);
        if armed.is_ok() {
            self.countdown = Countdown::Own;
            armed = arm(&self.server, countdown, self.leave);
        }
        match armed {
            Ok(()) => {
                let seconds = countdown.as_secs();
                Ok(Cover::Bmc { seconds })
            }
            Err(why) => {
                self.uncover()?;
                tracing::warn!("if the new kernel hangs, nothing ends it: {why}");
                Ok(Cover::Nothing { why })
            }
        }
    }

    /// What this life has armed, or begun to, does not count any more.
    pub(super) fn uncover(&mut self) -> Result<(), No> {
        if self.countdown == Countdown::Own {
            is_stopped(&self.server).map_err(No::Silent)?;
            self.countdown = Countdown::None;
        }
        Ok(())
    }

    /// Says that it was the BMC who ended the boot, where it says so.
    pub(super) fn tell_reset(&mut self, records: &[Record], found: Found) {
        let Some(Cover::Bmc { seconds }) = cover(records) else {
            return;
        };
        let open = self.server.bmc.access() == Access::Open;
        let ran_out = open && read(&self.server).is_ok_and(|timer| timer.ran_out());
        if ran_out && found != Found::Expected {
            self.note =
                format!("the new kernel hung, and the BMC reset the server after {seconds} s");
        }
    }

    /// Says at the end that a hang would not have been ended.
    pub(super) fn tell_cover(&mut self, records: &[Record]) {
        let Some(Cover::Nothing { why }) = cover(records) else {
            return;
        };
        let uncovered = format!("nothing would have ended a kernel that hangs: {why}");
        self.note = match self.note.is_empty() {
            true => uncovered,
            false => format!("{}; {uncovered}", self.note),
        };
    }
}

/// Stops it if it is the agent's and counts; answers whether it did.
fn is_stopped(server: &Server) -> Result<bool, String> {
    let told = |why: String| {
        format!(
            "the BMC's watchdog was armed for a boot and cannot be stopped: {why}; it will reset this \
             server; stop it with `ipmitool mc watchdog off`"
        )
    };
    let untold = |why: String| {
        format!(
            "whether the BMC's watchdog counts since a boot cannot be told: {why}; if it does, it will \
             reset this server; look with `ipmitool mc watchdog get`"
        )
    };
    let before = read(server).map_err(untold)?;
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

/// Whether the timer is the agent's to arm, and if not, why. Changes nothing.
fn is_free(server: &Server) -> Result<(), String> {
    match server.bmc.access() {
        Access::None(why) | Access::Taken(why) => return Err(why),
        Access::Open => {}
    }
    let traces = server.managers.traces();
    let found = managers::facts(&traces, &Default::default()).managers;
    if let Some(other) = found.into_iter().find(|m| m.domain == Domain::Watchdog) {
        let seen = other.evidence.first().cloned().unwrap_or_default();
        return Err(format!(
            "{} looks after this server's watchdog ({seen})",
            other.name
        ));
    }
    match read(server)?.is_anothers() {
        true => Err("the BMC's watchdog counts for somebody else".to_owned()),
        false => Ok(()),
    }
}

fn arm(server: &Server, countdown: Duration, leave: MayAct) -> Result<(), String> {
    let text = |e: crate::host::tool::ToolError| crate::chain(&e);
    server
        .bmc
        .set(timer::before_a_boot(countdown))
        .map_err(text)?;
    server.bmc.start(leave).map_err(text)?;
    let mut counts = timer::counts(&read(server)?, countdown);
    // One that does not say that it counts shows it by what is left, which takes a tenth of a second.
    for _ in 0..LOOKS {
        if counts.is_err() {
            counts = timer::counts(&read(server)?, countdown);
        }
    }
    counts
}

fn read(server: &Server) -> Result<Timer, String> {
    let answer = server.bmc.timer().map_err(|e| crate::chain(&e))?;
    timer::read(&answer).map_err(|e| e.to_string())
}
