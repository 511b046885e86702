//! Paragraphs of `dpkg --audit`: a text that says what is wrong, then indented packages.

use h8lio_model::inventory::BrokenPackage;

use super::{NotUnderstood, whole};

/// dpkg's words for what its paragraphs say, by a part of the text.
const STATES: [(&str, &str); 8] = [
    ("in a mess due to serious problems", "reinst-required"),
    ("unpacked but not yet configured", "unpacked"),
    ("only half configured", "half-configured"),
    ("only half installed", "half-installed"),
    ("have been triggered", "triggers-pending"),
    ("awaiting processing of triggers", "triggers-awaited"),
    ("missing the list control file", "missing-list"),
    ("missing the md5sums control file", "missing-md5sums"),
];

/// What dpkg says first while another process works.
const LOCKED: &str = "Another process has locked the database for writing";

/// Packages that dpkg complains about, in its order; a package may come more than once.
///
/// # Errors
/// [`NotUnderstood`] for text without packages and for packages without a text.
pub fn complaints(bytes: &[u8]) -> Result<Vec<BrokenPackage>, NotUnderstood> {
    let mut found = Vec::new();
    for paragraph in whole(bytes)?.split("\n\n") {
        let lines = || paragraph.lines().filter(|l| !l.trim().is_empty());
        let heading: Vec<_> = lines().filter(|l| !l.starts_with(' ')).collect();
        let packages: Vec<_> = lines().filter(|l| l.starts_with(' ')).collect();
        match (heading.first(), packages.is_empty()) {
            (None, true) => continue,
            // No complaint: whoever holds the lock is found by the lock.
            (Some(first), true) if first.starts_with(LOCKED) => continue,
            (Some(first), true) => return Err(NotUnderstood::line(first)),
            (None, false) => return Err(NotUnderstood::line(packages[0])),
            (Some(_), false) => {}
        }
        let state = state(&heading.join(" "));
        for line in packages {
            let name = line
                .split_whitespace()
                .next()
                .filter(|n| super::dpkg::is_name(n))
                .ok_or_else(|| NotUnderstood::line(line))?;
            found.push(BrokenPackage {
                name: name.to_owned(),
                state: state.to_owned(),
            });
        }
    }
    Ok(found)
}

/// A text that a later dpkg words differently is still a complaint.
fn state(heading: &str) -> &'static str {
    STATES
        .iter()
        .find(|(part, _)| heading.contains(part))
        .map_or("audit-complaint", |(_, state)| state)
}
