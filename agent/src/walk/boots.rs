//! The steps that decide what boots.

use std::time::Duration;

use super::silence::No;
use super::subject::Subject;
use super::transactions::pins;
use super::{Log, Now, Walker, doing};
use crate::host::boot::{Restart, WayBack};
use crate::reconcile::patching::boot::after::{Came, Expected, came};
use crate::reconcile::patching::boot::environment::cannot_be_cleared;
use crate::reconcile::patching::boot::standing::{comes_up, is_armed};
use crate::reconcile::patching::boot::way_back::{Boot as Booting, lasting, way_back};
use crate::reconcile::patching::parse::dpkg::kernel;
use crate::reconcile::patching::transaction::database::{Database, Diagnosis};
use crate::reconcile::patching::way::log::{Record, tries};
use crate::reconcile::patching::way::machine::{Event, Found, State};
use crate::words::list;

/// How often the boot into another kernel is begun. One that is cut off before GRUB was told has
/// tried nothing; a server that keeps being booted by somebody else is not patched.
const TRIES: usize = 3;

impl Walker {
    pub(super) fn secure(&mut self, subject: &Subject, old: &str, now: &Now) -> Option<Event> {
        match self.secured(subject, old) {
            Ok(()) => Some(Event::Secured),
            Err(no) => self.no(no, Event::NoWayBack, now),
        }
    }

    fn secured(&self, subject: &Subject, old: &str) -> Result<(), No> {
        if let Some(change) = subject.replaces(old) {
            return Err(No::Said(format!(
                "{} {} would replace the files of the kernel that runs, and nothing that is known \
                 to boot would be left; reboot into another installed kernel first",
                change.name, change.to
            )));
        }
        if subject.terms.falls_back() {
            let pins = pins(&subject.reversed());
            let missing = self.server.patch.keep_old(&pins, self.leave);
            let missing = missing?;
            if !missing.is_empty() {
                let names: Vec<String> = missing.iter().map(ToString::to_string).collect();
                let names = list(&names, 5);
                let why = format!("no repository has what is installed now: {names}");
                return Err(No::Said(why));
            }
        }
        match &subject.kernel {
            None if subject.boots() => self.lead_to(old),
            None => Ok(()),
            Some(new) => {
                if !subject.installs(new) {
                    way(&Booting::read(&self.server.boot.boot()), old, new)?;
                }
                self.pin_to(old)
            }
        }
    }

    /// Asks for the boot that brings the change into use, into another kernel once, and waits.
    pub(super) fn boot(&mut self, log: &mut Log, expected: &Expected, now: &Now) -> Option<Event> {
        let arm = expected.from != expected.to;
        if let Came::Up(found) = came(expected, now.boot_id, &now.kernel) {
            let (begun, is_armed) = tries(log.records());
            if !arm || is_armed || found != Found::Old {
                self.tell_reset(log.records(), found);
                return Some(Event::NewBoot(found));
            }
            // Somebody else's boot, or a power cut, came before GRUB was told of the new kernel.
            return self.try_again(log, begun, now);
        }
        let event = match self.asked {
            Some(asked) => self.refused(asked, now)?,
            None => match self.ask_for_boot(Some(log), expected) {
                Ok(()) => {
                    self.asked = Some(now.moment.steady);
                    self.doing = Some(doing::boots(&expected.to));
                    return None;
                }
                Err(no) => self.no(no, Event::NotBooted, now)?,
            },
        };
        // A boot that comes later, whoever asks for it, must not lead into what is given up.
        let disarmed = match arm {
            true => self.disarm(&expected.from),
            false => Ok(()),
        };
        match disarmed {
            Ok(()) => Some(event),
            Err(no) => {
                let note = self.note.clone();
                let event = self.no(no, event, now);
                self.note = format!("{note}; {}", self.note);
                event
            }
        }
    }

    fn try_again(&mut self, log: &mut Log, begun: usize, now: &Now) -> Option<Event> {
        if begun >= TRIES {
            self.note = format!("the server was booted {begun} times before the kernel was tried");
            return Some(Event::NewBoot(Found::Old));
        }
        let intent = Record::Intent {
            state: State::Booting,
            boot_id: now.boot_id,
        };
        match log.write(intent) {
            Ok(()) => tracing::warn!("a boot came before the new kernel was armed; trying again"),
            Err(e) => tracing::warn!("{}; asking again", crate::chain(&e)),
        }
        self.asked = None;
        None
    }

    /// Whether a boot that was asked for counts as refused: by when it was asked for, since one that is
    /// on its way must not be given up.
    fn refused(&self, asked: Duration, now: &Now) -> Option<Event> {
        let waited = now.moment.steady.saturating_sub(asked);
        (waited >= self.patience.boot).then_some(Event::NotBooted)
    }

    /// Asks for the boot that leads back, and waits.
    pub(super) fn boot_back(&mut self, expected: &Expected, now: &Now) -> Option<Event> {
        if let Came::Up(found) = came(expected, now.boot_id, &now.kernel) {
            return Some(Event::NewBoot(found));
        }
        if let Some(asked) = self.asked {
            return self.refused(asked, now);
        }
        match self.ask_for_boot(None, expected) {
            Ok(()) => {
                self.asked = Some(now.moment.steady);
                self.doing = Some(doing::boots(&expected.to));
                None
            }
            Err(no) => self.no(no, Event::NotBooted, now),
        }
    }

    /// With a log: into another kernel once, which is written down before it can happen.
    fn ask_for_boot(&mut self, log: Option<&mut Log>, expected: &Expected) -> Result<(), No> {
        self.none_at_work()?;
        // A shutdown would wait for it, for longer than the countdown, or cut it off.
        if let Some(Diagnosis::Busy(holders)) = self.database().map(|d| d.diagnose()) {
            return Err(No::Busy(doing::waits_for(&holders)));
        }
        let how = match log.filter(|_| expected.from != expected.to) {
            None => {
                self.lead_to(&expected.to)?;
                Restart::Whole
            }
            Some(log) => {
                let how = self.arm(expected)?;
                let boot_id = expected.boot_id;
                let written = log.write(Record::Armed { boot_id });
                written.map_err(|e| No::Silent(crate::chain(&e)))?;
                self.cover(log, boot_id)?;
                how
            }
        };
        Ok(self.server.boot.reboot(how, self.leave)?)
    }

    fn arm(&self, expected: &Expected) -> Result<Restart, No> {
        let host = &self.server.boot;
        let way = way(&Booting::read(&host.boot()), &expected.from, &expected.to)?;
        let printed = host.arm(&way, self.leave)?;
        let is_grubs = matches!(way, WayBack::Grub { .. });
        let armed = match is_grubs && cannot_be_cleared(&printed) {
            true => Err("GRUB says that it cannot take the one-shot back"),
            false => is_armed(&host.boot(), &way),
        };
        if let Err(why) = armed {
            host.disarm(way.exception())?;
            return Err(No::Said(why.to_owned()));
        }
        Ok(match way {
            WayBack::Grub { .. } | WayBack::BootNext { .. } => Restart::Whole,
            WayBack::Kexec { .. } => Restart::Kexec,
        })
    }

    pub(super) fn commit(&mut self, old: &str, new: &str, now: &Now) -> Option<Event> {
        let host = &self.server.boot;
        let done = match old == new {
            true => Ok(()),
            false => self.lasts(new),
        };
        let done = done.and_then(|()| Ok(host.pin(None, &[], self.leave)?));
        match done {
            Ok(()) => Some(Event::Committed),
            Err(No::Silent(why) | No::Busy(why) | No::Said(why)) => {
                // Well, and not made to last: said, tried again for a while, and never called done.
                let why = format!("what boots from now on cannot be set: {why}");
                self.no(No::Silent(why), Event::NotCommitted, now)
            }
        }
    }
}

impl Walker {
    /// Every boot leads into the kernel that runs. Whether there would be a way back from it now is not
    /// asked: it runs, and is well.
    fn lasts(&self, new: &str) -> Result<(), No> {
        let host = &self.server.boot;
        let entry = lasting(&Booting::read(&host.boot()), new).map_err(|e| e.to_string())?;
        host.commit(&entry, self.leave)?;
        self.forgets_the_exception()?;
        match comes_up(&host.boot()) {
            Some(up) if up == new => Ok(()),
            Some(other) => Err(No::Said(format!("GRUB would boot {other} and not {new}"))),
            None => Err(No::Said(format!(
                "it cannot be told whether GRUB would boot {new}"
            ))),
        }
    }
}

/// Releases of the kernels that are installed whole.
pub(super) fn kernels(database: &Database) -> Vec<String> {
    let whole = database.packages.values().filter(|p| p.whole);
    whole.filter_map(|p| kernel(&p.name)).collect()
}

fn way(boot: &Booting, old: &str, new: &str) -> Result<WayBack, String> {
    way_back(boot, old, new).map_err(|e| e.to_string())
}
