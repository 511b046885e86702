//! Libraries that a process still maps although their files were replaced (`/proc/PID/maps`).

use super::{NotUnderstood, whole};

/// Paths of replaced libraries, sorted, each once.
///
/// # Errors
/// [`NotUnderstood`] for an empty answer, which every process denies, and for a line that is not
/// a mapping.
pub fn replaced_libraries(bytes: &[u8]) -> Result<Vec<String>, NotUnderstood> {
    let text = whole(bytes)?;
    if text.is_empty() {
        return Err(NotUnderstood("it is empty".to_owned()));
    }
    let mut found = Vec::new();
    for line in text.lines() {
        let path = mapped(line).ok_or_else(|| NotUnderstood::line(line))?;
        let Some(path) = path.strip_suffix(" (deleted)") else {
            continue;
        };
        let name = path.rsplit('/').next().unwrap_or_default();
        if path.starts_with('/') && (name.ends_with(".so") || name.contains(".so.")) {
            found.push(path.to_owned());
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// The path of `ADDRESS-ADDRESS PERMS OFFSET DEVICE INODE PATH`, empty for anonymous memory.
fn mapped(line: &str) -> Option<&str> {
    let mut rest = line;
    let mut field = || {
        let (field, after) = rest.split_once(' ')?;
        rest = after;
        Some(field)
    };
    let (range, perms) = (field()?, field()?);
    let (_offset, device) = (field()?, field()?);
    // The inode is followed by padding, or by nothing at all.
    let path = rest.trim_start_matches(|c: char| c.is_ascii_digit()).trim();
    let (from, to) = range.split_once('-')?;
    let hex = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_hexdigit());
    (hex(from) && hex(to) && perms.len() == 4 && device.contains(':')).then_some(path)
}
