//! Between generated types and the model. Reading is strict: a field that cannot mean anything
//! is an [`Invalid`] that names it.

mod fleet;
mod node;
mod session;

pub use fleet::*;
pub use session::*;

use h8lio_model::audit::AuditHead;
use h8lio_model::role::Role;
use h8lio_model::section::Digest;
use h8lio_model::topology::Topology;
use jiff::Timestamp;

use crate::v1;

/// A message whose content cannot mean anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field {field}: {why}")]
pub struct Invalid {
    /// Path of the field, for example `change.reason`.
    pub field: &'static str,
    pub why: String,
}

impl Invalid {
    /// Names the field and what is wrong with it.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "errors and texts are handed over alike"
    )]
    pub fn new(field: &'static str, why: impl ToString) -> Self {
        Self {
            field,
            why: why.to_string(),
        }
    }
}

impl From<Invalid> for tonic::Status {
    fn from(e: Invalid) -> Self {
        Self::invalid_argument(e.to_string())
    }
}

/// Timestamp to the wire.
pub fn timestamp(t: Timestamp) -> prost_types::Timestamp {
    let mut seconds = t.as_second();
    let mut nanos = t.subsec_nanosecond();
    if nanos < 0 {
        seconds -= 1;
        nanos += 1_000_000_000;
    }
    prost_types::Timestamp { seconds, nanos }
}

/// Timestamp from the wire.
///
/// # Errors
/// When it is missing or out of range.
pub fn read_timestamp(
    field: &'static str,
    t: Option<prost_types::Timestamp>,
) -> Result<Timestamp, Invalid> {
    let t = t.ok_or_else(|| Invalid::new(field, "is missing"))?;
    Timestamp::new(t.seconds, t.nanos).map_err(|e| Invalid::new(field, e))
}

/// Optional timestamp from the wire.
///
/// # Errors
/// When it is out of range.
pub fn read_optional_timestamp(
    field: &'static str,
    t: Option<prost_types::Timestamp>,
) -> Result<Option<Timestamp>, Invalid> {
    t.map(|t| read_timestamp(field, Some(t))).transpose()
}

/// Duration to the wire.
pub fn duration(d: std::time::Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(d.as_secs()).unwrap_or(i64::MAX),
        nanos: d.subsec_nanos() as i32,
    }
}

/// Duration from the wire; negative ones are refused.
///
/// # Errors
/// When it is missing or negative.
pub fn read_duration(
    field: &'static str,
    d: Option<prost_types::Duration>,
) -> Result<std::time::Duration, Invalid> {
    let d = d.ok_or_else(|| Invalid::new(field, "is missing"))?;
    std::time::Duration::try_from(d).map_err(|_| Invalid::new(field, "must not be negative"))
}

/// A digest of exactly 32 bytes.
///
/// # Errors
/// When it has another length.
pub fn read_digest(field: &'static str, bytes: &[u8]) -> Result<Digest, Invalid> {
    Digest::from_slice(bytes).ok_or_else(|| Invalid::new(field, "a digest has 32 bytes"))
}

impl From<AuditHead> for v1::AuditHead {
    fn from(h: AuditHead) -> Self {
        Self {
            seq: h.seq,
            hash: h.hash.0.to_vec(),
        }
    }
}

impl TryFrom<v1::AuditHead> for AuditHead {
    type Error = Invalid;

    fn try_from(h: v1::AuditHead) -> Result<Self, Invalid> {
        Ok(Self {
            seq: h.seq,
            hash: read_digest("audit_head.hash", &h.hash)?,
        })
    }
}

impl From<Topology> for v1::Topology {
    fn from(t: Topology) -> Self {
        Self {
            region: t.region,
            datacenter: t.datacenter,
            zone: t.zone,
            rack: t.rack,
            slot: t.slot.unwrap_or_default(),
        }
    }
}

impl TryFrom<v1::Topology> for Topology {
    type Error = Invalid;

    fn try_from(t: v1::Topology) -> Result<Self, Invalid> {
        let mut text = format!("{}/{}/{}/{}", t.region, t.datacenter, t.zone, t.rack);
        if !t.slot.is_empty() {
            text = format!("{text}/{}", t.slot);
        }
        text.parse().map_err(|e| Invalid::new("topology", e))
    }
}

impl From<Role> for v1::Role {
    fn from(r: Role) -> Self {
        match r {
            Role::Cloud => Self::Cloud,
            Role::Storage => Self::Storage,
        }
    }
}

/// Roles to the wire.
pub fn roles(roles: &[Role]) -> Vec<i32> {
    roles.iter().map(|r| v1::Role::from(*r) as i32).collect()
}

/// Roles from the wire, sorted and without repetition.
///
/// # Errors
/// When one is not known.
pub fn read_roles(wire: &[i32]) -> Result<Vec<Role>, Invalid> {
    let mut out = Vec::new();
    for r in wire {
        out.push(match v1::Role::try_from(*r) {
            Ok(v1::Role::Cloud) => Role::Cloud,
            Ok(v1::Role::Storage) => Role::Storage,
            _ => return Err(Invalid::new("roles", format!("role {r} is not known"))),
        });
    }
    out.sort();
    out.dedup();
    Ok(out)
}

/// An empty string as none.
pub fn non_empty(s: String) -> Option<String> {
    if s.is_empty() { None } else { Some(s) }
}
