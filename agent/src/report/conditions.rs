//! The conditions section: one condition for each key, stable as long as nothing changes.

use h8lio_model::condition::{Condition, Status, carry_since};

/// Merges what all parts of the agent say with what was published before.
///
/// A condition that is observed again with the same content is published byte for byte as before,
/// `observedAt` included: the section's confirmation says that it is still true, and the store is
/// not written for it.
pub(super) fn settle(before: &[Condition], now: Vec<Condition>) -> Vec<Condition> {
    let mut settled: Vec<Condition> = Vec::new();
    for mut c in carry_since(before, now) {
        let again = before.iter().find(|b| same(b, &c));
        if let Some(b) = again {
            c.observed_at = b.observed_at;
        }
        match settled.last_mut().filter(|last| last.key() == c.key()) {
            Some(last) => join(last, c),
            None => settled.push(c),
        }
    }
    settled
}

fn same(a: &Condition, b: &Condition) -> bool {
    a.key() == b.key() && a.status == b.status && a.reason == b.reason && a.message == b.message
}

/// Two parts say something of one thing: the worse status leads, both messages stand.
fn join(a: &mut Condition, b: Condition) {
    let worse = |c: &Condition| match c.status {
        Status::True => 2,
        Status::Unknown => 1,
        Status::False => 0,
    };
    let (mut lead, other) = if worse(&b) > worse(a) {
        (b, a.clone())
    } else {
        (a.clone(), b)
    };
    if !lead.message.contains(&other.message) {
        lead.message = format!("{}; {}", lead.message, other.message);
    }
    *a = lead;
}

#[cfg(test)]
mod tests {
    use super::*;
    use h8lio_model::condition::ConditionType;
    use jiff::Timestamp;

    fn probe(subject: &str, message: &str, at: i64) -> Condition {
        let at = Timestamp::from_second(at).expect("in range");
        Condition {
            kind: ConditionType::ProbeFailed,
            status: Status::True,
            reason: "Failed".into(),
            subject: subject.into(),
            message: message.into(),
            since: at,
            observed_at: at,
        }
    }

    #[test]
    fn a_condition_observed_again_does_not_change_the_section() {
        let first = settle(&[], vec![probe("a", "m", 10)]);
        let again = settle(&first, vec![probe("a", "m", 20)]);
        assert_eq!(again, first);
        let other = settle(&first, vec![probe("a", "n", 30)]);
        assert_eq!(
            other[0].since.as_second(),
            10,
            "the same trouble, told differently"
        );
        assert_eq!(other[0].observed_at.as_second(), 30);
    }

    #[test]
    fn two_that_speak_of_one_thing_are_one_condition() {
        let mut unknown = probe("a", "cannot tell", 10);
        unknown.status = Status::Unknown;
        let settled = settle(
            &[],
            vec![unknown, probe("a", "broken", 10), probe("b", "x", 10)],
        );
        assert_eq!(settled.len(), 2);
        assert_eq!(settled[0].status, Status::True);
        assert_eq!(settled[0].message, "broken; cannot tell");
        assert_eq!(settle(&settled, settled.clone()), settled);
    }
}
