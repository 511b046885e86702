//! What `make scenarios` prints, and whether it is satisfied.

use std::fmt::Write;

use super::catalogue::{Claim, Scenario};
use super::markers::Markers;

/// The table as text, and what is missing; satisfied when nothing is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub table: String,
    pub missing: Vec<String>,
}

pub fn report(scenarios: &[Scenario], markers: &Markers) -> Report {
    let mut table = String::new();
    let mut missing: Vec<String> = markers.faults.clone();
    let mut covered = 0;
    for Scenario {
        number,
        title,
        claim,
    } in scenarios
    {
        let _ = writeln!(table, "{number:>3}  {title}");
        let mut tests: Vec<_> = markers
            .played
            .iter()
            .filter(|p| p.number == *number)
            .collect();
        tests.sort_by_key(|p| (p.level, p.path.clone(), p.function.clone()));
        for test in &tests {
            let _ = writeln!(
                table,
                "       {:<11}  {}: {}",
                test.level, test.path, test.function
            );
        }
        if !tests.is_empty() {
            covered += 1;
            continue;
        }
        let state = match claim {
            Claim::None => "nobody has claimed it yet".to_owned(),
            Claim::Later(issue) => format!("no test yet; claimed by {issue}, which will bring it"),
            Claim::Now(issue) => {
                let what =
                    format!("scenario {number} ({title}) is claimed by {issue} and has no test");
                missing.push(what);
                format!("NO TEST, though claimed by {issue}")
            }
        };
        let _ = writeln!(table, "       {state}");
    }
    let _ = writeln!(
        table,
        "{covered} of {} scenarios have a test",
        scenarios.len()
    );
    Report { table, missing }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios::markers::{Level, Played};

    fn scenario(number: u32, claim: Claim) -> Scenario {
        Scenario {
            number,
            title: format!("title {number}"),
            claim,
        }
    }

    fn played(number: u32, level: Level, function: &str) -> Played {
        Played {
            number,
            level,
            path: "a.rs".into(),
            function: function.into(),
        }
    }

    #[test]
    fn a_claimed_scenario_without_a_test_is_missing() {
        let scenarios = [
            scenario(1, Claim::Now("issue 2".into())),
            scenario(2, Claim::Later("issue 4".into())),
            scenario(3, Claim::None),
        ];
        let report = report(&scenarios, &Markers::default());
        assert_eq!(
            report.missing,
            ["scenario 1 (title 1) is claimed by issue 2 and has no test"]
        );
        assert!(
            report.table.ends_with("0 of 3 scenarios have a test\n"),
            "{}",
            report.table
        );
    }

    #[test]
    fn tests_are_listed_with_their_level_nearest_to_the_code_first() {
        let played = vec![played(1, Level::Lab, "b"), played(1, Level::Unit, "a")];
        let markers = Markers {
            played,
            faults: Vec::new(),
        };
        let report = report(&[scenario(1, Claim::Now("issue 2".into()))], &markers);
        assert_eq!(report.missing, [""; 0]);
        assert_eq!(
            report.table,
            "  1  title 1\n       unit         a.rs: a\n       lab          a.rs: b\n\
             1 of 1 scenarios have a test\n"
        );
    }

    #[test]
    fn a_faulty_marker_is_missing_something_too() {
        let markers = Markers {
            played: Vec::new(),
            faults: vec!["a.rs:1: no".into()],
        };
        assert_eq!(report(&[], &markers).missing, ["a.rs:1: no"]);
    }
}
