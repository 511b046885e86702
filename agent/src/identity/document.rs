//! `identity.json`: everything that makes the server a member of its fleet.

use std::path::PathBuf;

use h8lio_model::ids::{FleetName, NodeId, NodeName};
use h8lio_tls::bundle::{BundleError, TrustBundle};
use h8lio_tls::files::FileError;
use h8lio_tls::identity::{Identity, IdentityError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::Disk;

/// Name of the file.
pub const FILE: &str = "identity.json";

/// The way out of a file that cannot be used.
const AGAIN: &str = "with a new join token, run h8lio-agent enroll --replace --token-file FILE";

/// A certificate with its key, PEM.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// Leaf first.
    pub chain: String,
    pub key: String,
}

impl Drop for Credential {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential")
    }
}

impl Credential {
    /// As a usable identity.
    ///
    /// # Errors
    /// [`IdentityError`] when chain and key do not fit.
    pub fn identity(&self) -> Result<Identity, IdentityError> {
        Identity::from_pem(self.chain.as_bytes(), self.key.as_bytes())
    }
}

/// The file's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Document {
    /// 1. A higher number was written by a newer agent.
    pub format: u32,
    pub fleet: FleetName,
    pub node_id: NodeId,
    pub node_name: NodeName,
    /// Addresses that came with the join token.
    pub coordinators: Vec<String>,
    /// Roots, PEM.
    pub trust: String,
    /// The newest credential that a coordinator has acknowledged.
    pub current: Credential,
    /// Issued and not yet acknowledged. It is the one to use; see [`super::vault`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Credential>,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    #[error("cannot use the node's identity")]
    File(#[source] FileError),
    #[error("{} is damaged; {AGAIN}", .path.display())]
    Damaged {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("{} was written by a newer agent (format {found}); install that version again", .path.display())]
    Newer { path: PathBuf, found: u32 },
    #[error("the certificate in {FILE} is damaged; {AGAIN}")]
    Credential(#[source] IdentityError),
    #[error("the trusted roots in {FILE} are damaged; {AGAIN}")]
    Trust(#[source] BundleError),
}

impl Document {
    /// Reads the file; `None`: the server is not enrolled.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub fn load(disk: &dyn Disk) -> Result<Option<Self>, DocumentError> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let Some(bytes) = disk.read(FILE).map_err(DocumentError::File)? else {
            return Ok(None);
        };
        let damaged = |source| DocumentError::Damaged {
            path: disk.place(FILE),
            source,
        };
        let version: Version = serde_json::from_slice(&bytes).map_err(damaged)?;
        if version.format != 1 {
            let found = version.format;
            let path = disk.place(FILE);
            return Err(DocumentError::Newer { path, found });
        }
        serde_json::from_slice(&bytes).map(Some).map_err(damaged)
    }

    /// Writes the file, durably.
    ///
    /// # Errors
    /// [`FileError`]; what was there before is still there.
    pub fn save(&self, disk: &dyn Disk) -> Result<(), FileError> {
        // Strings and numbers only: the JSON form always exists.
        let bytes = Zeroizing::new(serde_json::to_vec_pretty(self).unwrap_or_default());
        disk.write(FILE, &bytes)
    }

    /// The trusted roots.
    ///
    /// # Errors
    /// [`DocumentError::Trust`].
    pub fn bundle(&self) -> Result<TrustBundle, DocumentError> {
        TrustBundle::from_pem(self.trust.as_bytes()).map_err(DocumentError::Trust)
    }

    /// The identity for people, as of `now`.
    ///
    /// # Errors
    /// [`DocumentError::Credential`].
    pub fn describe(&self, now: Timestamp) -> Result<String, DocumentError> {
        let mut text = format!(
            "node         {}\nid           {}\nfleet        {}\ncoordinators {}\n",
            self.node_name,
            self.node_id,
            self.fleet,
            self.coordinators.join(", ")
        );
        text.push_str(&line("certificate", &self.current, now)?);
        if let Some(next) = &self.next {
            text.push('\n');
            text.push_str(&line("next", next, now)?);
        }
        Ok(text)
    }
}

fn line(what: &str, credential: &Credential, now: Timestamp) -> Result<String, DocumentError> {
    let identity = credential.identity().map_err(DocumentError::Credential)?;
    let v = identity.validity();
    let state = if now > v.not_after {
        "expired"
    } else if now < v.not_before {
        "not yet valid"
    } else if now >= v.half_life() {
        "valid, renewal due"
    } else {
        "valid"
    };
    Ok(format!(
        "{what:<12} rotation {}, {} to {} ({state})",
        identity.rotation().0,
        v.not_before,
        v.not_after
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::PrivateFolder;
    use crate::identity::testing::{TestCa, at, credential, document};

    #[test]
    fn a_damaged_file_is_named_whole_with_the_next_move() {
        let dir = tempfile::tempdir().expect("a folder");
        let disk = PrivateFolder::new(dir.path());
        disk.write(FILE, b"{\"format\": 1, \"fleet\"")
            .expect("written");
        let error = Document::load(&disk).expect_err("damaged").to_string();
        let path = dir.path().join(FILE);
        assert_eq!(
            error,
            format!(
                "{} is damaged; with a new join token, run h8lio-agent enroll --replace \
                 --token-file FILE",
                path.display()
            )
        );
    }

    fn described(life: (i64, i64), now: i64) -> String {
        let ca = TestCa::new("test");
        let mut d = document(&ca);
        d.current = credential(&ca, life);
        let text = d.describe(at(now)).expect("usable");
        text.lines().last().unwrap_or_default().to_owned()
    }

    #[test]
    fn a_certificate_is_described_by_what_it_is_good_for_now() {
        for (now, state) in [
            (99, "not yet valid"),
            (100, "valid"),
            (199, "valid"),
            (200, "valid, renewal due"),
            (300, "valid, renewal due"),
            (301, "expired"),
        ] {
            assert_eq!(
                described((100, 300), now),
                format!(
                    "certificate  rotation 2, 1970-01-01T00:01:40Z to 1970-01-01T00:05:00Z ({state})"
                ),
                "second {now}"
            );
        }
    }

    #[test]
    fn an_identity_is_described_with_the_credential_that_waits() {
        let ca = TestCa::new("test");
        let mut d = document(&ca);
        d.next = Some(credential(&ca, (200, 400)));
        let text = d.describe(at(250)).expect("usable");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "node         s1");
        assert_eq!(lines[2], "fleet        test");
        assert_eq!(lines[3], "coordinators c1:7443, c2:7443");
        assert!(lines[4].starts_with("certificate  rotation 1,"), "{text}");
        assert!(lines[5].starts_with("next         rotation 2,"), "{text}");
    }

    #[test]
    fn a_file_of_a_newer_agent_is_left_to_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let disk = PrivateFolder::new(dir.path());
        let ours = document(&TestCa::new("test"));
        ours.save(&disk).expect("saved");
        assert_eq!(Document::load(&disk).expect("readable"), Some(ours));
        // What else it holds is not looked at.
        disk.write(FILE, b"{\"format\": 2, \"weather\": 1}")
            .expect("written");
        let error = Document::load(&disk).expect_err("newer");
        assert!(
            matches!(error, DocumentError::Newer { found: 2, .. }),
            "{error:?}"
        );
    }
}
