//! From text to settings, or to one line that says where and what.

use std::path::Path;
use std::time::Duration;

use h8lio_model::session::LONGEST_BEAT;

use super::duration::show;
use super::{ConfigError, Settings, Wrong};

/// Reads and checks a file.
///
/// # Errors
/// [`ConfigError`] with file, line and key.
pub fn load(path: &Path) -> Result<Settings, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    parse(path, &text)
}

/// As [`load`], for a text that was read from `path`. Relative paths in it are taken from the
/// folder of `path`.
///
/// # Errors
/// As [`load`].
pub fn parse(path: &Path, text: &str) -> Result<Settings, ConfigError> {
    let mut settings: Settings = toml::from_str(text).map_err(|e| explain(path, text, &e))?;
    check(path, text, &settings)?;
    if let Err(wrong) = settings.maintenance.rules() {
        return Err(placed(path, text, wrong));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    settings.store = folder.join(&settings.store);
    settings.pki = folder.join(&settings.pki);
    Ok(settings)
}

fn explain(path: &Path, text: &str, e: &toml::de::Error) -> ConfigError {
    let path = path.to_owned();
    let at = e.span().map_or(0, |s| s.start.min(text.len()));
    let line = line_at(text, at);
    let message = e.message().trim();
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if let (true, [key, known @ ..]) = (message.starts_with("unknown field"), &quoted[..]) {
        let hint = hint(key, known);
        return ConfigError::UnknownKey {
            path,
            line,
            key: (*key).to_owned(),
            hint,
        };
    }
    let problem = message.replace('\n', "; ");
    let is_missing = message.starts_with("missing field");
    match key_at(text, line).filter(|_| !is_missing) {
        Some(key) => ConfigError::Value {
            path,
            line,
            key,
            problem,
        },
        None => ConfigError::Syntax {
            path,
            line,
            problem,
        },
    }
}

/// The line, from 1 on, that the byte at `at` stands in.
fn line_at(text: &str, at: usize) -> usize {
    let before = &text.as_bytes()[..at.min(text.len())];
    1 + before.iter().filter(|b| **b == b'\n').count()
}

/// The key on a line, with its table: `session.beat`. Inside a list over several lines it is the
/// key of the list.
fn key_at(text: &str, line: usize) -> Option<String> {
    let lines: Vec<&str> = text.lines().take(line).collect();
    let last = lines.last()?;
    let inside = last.trim_start().starts_with('{');
    let key = match inside {
        true => lines.iter().rev().find_map(|l| key_of(l))?,
        false => last.split_once('=')?.0.trim(),
    };
    let table = lines.iter().rev().find_map(|l| table_of(l));
    Some(table.map_or_else(|| key.to_owned(), |t| format!("{t}.{key}")))
}

/// `key` of `key = …`.
fn key_of(line: &str) -> Option<&str> {
    let key = line.split_once('=')?.0.trim();
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (!key.is_empty() && key.chars().all(bare)).then_some(key)
}

/// `a.b` of `[a.b]` and `[[a.b]]`.
fn table_of(line: &str) -> Option<&str> {
    let table = line.trim().strip_prefix('[')?.strip_suffix(']')?;
    let one_of_many = table.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    Some(one_of_many.unwrap_or(table))
}

fn hint(key: &str, known: &[&str]) -> String {
    let best = known.iter().map(|k| (distance(key, k), *k)).min();
    match best {
        // A third of the letters may be wrong; more is another word.
        Some((d, k)) if d <= k.len().div_ceil(3) => format!("; did you mean {k:?}?"),
        _ if known.is_empty() => String::new(),
        _ => format!("; possible here: {}", known.join(", ")),
    }
}

/// Edit distance of Levenshtein.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(100).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// One rule about a value: the key, whether it holds, what to say when it does not.
type Rule = (&'static str, bool, String);

fn check(path: &Path, text: &str, s: &Settings) -> Result<(), ConfigError> {
    let rules = [addresses(s), session(s), certificates(s), limits(s)].concat();
    match rules.into_iter().find(|(_, holds, _)| !holds) {
        None => Ok(()),
        Some((key, _, problem)) => Err(ConfigError::Value {
            path: path.to_owned(),
            line: line_of(text, key),
            key: key.to_owned(),
            problem,
        }),
    }
}

fn placed(path: &Path, text: &str, wrong: Wrong) -> ConfigError {
    let Wrong { key, at, problem } = wrong;
    let line = match at {
        Some(at) => line_at(text, at.start),
        None => line_of(text, &key),
    };
    ConfigError::Value {
        path: path.to_owned(),
        line,
        key,
        problem,
    }
}

/// The line that sets `key`; 1 when it is not set, since then a default conflicts.
fn line_of(text: &str, key: &str) -> usize {
    let count = text.lines().count();
    (1..=count)
        .find(|n| key_at(text, *n).as_deref() == Some(key))
        .unwrap_or(1)
}

fn addresses(s: &Settings) -> Vec<Rule> {
    let bad = s.advertise.iter().find(|a| !is_host_and_port(a));
    let reachable = !s.advertise.is_empty() || !s.listen.ip().is_unspecified();
    vec![
        (
            "advertise",
            bad.is_none(),
            format!("{:?} is not HOST:PORT", bad.map_or("", String::as_str)),
        ),
        (
            "advertise",
            reachable,
            format!(
                "needed, since {} is no address that a server could dial; write HOST:PORT as servers reach this coordinator",
                s.listen
            ),
        ),
    ]
}

/// Whether a text is `host:port`, `1.2.3.4:port` or `[v6]:port`, port not 0.
pub(crate) fn is_host_and_port(text: &str) -> bool {
    let Ok(authority) = text.parse::<http::uri::Authority>() else {
        return false;
    };
    let host = authority.host();
    !text.contains('@')
        && authority.port_u16().is_some_and(|p| p > 0)
        && !host.is_empty()
        && (host.starts_with('[') || !host.contains(':'))
}

fn within(key: &'static str, value: Duration, (least, most): (Duration, Duration)) -> Rule {
    let holds = (least..=most).contains(&value);
    (
        key,
        holds,
        format!(
            "{} is outside {} to {}",
            show(value),
            show(least),
            show(most)
        ),
    )
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

fn session(s: &Settings) -> Vec<Rule> {
    let t = s.session.timing();
    let order = |key, low: (&str, Duration), value| {
        let why = format!(
            "{} must be more than {} ({})",
            show(value),
            low.0,
            show(low.1)
        );
        (key, value > low.1, why)
    };
    vec![
        within(
            "session.beat",
            t.beat,
            (Duration::from_millis(100), LONGEST_BEAT),
        ),
        order(
            "session.suspect_after",
            ("session.beat", t.beat),
            t.suspect_after,
        ),
        order(
            "session.unreachable_after",
            ("session.suspect_after", t.suspect_after),
            t.unreachable_after,
        ),
        within(
            "session.unreachable_after",
            t.unreachable_after,
            (secs(1), secs(HOUR)),
        ),
        within("session.stable_for", t.stable_for, (t.beat, secs(HOUR))),
        (
            "session.warm_up",
            t.warm_up >= t.unreachable_after,
            format!(
                "{} must not be less than session.unreachable_after ({}), or servers that reconnect after a restart are given up too early",
                show(t.warm_up),
                show(t.unreachable_after)
            ),
        ),
        within(
            "session.report",
            s.session.report,
            (Duration::from_millis(100), secs(HOUR)),
        ),
    ]
}

fn certificates(s: &Settings) -> Vec<Rule> {
    let c = s.certificates;
    vec![
        within("certificates.node", c.node, (secs(15 * 60), secs(90 * DAY))),
        within(
            "certificates.operator",
            c.operator,
            (secs(60), secs(730 * DAY)),
        ),
        within(
            "certificates.coordinator",
            c.coordinator,
            (secs(60), secs(365 * DAY)),
        ),
        within(
            "certificates.recovery_limit",
            c.recovery_limit,
            (secs(0), secs(3_650 * DAY)),
        ),
    ]
}

fn limits(s: &Settings) -> Vec<Rule> {
    let l = s.limits;
    let number = |key, value: usize, least: usize, most: usize| {
        (
            key,
            (least..=most).contains(&value),
            format!("{value} is outside {least} to {most}"),
        )
    };
    vec![
        within(
            "limits.handshake_timeout",
            l.handshake_timeout,
            (secs(1), secs(120)),
        ),
        number("limits.pending_handshakes", l.pending_handshakes, 4, 65_536),
        number(
            "limits.pending_handshakes_per_source",
            l.pending_handshakes_per_source,
            1,
            l.pending_handshakes,
        ),
        number("limits.connections", l.connections, 4, 1_000_000),
        number(
            "limits.anonymous_connections",
            l.anonymous_connections,
            1,
            l.connections,
        ),
        number(
            "limits.anonymous_connections_per_source",
            l.anonymous_connections_per_source,
            1,
            1_000_000,
        ),
        number("limits.message_bytes", l.message_bytes, 64 << 10, 64 << 20),
        number(
            "limits.report_bytes",
            l.report_bytes as usize,
            16 << 10,
            l.message_bytes,
        ),
        number(
            "limits.streams_per_connection",
            l.streams_per_connection as usize,
            4,
            1_000,
        ),
        within(
            "limits.connection_age",
            l.connection_age,
            (secs(60), secs(30 * DAY)),
        ),
    ]
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
