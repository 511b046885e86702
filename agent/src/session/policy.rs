//! Which coordinator to dial next, and when. Pure: randomness is handed in.

use std::time::Duration;

use crate::entropy::Entropy;

/// First wait after a failure.
const FIRST: Duration = Duration::from_millis(250);

/// Longest wait while nobody answers. Short, because a refused connection costs a coordinator
/// nothing and a fleet must be back within seconds of its return.
const LONGEST_UNREACHED: Duration = Duration::from_secs(5);

/// Longest wait after a coordinator answered and said no: asking costs it a handshake.
const LONGEST_REFUSED: Duration = Duration::from_secs(60);

/// A session that lived this long ends the memory of earlier failures. Below the shortest
/// `Welcome`-then-cut cycle of a coordinator in trouble.
pub const STABLE: Duration = Duration::from_secs(30);

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// No connection.
    Unreached,
    /// A coordinator answered and did not open a session.
    Refused,
    /// A session was open for this long and ended.
    Ended(Duration),
}

/// The dial list and the memory of failures.
#[derive(Debug, Clone)]
pub struct Dialing {
    addresses: Vec<String>,
    at: usize,
    failures: u32,
}

impl Dialing {
    /// Dials `addresses` in this order; repeated ones count once.
    pub fn new(addresses: impl IntoIterator<Item = String>) -> Self {
        let mut list: Vec<String> = Vec::new();
        for a in addresses {
            if !list.contains(&a) {
                list.push(a);
            }
        }
        Self {
            addresses: list,
            at: 0,
            failures: 0,
        }
    }

    /// The address to dial now; `None` when the list is empty.
    pub fn address(&self) -> Option<&str> {
        self.addresses.get(self.at).map(String::as_str)
    }

    /// Records how the attempt at [`Dialing::address`] ended, and says how long to wait.
    ///
    /// A session that ends is dialled again at the same address (its TLS ticket is known there);
    /// a failure moves on to the next. Waits double over whole rounds of the list and are spread
    /// over their upper half, so that a fleet does not come back in step.
    pub fn ended(&mut self, outcome: Outcome, entropy: &dyn Entropy) -> Duration {
        match outcome {
            Outcome::Ended(lived) if lived >= STABLE => {
                self.failures = 0;
                return entropy.up_to(FIRST * 2);
            }
            Outcome::Ended(_) => {}
            Outcome::Unreached | Outcome::Refused => {
                self.at = (self.at + 1) % self.addresses.len().max(1);
            }
        }
        self.failures = self.failures.saturating_add(1);
        let longest = match outcome {
            Outcome::Refused => LONGEST_REFUSED,
            Outcome::Unreached | Outcome::Ended(_) => LONGEST_UNREACHED,
        };
        let rounds = (self.failures - 1) / u32::try_from(self.addresses.len().max(1)).unwrap_or(1);
        let wait = FIRST
            .saturating_mul(2_u32.saturating_pow(rounds.min(16)))
            .min(longest);
        wait / 2 + entropy.up_to(wait / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Most;
    impl Entropy for Most {
        fn bits(&self) -> u128 {
            u128::MAX
        }
    }

    fn waits(outcome: Outcome, addresses: &[&str], n: usize) -> Vec<u128> {
        let mut d = Dialing::new(addresses.iter().map(|a| (*a).to_owned()));
        (0..n)
            .map(|_| d.ended(outcome, &Most).as_millis())
            .collect()
    }

    #[test]
    fn waits_double_up_to_a_limit_that_is_longer_when_a_coordinator_says_no() {
        assert_eq!(
            waits(Outcome::Unreached, &["a:1"], 7),
            [250, 500, 1000, 2000, 4000, 5000, 5000]
        );
        let refused = waits(Outcome::Refused, &["a:1"], 12);
        assert_eq!(refused[11], 60_000);
    }

    #[test]
    fn every_address_is_tried_before_the_wait_grows() {
        assert_eq!(
            waits(Outcome::Unreached, &["a:1", "b:1", "a:1"], 4),
            [250, 250, 500, 500]
        );
        let mut d = Dialing::new(["a:1".to_owned(), "b:1".to_owned()]);
        assert_eq!(d.address(), Some("a:1"));
        d.ended(Outcome::Unreached, &Most);
        assert_eq!(d.address(), Some("b:1"));
        d.ended(Outcome::Ended(STABLE), &Most);
        assert_eq!(
            d.address(),
            Some("b:1"),
            "a lost session is dialled again where it was"
        );
    }

    #[test]
    fn a_session_that_is_cut_again_and_again_still_backs_off() {
        let cut = waits(Outcome::Ended(Duration::from_secs(1)), &["a:1"], 4);
        assert_eq!(cut, [250, 500, 1000, 2000]);
        let stable = waits(Outcome::Ended(STABLE), &["a:1"], 4);
        assert_eq!(stable, [500; 4]);
    }

    #[test]
    fn an_empty_list_has_no_address_and_does_not_panic() {
        let mut d = Dialing::new([]);
        assert_eq!(d.address(), None);
        d.ended(Outcome::Unreached, &Most);
    }

    #[derive(Debug)]
    struct Least;
    impl Entropy for Least {
        fn bits(&self) -> u128 {
            0
        }
    }

    #[test]
    fn waits_are_spread_over_their_upper_half() {
        let mut d = Dialing::new(["a:1".to_owned()]);
        let mut least = |outcome| d.ended(outcome, &Least).as_millis();
        assert_eq!(least(Outcome::Unreached), 125);
        assert_eq!(least(Outcome::Refused), 250);
        assert_eq!(least(Outcome::Ended(Duration::ZERO)), 500);
        assert_eq!(least(Outcome::Ended(STABLE)), 0, "at once");
        assert_eq!(least(Outcome::Unreached), 125, "as if nothing had been");
    }

    #[test]
    fn a_list_is_dialled_round_and_round() {
        let list = ["a:1", "b:1", "c:1"];
        let mut d = Dialing::new(list.map(String::from));
        for round in 0..3 {
            for address in list {
                assert_eq!(d.address(), Some(address), "round {round}");
                d.ended(Outcome::Unreached, &Most);
            }
        }
    }
}
