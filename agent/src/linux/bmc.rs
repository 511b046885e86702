//! ipmitool, over the kernel's own way to the BMC.

use std::time::Duration;

use super::exec::{self, Argv};
use super::outside;
use super::root::Root;
use crate::host::bmc::{Access, BmcTimerHost};
use crate::host::patching::MayAct;
use crate::host::tool::ToolError;

const TOOL: &str = "ipmitool";

/// Where the kernel's driver puts the first BMC.
const DEVICES: [&str; 3] = ["dev/ipmi0", "dev/ipmi/0", "dev/ipmidev/0"];

/// The kernel's driver that makes a `/dev/watchdog` of the timer.
const DRIVER: &str = "sys/module/ipmi_watchdog";

/// A BMC answers within some hundredths of a second, or is busy with itself for a while.
const LIMIT: Duration = Duration::from_secs(10);

/// Application commands of IPMI.
const START: [u8; 2] = [6, 0x22];
const SET: [u8; 2] = [6, 0x24];
const GET: [u8; 2] = [6, 0x25];

/// The timer of the real server's BMC.
#[derive(Debug, Clone)]
pub struct LinuxBmcTimer {
    root: Root,
}

impl LinuxBmcTimer {
    /// Below `root`.
    pub fn new(root: Root) -> Self {
        Self { root }
    }

    fn access_with(&self, has_tool: bool) -> Access {
        if self.root.exists(DRIVER) {
            let who = "the kernel's driver ipmi_watchdog drives the BMC's watchdog";
            return Access::Taken(who.to_owned());
        }
        if !DEVICES.iter().any(|device| self.root.exists(device)) {
            let why = "there is no /dev/ipmi0; where the server has a BMC, load ipmi_si and \
                       ipmi_devintf";
            return Access::None(why.to_owned());
        }
        match has_tool {
            true => Access::Open,
            false => Access::None("ipmitool is not installed; install it".to_owned()),
        }
    }
}

impl BmcTimerHost for LinuxBmcTimer {
    fn access(&self) -> Access {
        self.access_with(exec::find(TOOL).is_some())
    }

    fn timer(&self) -> Result<String, ToolError> {
        ask(&GET)
    }

    fn set(&self, setting: [u8; 6]) -> Result<(), ToolError> {
        ask(&[&SET[..], &setting].concat()).map(|_| ())
    }

    fn start(&self, _: MayAct) -> Result<(), ToolError> {
        ask(&START).map(|_| ())
    }
}

/// One request. Outside of the agent's unit, whose sandbox has no way to the BMC.
fn ask(bytes: &[u8]) -> Result<String, ToolError> {
    let answer = outside::run(TOOL, &raw(bytes), &[], LIMIT);
    let answer = answer.map_err(|e| e.silent(TOOL))?.done(TOOL)?;
    Ok(String::from_utf8_lossy(&answer.stdout).into_owned())
}

fn raw(bytes: &[u8]) -> Argv {
    let args = Argv::of(&["-I", "open", "raw"]);
    let byte = |args: Argv, byte: &u8| args.value("", format!("{byte:#04x}"));
    bytes.iter().fold(args, byte)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_request_is_written_byte_by_byte() {
        let setting = [3, 1, 0, 8, 0x70, 0x17];
        let expected = Argv::of(&[
            "-I", "open", "raw", "0x06", "0x24", "0x03", "0x01", "0x00", "0x08", "0x70", "0x17",
        ]);
        assert_eq!(raw(&[&SET[..], &setting].concat()), expected);
    }

    #[test]
    fn a_timer_is_there_by_its_device_and_its_tool_and_is_left_to_a_driver_that_drives_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let timer = LinuxBmcTimer::new(Root::at(dir.path()));
        let none = timer.access_with(true);
        assert!(
            matches!(&none, Access::None(why) if why.contains("/dev/ipmi0")),
            "{none:?}"
        );
        fs::create_dir(dir.path().join("dev")).expect("made");
        fs::write(dir.path().join("dev/ipmi0"), "").expect("written");
        assert_eq!(timer.access_with(true), Access::Open);
        let none = timer.access_with(false);
        assert!(
            matches!(&none, Access::None(why) if why.contains("ipmitool")),
            "{none:?}"
        );
        fs::create_dir_all(dir.path().join(DRIVER)).expect("made");
        assert!(matches!(timer.access_with(true), Access::Taken(_)));
    }
}
