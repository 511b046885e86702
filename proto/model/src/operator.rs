//! Who may do what.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{InvalidId, OperatorName};

/// An operator's role; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OperatorRole {
    /// Reads everything, changes nothing.
    Viewer,
    /// Enrolls, labels, cordons, rolls out.
    Operator,
    /// Also approves servers, bans, and (later) destructive permits.
    Approver,
    /// Also manages operators, certificates and backups.
    Admin,
}

impl OperatorRole {
    /// The word used in JSON, certificates and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for OperatorRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for OperatorRole {
    type Err = InvalidId;

    fn from_str(s: &str) -> Result<Self, InvalidId> {
        match s {
            "viewer" => Ok(Self::Viewer),
            "operator" => Ok(Self::Operator),
            "approver" => Ok(Self::Approver),
            "admin" => Ok(Self::Admin),
            _ => Err(InvalidId::new(
                "operator role",
                s,
                "use viewer, operator, approver or admin",
            )),
        }
    }
}

/// An operator as the store and `h8lctl operator list -o json` show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operator {
    pub name: OperatorName,
    pub role: OperatorRole,
    /// Serial number of the one certificate that is valid for this name, lower-case hex.
    pub certificate_serial: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}
