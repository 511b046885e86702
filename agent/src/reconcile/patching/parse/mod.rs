//! Strict readers of what the package tools print. Whatever is cut off or unexpected is
//! [`NotUnderstood`]; nothing is guessed from the readable part. One reader is lenient, because
//! nothing is decided by what it says: [`progress`] reads a log, whose tail a power cut leaves short
//! or full of NULs.

pub mod apt;
pub mod audit;
pub mod complaint;
pub mod dpkg;
pub mod maps;
pub mod needrestart;
pub mod progress;
pub mod uris;

use h8lio_model::inventory::Problem;

use crate::words::plain;

/// Output that does not have the expected shape.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("its output is not understood: {0}")]
pub struct NotUnderstood(pub String);

impl NotUnderstood {
    fn line(line: &str) -> Self {
        Self(format!("line `{}`", plain(line)))
    }

    /// As a fact of the inventory.
    pub fn problem(&self, what: &str) -> Problem {
        Problem {
            what: what.to_owned(),
            reason: "NotUnderstood".to_owned(),
            message: self.to_string(),
        }
    }
}

/// Text that is valid and whole: UTF-8 that ends with a line's end.
fn whole(bytes: &[u8]) -> Result<&str, NotUnderstood> {
    let text =
        std::str::from_utf8(bytes).map_err(|_| NotUnderstood("it is not text".to_owned()))?;
    if text.contains('\0') {
        return Err(NotUnderstood("it is not text".to_owned()));
    }
    if !text.is_empty() && !text.ends_with('\n') {
        return Err(NotUnderstood("it is cut off".to_owned()));
    }
    Ok(text)
}
