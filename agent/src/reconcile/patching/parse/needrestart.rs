//! What `needrestart -b -r l` prints: one `NEEDRESTART-KEY: value` a line.

use super::{NotUnderstood, whole};

/// needrestart's findings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    pub kernel: Finding,
    pub microcode: Finding,
    /// Units that still use replaced files.
    pub services: Vec<String>,
}

/// One thing that a reboot would renew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Finding {
    #[default]
    Unknown,
    Current,
    Pending {
        current: String,
        expected: String,
    },
}

/// Reads the findings.
///
/// # Errors
/// [`NotUnderstood`] without a version line, and for a status that is none of those documented.
pub fn findings(bytes: &[u8]) -> Result<Findings, NotUnderstood> {
    let text = whole(bytes)?;
    let get = |key| values(text, key);
    if get("VER").next().is_none() {
        return Err(NotUnderstood("it has no NEEDRESTART-VER".to_owned()));
    }
    let one = |key| get(key).next().unwrap_or_default().to_owned();
    let pending = |current, expected| Finding::Pending {
        current: one(current),
        expected: one(expected),
    };
    // 1 current, 2 a rebuild of the same release waits, 3 a newer release waits.
    let kernel = match get("KSTA").next() {
        None | Some("0") => Finding::Unknown,
        Some("1") => Finding::Current,
        Some("2" | "3") => pending("KCUR", "KEXP"),
        Some(other) => return Err(NotUnderstood::line(other)),
    };
    let microcode = match get("UCSTA").next() {
        None | Some("0") => Finding::Unknown,
        Some("1") => Finding::Current,
        Some("2") => pending("UCCUR", "UCEXP"),
        Some(other) => return Err(NotUnderstood::line(other)),
    };
    let mut services: Vec<_> = get("SVC").map(str::to_owned).collect();
    services.sort();
    services.dedup();
    Ok(Findings {
        kernel,
        microcode,
        services,
    })
}

fn values<'a>(text: &'a str, key: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines()
        .filter_map(|l| l.strip_prefix("NEEDRESTART-")?.split_once(':'))
        .filter(move |(k, _)| *k == key)
        .map(|(_, v)| v.trim())
}
