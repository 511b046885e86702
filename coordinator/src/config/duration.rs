//! Durations as people write them: `500ms`, `10s`, `5m`, `24h`, `30d`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

/// Reads one whole number and one unit.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!(
            "{text:?} is not a duration; write a whole number and a unit, like 500ms, 10s, 5m, 24h or 30d"
        )
    };
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    let total = number.checked_mul(milliseconds).ok_or_else(wrong)?;
    Ok(Duration::from_millis(total))
}

/// The same text, in the largest unit that keeps it whole.
pub(super) fn show(duration: Duration) -> String {
    let ms = duration.as_millis();
    for (unit, size) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
    ] {
        if ms > 0 && ms.is_multiple_of(size) {
            return format!("{}{unit}", ms / size);
        }
    }
    format!("{ms}ms")
}

/// A duration among other values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Length(#[serde(deserialize_with = "deserialize")] pub Duration);

pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(d)?;
    parse_duration(&text).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("500ms", Duration::from_millis(500))]
    #[case("24h", Duration::from_secs(86_400))]
    #[case("30d", Duration::from_secs(30 * 86_400))]
    #[case("0s", Duration::ZERO)]
    fn durations_are_read(#[case] text: &str, #[case] wanted: Duration) {
        assert_eq!(parse_duration(text), Ok(wanted));
        assert_eq!(parse_duration(&show(wanted)), Ok(wanted));
    }

    #[rstest]
    #[case("")]
    #[case("5")]
    #[case("s")]
    #[case("-5s")]
    #[case("1.5s")]
    #[case("5 s")]
    #[case("5sec")]
    #[case("18446744073709551615d")]
    #[case("99999999999999999999999s")]
    #[case("5µs")]
    fn anything_else_is_refused(#[case] text: &str) {
        parse_duration(text).expect_err("refused");
    }
}
