//! os-release and friends.

use std::collections::BTreeMap;

use h8lio_model::inventory::{ClockSync, OsFacts, Problem};
use jiff::Timestamp;

use crate::host::os::RawOs;

/// Judges the raw facts. `clock` comes from [`super::clock::assess`]; daemons and the way back are
/// looked at apart.
pub fn assess(raw: &RawOs, clock: (ClockSync, Vec<Problem>)) -> OsFacts {
    let (clock, clock_problems) = clock;
    let mut problems = raw.problems.clone();
    let release = raw.os_release.as_deref().map(os_release);
    let release = release.unwrap_or_default();
    let boot_id = raw.boot_id.as_deref().and_then(|text| {
        let read = text.parse();
        if read.is_err() {
            problems.push(not_understood("boot id", "/proc/sys/kernel/random/boot_id"));
        }
        read.ok()
    });
    if raw.os_release.is_some() && !release.contains_key("ID") {
        problems.push(not_understood("ID", "/etc/os-release"));
    }
    problems.extend(clock_problems);
    OsFacts {
        id: release.get("ID").cloned().unwrap_or_default(),
        version: release.get("VERSION_ID").cloned(),
        name: release.get("PRETTY_NAME").cloned(),
        hostname: raw.hostname.clone().unwrap_or_default(),
        kernel: raw.kernel.clone().unwrap_or_default(),
        boot_id,
        booted_at: raw
            .booted_at_seconds
            .and_then(|s| Timestamp::from_second(s).ok()),
        machine_id: raw.machine_id.as_deref().and_then(machine_id),
        init: raw.init.clone(),
        command_line: raw.command_line.clone(),
        clock,
        daemons: None,
        way_back: None,
        problems,
    }
}

/// Reads os-release(5): `NAME=value` lines, values possibly quoted with `'` or `"`, the latter
/// with backslash escapes. Empty values are left out.
fn os_release(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.trim().split_once('='))
        .map(|(name, value)| (name.to_owned(), unquote(value.trim())))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

fn unquote(value: &str) -> String {
    if let Some(inner) = value.strip_prefix('\'').and_then(|v| v.strip_suffix('\'')) {
        return inner.to_owned();
    }
    let Some(inner) = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut out = String::new();
    let mut escaped = false;
    for c in inner.chars() {
        if !escaped && c == '\\' {
            escaped = true;
        } else {
            out.push(c);
            escaped = false;
        }
    }
    out
}

/// machine-id(5): 32 hexadecimal digits; `uninitialized` and an empty file are none.
fn machine_id(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    let hex = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    (hex && text.bytes().any(|b| b != b'0')).then_some(text)
}

fn not_understood(what: &str, file: &str) -> Problem {
    Problem {
        what: file.to_owned(),
        reason: "NotUnderstood".into(),
        message: format!("{file} holds no readable {what}; look at the file"),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn quotes_escapes_and_junk_in_os_release_are_read_as_the_manual_says() {
        let text =
            "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"A \\\"B\\\" \\$C\"\n# x\njunk\nE=\n";
        let read = os_release(text);
        assert_eq!(read["ID"], "debian");
        assert_eq!(read["VERSION_ID"], "12");
        assert_eq!(read["PRETTY_NAME"], "A \"B\" $C");
        assert_eq!(read.len(), 3);
    }

    #[rstest]
    #[case("uninitialized\n", None)]
    #[case("", None)]
    #[case("00000000000000000000000000000000", None)]
    #[case(
        "0BADC0DE0BADC0DE0BADC0DE0BADC0DE\n",
        Some("0badc0de0badc0de0badc0de0badc0de")
    )]
    fn a_machine_id_is_32_hex_digits_or_none(#[case] given: &str, #[case] is: Option<&str>) {
        assert_eq!(machine_id(given).as_deref(), is);
    }

    #[test]
    fn an_unreadable_boot_id_is_a_problem_and_not_a_guess() {
        let raw = RawOs {
            boot_id: Some("junk".into()),
            os_release: Some("NAME=x".into()),
            ..RawOs::default()
        };
        let facts = assess(&raw, (ClockSync::default(), Vec::new()));
        assert_eq!(facts.boot_id, None);
        let reasons: Vec<_> = facts.problems.iter().map(|p| p.reason.as_str()).collect();
        assert_eq!(reasons, ["NotUnderstood", "NotUnderstood"]);
    }
}
