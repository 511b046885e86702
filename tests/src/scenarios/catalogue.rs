//! The list of scenarios, read from `docs/scenarios.md`.

/// Scenarios are numbered from 1 to this.
pub const LAST: u32 = 64;

/// Who owes a test for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Nobody yet.
    None,
    /// An issue that is done or being done: a test must exist.
    Now(String),
    /// An issue that will bring the test.
    Later(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    pub number: u32,
    pub title: String,
    pub claim: Claim,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    #[error("line {line} of docs/scenarios.md is not `| number | title | claim |`: {text}")]
    Row { line: usize, text: String },
    #[error("docs/scenarios.md must list {expected} next, but line {line} lists {number}")]
    Order {
        line: usize,
        number: u32,
        expected: u32,
    },
    #[error("docs/scenarios.md ends at {last}, not at {LAST}")]
    Short { last: u32 },
    #[error(
        "line {line} of docs/scenarios.md claims neither `issue N`, `issue N, later` nor `-`: {text}"
    )]
    Claim { line: usize, text: String },
}

/// Reads the table: its rows are the lines that begin with `|` and a digit.
///
/// # Errors
/// A row is malformed, or the numbers do not run from 1 to [`LAST`] without a gap.
pub fn read(text: &str) -> Result<Vec<Scenario>, CatalogueError> {
    let mut scenarios = Vec::new();
    for (line, row) in text.lines().enumerate().map(|(i, row)| (i + 1, row)) {
        let cells: Vec<&str> = row
            .trim()
            .trim_matches('|')
            .split('|')
            .map(str::trim)
            .collect();
        if !row.starts_with('|') || !cells[0].starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        let malformed = || CatalogueError::Row {
            line,
            text: row.to_owned(),
        };
        let &[number, title, claim] = cells.as_slice() else {
            return Err(malformed());
        };
        let number: u32 = number.parse().map_err(|_| malformed())?;
        let expected = scenarios.len() as u32 + 1;
        if number != expected {
            return Err(CatalogueError::Order {
                line,
                number,
                expected,
            });
        }
        let claim = claim_of(claim).ok_or_else(|| CatalogueError::Claim {
            line,
            text: claim.to_owned(),
        })?;
        scenarios.push(Scenario {
            number,
            title: title.to_owned(),
            claim,
        });
    }
    let last = scenarios.len() as u32;
    if last == LAST {
        Ok(scenarios)
    } else {
        Err(CatalogueError::Short { last })
    }
}

fn claim_of(text: &str) -> Option<Claim> {
    if text == "-" {
        return Some(Claim::None);
    }
    let (issue, later) = match text.strip_suffix(", later") {
        Some(issue) => (issue, true),
        None => (text, false),
    };
    let number = issue.strip_prefix("issue ")?;
    number.parse::<u32>().ok()?;
    let issue = issue.to_owned();
    Some(if later {
        Claim::Later(issue)
    } else {
        Claim::Now(issue)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: impl Iterator<Item = String>) -> String {
        let rows: Vec<String> = rows.collect();
        format!(
            "# Scenarios\n\n| No. | Title | Claimed by |\n|---|---|---|\n{}\n",
            rows.join("\n")
        )
    }

    #[test]
    fn claims_now_later_and_none_are_told_apart() {
        let claims = ["issue 2", "issue 4, later", "-"];
        let rows = (1..=LAST).map(|n| format!("| {n} | it rains | {} |", claims[n as usize % 3]));
        let read = read(&table(rows)).expect("the table is whole");
        assert_eq!(read[2].claim, Claim::Now("issue 2".into()));
        assert_eq!(read[0].claim, Claim::Later("issue 4".into()));
        assert_eq!(read[1].claim, Claim::None);
    }

    #[test]
    fn a_gap_a_repetition_and_an_early_end_are_refused() {
        let rows = |numbers: &[u32]| table(numbers.iter().map(|n| format!("| {n} | x | - |")));
        let order = |number, expected, line| CatalogueError::Order {
            line,
            number,
            expected,
        };
        assert_eq!(read(&rows(&[1, 3])), Err(order(3, 2, 6)));
        assert_eq!(read(&rows(&[1, 1])), Err(order(1, 2, 6)));
        assert_eq!(read(&rows(&[1, 2])), Err(CatalogueError::Short { last: 2 }));
    }

    #[test]
    fn a_claim_that_names_no_issue_is_refused() {
        let text = table(std::iter::once("| 1 | x | soon |".to_owned()));
        assert_eq!(
            read(&text),
            Err(CatalogueError::Claim {
                line: 5,
                text: "soon".into()
            })
        );
    }
}
