//! `smartctl --json -a`. The device type is left to smartctl's own detection: `--scan` calls a
//! SATA drive behind a SAS adapter `scsi`, and passing that on would hide its attributes.

use std::time::Duration;

use h8lio_model::inventory::Problem;
use serde::Deserialize;

use crate::host::disks::{RawMember, RawSmart};
use crate::linux::exec::{self, Argv, ExecError};
use crate::linux::os::failed;
use crate::linux::root::not_understood;

/// A drive that recovers a bad sector may keep a command waiting for up to 30 s.
const DEADLINE: Duration = Duration::from_secs(40);

/// A scan opens every drive, one after the other.
const SCAN_DEADLINE: Duration = Duration::from_secs(60);

/// Kinds of disks behind RAID controllers, in smartctl's words; a number follows each.
const KINDS: [&str; 7] = [
    "megaraid", "cciss", "areca", "3ware", "aacraid", "hpt", "sssraid",
];

/// The answer, or the problem and the process that is stuck on the drive.
pub(super) fn ask(device: &str) -> Result<RawSmart, (Problem, Option<u32>)> {
    let path = format!("/dev/{device}");
    let args = Argv::of(&["--json", "-a"]).operand(&path);
    answer(args, &format!("smartctl {path}"))
}

/// As [`ask`], of a disk behind a controller.
pub(super) fn ask_member(member: &RawMember) -> Result<RawSmart, (Problem, Option<u32>)> {
    let args = Argv::of(&["--json", "-a"])
        .value("--device=", &member.position)
        .operand(&member.device);
    let what = format!("smartctl {} {}", member.device, member.position);
    answer(args, &what)
}

fn answer(args: Result<Argv, ExecError>, what: &str) -> Result<RawSmart, (Problem, Option<u32>)> {
    let answer = args.and_then(|args| exec::run("smartctl", &args, &[], DEADLINE));
    let answer = answer.map_err(|e| match &e {
        // One problem for the server, whichever drive was asked.
        ExecError::Missing { .. } => (e.problem("smartctl"), None),
        ExecError::Stuck { pid, .. } => (e.problem(what), Some(*pid)),
        _ => (e.problem(what), None),
    })?;
    match serde_json::from_str(&String::from_utf8_lossy(&answer.stdout)) {
        Ok(json) => Ok(RawSmart {
            exit: answer.code,
            json,
        }),
        Err(_) => Err((
            not_understood(
                what,
                &format!(
                    "its answer (status {}) is no JSON; smartmontools 7.0 or later is needed",
                    answer.code
                ),
            ),
            None,
        )),
    }
}

pub(super) fn still_stuck(device: &str, pid: u32) -> Problem {
    Problem {
        what: format!("smartctl {device}"),
        reason: "TimedOut".into(),
        message: format!(
            "an earlier smartctl (pid {pid}) still waits for {device}, so it is not asked again; \
             see the kernel log"
        ),
    }
}

#[derive(Deserialize)]
struct Scan {
    #[serde(default)]
    devices: Vec<Scanned>,
}

#[derive(Deserialize)]
struct Scanned {
    name: String,
    r#type: String,
}

/// Disks that only a RAID controller sees.
pub(super) fn members() -> Result<Vec<RawMember>, Problem> {
    let what = "smartctl --scan-open";
    let args = Argv::of(&["--scan-open", "--json"]);
    let answer = exec::run("smartctl", &args, &[], SCAN_DEADLINE).map_err(|e| match &e {
        ExecError::Missing { .. } => e.problem("smartctl"),
        _ => e.problem(what),
    })?;
    if answer.code != 0 && answer.stdout.is_empty() {
        return Err(failed(what, answer.code, &answer.stderr));
    }
    understand(&answer.stdout)
        .ok_or_else(|| not_understood(what, "its answer is not the JSON expected"))
}

fn understand(stdout: &[u8]) -> Option<Vec<RawMember>> {
    let scan: Scan = serde_json::from_str(&String::from_utf8_lossy(stdout)).ok()?;
    let behind = scan.devices.into_iter().filter(|d| is_position(&d.r#type));
    let mut all: Vec<RawMember> = behind
        .filter(|d| is_device(&d.name))
        .map(|d| RawMember {
            device: d.name,
            position: d.r#type,
        })
        .collect();
    all.sort();
    all.dedup();
    Some(all)
}

/// `megaraid,8`, `sat+megaraid,8`, `areca,3/1`; these words are given back to smartctl.
fn is_position(kind: &str) -> bool {
    let Some((name, numbers)) = kind.split_once(',') else {
        return false;
    };
    let numbers_only = numbers
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b',' | b'/'));
    let name = name.strip_prefix("sat+").unwrap_or(name);
    KINDS.contains(&name) && numbers_only && numbers.starts_with(|c: char| c.is_ascii_digit())
}

/// A plain path below `/dev`.
fn is_device(path: &str) -> bool {
    path.strip_prefix("/dev/").is_some_and(|rest| {
        !rest.is_empty()
            && !rest.contains("..")
            && rest
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCAN: &str = include_str!("../../../tests/fixtures/disks/smartctl-scan-megaraid.json");

    #[test]
    fn disks_behind_a_megaraid_are_found_beside_what_the_kernel_sees() {
        let all = understand(SCAN.as_bytes()).expect("understood");
        let seen: Vec<_> = all
            .iter()
            .map(|m| (m.device.as_str(), m.position.as_str()))
            .collect();
        assert_eq!(
            seen,
            [
                ("/dev/bus/0", "megaraid,12"),
                ("/dev/bus/0", "sat+megaraid,8"),
                ("/dev/bus/0", "sat+megaraid,9"),
            ]
        );
    }

    /// scenario: 44 (unit)
    #[test]
    fn a_scan_cannot_smuggle_options_or_paths() {
        let device = |name: &str, kind: &str| {
            let json = serde_json::json!({"devices": [{"name": name, "type": kind}]});
            understand(json.to_string().as_bytes())
                .expect("understood")
                .len()
        };
        assert_eq!(device("/dev/sg0", "cciss,3"), 1);
        assert_eq!(device("/dev/sg0", "areca,3/1"), 1);
        for kind in [
            "scsi",
            "nvme,1",
            "megaraid",
            "megaraid,",
            "megaraid,-1",
            "megaraid,8 -s off",
            "-q,1",
            "test,megaraid,8",
            "sat+sat+megaraid,8",
        ] {
            assert_eq!(device("/dev/bus/0", kind), 0, "{kind}");
        }
        for name in [
            "-a",
            "/etc/passwd",
            "/dev/../etc/passwd",
            "/dev/",
            "/dev/a b",
            "bus/0",
        ] {
            assert_eq!(device(name, "megaraid,8"), 0, "{name}");
        }
        assert_eq!(
            understand(b"{}").map(|all| all.len()),
            Some(0),
            "no drive at all"
        );
        assert!(understand(b"junk").is_none());
    }

    /// scenario: 44 (unit)
    #[test]
    fn a_hostile_name_of_a_device_is_below_dev_or_asked_about_nowhere() {
        let args = Argv::of(&[]).operand(format!("/dev/{}", "-rf;$(reboot)"));
        let shown = format!("{:?}", args.expect("an operand"));
        assert_eq!(shown, "Argv([\"/dev/-rf;$(reboot)\"])");
        let member = RawMember {
            device: "--scan".into(),
            position: "megaraid,8".into(),
        };
        let (problem, _) = ask_member(&member).expect_err("refused");
        assert_eq!(problem.reason, "NotUnderstood", "{}", problem.message);
    }
}
