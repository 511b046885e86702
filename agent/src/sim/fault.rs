//! Faults, one a line.
//!
//! | Line | Does |
//! |---|---|
//! | `disk.fail DISK`, `disk.heal DISK` | the drive says that it fails, or no longer (it is believed after a day) |
//! | `disk.unreadable DISK SECTORS` | the kernel logs so many sectors that it cannot read |
//! | `disk.remove DISK` | the drive is pulled |
//! | `disk.add DEVICE SERIAL GB` | a blank drive is put in |
//! | `link.speed NIC MBPS` | the link is negotiated anew |
//! | `link.down NIC`, `link.up NIC` | the cable is pulled, plugged |
//! | `osd.down ID`, `osd.up ID` | an OSD's process ends, starts |
//! | `runtime.stop`, `runtime.start` | containerd |
//! | `kubelet.stop`, `kubelet.start` | the kubelet |
//! | `package.upgrade NAME INSTALLED CANDIDATE [security]` | an update is offered |
//! | `package.break NAME`, `package.repair NAME` | dpkg is interrupted, repaired |
//! | `kernel.install RELEASE` | a newer kernel is installed; it runs after `reboot` |
//! | `kernel.panics RELEASE` | that kernel panics at boot, and GRUB goes back |
//! | `kernel.hangs RELEASE` | that kernel hangs at boot, until the BMC resets the server or somebody does |
//! | `bmc.silent`, `bmc.answers` | the BMC answers nothing, or again |
//! | `bmc.gone`, `bmc.back` | nothing on the server reaches the BMC (a driver is not loaded), or something does again |
//! | `bmc.dies` | the BMC answers nothing once its watchdog counts |
//! | `bmc.deaf`, `bmc.counts` | its watchdog takes everything and does not count, or does again |
//! | `bmc.stubborn`, `bmc.obeys` | its watchdog cannot be stopped, or can again |
//! | `transaction.next FATE` | the next package transaction does `nothing`, `half`, `damage`, is `stuck` in a configuration that always fails, or `hang`s, or is written down and `unstarted` |
//! | `unit.start NAME`, `unit.stop NAME` | a unit of another manager |
//! | `var.fill PERCENT` | `/var` fills |
//! | `beat.stop SPAN` | the agent freezes: no beats, connection open |
//! | `clock.jump ±SPAN` | the wall clock jumps |
//! | `collector.hang NAME SPAN` | `system`, `disks`, `network`, `packages`, `runtime` or `managers` hangs |
//! | `statedir.full`, `statedir.free` | the state directory's disk |
//! | `reboot SPAN` | power is cut; the server is back after SPAN with a new boot id |
//!
//! What the agent itself does (`transaction …`, `transaction.withdrawn …`, `boot.…`, `bmc.set …`, `bmc.start`) is written into the same file, so that it is
//! done again in its place when the agent starts anew.
//!
//! DISK is a device (`sdc`), `wwn=…` or `serial=…`. SPAN is written like `10s`, `1h`, `1d`.
//! Blank lines and those that begin with `#` are skipped.

use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;

use super::changes::Act;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    DiskFail(String),
    DiskHeal(String),
    DiskUnreadable(String, u64),
    DiskRemove(String),
    DiskAdd {
        device: String,
        serial: String,
        gb: u64,
    },
    LinkSpeed(String, u32),
    LinkDown(String),
    LinkUp(String),
    OsdDown(u32),
    OsdUp(u32),
    Runtime {
        up: bool,
    },
    Kubelet {
        up: bool,
    },
    PackageUpgrade {
        name: String,
        installed: String,
        candidate: String,
        security: bool,
    },
    PackageBreak(String),
    PackageRepair(String),
    KernelInstall(String),
    UnitStart(String),
    UnitStop(String),
    VarFill(u64),
    BeatStop(Duration),
    ClockJump(SignedDuration),
    CollectorHang(String, Duration),
    StateDir {
        full: bool,
    },
    Reboot(Duration),
    /// Of the agent.
    Act(Act),
}

impl Fault {
    /// Whether it is an event that is over, rather than a change of the server: not repeated when
    /// the agent starts again.
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::BeatStop(_) | Self::ClockJump(_) | Self::CollectorHang(..)
        )
    }
}

/// The parts that a collector may hang in.
const COLLECTORS: [&str; 6] = [
    "system", "disks", "network", "packages", "runtime", "managers",
];

impl FromStr for Fault {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let own = |s: &str| s.to_owned();
        Ok(match words[..] {
            ["disk.fail", d] => Self::DiskFail(own(d)),
            ["disk.heal", d] => Self::DiskHeal(own(d)),
            ["disk.unreadable", d, n] => Self::DiskUnreadable(own(d), number(n)?),
            ["disk.remove", d] => Self::DiskRemove(own(d)),
            ["disk.add", device, serial, gb] => Self::DiskAdd {
                device: own(device),
                serial: own(serial),
                gb: number(gb)?,
            },
            ["link.speed", nic, mbps] => Self::LinkSpeed(own(nic), number(mbps)?),
            ["link.down", nic] => Self::LinkDown(own(nic)),
            ["link.up", nic] => Self::LinkUp(own(nic)),
            ["osd.down", id] => Self::OsdDown(number(id)?),
            ["osd.up", id] => Self::OsdUp(number(id)?),
            ["runtime.stop"] => Self::Runtime { up: false },
            ["runtime.start"] => Self::Runtime { up: true },
            ["kubelet.stop"] => Self::Kubelet { up: false },
            ["kubelet.start"] => Self::Kubelet { up: true },
            ["package.upgrade", name, installed, candidate] => {
                upgrade(name, installed, candidate, false)
            }
            ["package.upgrade", name, installed, candidate, "security"] => {
                upgrade(name, installed, candidate, true)
            }
            ["package.break", name] => Self::PackageBreak(own(name)),
            ["package.repair", name] => Self::PackageRepair(own(name)),
            ["kernel.install", release] => Self::KernelInstall(own(release)),
            ["unit.start", name] => Self::UnitStart(own(name)),
            ["unit.stop", name] => Self::UnitStop(own(name)),
            ["var.fill", percent] => Self::VarFill(number::<u64>(percent)?.min(100)),
            ["beat.stop", s] => Self::BeatStop(positive(s)?),
            ["clock.jump", s] => Self::ClockJump(span(s)?),
            ["collector.hang", name, s] if COLLECTORS.contains(&name) => {
                Self::CollectorHang(own(name), positive(s)?)
            }
            ["statedir.full"] => Self::StateDir { full: true },
            ["statedir.free"] => Self::StateDir { full: false },
            ["reboot", s] => Self::Reboot(positive(s)?),
            _ => return line.parse().map(Self::Act),
        })
    }
}

fn upgrade(name: &str, installed: &str, candidate: &str, security: bool) -> Fault {
    Fault::PackageUpgrade {
        name: name.to_owned(),
        installed: installed.to_owned(),
        candidate: candidate.to_owned(),
        security,
    }
}

fn number<T: FromStr>(word: &str) -> Result<T, String> {
    word.parse()
        .map_err(|_| format!("{word:?} is not a number that fits here"))
}

/// `10s`, `-1h`, `+1d`; a day has 24 hours.
fn span(word: &str) -> Result<SignedDuration, String> {
    let (sign, rest) = match word.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, word.strip_prefix('+').unwrap_or(word)),
    };
    let days = rest
        .strip_suffix('d')
        .and_then(|n| n.parse::<i64>().ok())
        .and_then(|n| n.checked_mul(86_400))
        .map(SignedDuration::from_secs);
    let parsed = days.or_else(|| rest.parse::<SignedDuration>().ok());
    parsed
        .and_then(|d| d.checked_mul(sign))
        .ok_or_else(|| format!("{word:?} is not a time span; write it like 10s, 1h or 1d"))
}

fn positive(word: &str) -> Result<Duration, String> {
    Duration::try_from(span(word)?).map_err(|_| format!("{word:?} must not be negative"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("disk.fail  wwn=5000c500a1b2c3d4 ", Fault::DiskFail("wwn=5000c500a1b2c3d4".into()))]
    #[case("link.speed eno1 1000", Fault::LinkSpeed("eno1".into(), 1000))]
    #[case("clock.jump +1d", Fault::ClockJump(SignedDuration::from_hours(24)))]
    #[case("clock.jump -90s", Fault::ClockJump(SignedDuration::from_secs(-90)))]
    #[case("collector.hang disks 1m", Fault::CollectorHang("disks".into(), Duration::from_secs(60)))]
    #[case("reboot 5s", Fault::Reboot(Duration::from_secs(5)))]
    fn a_line_is_a_fault(#[case] line: &str, #[case] fault: Fault) {
        assert_eq!(line.parse(), Ok(fault));
    }

    #[rstest]
    #[case("disk.fail")]
    #[case("disk.explode sda")]
    #[case("link.speed eno1 fast")]
    #[case("beat.stop -5s")]
    #[case("collector.hang everything 5s")]
    #[case("clock.jump 99999999999999999d")]
    fn a_line_that_is_none_is_refused(#[case] line: &str) {
        line.parse::<Fault>().expect_err(line);
    }
}
