//! What is wrong with a configuration, with its place.

use std::io;
use std::path::PathBuf;

/// Why the coordinator does not start with this file. All of them end the program with exit code
/// 78 (`EX_CONFIG`).
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{}:{line}: {problem}", path.display())]
    Syntax {
        path: PathBuf,
        line: usize,
        problem: String,
    },
    #[error("{}:{line}: unknown key {key:?}{hint}", path.display())]
    UnknownKey {
        path: PathBuf,
        line: usize,
        key: String,
        /// `; did you mean "…"?` or the keys that are possible.
        hint: String,
    },
    #[error("{}:{line}: {key}: {problem}", path.display())]
    Value {
        path: PathBuf,
        line: usize,
        key: String,
        problem: String,
    },
}
