//! What an attempt stands on: looked at before it begins, held while it runs, let go of at its end.

use h8lio_model::order::Outcome;

use super::boots::kernels;
use super::holds::held_kernels;
use super::silence::No;
use super::subject::Subject;
use super::{Log, Now, Walker};
use crate::reconcile::patching::boot::standing::{Standing, comes_up, exceptions, standing};
use crate::reconcile::patching::boot::way_back::{Boot as Booting, can_lead_back, protected};
use crate::reconcile::patching::kernel::to_boot;
use crate::reconcile::patching::transaction::database;
use crate::reconcile::patching::way::log::{Ground, before, ground, has_begun};
use crate::reconcile::patching::way::machine::{Event, State};

impl Walker {
    /// What cannot be told stays unknown: then the boot leads into the kernel that runs.
    pub(super) fn ground(&self, running: &str) -> Ground {
        let database = database::read(&self.server.patch.database()).ok();
        let installed = database.as_ref().map(kernels).unwrap_or_default();
        let held = database.as_ref().map(held_kernels).unwrap_or_default();
        Ground {
            newest: to_boot(running, &installed, &held).cloned(),
            native: database.and_then(|d| d.native().map(str::to_owned)),
            default: standing(&self.server.boot.boot()),
        }
    }

    /// Lets every boot lead into `kernel`, which is protected from autoremove as well.
    pub(super) fn pin_to(&self, kernel: &str) -> Result<(), No> {
        let text = |e: &dyn std::error::Error| crate::chain(e);
        let boot = Booting::read(&self.server.boot.boot());
        let pin = can_lead_back(&boot, kernel).map_err(|e| text(&e))?;
        let database = database::read(&self.server.patch.database()).map_err(|e| text(&e))?;
        let installed: Vec<String> = database.packages.into_keys().collect();
        let kept = protected(kernel, &installed);
        Ok(self.server.boot.pin(Some(&pin.entry), &kept, self.leave)?)
    }

    /// Makes sure that the next boot leads into `kernel`. Where it cannot be told what would come up,
    /// the kernel is pinned, or the boot refused.
    pub(super) fn lead_to(&self, kernel: &str) -> Result<(), No> {
        let up = || comes_up(&self.server.boot.boot());
        let leads = |up: &Option<String>| up.as_deref() == Some(kernel);
        if leads(&up()) {
            return Ok(());
        }
        self.pin_to(kernel)?;
        match up() {
            up if leads(&up) => Ok(()),
            Some(other) => Err(No::Said(format!(
                "GRUB would boot {other} and not {kernel}; look at grub-editenv list"
            ))),
            None => Err(No::Said(format!(
                "it cannot be told whether GRUB would boot {kernel}; look at grub-editenv list"
            ))),
        }
    }

    /// No boot leads into `new` once any more; each leads into `old`. A step that fails keeps no other
    /// from being done: the boot loader first, which a BMC that says nothing does not hold up.
    pub(super) fn disarm(&mut self, old: &str) -> Result<(), No> {
        let done = [
            self.leads_back(old),
            self.forgets_the_exception(),
            self.uncover(),
        ];
        done.into_iter().collect()
    }

    fn leads_back(&self, old: &str) -> Result<(), No> {
        let host = &self.server.boot;
        let raw = host.boot();
        let boot = Booting::read(&raw);
        if !boot.has_environment() {
            return Ok(());
        }
        let entry = match (can_lead_back(&boot, old), standing(&raw)) {
            (Ok(pin), _) => Some(pin.entry),
            (_, Standing::Entry(entry)) => Some(entry),
            _ => None,
        };
        Ok(host.restore(entry.as_deref(), self.leave)?)
    }

    /// What leads elsewhere once besides GRUB's environment, whose own one-shot goes with its default:
    /// all of the agent's that is there, whatever way would be chosen now. What the server looks like in
    /// another kernel, or with the partition not mounted, says nothing about what was armed.
    pub(super) fn forgets_the_exception(&self) -> Result<(), No> {
        let host = &self.server.boot;
        let done = exceptions(&host.boot())
            .into_iter()
            .map(|exception| Ok(host.disarm(exception)?));
        // Every one of them, also behind one that fails.
        let done: Vec<Result<(), No>> = done.collect();
        done.into_iter().collect()
    }

    pub(super) fn release(&mut self, subject: &Subject, log: &Log) -> Event {
        if let Err(No::Said(why) | No::Silent(why)) = self.give_back(subject, log) {
            tracing::warn!("what was secured is let go of at the end: {why}");
        }
        Event::Released
    }

    /// At an end that leaves the old kernel running: whether nothing is left that leads elsewhere.
    pub(super) fn lets_go(&mut self, subject: &Subject, log: &Log, end: State, now: &Now) -> bool {
        let State::Ended(end_of) = end else {
            return true;
        };
        let Some((_, old, _)) = before(log.records()) else {
            return true;
        };
        if !has_begun(log.records(), State::Securing) {
            return true;
        }
        let done = match (end_of.outcome, end_of.as_before, &subject.kernel) {
            (Outcome::Failed, true, _) => self.give_back(subject, log),
            // The kernel that did not do may be installed still: the old one stays pinned.
            (Outcome::RolledBack, _, Some(_)) => self.disarm(old),
            _ => return true,
        };
        if self.begun.is_none_or(|(state, _)| state != end) {
            self.begun = Some((end, now.moment.steady));
        }
        let Err(no) = done else {
            return true;
        };
        let noted = self.note.clone();
        let is_over = self.no(no, Event::NotBooted, now).is_some();
        tracing::warn!("what boots is not as before yet: {}", self.note);
        self.note = match (is_over, noted.is_empty()) {
            (false, _) => noted,
            (true, true) => format!("what boots is not as before: {}", self.note),
            (true, false) => format!("{noted}; what boots is not as before: {}", self.note),
        };
        is_over
    }

    /// At an end of which the log tells nothing: no boot leads elsewhere once, and the default stays.
    pub(super) fn lets_go_unseen(&mut self) -> Result<(), No> {
        let host = &self.server.boot;
        let cleared = match standing(&host.boot()) {
            Standing::First => host.restore(None, self.leave),
            Standing::Entry(entry) => host.restore(Some(&entry), self.leave),
            Standing::Unknown => Ok(()),
        };
        let done = [
            cleared.map_err(No::from),
            self.forgets_the_exception(),
            self.uncover(),
        ];
        done.into_iter().collect()
    }

    /// Puts back what boots, and lets the packages be as any others. As with [`Walker::disarm`], all of
    /// it is tried.
    fn give_back(&mut self, subject: &Subject, log: &Log) -> Result<(), No> {
        let released = self.server.boot.pin(None, &[], self.leave);
        let mut done = vec![
            released.map_err(No::from),
            self.boots_as_before(subject, log),
        ];
        if subject.kernel.is_some() && before(log.records()).is_some() {
            done.push(self.forgets_the_exception());
        }
        done.push(self.uncover());
        done.into_iter().collect()
    }

    fn boots_as_before(&self, subject: &Subject, log: &Log) -> Result<(), No> {
        let host = &self.server.boot;
        let Some((_, old, _)) = before(log.records()) else {
            return Ok(());
        };
        if !Booting::read(&host.boot()).has_environment() {
            return Ok(());
        }
        match ground(log.records()).map(|g| &g.default) {
            Some(Standing::First) => Ok(host.restore(None, self.leave)?),
            Some(Standing::Entry(entry)) => Ok(host.restore(Some(entry), self.leave)?),
            Some(Standing::Unknown) | None => match &subject.kernel {
                Some(_) => self.leads_back(old),
                None => Ok(()),
            },
        }
    }
}
