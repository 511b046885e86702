//! The lab's one door to time: stopwatches, and waiting for a state with a limit.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a state is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// The moment it is.
#[expect(clippy::disallowed_methods, reason = "this is the lab's clock")]
pub fn now() -> Instant {
    Instant::now()
}

/// How often where a look is dear: a program that asks the coordinator over TLS takes a tenth of a
/// processor that the servers need.
const DEAR: Duration = Duration::from_secs(1);

/// Looks until `look` answers something, at most for `limit`.
///
/// # Errors
/// When the time is up, and the first time `look` fails: a failure is a state that will not come.
pub fn until<T>(what: &str, limit: Duration, look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    until_each(LOOK, what, limit, look)
}

/// As [`until`], for states that last and are dear to look at.
///
/// # Errors
/// As [`until`].
pub fn until_asked<T>(
    what: &str,
    limit: Duration,
    look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    until_each(DEAR, what, limit, look)
}

fn until_each<T>(
    pause: Duration,
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let began = now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if began.elapsed() >= limit {
            bail!("{what}: not within {} s", limit.as_secs());
        }
        std::thread::sleep(pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_never_comes_is_named_with_the_limit() {
        let waited = until::<()>("the moon is square", Duration::from_secs(0), || Ok(None));
        let text = waited.expect_err("it never comes").to_string();
        assert_eq!(text, "the moon is square: not within 0 s");
    }

    #[test]
    fn a_failure_ends_the_wait_at_once() {
        let waited = until::<()>("x", Duration::from_secs(60), || bail!("it is gone"));
        assert_eq!(waited.expect_err("it failed").to_string(), "it is gone");
    }

    #[test]
    fn a_state_that_comes_later_is_seen() {
        let mut looks = 0;
        let found = until("three looks", Duration::from_secs(60), || {
            looks += 1;
            Ok((looks == 3).then_some(looks))
        });
        assert_eq!(found.expect("it comes"), 3);
    }
}
