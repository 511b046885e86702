//! Values of the command line.

use std::collections::BTreeMap;
use std::time::Duration;

use h8lio_model::audit::AuditHead;
use h8lio_model::order::Outcome;
use h8lio_model::rollout::{WaveSize, WindowSpec};
use h8lio_model::section::Digest;

/// A duration such as `90s`, `15m`, `1h30m` or `7d`; more than zero.
///
/// # Errors
/// A sentence for clap.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write it as 90s, 15m, 1h30m or 7d".to_owned();
    let mut total: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let unit = match rest.as_bytes()[digits] {
            b's' => 1,
            b'm' => 60,
            b'h' => 3_600,
            b'd' => 86_400,
            _ => return Err(wrong()),
        };
        total = number
            .checked_mul(unit)
            .and_then(|n| total.checked_add(n))
            .ok_or_else(wrong)?;
        rest = &rest[digits + 1..];
    }
    if total == 0 {
        return Err(wrong());
    }
    Ok(Duration::from_secs(total))
}

/// A duration from `least` to `most`, both as [`duration`] reads them.
///
/// # Errors
/// A sentence for clap.
pub fn duration_within(
    least: &'static str,
    most: &'static str,
) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync + 'static {
    move |text| {
        let given = duration(text)?;
        if (duration(least)?..=duration(most)?).contains(&given) {
            Ok(given)
        } else {
            Err(format!("it may be {least} to {most}"))
        }
    }
}

/// A selector such as `role=storage,rack=r1`.
///
/// # Errors
/// A sentence for clap.
pub fn selector(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut out = BTreeMap::new();
    for part in text.split(',') {
        let (key, value) = part
            .split_once('=')
            .filter(|(k, _)| !k.is_empty())
            .ok_or("write it as key=value,key=value")?;
        if out.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(format!("{key} stands there twice"));
        }
    }
    Ok(out)
}

/// One change of a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelEdit {
    /// `key=value`
    Set(String, String),
    /// `key-`
    Remove(String),
}

/// `key=value` sets, `key-` removes.
///
/// # Errors
/// A sentence for clap.
pub fn label_edit(text: &str) -> Result<LabelEdit, String> {
    let check = |k: &str, v: &str| h8lio_model::labels::check(k, v).map_err(|e| e.to_string());
    if let Some((key, value)) = text.split_once('=') {
        check(key, value)?;
        return Ok(LabelEdit::Set(key.to_owned(), value.to_owned()));
    }
    let key = text
        .strip_suffix('-')
        .ok_or("write key=value to set a label, key- to remove it")?;
    check(key, "")?;
    Ok(LabelEdit::Remove(key.to_owned()))
}

/// The size of a wave: `5` nodes or `20%`.
///
/// # Errors
/// A sentence for clap.
pub fn wave(text: &str) -> Result<WaveSize, String> {
    let wrong = || "write it as 5 for nodes, or 20% for a part of all".to_owned();
    match text.strip_suffix('%') {
        Some(percent) => match percent.parse() {
            Ok(p @ 1..=100) => Ok(WaveSize::Percent(p)),
            _ => Err(wrong()),
        },
        None => match text.parse() {
            Ok(0) | Err(_) => Err(wrong()),
            Ok(n) => Ok(WaveSize::Nodes(n)),
        },
    }
}

/// A window: `CRON;TIME;ZONE`. Whether it ever opens is the coordinator's question.
///
/// # Errors
/// A sentence for clap.
pub fn window(text: &str) -> Result<WindowSpec, String> {
    let wrong = "write it as CRON;TIME;ZONE, such as \"0 22 * * FRI;4h;Europe/Paris\"";
    let parts: Vec<&str> = text.split(';').map(str::trim).collect();
    let [cron, lasts, zone] = parts[..] else {
        return Err(wrong.to_owned());
    };
    let lasts = duration(lasts).map_err(|e| format!("its length: {e}"))?;
    Ok(WindowSpec {
        cron: cron.to_owned(),
        lasts: lasts.try_into().map_err(|_| wrong.to_owned())?,
        zone: zone.to_owned(),
    })
}

/// How an attempt ended, in the word that JSON uses.
///
/// # Errors
/// A sentence for clap.
pub fn outcome(text: &str) -> Result<Outcome, String> {
    let known = Outcome::ALL.into_iter().find(|o| o.as_str() == text);
    known.ok_or_else(|| {
        let words = Outcome::ALL.map(Outcome::as_str).join(", ");
        format!("it is one of {words}")
    })
}

/// A position in the audit log: `SEQ:HASH`.
///
/// # Errors
/// A sentence for clap.
pub fn audit_head(text: &str) -> Result<AuditHead, String> {
    let wrong = "write it as SEQ:HASH, with 64 hexadecimal digits";
    let (seq, hash) = text.split_once(':').ok_or(wrong)?;
    let bytes = hex::decode(hash).map_err(|_| wrong)?;
    Ok(AuditHead {
        seq: seq.parse().map_err(|_| wrong)?,
        hash: Digest::from_slice(&bytes).ok_or(wrong)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("90s", 90)]
    #[case("1h30m", 5_400)]
    #[case("7d", 604_800)]
    fn durations_are_read(#[case] text: &str, #[case] seconds: u64) {
        assert_eq!(duration(text), Ok(Duration::from_secs(seconds)));
    }

    #[rstest]
    #[case("")]
    #[case("0s")]
    #[case("5")]
    #[case("-5m")]
    #[case("1w")]
    #[case("99999999999999999999d")]
    #[case("1\u{e9}")]
    fn what_is_no_duration_is_refused(#[case] text: &str) {
        duration(text).expect_err("must be refused");
    }

    #[test]
    fn a_bounded_duration_includes_its_bounds() {
        let ttl = duration_within("1m", "30d");
        for good in ["1m", "60s", "1h", "30d"] {
            ttl(good).expect(good);
        }
        for bad in ["59s", "30d1s", "x"] {
            ttl(bad).expect_err(bad);
        }
    }

    #[test]
    fn a_selector_names_each_key_once() {
        let s = selector("role=storage,rack=r1").expect("valid");
        assert_eq!(s["rack"], "r1");
        for bad in ["", "role", "=x", "a=1,a=2"] {
            selector(bad).expect_err(bad);
        }
    }

    #[test]
    fn labels_are_set_and_removed() {
        let set = LabelEdit::Set("tier".into(), "gold".into());
        assert_eq!(label_edit("tier=gold"), Ok(set));
        assert_eq!(label_edit("tier-"), Ok(LabelEdit::Remove("tier".into())));
        for bad in ["tier", "-", "a b=c", "a=$(x)"] {
            label_edit(bad).expect_err(bad);
        }
    }

    #[test]
    fn a_wave_is_a_number_of_nodes_or_a_part_of_all() {
        assert_eq!(wave("5"), Ok(WaveSize::Nodes(5)));
        assert_eq!(wave("20%"), Ok(WaveSize::Percent(20)));
        for bad in ["", "0", "0%", "101%", "-1", "half"] {
            wave(bad).expect_err(bad);
        }
    }

    #[test]
    fn a_window_has_a_beginning_a_length_and_a_zone() {
        let read = window("0 22 * * FRI; 4h; Europe/Paris").expect("valid");
        assert_eq!(
            (read.cron.as_str(), read.zone.as_str()),
            ("0 22 * * FRI", "Europe/Paris")
        );
        assert_eq!(read.lasts, jiff::SignedDuration::from_hours(4));
        for bad in ["", "0 22 * * FRI", "0 22 * * FRI;4h", "a;b;c", "a;4h;c;d"] {
            window(bad).expect_err(bad);
        }
    }

    #[test]
    fn an_outcome_is_named_as_json_names_it() {
        assert_eq!(outcome("rolledBack"), Ok(Outcome::RolledBack));
        outcome("fine").expect_err("no outcome");
    }

    #[test]
    fn an_audit_head_is_sequence_and_hash() {
        let text = format!("7:{}", "ab".repeat(32));
        let head = audit_head(&text).expect("valid");
        assert_eq!((head.seq, head.hash.0[0]), (7, 0xab));
        for bad in ["7", "7:ab", "x:00", ":"] {
            audit_head(bad).expect_err(bad);
        }
    }
}
