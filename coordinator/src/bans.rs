//! Who was thrown out, kept a second time outside the store: whoever puts back an old copy of the
//! store must not let in again whom an operator has banned, decommissioned or revoked since, nor a
//! copied identity.
//!
//! One line of JSON a [`Word`], in the order they were given; the file only grows. What throws out is
//! here before it is in the store, what lets in again only afterwards: a crash between the two errs
//! on the side of the ban.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use h8lio_model::ids::{NodeId, NodeName, OperatorName};
use h8lio_model::lifecycle::{Ban, Quarantined};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Lies beside the store.
const FILE: &str = "bans.log";

/// Where it is for this store.
pub fn path(store: &Path) -> PathBuf {
    store.with_file_name(FILE)
}

/// The file.
#[derive(Debug)]
pub struct BanFile {
    path: PathBuf,
    writing: Mutex<()>,
    turn: tokio::sync::Mutex<()>,
}

/// One thing that was said of a node or of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "act")]
pub enum Word {
    Ban {
        node: NodeId,
        name: NodeName,
        #[serde(flatten)]
        ban: Ban,
    },
    Unban {
        node: NodeId,
        name: NodeName,
        at: Timestamp,
    },
    Quarantine {
        node: NodeId,
        name: NodeName,
        #[serde(flatten)]
        quarantined: Quarantined,
    },
    /// The end of a quarantine.
    Approve {
        node: NodeId,
        name: NodeName,
        at: Timestamp,
    },
    /// For good.
    Decommission {
        node: NodeId,
        name: NodeName,
        at: Timestamp,
    },
    /// A certificate that was revoked or replaced is never good again, whoever has its name.
    Revoke {
        operator: OperatorName,
        certificate_serial: String,
        at: Timestamp,
    },
}

/// Who is out, by the last word on each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Out {
    pub banned: BTreeMap<NodeId, Ban>,
    pub quarantined: BTreeMap<NodeId, Quarantined>,
    pub decommissioned: BTreeSet<NodeId>,
    /// Certificates of operators, by serial number, and since when.
    pub revoked: BTreeMap<String, Timestamp>,
}

impl Out {
    fn hear(&mut self, word: Word) {
        match word {
            Word::Ban { node, ban, .. } => drop(self.banned.insert(node, ban)),
            Word::Unban { node, .. } => drop(self.banned.remove(&node)),
            Word::Quarantine {
                node, quarantined, ..
            } => drop(self.quarantined.insert(node, quarantined)),
            Word::Approve { node, .. } => drop(self.quarantined.remove(&node)),
            Word::Decommission { node, .. } => drop(self.decommissioned.insert(node)),
            Word::Revoke {
                certificate_serial,
                at,
                ..
            } => drop(self.revoked.insert(certificate_serial, at)),
        }
    }
}

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {}, which keeps bans outside the store; free space on its disk, or make it readable and writable for this user", path.display())]
pub struct BanFileError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl BanFile {
    /// The one beside this store; it need not exist.
    pub fn beside(store: &Path) -> Self {
        Self {
            path: path(store),
            writing: Mutex::new(()),
            turn: tokio::sync::Mutex::new(()),
        }
    }

    /// Whoever changes the store and the file together holds this meanwhile, so that the file's last
    /// word on a node is the store's too.
    pub async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Notes a word. It lasts when this returns. Blocks.
    ///
    /// # Errors
    /// [`BanFileError`]; then it may be there or not.
    pub fn note(&self, word: &Word) -> Result<(), BanFileError> {
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        // Names, times and text: this form always exists.
        let mut text = serde_json::to_vec(word).unwrap_or_default();
        text.push(b'\n');
        self.add(&text).map_err(|source| self.failed(source))
    }

    /// As [`BanFile::note`], for callers that must not block.
    ///
    /// # Errors
    /// [`BanFileError`].
    pub async fn noted(self: &Arc<Self>, word: Word) -> Result<(), BanFileError> {
        let this = Arc::clone(self);
        let noted = tokio::task::spawn_blocking(move || this.note(&word));
        // It fails only when it panicked or the runtime ends.
        let lost = |e| Err(self.failed(io::Error::other(e)));
        noted.await.unwrap_or_else(lost)
    }

    /// As [`BanFile::read`], for callers that must not block.
    ///
    /// # Errors
    /// [`BanFileError`].
    pub async fn heard(self: &Arc<Self>) -> Result<Out, BanFileError> {
        let this = Arc::clone(self);
        let heard = tokio::task::spawn_blocking(move || this.read());
        let lost = |e| Err(self.failed(io::Error::other(e)));
        heard.await.unwrap_or_else(lost)
    }

    /// What it says. What cannot be read is passed over and logged: a line is torn when power was
    /// lost while it was written, and then nobody was told that it was done.
    ///
    /// # Errors
    /// [`BanFileError`]; a file that does not exist is empty.
    pub fn read(&self) -> Result<Out, BanFileError> {
        let bytes = match std::fs::read(&self.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read.map_err(|source| self.failed(source))?,
        };
        let mut out = Out::default();
        for (number, line) in bytes.split(|b| *b == b'\n').enumerate() {
            match serde_json::from_slice(line) {
                Ok(word) => out.hear(word),
                Err(_) if line.is_empty() => {}
                Err(error) => {
                    let (path, line) = (self.path.display(), number + 1);
                    tracing::warn!(%path, line, %error, "a line of the bans' file cannot be read");
                }
            }
        }
        Ok(out)
    }

    fn add(&self, text: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.create(true).read(true).append(true).mode(0o600);
        let mut file = options.open(&self.path)?;
        // Behind a torn line a new one begins.
        let mut last = [b'\n'];
        if file.seek(SeekFrom::End(-1)).is_ok() {
            file.read_exact(&mut last)?;
        }
        let mut whole = if last == [b'\n'] {
            Vec::new()
        } else {
            vec![b'\n']
        };
        whole.extend_from_slice(text);
        file.write_all(&whole)?;
        file.sync_all()?;
        let folder = self.path.parent().filter(|p| !p.as_os_str().is_empty());
        std::fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }

    fn failed(&self, source: io::Error) -> BanFileError {
        BanFileError {
            path: self.path.clone(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: u128) -> NodeId {
        NodeId::new(uuid::Uuid::from_u128(n))
    }

    fn name() -> NodeName {
        "n1".parse().expect("a name")
    }

    fn ban(reason: &str) -> Ban {
        Ban {
            reason: reason.to_owned(),
            by: "ada".to_owned(),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    fn banned(n: u128, reason: &str) -> Word {
        Word::Ban {
            node: node(n),
            name: name(),
            ban: ban(reason),
        }
    }

    /// Every word there is, two of them taken back.
    fn all() -> Vec<Word> {
        let (name, at) = (name(), Timestamp::UNIX_EPOCH);
        let quarantine = |n| Word::Quarantine {
            node: node(n),
            name: name.clone(),
            quarantined: Quarantined {
                reason: "two of them".to_owned(),
                at,
            },
        };
        vec![
            banned(1, "stolen"),
            banned(2, "leaked"),
            Word::Unban {
                node: node(1),
                name: name.clone(),
                at,
            },
            quarantine(3),
            quarantine(4),
            Word::Approve {
                node: node(3),
                name: name.clone(),
                at,
            },
            Word::Decommission {
                node: node(5),
                name: name.clone(),
                at,
            },
            Word::Revoke {
                operator: "bob".parse().expect("a name"),
                certificate_serial: "0a".to_owned(),
                at,
            },
        ]
    }

    #[test]
    fn the_last_word_on_a_node_counts_also_for_whoever_opens_the_file_later() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = folder.path().join("coordinator.db");
        let file = BanFile::beside(&store);
        assert_eq!(file.read().expect("no file"), Out::default());
        for word in all() {
            file.note(&word).expect("noted");
        }
        let later = BanFile::beside(&store).read().expect("read");
        assert_eq!(later.banned, BTreeMap::from([(node(2), ban("leaked"))]));
        assert_eq!(later.quarantined.keys().collect::<Vec<_>>(), [&node(4)]);
        assert_eq!(later.decommissioned, BTreeSet::from([node(5)]));
        assert_eq!(later.revoked.keys().collect::<Vec<_>>(), ["0a"]);
    }

    #[test]
    fn a_torn_line_takes_no_other_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = BanFile::beside(&folder.path().join("coordinator.db"));
        file.note(&banned(1, "stolen")).expect("noted");
        let path = folder.path().join(FILE);
        let mut bytes = std::fs::read(&path).expect("the file");
        bytes.extend_from_slice(b"{\"act\":\"ban\",\"no");
        std::fs::write(&path, bytes).expect("torn");
        file.note(&banned(2, "leaked")).expect("noted");
        let out = file.read().expect("read");
        assert_eq!(out.banned.len(), 2, "{out:?}");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = BanFile::beside(&folder.path().join("gone/coordinator.db"));
        let error = file.note(&banned(1, "stolen")).expect_err("no");
        assert!(error.to_string().contains(FILE), "{error}");
    }
}
