//! The steps that decide what boots.

use super::silence::No;
use super::subject::Subject;
use super::transactions::pins;
use super::{Now, Walker};
use crate::host::boot::WayBack;
use crate::reconcile::patching::boot::after::{Came, Expected, came};
use crate::reconcile::patching::boot::environment::cannot_be_cleared;
use crate::reconcile::patching::boot::way_back::{
    Boot as Booting, Pin, can_lead_back, protected, way_back,
};
use crate::reconcile::patching::transaction::database;
use crate::reconcile::patching::way::machine::Event;
use crate::words::list;

impl Walker {
    pub(super) fn secure(&mut self, subject: &Subject, old: &str, now: &Now) -> Option<Event> {
        match self.secured(subject, old) {
            Ok(()) => Some(Event::Secured),
            Err(no) => self.no(no, Event::NoWayBack, now),
        }
    }

    fn secured(&self, subject: &Subject, old: &str) -> Result<(), No> {
        let text = |e: &dyn std::error::Error| crate::chain(e);
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
        if subject.terms.other_kernel {
            let boot = Booting::read(&self.server.boot.boot());
            let pin = can_lead_back(&boot, old).map_err(|e| text(&e))?;
            let database = database::read(&self.server.patch.database()).map_err(|e| text(&e))?;
            let installed: Vec<String> = database.packages.into_keys().collect();
            let entry = match &pin {
                Pin::Entry(entry) => Some(entry.as_str()),
                Pin::Order => None,
            };
            let kept = protected(old, &installed);
            let pinned = self.server.boot.pin(entry, &kept, self.leave);
            pinned?;
        }
        Ok(())
    }

    pub(super) fn release(&mut self) -> Event {
        if let Err(e) = self.server.boot.pin(None, &[], self.leave) {
            tracing::warn!(
                "packages stay protected from autoremove: {}",
                crate::chain(&e)
            );
        }
        Event::Released
    }

    /// Asks for a boot, after arming it for another kernel, and waits for it.
    pub(super) fn boot(&mut self, expected: &Expected, arm: bool, now: &Now) -> Option<Event> {
        if let Came::Up(found) = came(expected, now.boot_id, &now.kernel) {
            return Some(Event::NewBoot(found));
        }
        if self.asked {
            let late = self.waited(now) >= self.patience.boot;
            return late.then_some(Event::NotBooted);
        }
        match self.ask_for_boot(expected, arm) {
            Ok(()) => {
                self.asked = true;
                None
            }
            Err(no) => self.no(no, Event::NotBooted, now),
        }
    }

    fn ask_for_boot(&self, expected: &Expected, arm: bool) -> Result<(), No> {
        let host = &self.server.boot;
        if arm {
            let way = way(&Booting::read(&host.boot()), &expected.from, &expected.to)?;
            let printed = host.arm(&way, self.leave)?;
            if cannot_be_cleared(&printed) {
                host.disarm(&way)?;
                let why = "GRUB says that it cannot take the one-shot back";
                return Err(No::Said(why.to_owned()));
            }
        }
        Ok(host.reboot(self.leave)?)
    }

    pub(super) fn commit(&mut self, old: &str, new: &str) -> Option<Event> {
        let host = &self.server.boot;
        let done = match old == new {
            true => Ok(()),
            false => way(&Booting::read(&host.boot()), old, new)
                .and_then(|way| host.commit(&way, self.leave).map_err(|e| crate::chain(&e))),
        };
        let done = done.and_then(|()| {
            let released = host.pin(None, &[], self.leave);
            released.map_err(|e| crate::chain(&e))
        });
        match done {
            Ok(()) => Some(Event::Committed),
            Err(why) => {
                // Well, and not made to last: said, and tried again.
                self.warn_once(format!("the change is not committed yet: {why}"));
                None
            }
        }
    }
}

fn way(boot: &Booting, old: &str, new: &str) -> Result<WayBack, String> {
    way_back(boot, old, new).map_err(|e| e.to_string())
}
