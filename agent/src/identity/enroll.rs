//! From a join token to an identity, through any crash.
//!
//! The key is on disk before it is first shown, so that a server that lost power asks again as
//! the same server; a use of the token is counted once for each key. `identity.json` is written
//! in one piece, last.

use std::time::Duration;

use h8lio_model::ids::{FleetName, NodeId, NodeName, TokenId};
use h8lio_model::token::Claims;
use h8lio_tls::files::FileError;
use h8lio_tls::identity::{IdentityError, generate_key, key_from_pem, key_to_pem};
use h8lio_tls::token::JoinToken;
use rcgen::KeyPair;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::Disk;
use super::authority::{Authority, AuthorityError, Enrolled};
use super::document::{Document, DocumentError};
use crate::entropy::Entropy;

/// Name of the file that holds the key of an enrollment in progress.
pub const FILE: &str = "enrolling.json";

/// Bounds on what a coordinator may ask for between two polls.
const POLL: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));

/// Wait after an attempt that reached nobody.
const RETRY: Duration = Duration::from_secs(3);

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    pub fleet: FleetName,
    pub node_id: NodeId,
    pub node_name: NodeName,
    /// It was enrolled already; nothing was changed.
    pub already: bool,
}

/// Something worth telling while it takes long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    Pending {
        node_name: String,
        explanation: String,
    },
    /// No coordinator could answer, and it is asked again.
    Trying { cause: String },
}

/// Why a server was not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    #[error(
        "this server belongs to fleet {ours} as {name}; the join token is of another one: to leave {ours}, add --replace"
    )]
    OtherFleet { ours: FleetName, name: NodeName },
    #[error("the old identity cannot be read")]
    Old(#[source] DocumentError),
    #[error("the enrollment cannot be kept in the state directory")]
    Keep(#[source] FileError),
    #[error("cannot make a key")]
    Key(#[source] IdentityError),
    #[error("not enrolled")]
    Authority(#[source] AuthorityError),
    #[error("not enrolled within {}; the same command goes on with the same key", text(*.after))]
    GaveUp {
        after: Duration,
        #[source]
        last: AuthorityError,
    },
    #[error(
        "the coordinator's answer does not fit: its trust bundle lacks the CA that the join token names; nothing was kept"
    )]
    WrongBundle,
    #[error(
        "the coordinator's answer does not fit: the certificate is for {found}, the answer says {expected}; nothing was kept"
    )]
    WrongCertificate { expected: String, found: String },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Unfinished {
    token_id: TokenId,
    key: String,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

/// What to enroll with.
#[derive(Debug)]
pub struct Enrollment<'a> {
    pub token: &'a JoinToken,
    pub claims: &'a Claims,
    /// Leave the fleet that the server belongs to now.
    pub replace: bool,
    /// How long to try in a row while no coordinator can answer; `None`: for ever. Waiting for a
    /// person's approval is not counted.
    pub patience: Option<Duration>,
}

fn text(time: Duration) -> String {
    jiff::SignedDuration::try_from(time).map_or_else(|_| "ever".to_owned(), |d| format!("{d:#}"))
}

/// Enrolls, polling while a person must approve, until done or refused.
///
/// Cancel-safe: dropped at any moment, the next call goes on with the same key.
///
/// # Errors
/// [`EnrollError`]; an identity that the server had before is then still there.
pub async fn enroll(
    disk: &dyn Disk,
    authority: &dyn Authority,
    what: &Enrollment<'_>,
    entropy: &dyn Entropy,
    mut tell: impl FnMut(Progress),
) -> Result<Membership, EnrollError> {
    if let Some(already) = existing(disk, what)? {
        disk.remove(FILE).map_err(EnrollError::Keep)?;
        return Ok(already);
    }
    let key = unfinished_key(disk, &what.token.id)?;
    loop {
        match answered(authority, what, &key, entropy, &mut tell).await? {
            answer @ Enrolled::Issued { .. } => return keep(disk, what, answer),
            Enrolled::Pending {
                node_name,
                explanation,
                retry_after,
            } => {
                tell(Progress::Pending {
                    node_name,
                    explanation,
                });
                let wait = retry_after.clamp(POLL.0, POLL.1);
                tokio::time::sleep(wait + entropy.up_to(wait / 4)).await;
            }
        }
    }
}

/// Asks until a coordinator answers, for as long as the caller has patience.
async fn answered(
    authority: &dyn Authority,
    what: &Enrollment<'_>,
    key: &KeyPair,
    entropy: &dyn Entropy,
    tell: &mut impl FnMut(Progress),
) -> Result<Enrolled, EnrollError> {
    let mut last = None;
    let trying = async {
        loop {
            match authority.enroll(what.token, key, what.claims).await {
                Err(e) if e.is_retryable() => {
                    let cause = e.to_string();
                    tell(Progress::Trying { cause });
                    last = Some(e);
                }
                answer => return answer.map_err(EnrollError::Authority),
            }
            tokio::time::sleep(RETRY + entropy.up_to(RETRY / 4)).await;
        }
    };
    let Some(after) = what.patience else {
        return trying.await;
    };
    // An attempt that is cut off here has done no harm: its key is on disk.
    match tokio::time::timeout(after, trying).await {
        Ok(outcome) => outcome,
        Err(_) => Err(EnrollError::GaveUp {
            after,
            last: last.unwrap_or(AuthorityError::Unreached {
                cause: "none came to the first attempt".to_owned(),
            }),
        }),
    }
}

/// What the server is already, when `token` is of its fleet; `None`: not enrolled, or elsewhere.
///
/// # Errors
/// [`DocumentError`] when the identity cannot be read.
pub fn membership(disk: &dyn Disk, token: &JoinToken) -> Result<Option<Membership>, DocumentError> {
    let Some(old) = Document::load(disk)? else {
        return Ok(None);
    };
    Ok(old.bundle()?.has(token.pin).then(|| Membership {
        fleet: old.fleet.clone(),
        node_id: old.node_id,
        node_name: old.node_name.clone(),
        already: true,
    }))
}

fn existing(disk: &dyn Disk, what: &Enrollment<'_>) -> Result<Option<Membership>, EnrollError> {
    if what.replace {
        return Ok(None);
    }
    if let Some(already) = membership(disk, what.token).map_err(EnrollError::Old)? {
        return Ok(Some(already));
    }
    match Document::load(disk).map_err(EnrollError::Old)? {
        None => Ok(None),
        Some(old) => Err(EnrollError::OtherFleet {
            ours: old.fleet.clone(),
            name: old.node_name.clone(),
        }),
    }
}

/// The key of an enrollment with this token that was cut short, or a new one, kept on disk.
fn unfinished_key(disk: &dyn Disk, token_id: &TokenId) -> Result<KeyPair, EnrollError> {
    if let Some(bytes) = disk.read(FILE).map_err(EnrollError::Keep)?
        && let Ok(unfinished) = serde_json::from_slice::<Unfinished>(&bytes)
        && unfinished.token_id == *token_id
        && let Ok(key) = key_from_pem(&unfinished.key)
    {
        return Ok(key);
    }
    let key = generate_key().map_err(EnrollError::Key)?;
    let unfinished = Unfinished {
        token_id: token_id.clone(),
        key: key_to_pem(&key).to_string(),
    };
    // Two strings: the JSON form always exists.
    let bytes = Zeroizing::new(serde_json::to_vec(&unfinished).unwrap_or_default());
    disk.write(FILE, &bytes).map_err(EnrollError::Keep)?;
    Ok(key)
}

fn keep(
    disk: &dyn Disk,
    what: &Enrollment<'_>,
    answer: Enrolled,
) -> Result<Membership, EnrollError> {
    let Enrolled::Issued {
        fleet,
        node_id,
        node_name,
        issued,
    } = answer
    else {
        return Err(EnrollError::WrongBundle);
    };
    if !issued.bundle.has(what.token.pin) {
        return Err(EnrollError::WrongBundle);
    }
    let expected = format!("spiffe://{fleet}/node/{node_id}");
    let found = issued
        .credential
        .identity()
        .map_err(EnrollError::Key)?
        .spiffe()
        .to_string();
    if expected != found {
        return Err(EnrollError::WrongCertificate { expected, found });
    }
    let document = Document {
        format: 1,
        fleet: fleet.clone(),
        node_id,
        node_name: node_name.clone(),
        coordinators: what.token.addresses.clone(),
        trust: issued.bundle.to_pem(),
        current: issued.credential,
        next: None,
    };
    document.save(disk).map_err(EnrollError::Keep)?;
    disk.remove(FILE).map_err(EnrollError::Keep)?;
    Ok(Membership {
        fleet,
        node_id,
        node_name,
        already: false,
    })
}

#[cfg(test)]
#[path = "enroll_tests.rs"]
mod tests;
