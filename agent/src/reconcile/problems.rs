use h8lio_model::condition::{Condition, ConditionType, Status};
use h8lio_model::inventory::Problem;
use jiff::Timestamp;

/// One `ProbeFailed` for each thing that could not be read. Two problems of one thing are one
/// condition: a condition's key is its type and subject.
pub fn problems_to_conditions<'a>(
    problems: impl IntoIterator<Item = &'a Problem>,
    now: Timestamp,
) -> Vec<Condition> {
    let mut all: Vec<Condition> = Vec::new();
    for p in problems {
        match all.iter_mut().find(|c| c.subject == p.what) {
            Some(c) if c.message.contains(&p.message) => {}
            Some(c) => c.message = format!("{}; {}", c.message, p.message),
            None => all.push(Condition {
                kind: ConditionType::ProbeFailed,
                status: Status::True,
                reason: p.reason.clone(),
                subject: p.what.clone(),
                message: p.message.clone(),
                since: now,
                observed_at: now,
            }),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(what: &str, message: &str) -> Problem {
        Problem {
            what: what.into(),
            reason: "Failed".into(),
            message: message.into(),
        }
    }

    #[test]
    fn problems_of_one_thing_are_one_condition_that_names_them_all() {
        let problems = [
            problem("lsblk", "a"),
            problem("lvs", "b"),
            problem("lsblk", "c"),
            problem("lsblk", "a"),
        ];
        let conditions = problems_to_conditions(&problems, Timestamp::UNIX_EPOCH);
        let seen: Vec<_> = conditions
            .iter()
            .map(|c| (c.subject.as_str(), c.message.as_str()))
            .collect();
        assert_eq!(seen, [("lsblk", "a; c"), ("lvs", "b")]);
    }
}
