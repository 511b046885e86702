//! Reading a section of a server that is not trusted to be well.

use h8lio_model::condition::Condition;
use h8lio_model::inventory::{
    DiskFacts, HardwareFacts, ManagerFacts, NetworkFacts, OsFacts, OsdFacts, PackageFacts,
    RuntimeFacts, Vitals,
};
use h8lio_model::order::OrderReport;
use h8lio_model::section::SectionKind;
use serde::de::DeserializeOwned;

use super::text::clean;

/// Most bytes of a section: what one value of the store takes (1 MiB), with room for what is
/// stored beside the body.
pub const MAX_BYTES: usize = crate::store::MAX_VALUE_BYTES - 1024;
/// Deepest nesting of objects and arrays. Our own facts need 6; a newer agent may need more.
pub const MAX_DEPTH: usize = 32;
/// Longest text that a message takes from the parser, bytes.
const CAUSE_MAX: usize = 240;

/// Why a section is refused. The messages carry no control characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSection {
    #[error(
        "the section {kind} has {bytes} bytes and at most {MAX_BYTES} are taken; look on the server for what is so many"
    )]
    TooLarge { kind: SectionKind, bytes: usize },
    #[error(
        "the section {kind} nests more than {MAX_DEPTH} levels deep; no release of the agent writes that"
    )]
    TooDeep { kind: SectionKind },
    #[error(
        "the section {kind} cannot be understood at {field}: {cause}; compare the release of the agent with the coordinator's"
    )]
    NotUnderstood {
        kind: SectionKind,
        /// Where in the section, for example `disks[3].sizeBytes`; `.` for the whole.
        field: String,
        /// The parser's words, cleaned.
        cause: String,
    },
}

impl BadSection {
    /// The section it is about.
    pub const fn kind(&self) -> SectionKind {
        match self {
            Self::TooLarge { kind, .. }
            | Self::TooDeep { kind }
            | Self::NotUnderstood { kind, .. } => *kind,
        }
    }
}

/// Whether `body` can be taken as a section of this kind.
///
/// # Errors
/// [`BadSection`]: too large, too deep, or not the facts of its kind.
pub fn check(kind: SectionKind, body: &[u8]) -> Result<(), BadSection> {
    match kind {
        SectionKind::Hardware => parse::<HardwareFacts>(kind, body).map(drop),
        SectionKind::Os => parse::<OsFacts>(kind, body).map(drop),
        SectionKind::Packages => parse::<PackageFacts>(kind, body).map(drop),
        SectionKind::Disks => parse::<DiskFacts>(kind, body).map(drop),
        SectionKind::Osds => parse::<OsdFacts>(kind, body).map(drop),
        SectionKind::Network => parse::<NetworkFacts>(kind, body).map(drop),
        SectionKind::Runtime => parse::<RuntimeFacts>(kind, body).map(drop),
        SectionKind::Managers => parse::<ManagerFacts>(kind, body).map(drop),
        SectionKind::Conditions => conditions(body).map(drop),
        SectionKind::Vitals => parse::<Vitals>(kind, body).map(drop),
        SectionKind::Orders => orders(body).map(drop),
    }
}

/// What an agent's ledger says, in a section of that kind.
///
/// # Errors
/// [`BadSection`].
pub fn orders(body: &[u8]) -> Result<OrderReport, BadSection> {
    parse(SectionKind::Orders, body)
}

/// The conditions in a section of that kind: a JSON array. One that cannot be read (of a newer
/// agent, say) makes the whole section bad: a condition left out would read as "all is well".
///
/// # Errors
/// [`BadSection`].
pub fn conditions(body: &[u8]) -> Result<Vec<Condition>, BadSection> {
    parse(SectionKind::Conditions, body)
}

/// Reads the facts of a section. Fields that are not known are passed over.
///
/// # Errors
/// [`BadSection`].
pub(crate) fn parse<T: DeserializeOwned>(kind: SectionKind, body: &[u8]) -> Result<T, BadSection> {
    if body.len() > MAX_BYTES {
        let bytes = body.len();
        return Err(BadSection::TooLarge { kind, bytes });
    }
    if !depth_within(body, MAX_DEPTH) {
        return Err(BadSection::TooDeep { kind });
    }
    // The path is looked for only after a failure: finding it costs time and most sections are
    // right.
    serde_json::from_slice(body).map_err(|e| locate::<T>(kind, body, &e))
}

/// Finds the field that `error` is about.
fn locate<T: DeserializeOwned>(
    kind: SectionKind,
    body: &[u8],
    error: &serde_json::Error,
) -> BadSection {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let field = match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Err(e) => e.path().to_string(),
        // Right in itself, so the mistake is what follows it.
        Ok(_) => "its end".to_owned(),
    };
    BadSection::NotUnderstood {
        kind,
        field: clean(&field, CAUSE_MAX),
        cause: clean(&error.to_string(), CAUSE_MAX),
    }
}

/// Whether objects and arrays nest at most `max` deep. Also counts what the parser would pass
/// over as unknown. What is no JSON is judged by the parser afterwards.
fn depth_within(body: &[u8], max: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in body {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > max {
            return false;
        }
    }
    true
}
