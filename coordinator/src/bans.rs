//! Bans, kept a second time outside the store: whoever puts back an old copy of the store must not
//! let in again whom an operator has thrown out since.
//!
//! One line of JSON a ban or the end of one, in the order they were given; the file only grows. A
//! ban is here before it is in the store, the end of a ban only afterwards: a crash between the two
//! errs on the side of the ban.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use h8lio_model::ids::{NodeId, NodeName};
use h8lio_model::lifecycle::Ban;
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
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "act")]
enum Line {
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
        }
    }

    /// Notes a ban. It lasts when this returns. Blocks.
    ///
    /// # Errors
    /// [`BanFileError`]; then it may be there or not.
    pub fn ban(&self, node: NodeId, name: &NodeName, ban: &Ban) -> Result<(), BanFileError> {
        self.append(&Line::Ban {
            node,
            name: name.clone(),
            ban: ban.clone(),
        })
    }

    /// Notes the end of a ban, as [`BanFile::ban`].
    ///
    /// # Errors
    /// [`BanFileError`].
    pub fn unban(&self, node: NodeId, name: &NodeName, at: Timestamp) -> Result<(), BanFileError> {
        self.append(&Line::Unban {
            node,
            name: name.clone(),
            at,
        })
    }

    /// Who is banned by the last word on each node. What cannot be read is passed over and logged: a
    /// line is torn when power was lost while it was written, and then the ban was not given.
    ///
    /// # Errors
    /// [`BanFileError`]; a file that does not exist is empty.
    pub fn banned(&self) -> Result<BTreeMap<NodeId, Ban>, BanFileError> {
        let bytes = match std::fs::read(&self.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read.map_err(|source| self.failed(source))?,
        };
        let mut banned = BTreeMap::new();
        for (number, line) in bytes.split(|b| *b == b'\n').enumerate() {
            match serde_json::from_slice(line) {
                Ok(Line::Ban { node, ban, .. }) => drop(banned.insert(node, ban)),
                Ok(Line::Unban { node, .. }) => drop(banned.remove(&node)),
                Err(_) if line.is_empty() => {}
                Err(error) => {
                    let (path, line) = (self.path.display(), number + 1);
                    tracing::warn!(%path, line, %error, "a line of the bans' file cannot be read");
                }
            }
        }
        Ok(banned)
    }

    fn append(&self, line: &Line) -> Result<(), BanFileError> {
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        // Names, times and text: this form always exists.
        let mut text = serde_json::to_vec(line).unwrap_or_default();
        text.push(b'\n');
        self.add(&text).map_err(|source| self.failed(source))
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

    #[test]
    fn the_last_word_on_a_node_counts_also_for_whoever_opens_the_file_later() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = folder.path().join("coordinator.db");
        let file = BanFile::beside(&store);
        assert!(file.banned().expect("no file").is_empty());
        file.ban(node(1), &name(), &ban("stolen")).expect("noted");
        file.ban(node(2), &name(), &ban("leaked")).expect("noted");
        file.unban(node(1), &name(), Timestamp::UNIX_EPOCH)
            .expect("noted");
        let later = BanFile::beside(&store).banned().expect("read");
        assert_eq!(later, BTreeMap::from([(node(2), ban("leaked"))]));
    }

    #[test]
    fn a_torn_line_takes_no_other_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = BanFile::beside(&folder.path().join("coordinator.db"));
        file.ban(node(1), &name(), &ban("stolen")).expect("noted");
        let path = folder.path().join(FILE);
        let mut bytes = std::fs::read(&path).expect("the file");
        bytes.extend_from_slice(b"{\"act\":\"ban\",\"no");
        std::fs::write(&path, bytes).expect("torn");
        file.ban(node(2), &name(), &ban("leaked")).expect("noted");
        let banned = file.banned().expect("read");
        assert_eq!(banned.len(), 2, "{banned:?}");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = BanFile::beside(&folder.path().join("gone/coordinator.db"));
        let error = file.ban(node(1), &name(), &ban("stolen")).expect_err("no");
        assert!(error.to_string().contains(FILE), "{error}");
    }
}
