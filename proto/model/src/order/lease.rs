use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{BootId, InvalidId};

/// What a lease is about, for example `public-ip/192.0.2.7`. At most 128 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LeaseResource(String);

impl LeaseResource {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LeaseResource {
    type Err = InvalidId;

    fn from_str(s: &str) -> Result<Self, InvalidId> {
        let fine = |c: char| c.is_ascii_alphanumeric() || "-._:/".contains(c);
        if s.is_empty() || s.len() > 128 {
            return Err(InvalidId::new(
                "lease resource",
                s,
                "1 to 128 characters are needed",
            ));
        }
        if !s.chars().all(fine) {
            return Err(InvalidId::new(
                "lease resource",
                s,
                "only letters, digits, '-', '.', '_', ':' and '/' are allowed",
            ));
        }
        Ok(Self(s.to_owned()))
    }
}

impl TryFrom<String> for LeaseResource {
    type Error = InvalidId;

    fn try_from(s: String) -> Result<Self, InvalidId> {
        s.parse()
    }
}

impl From<LeaseResource> for String {
    fn from(v: LeaseResource) -> String {
        v.0
    }
}

impl fmt::Display for LeaseResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Ownership that the server has for a time, bound to one boot: after another boot nothing of it
/// holds without a new grant. Its absence in a newer order gives nothing away by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeldLease {
    pub resource: LeaseResource,
    pub boot_id: BootId,
    pub expires_at: Timestamp,
}
