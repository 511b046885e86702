//! Power: on, off, cut, reset, and the two ways to freeze.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::Signal;
use serde_json::json;

use super::{Qmp, Server, arguments};
use crate::clock::{now, until};
use crate::space::Network;

/// QEMU listens on its monitor long before the server boots.
const MONITOR_WITHIN: Duration = Duration::from_secs(30);

/// A boot takes half a minute alone and three times that beside others.
pub const BOOT_WITHIN: Duration = Duration::from_secs(6 * 60);

/// Longer than a server needs to act upon its button.
const PRESS_AGAIN_AFTER: Duration = Duration::from_secs(20);

/// systemd waits 90 s for a service that does not stop.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(180);

/// What the mains see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    On,
    Off,
}

impl Server<'_> {
    /// Whether it has power. A frozen or paused server has.
    ///
    /// # Errors
    /// When its record cannot be read.
    pub fn power(&self) -> Result<Power> {
        let running = self.lab.processes().running(&self.name())?;
        Ok(if running.is_some() {
            Power::On
        } else {
            Power::Off
        })
    }

    /// Switches it on; it begins to boot.
    ///
    /// # Errors
    /// When it is on, or QEMU does not start.
    pub fn start(&self) -> Result<()> {
        let (spec, places, name) = (self.spec()?, self.places(), self.name());
        let space = self.lab.space();
        for network in Network::ALL {
            space.tap(&name, network)?;
        }
        self.lab.ssh().forget(self.number);
        let mut qemu = space.command(arguments::QEMU);
        qemu.args(arguments::of(&spec, &places, &self.lab.public_key()));
        let processes = self.lab.processes();
        processes.start(&name, &qemu)?;
        until(&format!("QEMU of {name} answers"), MONITOR_WITHIN, || {
            if processes.running(&name)?.is_none() {
                bail!("QEMU of {name} ended: {}", processes.last_words(&name));
            }
            Ok(Qmp::connect(&places.monitor()).ok().map(|_| ()))
        })
    }

    /// Waits until it can be logged in to; its boot id.
    ///
    /// # Errors
    /// When it does not answer in time; the end of its console is in the message.
    pub fn wait_for_ssh(&self) -> Result<String> {
        let found = self.lab.ssh().wait(self.number, BOOT_WITHIN);
        found.with_context(|| format!("its console said: {}", self.console_tail()))
    }

    /// Cuts its power: whatever it had not written is lost. Off already is fine.
    ///
    /// # Errors
    /// When QEMU survives SIGKILL.
    pub fn cut_power(&self) -> Result<()> {
        self.lab.processes().kill(&self.name())?;
        self.lab.ssh().forget(self.number);
        Ok(())
    }

    /// Cuts its power and gives it back.
    ///
    /// # Errors
    /// When it does not start again.
    pub fn cycle(&self) -> Result<()> {
        self.cut_power()?;
        self.start()
    }

    /// Presses the reset button.
    ///
    /// # Errors
    /// When it is off.
    pub fn reset(&self) -> Result<()> {
        self.qmp("system_reset", &json!({}))?;
        self.lab.ssh().forget(self.number);
        Ok(())
    }

    /// Presses the power button, and waits until the server has switched itself off. A server
    /// answers ssh before it has found its button, so the button is pressed again.
    ///
    /// # Errors
    /// When it stays on.
    pub fn shut_down(&self) -> Result<()> {
        let mut pressed = None::<Instant>;
        until(&format!("{} is off", self.name()), SHUTDOWN_WITHIN, || {
            if self.power()? == Power::Off {
                return Ok(Some(()));
            }
            if pressed.is_none_or(|at| at.elapsed() > PRESS_AGAIN_AFTER) {
                // It may end between the look and the press.
                let done = self.qmp("system_powerdown", &json!({}));
                if pressed.is_none() {
                    done?;
                }
                pressed = Some(now());
            }
            Ok(None)
        })?;
        self.lab.ssh().forget(self.number);
        Ok(())
    }

    /// Reboots it in an orderly way, and waits for the new boot's id.
    ///
    /// # Errors
    /// When it does not come back, or as the same boot.
    pub fn reboot(&self) -> Result<String> {
        let before = self.boot_id()?;
        // The answer may be lost with the connection; what counts is the new boot id.
        let _ = self.output("systemctl reboot");
        self.lab.ssh().forget(self.number);
        self.wait_for_new_boot(&before)
    }

    /// Waits until another boot than `before` answers.
    ///
    /// # Errors
    /// When it does not in time.
    pub fn wait_for_new_boot(&self, before: &str) -> Result<String> {
        let what = format!("{} answers as another boot than {before}", self.name());
        let found = until(&what, BOOT_WITHIN, || {
            let boot = self.lab.ssh().wait(self.number, BOOT_WITHIN)?;
            if boot == before {
                self.lab.ssh().forget(self.number);
                return Ok(None);
            }
            Ok(Some(boot))
        });
        found.with_context(|| format!("its console said: {}", self.console_tail()))
    }

    /// Stops its processor and its clock, as a suspended machine.
    ///
    /// # Errors
    /// When it is off.
    pub fn pause(&self) -> Result<()> {
        self.qmp("stop", &json!({})).map(|_| ())
    }

    /// Undoes [`Server::pause`].
    ///
    /// # Errors
    /// When it is off.
    pub fn resume(&self) -> Result<()> {
        self.qmp("cont", &json!({})).map(|_| ())
    }

    /// Freezes QEMU itself: the server stands still while its clock goes on, as on a machine that
    /// hangs. Its monitor does not answer either.
    ///
    /// # Errors
    /// When it is off.
    pub fn freeze(&self) -> Result<()> {
        self.lab.processes().signal(&self.name(), Signal::SIGSTOP)
    }

    /// Undoes [`Server::freeze`].
    ///
    /// # Errors
    /// When it is off.
    pub fn thaw(&self) -> Result<()> {
        self.lab.processes().signal(&self.name(), Signal::SIGCONT)
    }

    /// Takes it out of the lab, with its disks.
    ///
    /// # Errors
    /// When its files cannot be removed.
    pub fn discard(&self) -> Result<()> {
        self.cut_power()?;
        let places = self.places();
        let folder = places.folder();
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))
    }
}
