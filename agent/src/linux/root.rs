//! The folder below which `/proc`, `/sys`, `/dev`, `/etc`, `/run` and `/var` are read: `/` on a
//! server, a fixture tree in tests.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use h8lio_model::inventory::Problem;

/// Longest file that is read, bytes; `mountinfo` of a busy Kubernetes node is some 200 KiB.
pub const LONGEST: u64 = 4 << 20;

/// Where the server's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root(PathBuf);

impl Default for Root {
    fn default() -> Self {
        Self(PathBuf::from("/"))
    }
}

impl Root {
    /// Reads below `folder` instead of `/`.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Whether this is the server itself, so that asking its tools makes sense.
    pub fn is_real(&self) -> bool {
        self.0 == Path::new("/")
    }

    /// Refuses to mix a tool's answer about this server with files of another tree.
    ///
    /// # Errors
    /// When this root is not `/`.
    pub fn allows_tools(&self, tool: &str) -> Result<(), Problem> {
        if self.is_real() {
            return Ok(());
        }
        Err(Problem {
            what: tool.to_owned(),
            reason: "Failed".to_owned(),
            message: format!(
                "{tool} speaks of the real server and is not asked about files below {}",
                self.0.display()
            ),
        })
    }

    /// `path` below the root, for example `proc/meminfo`.
    pub fn join(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.0.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The file's bytes. Opened without blocking, so that a fifo in a file's place does not hang
    /// the agent; read up to 4 MiB.
    ///
    /// # Errors
    /// As the kernel says; many `/sys` files exist and fail to be read.
    pub fn bytes(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        let file = File::options()
            .read(true)
            .custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC)
            .open(self.join(path))?;
        let mut bytes = Vec::new();
        file.take(LONGEST).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The file's text; undecodable bytes become U+FFFD.
    ///
    /// # Errors
    /// As for [`Root::bytes`].
    pub fn text(&self, path: impl AsRef<Path>) -> io::Result<String> {
        let bytes = self.bytes(path)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The file's one value: text without surrounding white space and NULs; `None` when the
    /// file cannot be read or is empty.
    pub fn value(&self, path: impl AsRef<Path>) -> Option<String> {
        let text = self.text(path).ok()?;
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The file's one number.
    pub fn number<T: std::str::FromStr>(&self, path: impl AsRef<Path>) -> Option<T> {
        self.value(path)?.parse().ok()
    }

    /// The file's `0` or `1`.
    pub fn flag(&self, path: impl AsRef<Path>) -> Option<bool> {
        match self.value(path)?.as_str() {
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        }
    }

    /// Names in a folder, sorted; none when it cannot be listed. Names that are not UTF-8 become
    /// text with U+FFFD and so name no file: what is odd is shown, never opened.
    pub fn names(&self, path: impl AsRef<Path>) -> Vec<String> {
        self.list(path).unwrap_or_default()
    }

    /// As [`Root::names`], with the cause of a failure.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn list(&self, path: impl AsRef<Path>) -> io::Result<Vec<String>> {
        let mut names: Vec<String> = fs::read_dir(self.join(path))?
            .filter_map(|e| e.ok().map(|e| lossy(&e.file_name())))
            .collect();
        names.sort();
        Ok(names)
    }

    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.join(path).exists()
    }

    /// Target of a symbolic link, as written.
    pub fn link(&self, path: impl AsRef<Path>) -> Option<String> {
        let target = fs::read_link(self.join(path)).ok()?;
        Some(lossy(target.as_os_str()))
    }

    /// Last part of a symbolic link's target.
    pub fn link_name(&self, path: impl AsRef<Path>) -> Option<String> {
        let target = fs::read_link(self.join(path)).ok()?;
        target.file_name().map(lossy)
    }
}

fn lossy(name: &OsStr) -> String {
    name.to_string_lossy().into_owned()
}

/// A failed read as a fact of the inventory.
pub fn unreadable(what: &str, e: &io::Error) -> Problem {
    let reason = match e.kind() {
        io::ErrorKind::PermissionDenied => "NotPermitted",
        _ => "Failed",
    };
    let next = match e.kind() {
        io::ErrorKind::PermissionDenied => "; the agent must run as root",
        _ => "",
    };
    Problem {
        what: what.to_owned(),
        reason: reason.to_owned(),
        message: format!("cannot read {what}: {e}{next}"),
    }
}

/// Something that was read and makes no sense.
pub fn not_understood(what: &str, cause: &str) -> Problem {
    Problem {
        what: what.to_owned(),
        reason: "NotUnderstood".to_owned(),
        message: format!("{what}: {cause}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_read_is_told_apart_and_names_the_next_move() {
        let problem = unreadable("/x", &io::Error::from(io::ErrorKind::PermissionDenied));
        assert_eq!(problem.reason, "NotPermitted");
        assert!(problem.message.contains("must run as root"));
        let problem = unreadable("/x", &io::Error::from(io::ErrorKind::NotFound));
        assert_eq!(problem.reason, "Failed");
    }

    #[test]
    fn names_that_are_not_utf8_and_fifos_do_not_stop_a_reader() {
        use std::os::unix::ffi::OsStrExt;
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join(OsStr::from_bytes(b"a\xff")), "x").expect("a file");
        nix::unistd::mkfifo(&dir.path().join("fifo"), nix::sys::stat::Mode::S_IRWXU)
            .expect("a fifo");
        let root = Root::at(dir.path());
        assert_eq!(root.names(""), ["a\u{fffd}", "fifo"]);
        assert_eq!(root.value("fifo"), None, "nobody writes, nobody waits");
        assert_eq!(root.value("a\u{fffd}"), None);
    }
}
