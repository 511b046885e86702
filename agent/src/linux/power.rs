//! Whether the server itself goes down.

use std::time::Duration;

use super::exec::{self, Argv};

/// Whether systemd is taking the server down. Answers within 300 ms; "no" when it cannot be told.
pub fn is_going_down() -> bool {
    let answer = exec::run(
        "systemctl",
        &Argv::of(&["is-system-running"]),
        &[],
        Duration::from_millis(300),
    );
    answer.is_ok_and(|a| a.stdout.trim_ascii() == b"stopping")
}
