//! `/etc/h8lio/agent.toml`: text → [`Inputs`] (what was written) → [`Settings`] (checked).

mod inputs;
mod settings;
mod unknown_key;

use std::path::{Path, PathBuf};

pub use inputs::{Inputs, Period};
pub use settings::{Modes, Settings};

/// Where the configuration lies when no other place is named.
pub const DEFAULT_PATH: &str = "/etc/h8lio/agent.toml";

/// Why a configuration cannot be used. Each is one line that names the place and the next move.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {}", .path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{}:{line}: {message}", .path.display())]
    Text {
        path: PathBuf,
        /// From 1.
        line: usize,
        message: String,
    },
    #[error("{}: {key}: {message}", .path.display())]
    Value {
        path: PathBuf,
        key: &'static str,
        message: String,
    },
}

/// Reads `path`; a missing file at the default place means the defaults.
///
/// # Errors
/// [`ConfigError`] for a file that cannot be read, is no TOML, has unknown keys or values that
/// cannot be.
pub fn load(path: Option<&Path>) -> Result<Settings, ConfigError> {
    let named = path.unwrap_or(Path::new(DEFAULT_PATH));
    let text = match std::fs::read_to_string(named) {
        Ok(text) => text,
        Err(e) if path.is_none() && e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(source) => {
            return Err(ConfigError::Read {
                path: named.to_owned(),
                source,
            });
        }
    };
    parse(named, &text)
}

/// Reads `text`, which came from `path`.
///
/// # Errors
/// As [`load`].
pub fn parse(path: &Path, text: &str) -> Result<Settings, ConfigError> {
    let inputs: Inputs = toml::from_str(text).map_err(|e| text_error(path, text, &e))?;
    settings::check(&inputs).map_err(|(key, message)| ConfigError::Value {
        path: path.to_owned(),
        key,
        message,
    })
}

/// What is wrong with the TOML `text` of `path`, on one line, with the key where it is a value.
pub(crate) fn text_error(path: &Path, text: &str, e: &toml::de::Error) -> ConfigError {
    let at = e.span().map_or(0, |s| s.start.min(text.len()));
    let key = toml::de::DeTable::parse(text)
        .ok()
        .and_then(|table| key_at(table.get_ref(), at));
    let may_act = key.as_deref() == Some("domains.patching");
    let what = unknown_key::explain(e.message(), may_act);
    ConfigError::Text {
        path: path.to_owned(),
        line: text[..at].matches('\n').count() + 1,
        message: key.map_or(what.clone(), |key| format!("{key}: {what}")),
    }
}

/// The dotted key whose value stands at byte `at`.
fn key_at(table: &toml::de::DeTable<'_>, at: usize) -> Option<String> {
    table.iter().find_map(|(key, value)| match value.get_ref() {
        toml::de::DeValue::Table(inner) => {
            key_at(inner, at).map(|below| format!("{}.{below}", key.get_ref()))
        }
        _ if value.span().contains(&at) => Some(key.get_ref().to_string()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use h8lio_model::inventory::{Domain, DomainMode};
    use rstest::rstest;

    fn parsed(text: &str) -> Result<Settings, String> {
        parse(Path::new("/etc/h8lio/agent.toml"), text).map_err(|e| e.to_string())
    }

    #[test]
    fn the_shipped_example_parses_and_equals_the_defaults() {
        let example = include_str!("../../agent.example.toml");
        assert_eq!(parsed(example), parsed(""));
        let uncommented: Inputs = toml::from_str(example).expect("valid");
        assert_eq!(uncommented, Inputs::default());
    }

    #[test]
    fn every_key_is_explained_in_the_example() {
        let example = include_str!("../../agent.example.toml");
        let keys = toml::to_string(&Inputs::default()).expect("has a TOML form");
        for line in keys.lines().filter(|l| !l.is_empty()) {
            let key = line.split(['=', ']']).next().unwrap_or(line).trim();
            assert!(
                example.contains(&format!("\n{key}")),
                "{key} is not in the example"
            );
        }
    }

    #[rstest]
    #[case(
        "statedir = \"/x\"",
        ":1: unknown key statedir; did you mean state_dir?"
    )]
    #[case(
        "\n[domains]\ndisk = \"off\"",
        ":3: unknown key disk; did you mean disks?"
    )]
    #[case("zzz = 1", ":1: unknown key zzz; known here: state_dir, ")]
    #[case("state_dir = 1", ":1: state_dir: invalid type")]
    #[case("state_dir = ", ":1: ")]
    #[case(
        "[domains]\nruntime = \"obsrve\"",
        ":2: domains.runtime: unknown value obsrve; did you mean observe?"
    )]
    #[case(
        "[domains]\ndisks = \"maybe\"",
        ":2: domains.disks: unknown value maybe; known here: off, observe"
    )]
    #[case(
        "domains.disks = \"akt\"",
        ":1: domains.disks: unknown value akt; known here: off, observe"
    )]
    #[case(
        "domains.patching = \"akt\"",
        ":1: domains.patching: unknown value akt; did you mean act?"
    )]
    #[case("state_dir = \"x\"", ": state_dir: ")]
    #[case(
        "coordinators = [\"c1\"]",
        ": coordinators: \"c1\" has no port; write it as NAME:PORT"
    )]
    #[case("coordinators = [\"c1:0\"]", ": coordinators: ")]
    #[case("coordinators = [\"https://c1:1\"]", ": coordinators: ")]
    #[case(
        "[intervals]\nreport = \"1ms\"",
        ": intervals.report: 1ms is outside 1s to 10m"
    )]
    #[case(
        "[patching]\nhung_boot_timeout = \"30s\"",
        ": patching.hung_boot_timeout: 30s is outside 2m to 1h 49m"
    )]
    #[case(
        "[patching]\nhung_boot_timeout = \"15m\"",
        ": patching.hung_boot_timeout: 15m must be longer than patching.boot_timeout (15m)"
    )]
    #[case("[intervals]\nreport = \"soon\"", ":2: ")]
    #[case(
        "[patching]\nboot_timeout = \"1s\"",
        ": patching.boot_timeout: 1s is outside 10s to 24h"
    )]
    fn bad_text_gives_one_line_that_names_the_place(#[case] text: &str, #[case] says: &str) {
        let error = parsed(text).expect_err(text);
        assert!(error.starts_with("/etc/h8lio/agent.toml:"), "{error}");
        assert!(error.contains(says), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }

    #[test]
    fn patching_may_act_and_no_other_domain_in_this_release() {
        let settings = parsed("[domains]\npatching = \"act\"").expect("allowed");
        assert_eq!(settings.modes[&Domain::Patching], DomainMode::Act);
        for key in ["disks", "network", "runtime"] {
            let error = parsed(&format!("[domains]\n{key} = \"act\"")).expect_err("refused");
            assert_eq!(
                error,
                format!(
                    "/etc/h8lio/agent.toml: domains.{key}: this release of h8lio-agent only \
                     observes here; write \"observe\" or \"off\""
                )
            );
        }
    }

    #[test]
    fn a_named_file_that_is_missing_is_an_error_and_a_missing_default_is_not() {
        let error = load(Some(Path::new("/nonexistent/agent.toml"))).expect_err("missing");
        assert!(matches!(error, ConfigError::Read { .. }));
    }
}
