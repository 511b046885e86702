//! Join tokens: what an unknown server shows to be let in.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{NodeId, NodeName, TokenId};
use crate::role::Role;
use crate::topology::Topology;

/// What the server that uses the token must be. Every field that is set must match, ignoring
/// ASCII case; a server that matches a token with at least one expectation is approved without a
/// person, all others wait as `Pending`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expectation {
    /// DMI system serial number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// A MAC address that one of the server's physical interfaces must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
}

/// What a server says about itself when it asks to join. Claims, not proof: they are compared
/// with the token's expectation and shown to the person who approves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Claims {
    pub hostname: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_uuid: Option<String>,
    #[serde(default)]
    pub macs: Vec<String>,
}

/// How claims compare with an expectation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// Nothing was expected: a person decides.
    NothingExpected,
    /// All that was expected is there.
    Matches,
    /// The first thing that differs.
    Differs {
        what: &'static str,
        expected: String,
        found: String,
    },
}

impl Expectation {
    /// Compares `claims` with what was expected.
    pub fn compare(&self, claims: &Claims) -> Match {
        let mut any = false;
        let single = [
            (
                "serial",
                &self.serial,
                claims.serial.clone().unwrap_or_default(),
            ),
            ("hostname", &self.hostname, claims.hostname.clone()),
        ];
        for (what, expected, found) in single {
            let Some(expected) = expected else { continue };
            any = true;
            if !expected.eq_ignore_ascii_case(&found) {
                return Match::Differs {
                    what,
                    expected: expected.clone(),
                    found,
                };
            }
        }
        if let Some(mac) = &self.mac {
            any = true;
            if !claims.macs.iter().any(|m| m.eq_ignore_ascii_case(mac)) {
                let found = claims.macs.join(", ");
                return Match::Differs {
                    what: "MAC",
                    expected: mac.clone(),
                    found,
                };
            }
        }
        if any {
            Match::Matches
        } else {
            Match::NothingExpected
        }
    }
}

/// A join token as the store and `h8lctl token list -o json` show it. The secret is not here:
/// only its SHA-256 is stored, and only in the coordinator's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    pub id: TokenId,
    pub created_at: Timestamp,
    pub created_by: String,
    pub expires_at: Timestamp,
    /// How often it may be used in all.
    pub max_uses: u32,
    /// The nodes that used it.
    pub used_by: Vec<NodeId>,
    pub roles: Vec<Role>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topology: Option<Topology>,
    /// Name for the node; the claimed hostname otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_name: Option<NodeName>,
    pub expect: Expectation,
    /// Approve without a person even though nothing is expected (labs, trusted networks).
    #[serde(default)]
    pub auto_approve: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// Why a token cannot be used now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    #[error("join token {0} was revoked; ask an operator for a new one (h8lctl token create)")]
    Revoked(TokenId),
    #[error("join token {0} expired at {1}; ask an operator for a new one (h8lctl token create)")]
    Expired(TokenId, Timestamp),
    #[error(
        "join token {id} is used up ({uses} of {uses} uses); if you did not use it, somebody else did: check `h8lctl event list`"
    )]
    UsedUp { id: TokenId, uses: u32 },
}

impl Token {
    /// Whether one more server may use the token at `now`, after `uses` others.
    ///
    /// # Errors
    /// [`TokenRefusal`] says why not.
    pub fn check(&self, uses: u32, now: Timestamp) -> Result<(), TokenRefusal> {
        if self.revoked_at.is_some() {
            return Err(TokenRefusal::Revoked(self.id.clone()));
        }
        if now >= self.expires_at {
            return Err(TokenRefusal::Expired(self.id.clone(), self.expires_at));
        }
        if uses >= self.max_uses {
            return Err(TokenRefusal::UsedUp {
                id: self.id.clone(),
                uses: self.max_uses,
            });
        }
        Ok(())
    }
}
