//! Which kernel came up, by boot id and `uname -r`.

use h8lio_model::ids::BootId;

use crate::reconcile::patching::way::machine::Found;

/// What a boot was for, written down before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The boot that was to end.
    pub boot_id: BootId,
    /// The kernel that ran in it.
    pub from: String,
    /// The kernel that was to come up.
    pub to: String,
}

/// What is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// It is the same boot: the server has not been down.
    NotYet,
    Up(Found),
}

/// Compares. The same boot id means the same boot, whatever kernel it is said to run.
pub fn came(expected: &Expected, boot_id: BootId, running: &str) -> Came {
    if boot_id == expected.boot_id {
        return Came::NotYet;
    }
    Came::Up(match running {
        r if r == expected.to => Found::Expected,
        r if r == expected.from => Found::Old,
        _ => Found::Other,
    })
}
