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

/// Of this life, what has become of a countdown that an earlier one left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Leftover {
    /// It was not looked for yet.
    #[default]
    Unknown,
    /// There is none, or what counts now is this life's own.
    None,
}

impl Walker {
    /// Stops a countdown that an earlier life of the agent left, once in this life. To be called before
    /// anything else is done, and again while it is an error: then the server will be reset.
    ///
    /// # Errors
    /// What to tell a person.
    pub fn sweep(&mut self) -> Result<(), String> {
        if self.leftover == Leftover::None {
            return Ok(());
        }
        let server = &self.server;
        if server.bmc.access() == Access::Open && is_stopped(server)? {
            tracing::info!("the BMC's watchdog, which was armed for a boot, was stopped");
        }
        self.leftover = Leftover::None;
        Ok(())
    }

    /// Whether nothing of an earlier life is left to stop.
    pub fn is_swept(&self) -> bool {
        self.leftover == Leftover::None
    }

    /// Has the BMC reset the server if the next boot comes to nothing. Where it cannot, the boot goes
    /// on uncovered; what must not be is a countdown of which nobody knows.
    pub(super) fn cover(&mut self) -> Result<Cover, No> {
        let countdown = self.patience.hang.min(timer::LONGEST);
        let armed = match hands_off(&self.server) {
            Some(why) => Err(why),
            None => arm(&self.server, countdown, self.leave),
        };
        match armed {
            Ok(()) => {
                self.leftover = Leftover::None;
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

    /// No countdown of the agent's goes on.
    pub(super) fn uncover(&self) -> Result<(), No> {
        match self.server.bmc.access() {
            Access::Open => is_stopped(&self.server).map(|_| ()).map_err(No::Silent),
            Access::None(_) | Access::Taken(_) => Ok(()),
        }
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
            "the BMC's watchdog was armed for a boot and is perhaps not stopped: {why}; if it counts, \
             it will reset this server; stop it with `ipmitool mc watchdog off`"
        )
    };
    let before = read(server).map_err(told)?;
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

/// Why the timer is not the agent's to arm.
fn hands_off(server: &Server) -> Option<String> {
    match server.bmc.access() {
        Access::None(why) | Access::Taken(why) => return Some(why),
        Access::Open => {}
    }
    let traces = server.managers.traces();
    let found = managers::facts(&traces, &Default::default()).managers;
    let other = found.into_iter().find(|m| m.domain == Domain::Watchdog)?;
    let seen = other.evidence.first().cloned().unwrap_or_default();
    Some(format!(
        "{} looks after this server's watchdog ({seen})",
        other.name
    ))
}

fn arm(server: &Server, countdown: Duration, leave: MayAct) -> Result<(), String> {
    if read(server)?.is_anothers() {
        return Err("the BMC's watchdog counts for somebody else".to_owned());
    }
    let text = |e: crate::host::tool::ToolError| crate::chain(&e);
    server
        .bmc
        .set(timer::before_a_boot(countdown))
        .map_err(text)?;
    server.bmc.start(leave).map_err(text)?;
    timer::counts(&read(server)?, countdown)
}

fn read(server: &Server) -> Result<Timer, String> {
    let answer = server.bmc.timer().map_err(|e| crate::chain(&e))?;
    timer::read(&answer).map_err(|e| e.to_string())
}
