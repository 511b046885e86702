//! What is stored about a node, and under which keys.

use h8lio_model::audit::AuditHead;
use h8lio_model::ids::{BootId, NodeId, NodeName, Rotation, TokenId};
use h8lio_model::labels::Labels;
use h8lio_model::lifecycle::{Admission, Ban, Quarantined, Restriction, Scheduling};
use h8lio_model::release::Release;
use h8lio_model::role::Role;
use h8lio_model::section::{Digest, SectionKind};
use h8lio_model::token::{Claims, Token};
use h8lio_model::topology::Topology;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Prefix of node records.
pub const NODES: &str = "/h8lio/node/";
/// Prefix of what sessions leave behind: boot id, version, witnessed audit head.
pub const SEEN: &str = "/h8lio/seen/";
/// Prefix of report sections.
pub const SECTIONS: &str = "/h8lio/section/";
/// Prefix of join tokens.
pub const TOKENS: &str = "/h8lio/token/";
/// Prefix of the uses of join tokens.
pub const TOKEN_USES: &str = "/h8lio/token-use/";
/// Prefix of the keys that nodes asked to join with: one key a digest, its value the node id. Finds
/// who asks again, and makes the keys unique.
pub const KEYS: &str = "/h8lio/node-key/";
/// Prefix of operators.
pub const OPERATORS: &str = "/h8lio/operator/";
/// Prefix of node names: one key a name, its value the node id. Makes names unique.
pub const NAMES: &str = "/h8lio/name/";

/// Key of a node record.
pub fn node_key(id: NodeId) -> String {
    format!("{NODES}{id}")
}

/// Key of what a node's sessions left behind.
pub fn seen_key(id: NodeId) -> String {
    format!("{SEEN}{id}")
}

/// Key of a section of a node.
pub fn section_key(id: NodeId, kind: SectionKind) -> String {
    format!("{SECTIONS}{id}/{kind}")
}

/// Key of a name.
pub fn name_key(name: &NodeName) -> String {
    format!("{NAMES}{name}")
}

/// Key of a token.
pub fn token_key(id: &TokenId) -> String {
    format!("{TOKENS}{id}")
}

/// Key of a node's use of a token.
pub fn token_use_key(token: &TokenId, node: NodeId) -> String {
    format!("{TOKEN_USES}{token}/{node}")
}

/// Key of a key that a node asked with.
pub fn enrolled_key_key(key: Digest) -> String {
    format!("{KEYS}{key}")
}

/// A certificate that was given to a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IssuedRecord {
    /// Serial, lower-case hex; carries the rotation.
    pub serial: String,
    pub rotation: Rotation,
    pub not_after: Timestamp,
    /// Generation of the authority that issued it; 0 when not known.
    #[serde(default)]
    pub authority: u64,
}

/// A node, as stored. Changed only by compare-and-set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeRecord {
    pub id: NodeId,
    pub name: NodeName,
    pub admission: Admission,
    pub scheduling: Scheduling,
    #[serde(default)]
    pub banned: Option<Ban>,
    /// A fact of its own: the end of a ban does not make a clone go away.
    #[serde(default)]
    pub quarantined: Option<Quarantined>,
    pub roles: Vec<Role>,
    pub topology: Option<Topology>,
    pub labels: Labels,
    pub created_at: Timestamp,
    /// The token that let it ask.
    pub token: TokenId,
    /// SHA-256 of the public key (SPKI) that it asked with: makes enrolling idempotent.
    pub enrolled_key: Digest,
    pub claims: Claims,
    /// Why it waits for a person, while `Pending`.
    #[serde(default)]
    pub pending_reason: String,
    /// The newest certificate that the node has used.
    pub current: Option<IssuedRecord>,
    /// The newest certificate issued; pending until used.
    pub pending: Option<IssuedRecord>,
    /// Re-attestation is accepted until then whatever the age of the certificate.
    pub recovery_until: Option<Timestamp>,
}

impl NodeRecord {
    /// What holds the node back: a ban before a quarantine.
    pub fn restriction(&self) -> Option<Restriction> {
        let ban = self.banned.clone().map(Restriction::from);
        ban.or_else(|| self.quarantined.clone().map(Restriction::from))
    }

    /// The highest rotation that the node has proved to hold.
    pub fn acknowledged(&self) -> Rotation {
        self.current.as_ref().map_or(Rotation(0), |c| c.rotation)
    }

    /// Notes that a certificate was used; answers whether that is news. Of two sessions that begin
    /// at the same time the older certificate may be told last: what was proved stays proved.
    pub fn acknowledge(&mut self, used: &IssuedRecord) -> bool {
        if self.current.as_ref() == Some(used) || used.rotation < self.acknowledged() {
            return false;
        }
        self.current = Some(used.clone());
        if self
            .pending
            .as_ref()
            .is_some_and(|p| p.rotation <= used.rotation)
        {
            self.pending = None;
        }
        true
    }

    /// The rotation of the next certificate: above everything ever issued.
    pub fn next_rotation(&self) -> Rotation {
        let pending = self.pending.as_ref().map_or(Rotation(0), |c| c.rotation);
        Rotation(self.acknowledged().max(pending).0 + 1)
    }
}

/// What sessions leave behind; written when it changes, never for a beat.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SeenRecord {
    pub boot_id: Option<BootId>,
    pub agent_version: Option<String>,
    /// The newest release of the agent that ever had a session.
    pub agent_newest: Option<String>,
    /// The newest audit head that the agent remembers.
    pub audit_head: Option<AuditHead>,
    /// Digest of the trust bundle that the agent uses.
    pub trust_bundle: Option<Digest>,
    /// When the last session began.
    pub session_at: Option<Timestamp>,
}

impl SeenRecord {
    /// The newest release of the agent that ever had a session; records of before that was kept know
    /// the last one alone.
    pub fn newest_agent(&self) -> Option<Release> {
        let known = self.agent_newest.as_ref().or(self.agent_version.as_ref());
        known.and_then(|text| text.parse().ok())
    }

    /// A session of this release began. What is no release is kept as it is, and is never the newest.
    pub fn saw_agent(&mut self, version: &str) {
        let now = version.parse::<Release>().ok();
        let newest = self.newest_agent().max(now);
        self.agent_newest = newest.map(|release| release.to_string());
        self.agent_version = Some(version.to_owned());
    }
}

/// A join token with the hash of its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenRecord {
    /// Who used it stands below [`TOKEN_USES`], one key a node: a token for a whole fleet would grow
    /// with each, and be written anew each time.
    pub token: Token,
    /// How often it was used.
    #[serde(default)]
    pub uses: u32,
    /// SHA-256 of the secret.
    pub secret_hash: Digest,
}

/// Why a stored record cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "the record {key} in the store cannot be understood; it was written by a newer release, or damaged"
)]
pub struct BadRecord {
    pub key: String,
    #[source]
    pub source: serde_json::Error,
}

/// Reads a record.
///
/// # Errors
/// [`BadRecord`].
pub fn read<T: serde::de::DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, BadRecord> {
    serde_json::from_slice(value).map_err(|source| BadRecord {
        key: key.to_owned(),
        source,
    })
}

/// Writes a record. Records are structs of strings, numbers and maps with string keys: their
/// JSON form always exists.
pub fn write<T: Serialize>(record: &T) -> Vec<u8> {
    serde_json::to_vec(record).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::testing::{issued, record};

    /// scenario: 35 (unit)
    #[test]
    fn an_older_certificate_told_last_takes_nothing_back() {
        let mut r = record(1, "n1");
        r.pending = Some(issued(5));
        assert!(r.acknowledge(&issued(5)));
        assert!(!r.acknowledge(&issued(4)));
        assert!(!r.acknowledge(&issued(5)));
        assert_eq!((r.acknowledged(), r.pending), (Rotation(5), None));
    }

    /// scenario: 35 (unit)
    #[test]
    fn a_certificate_that_is_not_used_yet_waits_for_its_turn() {
        let mut r = record(1, "n1");
        r.pending = Some(issued(7));
        assert!(r.acknowledge(&issued(6)), "the one before it is in use");
        assert_eq!(
            (r.acknowledged(), &r.pending),
            (Rotation(6), &Some(issued(7)))
        );
        assert!(r.acknowledge(&issued(8)));
        assert_eq!((r.acknowledged(), &r.pending), (Rotation(8), &None));
    }

    #[test]
    fn a_certificate_in_use_is_noted_again_when_its_authority_becomes_known() {
        let mut r = record(1, "n1");
        let unknown = IssuedRecord {
            authority: 0,
            ..issued(5)
        };
        assert!(r.acknowledge(&unknown));
        assert!(r.acknowledge(&issued(5)));
        assert_eq!(r.current, Some(issued(5)));
    }

    #[test]
    fn the_next_rotation_is_above_all_that_were_ever_issued() {
        let mut r = record(1, "n1");
        assert_eq!(r.next_rotation(), Rotation(1));
        r.current = Some(issued(3));
        assert_eq!(r.next_rotation(), Rotation(4));
        r.pending = Some(issued(5));
        assert_eq!(r.next_rotation(), Rotation(6));
        r.current = Some(issued(9));
        assert_eq!(r.next_rotation(), Rotation(10));
    }

    /// What a release has written, later ones must find: these are no free choice.
    #[test]
    fn records_lie_where_earlier_releases_put_them() {
        let id = record(1, "n1").id;
        let uuid = "00000000-0000-0000-0000-000000000001";
        assert_eq!(node_key(id), format!("/h8lio/node/{uuid}"));
        assert_eq!(seen_key(id), format!("/h8lio/seen/{uuid}"));
        let os = section_key(id, SectionKind::Os);
        assert_eq!(os, format!("/h8lio/section/{uuid}/os"));
        assert_eq!(name_key(&"n1".parse().expect("a name")), "/h8lio/name/n1");
        assert_eq!(token_key(&"t1".parse().expect("an id")), "/h8lio/token/t1");
    }

    #[test]
    fn a_record_that_cannot_be_read_is_named() {
        let ours = record(1, "n1");
        assert_eq!(read::<NodeRecord>("/k", &write(&ours)).expect("read"), ours);
        let error = read::<NodeRecord>("/k", b"{}").expect_err("damaged");
        assert!(error.to_string().contains("record /k "), "{error}");
    }
}
