//! Failed attempts to enroll, by address: guessing tokens is slow, and one guesser keeps nobody
//! else out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::session::limits::Bucket;

/// Failures at once, and a minute after that.
const BURST: f64 = 20.0;
const PER_SECOND: f64 = 10.0 / 60.0;
/// Addresses remembered; beyond it the oldest knowledge is dropped, all at once.
const ADDRESSES: usize = 4096;

/// Failures by address.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<HashMap<IpAddr, Bucket>>);

impl Attempts {
    /// Whether `peer` may try now.
    pub fn may_try(&self, peer: IpAddr, now: Duration) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Looks without taking: only failures cost.
        all.get_mut(&peer).is_none_or(|b| {
            let mut look = *b;
            look.take(1.0, now)
        })
    }

    /// Counts a failure.
    pub fn failed(&self, peer: IpAddr, now: Duration) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ADDRESSES && !all.contains_key(&peer) {
            all.clear();
        }
        all.entry(peer)
            .or_insert_with(|| Bucket::new(BURST, PER_SECOND, now))
            .take(1.0, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guesser_is_slowed_and_keeps_nobody_else_out() {
        let a = Attempts::default();
        let (bad, good) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let now = Duration::from_secs(5);
        for _ in 0..20 {
            assert!(a.may_try(bad, now));
            a.failed(bad, now);
        }
        assert!(!a.may_try(bad, now));
        assert!(a.may_try(good, now));
        assert!(a.may_try(bad, now + Duration::from_secs(7)));
    }
}
