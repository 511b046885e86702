//! The arguments that apt and dpkg are run with.

use std::path::{Path, PathBuf};

use crate::host::patching::{Action, Pinned};
use crate::linux::exec::{Argv, ExecError};

/// Nobody is asked, nothing is restarted, nothing is listed for a person to page through.
pub(super) const ENV: &[(&str, &str)] = &[
    ("DEBIAN_FRONTEND", "noninteractive"),
    ("DEBIAN_PRIORITY", "critical"),
    ("APT_LISTCHANGES_FRONTEND", "none"),
    ("APT_LISTBUGS_FRONTEND", "none"),
    ("NEEDRESTART_MODE", "l"),
    // Packages that keep their configuration with ucf follow the same policy as dpkg's.
    ("UCF_FORCE_CONFFOLD", "1"),
];

/// The owner's configuration files stay: dpkg's own choice where there is one, else the old file.
const CONFFILES: [&str; 2] = ["--force-confdef", "--force-confold"];

/// Which apt is driven: the server's, or one in a folder of its own in tests.
#[derive(Debug, Clone)]
pub(super) struct Apt {
    root: PathBuf,
    /// More options, of a test.
    more: Vec<String>,
}

impl Apt {
    pub(super) fn of_the_server() -> Self {
        Self {
            root: PathBuf::from("/"),
            more: Vec::new(),
        }
    }

    #[cfg(test)]
    pub(super) fn below(root: &Path, more: Vec<String>) -> Self {
        Self {
            root: root.to_owned(),
            more,
        }
    }

    #[cfg(test)]
    pub(super) fn with(mut self, option: &str) -> Self {
        self.more.push(option.to_owned());
        self
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn archives(&self) -> PathBuf {
        self.root.join("var/cache/apt/archives")
    }

    pub(super) fn base(&self) -> Argv {
        let more = self.more.iter();
        more.fold(Argv::default(), |args, option| args.value("-o", option))
    }

    /// Reads only: no lock is taken and no cache written.
    pub(super) fn read_only(&self, mode: &[&'static str]) -> Argv {
        let args = self.base().and(&[
            "-oDebug::NoLocking=1",
            "-oDir::Cache::pkgcache=",
            "-oDir::Cache::srcpkgcache=",
            "-oAPT::Get::Show-User-Simulation-Note=0",
        ]);
        args.and(&POLICY).and(mode)
    }

    /// Changes something: the cache of archives at least.
    pub(super) fn acting(&self, what: &[&'static str]) -> Argv {
        self.base().and(&POLICY).and(&["--yes", "-q"]).and(what)
    }

    /// What a transaction runs: the tool and its arguments.
    pub(super) fn transaction(
        &self,
        action: &Action,
        kept: &Path,
    ) -> Result<(&'static str, Argv), ExecError> {
        let mut args = self.acting(&["-oAPT::Status-Fd=2", "-oDpkg::Use-Pty=0"]);
        for policy in CONFFILES {
            args = args.value("-oDpkg::Options::=", policy);
        }
        let (packages, args) = match action {
            Action::ConfigureAll => {
                let args = Argv::default()
                    .value("--root=", &self.root)
                    .and(&CONFFILES)
                    .and(&["--configure", "-a"]);
                return Ok(("dpkg", args));
            }
            Action::PutBack { packages } if self.is_cut_off() => {
                if let Some(args) = self.by_dpkg(packages, kept)? {
                    return Ok(("dpkg", args));
                }
                (packages, args.and(&["--allow-downgrades", "install"]))
            }
            Action::FixBroken => return Ok(("apt-get", args.and(&["--fix-broken", "install"]))),
            Action::Install { packages } => (packages, args.and(&["install"])),
            Action::PutBack { packages } => {
                (packages, args.and(&["--allow-downgrades", "install"]))
            }
        };
        let mut args = args;
        for pin in packages {
            // The kept archive itself: the repositories may have moved on.
            let archive =
                archive_of(kept, pin).filter(|_| matches!(action, Action::PutBack { .. }));
            args = match archive {
                Some(path) => args.operand(path)?,
                None => args.operand(pin.to_string())?,
            };
        }
        Ok(("apt-get", args))
    }
}

impl Apt {
    /// Whether dpkg was cut off and has not written its journal into its database: apt refuses all
    /// work then, and dpkg does it on its next run.
    fn is_cut_off(&self) -> bool {
        let journal = std::fs::read_dir(self.root.join("var/lib/dpkg/updates"));
        journal.is_ok_and(|mut entries| entries.next().is_some())
    }

    /// The archives that were put aside, by dpkg alone; `None` unless all of them are there. They are
    /// those that apt had fetched and checked.
    fn by_dpkg(&self, packages: &[Pinned], kept: &Path) -> Result<Option<Argv>, ExecError> {
        let archives = packages.iter().map(|pin| archive_of(kept, pin));
        let Some(archives) = archives.collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        let mut args = Argv::default()
            .value("--root=", &self.root)
            .and(&CONFFILES)
            .and(&["--install"]);
        for archive in archives {
            args = args.operand(archive)?;
        }
        Ok(Some(args))
    }
}

/// What holds in every run: nothing is removed, nothing comes that is only recommended, and waves are
/// the coordinator's, so that an ordered version means the same on every server.
const POLICY: [&str; 4] = [
    "--no-remove",
    "--no-install-recommends",
    "-oAPT::Get::Always-Include-Phased-Updates=1",
    "-oDPkg::Lock::Timeout=60",
];

/// The archive of exactly this version in `folder`, as apt names it: `NAME_VERSION_ARCH.deb`, with
/// the epoch's colon as `%3a`.
pub(super) fn archive_of(folder: &Path, pin: &Pinned) -> Option<PathBuf> {
    let (name, architecture) = pin.name().split_once(':').unwrap_or((pin.name(), ""));
    let begin = format!("{name}_{}_", pin.version().replace(':', "%3a"));
    let entries = std::fs::read_dir(folder).ok()?;
    let fits = |file: &str| {
        let rest = file
            .strip_prefix(&begin)
            .and_then(|r| r.strip_suffix(".deb"));
        rest.is_some_and(|arch| architecture.is_empty() || arch == architecture)
    };
    entries
        .filter_map(|e| e.ok()?.file_name().into_string().ok())
        .find(|file| fits(file))
        .map(|file| folder.join(file))
}

/// What `--print-uris` says of archives that lie on this server already (a `file:` repository): apt
/// uses them where they are and copies nothing. Path, and name in a cache of archives.
pub(super) fn local_archives(printed: &[u8]) -> Vec<(PathBuf, String)> {
    let text = String::from_utf8_lossy(printed);
    let one = |line: &str| {
        let (uri, rest) = line.strip_prefix('\'')?.split_once("' ")?;
        let path = decoded(uri.strip_prefix("file:")?)?;
        let name = rest.split(' ').next()?;
        let plain = !name.is_empty() && !name.contains('/') && !name.starts_with('.');
        plain.then(|| (PathBuf::from(path), name.to_owned()))
    };
    text.lines().filter_map(one).collect()
}

/// Without its percent signs.
fn decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes).ok()
}
