//! Identifiers. Each is its own type so that one cannot be passed for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::text::checked_text;

/// Why a text is not a valid identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {what} {value:?}: {why}")]
pub struct InvalidId {
    /// What was being parsed, for example `node id`.
    pub what: &'static str,
    /// The text as given, cut to 80 characters.
    pub value: String,
    /// What is wrong with it.
    pub why: &'static str,
}

impl InvalidId {
    pub(crate) fn new(what: &'static str, value: &str, why: &'static str) -> Self {
        Self {
            what,
            value: value.chars().take(80).collect(),
            why,
        }
    }
}

/// An enrolled (or enrolling) server: a random UUID given by the coordinator.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(Uuid);

impl NodeId {
    /// Wraps a UUID.
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID itself.
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({})", self.0)
    }
}

impl FromStr for NodeId {
    type Err = InvalidId;

    /// Accepts only the hyphenated lower- or upper-case form of 36 characters.
    fn from_str(s: &str) -> Result<Self, InvalidId> {
        if s.len() != 36 {
            return Err(InvalidId::new(
                "node id",
                s,
                "a UUID of 36 characters is needed",
            ));
        }
        Uuid::try_parse(s)
            .map(Self)
            .map_err(|_| InvalidId::new("node id", s, "not a UUID"))
    }
}

/// The fault of a name, by the shared rule: at most `most` characters, `[a-z0-9]` at both ends,
/// `[a-z0-9._-]` between.
fn name_fault(s: &str, most: usize) -> Option<&'static str> {
    if s.is_empty() {
        return Some("must not be empty");
    }
    if s.len() > most {
        return Some("too long");
    }
    let edge = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let inner = |c: u8| edge(c) || matches!(c, b'.' | b'_' | b'-');
    let bytes = s.as_bytes();
    if !bytes.iter().all(|c| inner(*c)) {
        return Some("only a-z, 0-9, '.', '_' and '-' are allowed");
    }
    let edges = edge(bytes[0]) && edge(bytes[bytes.len() - 1]);
    (!edges).then_some("must begin and end with a letter or a digit")
}

checked_text! {
    /// The fleet: the trust domain of every SPIFFE id. At most 63 characters.
    FleetName, "fleet name", |s| name_fault(s, 63)
}
checked_text! {
    /// A server's name as operators say it; unique in the fleet. At most 253 characters.
    NodeName, "node name", |s| name_fault(s, 253)
}
checked_text! {
    /// An operator. At most 63 characters.
    OperatorName, "operator name", |s| name_fault(s, 63)
}
checked_text! {
    /// The public half of a join token. At most 32 characters.
    TokenId, "token id", |s| name_fault(s, 32)
}
checked_text! {
    /// A rollout, never used for another one. At most 63 characters.
    RolloutName, "rollout name", |s| name_fault(s, 63)
}

/// The kernel's boot id (`/proc/sys/kernel/random/boot_id`): new at each boot, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootId(pub Uuid);

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for BootId {
    type Err = InvalidId;

    fn from_str(s: &str) -> Result<Self, InvalidId> {
        Uuid::try_parse(s.trim())
            .map(Self)
            .map_err(|_| InvalidId::new("boot id", s, "not a UUID"))
    }
}

/// One run of an agent process, chosen at its start: tells a reconnect from a second agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AgentInstance(pub Uuid);

/// One life of a coordinator's data: a restore makes a new one, so that two coordinators with
/// equal epochs can be told apart (design: NodeOrder).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(pub Uuid);

/// How often the identity of a node has been rotated. The first certificate carries 1.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct Rotation(pub u64);

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("")]
    #[case("-a")]
    #[case("a-")]
    #[case("A")]
    #[case("a b")]
    #[case("a/b")]
    #[case("a\u{0}b")]
    #[case("../etc")]
    fn hostile_names_are_refused(#[case] name: &str) {
        name.parse::<NodeName>().expect_err("must be refused");
    }

    #[test]
    fn a_refused_name_is_quoted_and_cut() {
        let err = "X"
            .repeat(1000)
            .parse::<NodeName>()
            .expect_err("must be refused");
        assert!(err.value.len() <= 80);
    }

    #[test]
    fn a_node_id_is_only_taken_in_its_long_form() {
        let id = NodeId::new(Uuid::from_u128(7));
        assert_eq!(id.to_string().parse::<NodeId>(), Ok(id));
        id.as_uuid()
            .simple()
            .to_string()
            .parse::<NodeId>()
            .expect_err("simple form is refused");
    }
}
