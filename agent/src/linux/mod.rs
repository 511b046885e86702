//! The real server: `/proc`, `/sys`, netlink, D-Bus, sockets and a few host tools.

pub mod bmc;
pub mod boot;
pub mod disks;
pub mod exec;
pub mod hardware;
pub mod ioctl;
pub mod managers;
pub mod network;
pub mod os;
pub mod osds;
mod outside;
pub mod packages;
pub mod parsed;
pub mod patching;
pub mod power;
pub mod procs;
pub mod root;
pub mod runtime;
pub mod services;
pub mod vitals;

use h8lio_model::inventory::Problem;

/// A host tool that ran and refused, as a fact of the inventory.
fn refusal(what: &str, answer: &exec::Answer) -> Problem {
    let said = crate::words::first_line(&answer.stderr);
    let reason = if said.contains("Permission denied") || said.contains("not permitted") {
        "NotPermitted"
    } else {
        "Failed"
    };
    Problem {
        what: what.to_owned(),
        reason: reason.to_owned(),
        message: format!("it ended with code {}: {said}", answer.code),
    }
}

/// A file that could not be read, as a fact of the inventory.
fn unreadable(what: &str, e: &std::io::Error) -> Problem {
    let reason = match e.kind() {
        std::io::ErrorKind::PermissionDenied => "NotPermitted",
        _ => "Failed",
    };
    Problem {
        what: what.to_owned(),
        reason: reason.to_owned(),
        message: format!("it cannot be read: {e}"),
    }
}
