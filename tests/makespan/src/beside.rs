//! What tools take that know nothing of failure domains.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use jiff::SignedDuration;

/// So many at a time, in the order given, the next as soon as one is done. One at a time is what
/// kured does; for more this asks nothing about who may be away together, so it flatters whoever
/// works that way.
pub fn at_once(
    durations: impl IntoIterator<Item = SignedDuration>,
    count: usize,
) -> SignedDuration {
    let mut free: BinaryHeap<Reverse<SignedDuration>> = BinaryHeap::new();
    let mut end = SignedDuration::ZERO;
    for duration in durations {
        let begins = match free.len() < count {
            true => SignedDuration::ZERO,
            false => free.pop().map_or(SignedDuration::ZERO, |Reverse(t)| t),
        };
        let done = begins + duration;
        end = end.max(done);
        free.push(Reverse(done));
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_work_beside_one_another_and_the_next_follows_whoever_is_done() {
        let minutes = [5, 3, 4, 2].map(SignedDuration::from_mins);
        let takes = |count| at_once(minutes, count).as_mins();
        assert_eq!(takes(1), 14);
        // 5 then 2; 3 then 4.
        assert_eq!(takes(2), 7);
        assert_eq!(takes(9), 5);
    }
}
