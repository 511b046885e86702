//! How a BMC behaves, and the file that says so while it runs.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::log::log;

/// Slow enough to be felt, and below the second after which ipmitool sends a message again: above
/// it, it never gets a session.
pub const SLOW: Duration = Duration::from_millis(700);

/// The longest delay that can be asked for.
const SLOWEST: Duration = Duration::from_secs(3600);

/// How a BMC behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Obeys, and tells the truth.
    #[default]
    Normal,
    /// Does the same, this much later. What was asked happens even if the client has gone.
    Slow(Duration),
    /// Answers nobody: datagrams are dropped, connections are taken and never served.
    Dead,
    /// Says yes, does nothing, and from then on tells the state that it was asked for.
    Lying,
    /// Says yes, does nothing, and tells the true state.
    Deaf,
}

/// A text that names no mode.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no mode of a BMC; choose normal, slow, slow:SECONDS, dead, lying or deaf")]
pub struct NoMode(String);

impl FromStr for Mode {
    type Err = NoMode;

    fn from_str(text: &str) -> Result<Self, NoMode> {
        match text {
            "normal" => Ok(Self::Normal),
            "slow" => Ok(Self::Slow(SLOW)),
            "dead" => Ok(Self::Dead),
            "lying" => Ok(Self::Lying),
            "deaf" => Ok(Self::Deaf),
            other => other
                .strip_prefix("slow:")
                .and_then(|seconds| seconds.parse().ok())
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                .filter(|delay| *delay <= SLOWEST)
                .map(Self::Slow)
                .ok_or_else(|| NoMode(other.to_owned())),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("normal"),
            Self::Slow(delay) => write!(f, "slow:{}", delay.as_secs_f64()),
            Self::Dead => f.write_str("dead"),
            Self::Lying => f.write_str("lying"),
            Self::Deaf => f.write_str("deaf"),
        }
    }
}

/// The control file, read afresh for every request.
///
/// One line, written by `lab bmc NAME mode …` or by hand. No file means normal. A text that names no
/// mode is logged and changes nothing, and so is an empty file: `echo` truncates before it writes.
#[derive(Debug)]
pub struct ModeFile {
    path: PathBuf,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    mode: Mode,
    /// The text that was complained about.
    refused: Option<String>,
}

impl ModeFile {
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            last: Mutex::default(),
        }
    }

    /// The mode of this moment.
    pub fn current(&self) -> Mode {
        let text = fs::read_to_string(&self.path);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match text {
            Ok(text) if text.trim().is_empty() => {}
            Ok(text) => match text.trim().parse() {
                Ok(mode) => {
                    *last = Last {
                        mode,
                        refused: None,
                    }
                }
                Err(why) => last.complain(&self.path, text, &why),
            },
            Err(e) if e.kind() == io::ErrorKind::NotFound => *last = Last::default(),
            Err(e) => last.complain(&self.path, e.to_string(), &e),
        }
        last.mode
    }

    /// Writes the mode, whole or not at all.
    pub fn write(path: &Path, mode: Mode) -> io::Result<()> {
        let new = path.with_extension("new");
        fs::write(&new, format!("{mode}\n"))?;
        fs::rename(new, path)
    }
}

impl Last {
    /// Says it once, not once a request.
    fn complain(&mut self, path: &Path, text: String, why: &dyn fmt::Display) {
        if self.refused.as_ref() != Some(&text) {
            let mode = self.mode;
            log(&format!("{}: {why}; the BMC stays {mode}", path.display()));
            self.refused = Some(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_is_read_back_as_it_was_written() {
        for text in ["normal", "slow:0.25", "slow:3", "dead", "lying", "deaf"] {
            let mode: Mode = text.parse().expect(text);
            assert_eq!(mode.to_string(), text);
        }
        assert_eq!("slow".parse::<Mode>().expect("slow"), Mode::Slow(SLOW));
    }

    #[test]
    fn what_names_no_mode_is_refused_with_the_choice() {
        for text in [
            "",
            "Dead",
            "slow:",
            "slow:-1",
            "slow:inf",
            "slow:4000",
            "half",
        ] {
            let why = text.parse::<Mode>().expect_err(text).to_string();
            assert!(why.contains("choose normal"), "{why}");
        }
    }

    #[test]
    fn a_mode_is_taken_over_at_once_and_no_file_is_normal() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("mode");
        let file = ModeFile::new(path.clone());
        assert_eq!(file.current(), Mode::Normal);
        ModeFile::write(&path, Mode::Lying).expect("written");
        assert_eq!(file.current(), Mode::Lying);
        fs::remove_file(path).expect("removed");
        assert_eq!(file.current(), Mode::Normal);
    }

    #[test]
    fn an_empty_or_unknown_text_leaves_the_mode_as_it_was() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("mode");
        let file = ModeFile::new(path.clone());
        ModeFile::write(&path, Mode::Dead).expect("written");
        assert_eq!(file.current(), Mode::Dead);
        for text in ["", "aliv"] {
            fs::write(&path, text).expect("written");
            assert_eq!(file.current(), Mode::Dead, "after {text:?}");
        }
    }
}
