//! Tokens, events, audit entries, operators and the `Change` of mutating requests.

use h8lio_model::audit::{AuditEntry, Outcome};
use h8lio_model::event::{Event, Severity};
use h8lio_model::operator::{Operator, OperatorRole};
use h8lio_model::token::{Expectation, Token};

use super::{
    Invalid, non_empty, read_digest, read_optional_timestamp, read_roles, read_timestamp, roles,
    timestamp,
};
use crate::v1;

/// A checked [`v1::Change`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub reason: String,
    pub ticket: Option<String>,
    pub request_id: String,
}

/// Reads the reason for a change.
///
/// # Errors
/// When it is missing, empty or too long.
pub fn read_change(c: Option<v1::Change>) -> Result<Change, Invalid> {
    let c = c.ok_or_else(|| Invalid::new("change", "is missing: say why (--reason)"))?;
    if c.reason.trim().is_empty() {
        return Err(Invalid::new(
            "change.reason",
            "must not be empty: say why (--reason)",
        ));
    }
    if c.reason.len() > 1024 || c.ticket.len() > 128 || c.request_id.len() > 128 {
        return Err(Invalid::new(
            "change",
            "a reason has at most 1024 bytes, a ticket and a request id 128",
        ));
    }
    Ok(Change {
        reason: c.reason,
        ticket: non_empty(c.ticket),
        request_id: c.request_id,
    })
}

impl From<Expectation> for v1::Expectation {
    fn from(e: Expectation) -> Self {
        Self {
            serial: e.serial.unwrap_or_default(),
            mac: e.mac.unwrap_or_default(),
            hostname: e.hostname.unwrap_or_default(),
        }
    }
}

impl From<v1::Expectation> for Expectation {
    fn from(e: v1::Expectation) -> Self {
        Self {
            serial: non_empty(e.serial),
            mac: non_empty(e.mac),
            hostname: non_empty(e.hostname),
        }
    }
}

impl From<Token> for v1::Token {
    fn from(t: Token) -> Self {
        Self {
            id: t.id.to_string(),
            created_at: Some(timestamp(t.created_at)),
            created_by: t.created_by,
            expires_at: Some(timestamp(t.expires_at)),
            max_uses: t.max_uses,
            used_by: t.used_by.iter().map(ToString::to_string).collect(),
            roles: roles(&t.roles),
            topology: t.topology.map(Into::into),
            node_name: t.node_name.map(|n| n.to_string()).unwrap_or_default(),
            expect: Some(t.expect.into()),
            auto_approve: t.auto_approve,
            revoked_at: t.revoked_at.map(timestamp),
        }
    }
}

impl TryFrom<v1::Token> for Token {
    type Error = Invalid;

    fn try_from(t: v1::Token) -> Result<Self, Invalid> {
        Ok(Self {
            id: t.id.parse().map_err(|e| Invalid::new("token.id", e))?,
            created_at: read_timestamp("token.created_at", t.created_at)?,
            created_by: t.created_by,
            expires_at: read_timestamp("token.expires_at", t.expires_at)?,
            max_uses: t.max_uses,
            used_by: t
                .used_by
                .iter()
                .map(|n| n.parse().map_err(|e| Invalid::new("token.used_by", e)))
                .collect::<Result<_, _>>()?,
            roles: read_roles(&t.roles)?,
            topology: t.topology.map(TryInto::try_into).transpose()?,
            node_name: non_empty(t.node_name)
                .map(|n| n.parse().map_err(|e| Invalid::new("token.node_name", e)))
                .transpose()?,
            expect: t.expect.map(Into::into).unwrap_or_default(),
            auto_approve: t.auto_approve,
            revoked_at: read_optional_timestamp("token.revoked_at", t.revoked_at)?,
        })
    }
}

impl From<Severity> for v1::event::Severity {
    fn from(s: Severity) -> Self {
        match s {
            Severity::Info => Self::Info,
            Severity::Warning => Self::Warning,
            Severity::Alert => Self::Alert,
        }
    }
}

/// A severity from the wire; unspecified reads as `Info`.
pub fn read_severity(n: i32) -> Severity {
    match v1::event::Severity::try_from(n) {
        Ok(v1::event::Severity::Alert) => Severity::Alert,
        Ok(v1::event::Severity::Warning) => Severity::Warning,
        _ => Severity::Info,
    }
}

impl From<Event> for v1::Event {
    fn from(e: Event) -> Self {
        Self {
            seq: e.seq,
            at: Some(timestamp(e.at)),
            severity: v1::event::Severity::from(e.severity) as i32,
            reason: e.reason,
            node: e.node.map(|n| n.to_string()).unwrap_or_default(),
            node_name: e.node_name.unwrap_or_default(),
            message: e.message,
        }
    }
}

impl TryFrom<v1::Event> for Event {
    type Error = Invalid;

    fn try_from(e: v1::Event) -> Result<Self, Invalid> {
        Ok(Self {
            seq: e.seq,
            at: read_timestamp("event.at", e.at)?,
            severity: read_severity(e.severity),
            reason: e.reason,
            node: non_empty(e.node)
                .map(|n| n.parse().map_err(|e| Invalid::new("event.node", e)))
                .transpose()?,
            node_name: non_empty(e.node_name),
            message: e.message,
        })
    }
}

impl From<AuditEntry> for v1::AuditEntry {
    fn from(e: AuditEntry) -> Self {
        let refused = match e.outcome {
            Outcome::Accepted => String::new(),
            Outcome::Refused { why } => why,
        };
        Self {
            seq: e.seq,
            previous: e.previous.0.to_vec(),
            at: Some(timestamp(e.at)),
            actor: e.actor,
            action: e.action,
            target: e.target,
            reason: e.reason,
            ticket: e.ticket.unwrap_or_default(),
            request_id: e.request_id,
            request: e.request,
            refused,
            hash: e.hash.0.to_vec(),
        }
    }
}

impl TryFrom<v1::AuditEntry> for AuditEntry {
    type Error = Invalid;

    fn try_from(e: v1::AuditEntry) -> Result<Self, Invalid> {
        Ok(Self {
            seq: e.seq,
            previous: read_digest("audit.previous", &e.previous)?,
            at: read_timestamp("audit.at", e.at)?,
            actor: e.actor,
            action: e.action,
            target: e.target,
            reason: e.reason,
            ticket: non_empty(e.ticket),
            request_id: e.request_id,
            request: e.request,
            outcome: match non_empty(e.refused) {
                None => Outcome::Accepted,
                Some(why) => Outcome::Refused { why },
            },
            hash: read_digest("audit.hash", &e.hash)?,
        })
    }
}

impl From<OperatorRole> for v1::OperatorRole {
    fn from(r: OperatorRole) -> Self {
        match r {
            OperatorRole::Viewer => Self::Viewer,
            OperatorRole::Operator => Self::Operator,
            OperatorRole::Approver => Self::Approver,
            OperatorRole::Admin => Self::Admin,
        }
    }
}

/// An operator role from the wire.
///
/// # Errors
/// When it is not known.
pub fn read_operator_role(n: i32) -> Result<OperatorRole, Invalid> {
    match v1::OperatorRole::try_from(n) {
        Ok(v1::OperatorRole::Viewer) => Ok(OperatorRole::Viewer),
        Ok(v1::OperatorRole::Operator) => Ok(OperatorRole::Operator),
        Ok(v1::OperatorRole::Approver) => Ok(OperatorRole::Approver),
        Ok(v1::OperatorRole::Admin) => Ok(OperatorRole::Admin),
        _ => Err(Invalid::new(
            "role",
            format!("operator role {n} is not known"),
        )),
    }
}

impl From<Operator> for v1::Operator {
    fn from(o: Operator) -> Self {
        Self {
            name: o.name.to_string(),
            role: v1::OperatorRole::from(o.role) as i32,
            certificate_serial: o.certificate_serial,
            created_at: Some(timestamp(o.created_at)),
            expires_at: Some(timestamp(o.expires_at)),
            revoked_at: o.revoked_at.map(timestamp),
        }
    }
}

impl TryFrom<v1::Operator> for Operator {
    type Error = Invalid;

    fn try_from(o: v1::Operator) -> Result<Self, Invalid> {
        Ok(Self {
            name: o
                .name
                .parse()
                .map_err(|e| Invalid::new("operator.name", e))?,
            role: read_operator_role(o.role)?,
            certificate_serial: o.certificate_serial,
            created_at: read_timestamp("operator.created_at", o.created_at)?,
            expires_at: read_timestamp("operator.expires_at", o.expires_at)?,
            revoked_at: read_optional_timestamp("operator.revoked_at", o.revoked_at)?,
        })
    }
}
