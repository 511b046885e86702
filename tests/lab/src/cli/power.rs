//! `lab power`.

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::checks::say;
use crate::lab::Lab;
use crate::server::Power;

#[derive(Debug, Args)]
pub(super) struct PowerCommand {
    server: String,
    #[arg(value_enum)]
    action: Action,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Action {
    /// Say whether it has power
    Status,
    /// Switch it on
    On,
    /// Cut its power
    Off,
    /// Cut its power and give it back
    Cycle,
    /// Press the reset button
    Reset,
    /// Press the power button, and wait until it is off
    Shutdown,
    /// Reboot it in an orderly way, and wait until it is back
    Reboot,
    /// Stop its processor and its clock
    Pause,
    Resume,
    /// Stop QEMU itself; the server's clock goes on
    Freeze,
    Thaw,
}

impl PowerCommand {
    pub(super) fn run(&self, lab: &Lab) -> Result<()> {
        let server = lab.server(&self.server)?;
        match self.action {
            Action::Status => say(match server.power()? {
                Power::On => "on",
                Power::Off => "off",
            }),
            Action::On => server.start()?,
            Action::Off => server.cut_power()?,
            Action::Cycle => server.cycle()?,
            Action::Reset => server.reset()?,
            Action::Shutdown => server.shut_down()?,
            Action::Reboot => say(&server.reboot()?),
            Action::Pause => server.pause()?,
            Action::Resume => server.resume()?,
            Action::Freeze => server.freeze()?,
            Action::Thaw => server.thaw()?,
        }
        Ok(())
    }
}
