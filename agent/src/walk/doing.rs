//! What a step says of itself while it lasts, for people. Nothing is decided by it.

use crate::host::patching::LockHolder;
use crate::reconcile::patching::parse::progress::{Progress, Stage};
use crate::reconcile::patching::way::gates::Gate;
use crate::words::list;

/// Somebody else is in the package manager.
pub(super) fn waits_for(holders: &[LockHolder]) -> String {
    let names: Vec<String> = holders.iter().map(ToString::to_string).collect();
    format!("waits: {}", list(&names, 2))
}

/// The package manager is at work.
pub(super) fn far(progress: &Progress) -> String {
    let what = match progress.stage {
        Stage::Downloading => "downloading",
        Stage::Installing => "installing",
    };
    format!("{what}, {:.0} %: {}", progress.percent, progress.doing)
}

/// What was well before is not yet.
pub(super) fn not_yet(gates: &[Gate]) -> String {
    let names: Vec<String> = gates.iter().map(ToString::to_string).collect();
    format!("waits: not as before yet: {}", list(&names, 5))
}

/// A boot was asked for.
pub(super) fn boots(kernel: &str) -> String {
    format!("asked for a boot into {}", crate::words::plain(kernel))
}
