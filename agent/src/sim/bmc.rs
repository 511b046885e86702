//! The watchdog of a simulated server's BMC. It goes on over reboots, and ends a kernel that hangs.

use std::time::Duration;

use super::server::SimHost;
use crate::host::bmc::{Access, BmcTimerHost};
use crate::host::patching::MayAct;
use crate::host::tool::ToolError;

/// What the BMC is told, and what is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BmcAct {
    Set([u8; 6]),
    Start,
    /// It answers nothing, or again.
    Silent(bool),
    /// Nothing on the server reaches it, or something does again.
    Gone(bool),
    /// It answers nothing once it counts.
    Dies,
    /// It takes everything and does not count, or does again.
    Deaf(bool),
    /// It takes everything and does not stop, or does again.
    Stubborn(bool),
}

/// The timer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Timer {
    setting: [u8; 6],
    runs: bool,
    ran_out: u8,
    is_silent: bool,
    is_gone: bool,
    dies: bool,
    is_deaf: bool,
    is_stubborn: bool,
    /// So many acts made it what it is.
    acts: usize,
}

impl Timer {
    pub(super) fn apply(&mut self, act: BmcAct) {
        self.acts += 1;
        match act {
            BmcAct::Set(_) if self.runs && self.is_stubborn => {}
            BmcAct::Set(setting) => {
                self.setting = setting;
                self.runs = false;
                self.ran_out &= !setting[3];
            }
            BmcAct::Start => {
                self.runs = !self.is_deaf;
                self.is_silent |= self.dies;
            }
            BmcAct::Silent(on) => (self.is_silent, self.dies) = (on, false),
            BmcAct::Gone(on) => self.is_gone = on,
            BmcAct::Dies => self.dies = true,
            BmcAct::Deaf(on) => self.is_deaf = on,
            BmcAct::Stubborn(on) => self.is_stubborn = on,
        }
    }

    /// Nobody stops it. Answers after how long it has reset the server, if it has.
    pub(super) fn runs_out(&mut self) -> Option<Duration> {
        let [usage, action, _, _, low, high] = self.setting;
        if !self.runs || action & 7 != 1 {
            return None;
        }
        self.runs = false;
        self.ran_out |= 1 << (usage & 7);
        let tenths = u64::from(u16::from_le_bytes([low, high]));
        Some(Duration::from_millis(100 * tenths))
    }

    fn says(&self) -> String {
        let [usage, action, interval, _, low, high] = self.setting;
        let (runs, left) = match self.runs {
            true => (1 << 6, [low, high]),
            false => (0, [0, 0]),
        };
        let bytes = [usage | runs, action, interval, self.ran_out, low, high];
        let bytes = bytes.into_iter().chain(left);
        bytes.map(|byte| format!(" {byte:02x}")).collect()
    }
}

impl BmcTimerHost for SimHost {
    fn access(&self) -> Access {
        let has_bmc = self.read("system").server.hardware.bmc;
        match (has_bmc, self.told().is_gone) {
            (true, false) => Access::Open,
            (true, true) => Access::None("nothing reaches the simulated BMC".to_owned()),
            (false, _) => Access::None("the simulated server has no BMC".to_owned()),
        }
    }

    fn timer(&self) -> Result<String, ToolError> {
        self.answers().map(|timer| timer.says())
    }

    fn set(&self, setting: [u8; 6]) -> Result<(), ToolError> {
        self.answers()?;
        let bytes: String = setting.iter().map(|byte| format!(" {byte:02x}")).collect();
        self.tell(&format!("bmc.set{bytes}"))
    }

    fn start(&self, _: MayAct) -> Result<(), ToolError> {
        self.answers()?;
        self.tell("bmc.start")
    }
}

impl SimHost {
    /// As it is with all that was written, also before it is carried out.
    fn told(&self) -> Timer {
        let mut timer = self.read("system").changes_made.timer;
        let told = self.acts();
        let told = told.lines().filter_map(|line| read(line.trim()));
        told.skip(timer.acts)
            .collect::<Vec<_>>()
            .into_iter()
            .for_each(|act| timer.apply(act));
        timer
    }

    fn answers(&self) -> Result<Timer, ToolError> {
        let timer = self.told();
        match timer.is_silent || timer.is_gone {
            false => Ok(timer),
            true => Err(silent("the simulated BMC does not answer".into())),
        }
    }

    fn tell(&self, line: &str) -> Result<(), ToolError> {
        self.act(line).map_err(|e| silent(Box::new(e)))
    }
}

fn silent(source: Box<dyn std::error::Error + Send + Sync>) -> ToolError {
    ToolError::Silent {
        tool: "ipmitool",
        source,
    }
}

/// A line of the file of faults that is about the BMC.
pub(super) fn read(line: &str) -> Option<BmcAct> {
    let words: Vec<&str> = line.split_whitespace().collect();
    Some(match words[..] {
        ["bmc.set", ref bytes @ ..] => {
            let byte = |b: &&str| u8::from_str_radix(b, 16).ok();
            let bytes: Option<Vec<u8>> = bytes.iter().map(byte).collect();
            BmcAct::Set(bytes?.try_into().ok()?)
        }
        ["bmc.start"] => BmcAct::Start,
        ["bmc.silent"] => BmcAct::Silent(true),
        ["bmc.answers"] => BmcAct::Silent(false),
        ["bmc.gone"] => BmcAct::Gone(true),
        ["bmc.back"] => BmcAct::Gone(false),
        ["bmc.dies"] => BmcAct::Dies,
        ["bmc.deaf"] => BmcAct::Deaf(true),
        ["bmc.counts"] => BmcAct::Deaf(false),
        ["bmc.stubborn"] => BmcAct::Stubborn(true),
        ["bmc.obeys"] => BmcAct::Stubborn(false),
        _ => return None,
    })
}
