//! Changing packages with apt and dpkg.
//!
//! * Plans and downloads run as children of the agent; nothing of that changes what is installed.
//! * A transaction runs in a transient unit of systemd ([`unit`]), whose program is this one again
//!   ([`worker`]): it outlives the agent, also when the agent's own package is what it replaces.
//! * What it leaves lies in a folder of its own ([`folder`]).
//! * needrestart only ever lists (`NEEDRESTART_MODE=l`), and nobody is asked anything.

mod apt;
mod clean;
mod folder;
mod locks;
#[cfg(test)]
mod tests;
mod unit;
pub mod worker;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use nix::sys::statvfs::statvfs;
use uuid::Uuid;

use super::exec::{self, Argv, ExecError};
use super::outside;
use super::packages::LinuxPackages;
use super::unreadable;
use crate::host::packages::RawPackages;
use crate::host::patching::{
    MayAct, PatchError, PatchHost, Pinned, RawAnswer, RawDatabase, RawPlan, RawTrace, Spec,
};
use crate::host::tool::ToolError;
use apt::Apt;
use folder::Folder;

const APT: &str = "apt-get";

/// How long a plan may take.
const PLAN: Duration = Duration::from_secs(120);

/// So many files are removed by one command.
const AT_ONCE: usize = 100;

/// How long archives may take to come.
const DOWNLOAD: Duration = Duration::from_secs(1800);

/// apt and dpkg of the real server.
#[derive(Debug, Clone)]
pub struct LinuxPatching {
    apt: Apt,
    state_dir: PathBuf,
}

impl LinuxPatching {
    fn mark(&self, word: &'static str, names: &[String]) -> Result<(), PatchError> {
        const TOOL: &str = "apt-mark";
        let mut args = self.apt.base().and(&[word]);
        for name in names {
            args = args.operand(name).map_err(|e| e.silent(TOOL))?;
        }
        let answer = outside::run(TOOL, &args, apt::ENV, PLAN).map_err(|e| e.silent(TOOL))?;
        answer.done(TOOL)?;
        Ok(())
    }

    /// With transactions and kept archives below `state_dir`.
    pub fn new(state_dir: &Path) -> Self {
        Self {
            apt: Apt::of_the_server(),
            state_dir: state_dir.to_owned(),
        }
    }

    fn folder(&self, attempt: Uuid) -> Folder {
        Folder::of(&self.state_dir, attempt)
    }

    /// Where archives of what was installed before are kept.
    fn kept(&self) -> PathBuf {
        self.state_dir.join("way-back")
    }
}

impl PatchHost for LinuxPatching {
    fn database(&self) -> RawDatabase {
        let mut raw = RawPackages::default();
        LinuxPackages::at(self.apt.root()).dpkg(&mut raw);
        let mut problems = raw.problems;
        let locks = match locks::holders(self.apt.root()) {
            Ok(holders) => Some(holders),
            Err(e) => {
                problems.push(unreadable("locks", &e));
                None
            }
        };
        RawDatabase {
            installed: raw.installed,
            audit: raw.audit,
            journal: raw.journal,
            locks,
            problems,
        }
    }

    fn plan(&self, wanted: &[Pinned]) -> RawPlan {
        let mut out = RawPlan::default();
        for (answer, mode) in [
            (&mut out.simulation, "--simulate"),
            (&mut out.archives, "--print-uris"),
        ] {
            let args = self.apt.read_only(&[mode, "--yes", "install"]);
            let asked =
                with_pins(args, wanted).and_then(|args| exec::run(APT, &args, apt::ENV, PLAN));
            match asked {
                Ok(a) => {
                    *answer = Some(RawAnswer {
                        code: a.code,
                        stdout: a.stdout,
                        stderr: a.stderr,
                    });
                }
                Err(e) => out.problems.push(e.problem(APT)),
            }
        }
        match statvfs(&self.apt.archives()) {
            Ok(s) => out.free = s.blocks_available().checked_mul(s.fragment_size()),
            Err(e) => out
                .problems
                .push(unreadable("room for archives", &e.into())),
        }
        match clean::room(self.apt.root()) {
            Ok(room) => out.room = Some(room),
            Err(e) => out
                .problems
                .push(unreadable("room on the file systems", &e)),
        }
        out
    }

    fn index_updated_at(&self) -> Option<Timestamp> {
        LinuxPackages::at(self.apt.root()).index_updated_at()
    }

    fn refresh(&self, _: MayAct) -> Result<(), PatchError> {
        run(&self.apt.acting(&["update"]))?;
        Ok(())
    }

    fn download(&self, wanted: &[Pinned], _: MayAct) -> Result<(), PatchError> {
        let args = self.apt.acting(&["--download-only", "install"]);
        let args = with_pins(args, wanted).map_err(|e| e.silent(APT))?;
        run(&args)?;
        Ok(())
    }

    fn keep_old(&self, installed: &[Pinned], _: MayAct) -> Result<Vec<Pinned>, PatchError> {
        let kept = self.kept();
        let failed = keep_error("any package");
        std::fs::create_dir_all(kept.join("partial")).map_err(failed)?;
        // One at a time: a version that no repository has any more must not keep the others out.
        for pin in installed {
            if apt::archive_of(&kept, pin).is_none() {
                self.keep(&kept, pin)?;
            }
        }
        let gone = |pin: &&Pinned| apt::archive_of(&kept, pin).is_none();
        Ok(installed.iter().filter(gone).cloned().collect())
    }

    fn clean(&self, old: &[Pinned], new: &[Pinned], _: MayAct) -> Result<(), PatchError> {
        let failed = |folder: &Path| {
            let folder = folder.display().to_string();
            move |source| PatchError::Clean { folder, source }
        };
        let kept = self.kept();
        let stale = clean::put_aside(&kept, old).map_err(failed(&kept))?;
        let mut stale = stale.iter();
        stale
            .try_for_each(std::fs::remove_file)
            .map_err(failed(&kept))?;
        let traces = self.state_dir.join(folder::TRANSACTIONS);
        clean::traces(&traces).map_err(failed(&traces))?;
        let cache = self.apt.archives();
        let stale = clean::cached(&cache, new).map_err(failed(&cache))?;
        stale.chunks(AT_ONCE).try_for_each(remove)
    }

    fn hold(&self, names: &[String], _: MayAct) -> Result<(), PatchError> {
        self.mark("hold", names)
    }

    fn unhold(&self, names: &[String], _: MayAct) -> Result<(), PatchError> {
        self.mark("unhold", names)
    }

    fn start(&self, spec: &Spec, _: MayAct) -> Result<(), PatchError> {
        self.folder(spec.attempt).specify(spec)?;
        unit::start(&self.state_dir, spec.attempt)
    }

    fn trace(&self, attempt: Uuid) -> RawTrace {
        self.folder(attempt).trace()
    }

    fn at_work(&self) -> Option<Vec<Uuid>> {
        folder::at_work(&self.state_dir.join(folder::TRANSACTIONS)).ok()
    }

    fn withdraw(&self, attempt: Uuid) -> Result<(), PatchError> {
        self.folder(attempt).withdraw(attempt)
    }
}

impl LinuxPatching {
    /// Fetches the archive of one installed version into `kept`, if it can be had.
    fn keep(&self, kept: &Path, pin: &Pinned) -> Result<(), PatchError> {
        // apt-get keeps what it fetched: what it installed last is often still there.
        if let Some(cached) = apt::archive_of(&self.apt.archives(), pin) {
            return copy(&cached, kept);
        }
        let asking = |args: Argv| {
            let args = args.value("-oDir::Cache::archives=", kept);
            let args = args.and(&["--reinstall", "--allow-downgrades", "install"]);
            with_pins(args, std::slice::from_ref(pin)).map_err(|e| e.silent(APT))
        };
        match run(&asking(self.apt.acting(&["--download-only"]))?) {
            Ok(_) => {}
            Err(ToolError::Refused { .. }) => return Ok(()),
            Err(e) => return Err(e.into()),
        }
        let left = run(&asking(self.apt.read_only(&["--print-uris", "--yes"]))?)?;
        for path in apt::local_archives(&left.stdout) {
            copy_as(&path.0, kept, &path.1)?;
        }
        Ok(())
    }
}

/// Files that are not the agent's own.
fn remove(files: &[PathBuf]) -> Result<(), PatchError> {
    const TOOL: &str = "rm";
    let mut args = Argv::of(&["-f", "--"]);
    for file in files {
        args = args.operand(file).map_err(|e| e.silent(TOOL))?;
    }
    ended(TOOL, outside::run(TOOL, &args, &[], PLAN))?;
    Ok(())
}

fn copy(archive: &Path, folder: &Path) -> Result<(), PatchError> {
    let name = archive.file_name().unwrap_or_default().to_string_lossy();
    copy_as(archive, folder, &name)
}

/// Whole or not at all, also when power is lost: it is what a fallback installs.
fn copy_as(archive: &Path, folder: &Path, name: &str) -> Result<(), PatchError> {
    let whole = folder.join("partial").join(name);
    let copied = std::fs::copy(archive, &whole)
        .and_then(|_| File::open(&whole)?.sync_all())
        .and_then(|()| std::fs::rename(&whole, folder.join(name)))
        .and_then(|()| File::open(folder)?.sync_all());
    copied.map_err(keep_error(name))
}

fn keep_error(package: &str) -> impl FnOnce(std::io::Error) -> PatchError {
    let package = package.to_owned();
    move |source| PatchError::Keep { package, source }
}

fn with_pins(mut args: Argv, wanted: &[Pinned]) -> Result<Argv, ExecError> {
    for pin in wanted {
        args = args.operand(pin.to_string())?;
    }
    Ok(args)
}

fn run(args: &Argv) -> Result<exec::Answer, ToolError> {
    ended(APT, outside::run(APT, args, apt::ENV, DOWNLOAD))
}

/// Whom somebody else's lock kept out has refused nothing.
fn ended(
    tool: &'static str,
    answer: Result<exec::Answer, ExecError>,
) -> Result<exec::Answer, ToolError> {
    let answer = answer.map_err(|e| e.silent(tool))?;
    match locks::complaint(&answer.stderr) {
        Some(said) if answer.code != 0 => Err(ToolError::Busy { tool, said }),
        _ => answer.done(tool),
    }
}
