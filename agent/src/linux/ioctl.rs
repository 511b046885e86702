//! Calls that no safe crate makes. The only unsafe code of the agent.
#![expect(unsafe_code, reason = "two calls that neither nix nor rustix wraps")]

use std::io;

use nix::libc;

/// The kernel keeps the clock's largest possible error, lets it grow by 500 ppm while nobody
/// corrects the clock, and stops at 16 s, in microseconds (`NTP_PHASE_LIMIT`).
const ERROR_LIMIT_US: libc::c_long = 16_000_000;

/// Whether somebody keeps the kernel's clock. Judged by the largest possible error, as systemd
/// does, and not by `STA_UNSYNC`: daemons leave that flag set to keep the kernel from writing the
/// hardware clock.
///
/// # Errors
/// Where a sandbox forbids the call.
pub fn clock_is_synchronized() -> io::Result<bool> {
    // SAFETY: `timex` holds integers only, for which all bits zero is a value. `modes` of zero
    // makes the call a question: nothing is set.
    let mut answer: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live, exclusively borrowed `timex`, which the kernel fills.
    let state = unsafe { libc::adjtimex(&raw mut answer) };
    if state < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(within_limit(answer.maxerror))
}

fn within_limit(largest_error_us: libc::c_long) -> bool {
    largest_error_us < ERROR_LIMIT_US
}

/// Makes all threads share one heap. glibc gives each thread that allocates one of its own, up to
/// eight for each processor, and never gives it back: the agent's threads come and go with its
/// readings and allocate little, so that would only multiply what lies unused. Another C library
/// has no such heaps. Call it before the first thread is started.
pub fn share_one_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the parameter and its value are ones that mallopt(3) documents; no other thread
    // allocates yet. When glibc refuses it, memory is as it was.
    let _ = unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_answers_and_sets_nothing() {
        let first = clock_is_synchronized();
        let again = clock_is_synchronized();
        assert_eq!(first.ok(), again.ok());
    }

    #[test]
    fn a_clock_at_the_kernels_limit_is_kept_by_nobody() {
        assert!(within_limit(0));
        assert!(within_limit(15_999_999));
        assert!(!within_limit(16_000_000));
    }
}
