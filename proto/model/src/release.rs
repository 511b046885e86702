//! Releases of h8lio's own programs, in their order.

use std::fmt;
use std::str::FromStr;

/// A release: `1.2.3`, or `1.2.3-rc.1`, which comes before it. What follows a `+` says how it was
/// built and plays no part.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    numbers: [u64; 3],
    stage: Stage,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Before(Vec<Part>),
    Itself,
}

/// Numbers come before words, as in semantic versions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u64),
    Word(String),
}

/// What is no release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no release; they are written like 1.2.3 or 1.2.3-rc.1")]
pub struct NoRelease(String);

impl FromStr for Release {
    type Err = NoRelease;

    fn from_str(s: &str) -> Result<Self, NoRelease> {
        let no = || NoRelease(s.chars().take(80).collect());
        let text = s.split_once('+').map_or(s, |(text, _)| text);
        let (numbers, stage) = match text.split_once('-') {
            None => (text, Stage::Itself),
            Some((_, "")) => return Err(no()),
            Some((numbers, stage)) => {
                let parts = stage.split('.').map(part);
                (numbers, Stage::Before(parts.collect()))
            }
        };
        let read: Option<Vec<u64>> = numbers.split('.').map(number).collect();
        let numbers = read.and_then(|n| n.try_into().ok()).ok_or_else(no)?;
        Ok(Self { numbers, stage })
    }
}

/// Digits alone: `+1` is no number here.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn part(text: &str) -> Part {
    number(text).map_or_else(|| Part::Word(text.to_owned()), Part::Number)
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        let Stage::Before(parts) = &self.stage else {
            return Ok(());
        };
        for (n, part) in parts.iter().enumerate() {
            f.write_str(if n == 0 { "-" } else { "." })?;
            match part {
                Part::Number(number) => write!(f, "{number}")?,
                Part::Word(word) => f.write_str(word)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Release {
        text.parse().expect("a release")
    }

    #[test]
    fn releases_stand_in_the_order_of_their_numbers_and_a_candidate_before_its_release() {
        let all = [
            "0.1.0",
            "0.2.0-rc.1",
            "0.2.0-rc.2",
            "0.2.0-rc.10",
            "0.2.0-rc.x",
            "0.2.0",
            "0.10.0",
            "1.0.0",
        ];
        for pair in all.windows(2) {
            assert!(read(pair[0]) < read(pair[1]), "{pair:?}");
        }
        assert_eq!(read("1.2.3+debian"), read("1.2.3"));
        assert_eq!(read("1.2.3-rc.1+x").to_string(), "1.2.3-rc.1");
    }

    #[test]
    fn what_is_written_otherwise_is_no_release() {
        for text in [
            "", "1", "1.2", "1.2.3.4", "1.2.x", "v1.2.3", "1.2.3-", "1.+2.3", "1..3",
        ] {
            let why = text.parse::<Release>().expect_err(text).to_string();
            assert!(why.contains(&format!("{text:?}")), "{why}");
        }
    }
}
