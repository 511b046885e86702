//! What `apt-get --print-uris` would fetch.

use super::{NotUnderstood, whole};

/// One archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    /// Name of the file in apt's cache.
    pub file: String,
    /// Bytes.
    pub size: u64,
}

/// Archives that are not in apt's cache yet.
///
/// # Errors
/// [`NotUnderstood`] for a line that begins as an address and does not go on as one.
pub fn archives(bytes: &[u8]) -> Result<Vec<Archive>, NotUnderstood> {
    whole(bytes)?
        .lines()
        .filter(|l| l.starts_with('\''))
        .map(|l| archive(l).ok_or_else(|| NotUnderstood::line(l)))
        .collect()
}

/// `'URI' FILE SIZE HASH`
fn archive(line: &str) -> Option<Archive> {
    let (_, rest) = line.strip_prefix('\'')?.split_once("' ")?;
    let mut fields = rest.split(' ');
    let (file, size) = (fields.next()?, fields.next()?);
    let plain = !file.is_empty() && !file.contains('/') && !file.starts_with('.');
    Some(Archive {
        file: plain.then(|| file.to_owned())?,
        size: size.parse().ok()?,
    })
}
