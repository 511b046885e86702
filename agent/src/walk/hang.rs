//! A kernel that hangs: no panic boots the server again, but the watchdog of its BMC does, which is
//! armed before the boot and counts on over it. Whoever comes up stops it ([`super::countdown`]).

use std::time::Duration;

use h8lio_model::ids::BootId;
use h8lio_model::inventory::Domain;

use super::countdown::{is_stopped, read};
use super::silence::No;
use super::{Log, Now, Server, Walker};
use crate::host::bmc::Access;
use crate::host::patching::MayAct;
use crate::ledger::steps::StepLogError;
use crate::reconcile::managers;
use crate::reconcile::patching::boot::timer;
use crate::reconcile::patching::way::log::{Cover, Record, counting, cover};
use crate::reconcile::patching::way::machine::{Found, State};

/// How often a timer that was just started is looked at again.
const LOOKS: usize = 3;

impl Walker {
    /// Stops a countdown that an earlier life of the agent left, once in this life. To be called before
    /// anything else is done, and again while it is an error: then the server may be reset. `now` is on
    /// the steady clock.
    ///
    /// # Errors
    /// What to tell a person.
    pub fn sweep(&mut self, now: Duration) -> Result<(), String> {
        self.countdown.sweep(&self.server, now)
    }

    /// Why nothing goes on: what the attempt had the BMC count may reset the server at any moment, and
    /// whoever called it well would let the next server go down beside it. `None`: nothing counts but
    /// what this life has armed for the boot that it waits for.
    pub(super) fn counts_on(
        &mut self,
        log: &mut Log,
        state: State,
        now: &Now,
    ) -> Result<Option<String>, StepLogError> {
        let armed = counting(log.records());
        self.countdown.armed(armed);
        if armed.is_none() || (self.countdown.is_own() && state == State::Booting) {
            return Ok(None);
        }
        self.countdown.disown(now.moment.steady);
        if let Err(why) = self.sweep(now.moment.steady) {
            return Ok(Some(why));
        }
        let boot_id = now.boot_id;
        log.write(Record::Uncovered { boot_id })?;
        self.countdown.armed(None);
        Ok(None)
    }

    /// Has the BMC reset the server if the next boot comes to nothing. Where it cannot, the boot goes
    /// on uncovered; what must not be is a countdown of which nobody knows, so it is written down before
    /// it can count.
    pub(super) fn cover(&mut self, log: &mut Log, boot_id: BootId) -> Result<(), No> {
        let mut covered = |by: Cover| {
            let written = log.write(Record::Covered { boot_id, by });
            written.map_err(|e| No::Silent(crate::chain(&e)))
        };
        let countdown = self.patience.hang.min(timer::LONGEST);
        let mut armed = is_free(&self.server);
        if armed.is_ok() {
            self.countdown.own();
            let seconds = countdown.as_secs();
            covered(Cover::Bmc { seconds })?;
            armed = arm(&self.server, countdown, self.leave);
        }
        let Err(why) = armed else {
            return Ok(());
        };
        self.uncover()?;
        tracing::warn!("if the new kernel hangs, nothing ends it: {why}");
        covered(Cover::Nothing { why })
    }

    /// What this life has armed, or begun to, does not count any more.
    pub(super) fn uncover(&mut self) -> Result<(), No> {
        if self.countdown.is_own() {
            is_stopped(&self.server).map_err(No::Silent)?;
            self.countdown.is_over();
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
