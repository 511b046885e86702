//! A lab: its folder, its namespace, its servers.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use aws_lc_rs::digest::{SHA256, digest};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::cache::Cache;
use crate::image::{self, Say};
use crate::process::Processes;
use crate::server::{Places, Server, Spec, number_of};
use crate::space::{Lifetime, Space};
use crate::ssh::{self, Ssh};

/// Says that a folder is a lab's, so that nothing of another folder is ever removed; and, locked, who
/// works in it.
const MARK: &str = ".h8lio-lab";

/// What a lab has in its folder: servers and keys, and the clusters made on them.
const OURS: &[&str] = &[
    "servers",
    "fleet",
    "bmc",
    "ceph",
    "kube",
    "loopback",
    "run",
    "log",
    "ssh-key",
    "ssh-key.pub",
];

/// A lab's folder that nobody else makes, plays or takes down meanwhile. It ends with the process that
/// holds it, whatever ends that.
#[derive(Debug)]
pub struct Turn {
    _mark: Flock<File>,
}

/// A lab that is up.
#[derive(Debug)]
pub struct Lab {
    folder: PathBuf,
    sockets: PathBuf,
    processes: Processes,
    space: Space,
    cache: Cache,
    ssh: Ssh,
}

impl Lab {
    /// Makes a lab without servers in this folder. What an earlier one left there is stopped and
    /// removed first; one that is up is refused.
    ///
    /// # Errors
    /// When one is up there, or the machine cannot hold one.
    pub fn create(folder: &Path, lifetime: Lifetime) -> Result<Self> {
        if Self::open(folder).is_ok() {
            bail!("a lab is up in {}; take it down first", folder.display());
        }
        Self::remove(folder)?;
        let (folder, processes) = prepare(folder)?;
        let space = Space::create(&processes, lifetime)?;
        ssh::make_key(&folder.join("ssh-key"))?;
        let lab = Self::of(folder, processes, space)?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&lab.sockets)
            .with_context(|| format!("cannot make {}", lab.sockets.display()))?;
        is_ours(&lab.sockets)?;
        Ok(lab)
    }

    /// Keeps others from this folder, which becomes a lab's when it is new or empty.
    ///
    /// # Errors
    /// When another command works in it, or it holds something else.
    pub fn turn(folder: &Path) -> Result<Turn> {
        let (folder, _) = prepare(folder)?;
        let mark = folder.join(MARK);
        let file = File::options().read(true).write(true).open(&mark);
        let file = file.with_context(|| format!("cannot open {}", mark.display()))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut held) => {
                let written = held
                    .set_len(0)
                    .and_then(|()| held.write_all(std::process::id().to_string().as_bytes()));
                written.with_context(|| format!("cannot write {}", mark.display()))?;
                Ok(Turn { _mark: held })
            }
            Err((_, Errno::EWOULDBLOCK)) => bail!(
                "another command (pid {}) works on the lab in {}; wait for it, or end it",
                fs::read_to_string(&mark).unwrap_or_default(),
                folder.display()
            ),
            Err((_, e)) => Err(e).with_context(|| format!("cannot lock {}", mark.display())),
        }
    }

    /// The lab that is up in this folder.
    ///
    /// # Errors
    /// When none is.
    pub fn open(folder: &Path) -> Result<Self> {
        if !folder.join(MARK).is_file() {
            bail!("no lab is up in {}", folder.display());
        }
        let (folder, processes) = prepare(folder)?;
        let Some(space) = Space::open(&processes)? else {
            bail!("no lab is up in {}", folder.display());
        };
        Self::of(folder, processes, space)
    }

    /// Stops everything that runs of the lab in this folder, by process id, also what a killed
    /// run left; how many programs that were. Disks and logs stay.
    ///
    /// # Errors
    /// When something does not stop, or the folder is not a lab's.
    pub fn stop(folder: &Path) -> Result<usize> {
        if !folder.is_dir() {
            return Ok(0);
        }
        let (folder, processes) = prepare(folder)?;
        let running = processes.all()?.iter().filter(|(_, runs)| *runs).count();
        Space::destroy(&processes)?;
        processes.stop_all()?;
        remove_all(&sockets_of(&folder))?;
        Ok(running)
    }

    /// The same, and removes disks and logs. What else is in the folder stays.
    ///
    /// # Errors
    /// When something does not stop, its files cannot be removed, or the folder is not a lab's.
    pub fn remove(folder: &Path) -> Result<()> {
        Self::stop(folder)?;
        for ours in OURS {
            remove_all(&folder.join(ours))?;
        }
        Ok(())
    }

    fn of(folder: PathBuf, processes: Processes, space: Space) -> Result<Self> {
        let sockets = sockets_of(&folder);
        let ssh = Ssh::new(&space, &folder.join("ssh-key"), &sockets);
        let cache = Cache::open()?;
        Ok(Self {
            folder,
            sockets,
            processes,
            space,
            cache,
            ssh,
        })
    }

    /// Makes a server, with the image that it needs; it is not started. `say` hears what takes
    /// long.
    ///
    /// # Errors
    /// When there is one of this number, or the image cannot be made.
    pub fn add_server(&self, spec: &Spec, say: Say<'_>) -> Result<Server<'_>> {
        let name = spec.name();
        if self.processes.running(&name)?.is_some() {
            bail!("{name} is on; take it out of the lab first");
        }
        let image = image::get(&self.cache, spec.release, spec.flavour, say)?;
        Server::create(self, spec, &image)
    }

    /// The server of this name.
    ///
    /// # Errors
    /// When the lab has none; those that it has are named.
    pub fn server(&self, name: &str) -> Result<Server<'_>> {
        let server = Server::new(self, number_of(name)?);
        if !server.places().folder().is_dir() {
            let names: Vec<String> = self.servers()?.iter().map(Server::name).collect();
            bail!("the lab has no server {name}; it has: {}", names.join(" "));
        }
        Ok(server)
    }

    /// All of them, by number.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn servers(&self) -> Result<Vec<Server<'_>>> {
        let there = |number: &u8| self.places(&format!("s{number}")).folder().is_dir();
        Ok((1..=9)
            .filter(there)
            .map(|number| Server::new(self, number))
            .collect())
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A folder with a short path for unix sockets; it goes when the lab is stopped.
    pub fn sockets(&self) -> &Path {
        &self.sockets
    }

    pub fn processes(&self) -> &Processes {
        &self.processes
    }

    pub fn space(&self) -> &Space {
        &self.space
    }

    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    pub fn ssh(&self) -> &Ssh {
        &self.ssh
    }

    pub(crate) fn places(&self, server: &str) -> Places {
        Places::new(&self.folder, &self.sockets, server)
    }

    pub(crate) fn public_key(&self) -> PathBuf {
        self.folder.join("ssh-key.pub")
    }
}

/// The folder with its real path, which names the sockets' folder too. A new or empty one becomes a
/// lab's.
fn prepare(folder: &Path) -> Result<(PathBuf, Processes)> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let folder =
        fs::canonicalize(folder).with_context(|| format!("cannot resolve {}", folder.display()))?;
    let mark = folder.join(MARK);
    if !mark.is_file() {
        let mut others =
            fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        if others.next().is_some() {
            bail!(
                "{} holds something and is not a lab's folder; nothing in it was touched. \
                 Name a new or empty one with --dir",
                folder.display()
            );
        }
        fs::write(&mark, "").with_context(|| format!("cannot write {}", mark.display()))?;
    }
    let processes = Processes::at(&folder)?;
    Ok((folder, processes))
}

/// Short, whatever the checkout is called: a socket's path has at most 107 bytes.
fn sockets_of(folder: &Path) -> PathBuf {
    let name = hex::encode(digest(&SHA256, folder.as_os_str().as_encoded_bytes()));
    std::env::temp_dir().join(format!("h8lio-lab-{}", &name[..8]))
}

/// Its name can be guessed, so somebody else may have made it.
fn is_ours(folder: &Path) -> Result<()> {
    let found = fs::symlink_metadata(folder)
        .with_context(|| format!("cannot look at {}", folder.display()))?;
    if !found.is_dir() || found.uid() != nix::unistd::geteuid().as_raw() {
        bail!("{} belongs to somebody else", folder.display());
    }
    Ok(())
}

fn remove_all(path: &Path) -> Result<()> {
    let removed = match path.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    };
    match removed {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_something_else_in_it_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("servers");
        fs::write(&file, "mine").expect("a file");
        for done in [
            Lab::stop(folder.path()).map(|_| ()),
            Lab::remove(folder.path()),
            Lab::turn(folder.path()).map(|_| ()),
        ] {
            let text = format!("{:#}", done.expect_err("it is not a lab's"));
            assert!(text.contains("is not a lab's folder"), "{text}");
        }
        assert!(Lab::open(folder.path()).is_err());
        assert_eq!(fs::read(&file).expect("it is there"), b"mine");
        assert_eq!(fs::read_dir(folder.path()).expect("a list").count(), 1);
    }

    #[test]
    fn two_commands_do_not_work_on_one_lab_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = Lab::turn(folder.path()).expect("it is free");
        let text = format!("{:#}", Lab::turn(folder.path()).expect_err("it is taken"));
        assert!(
            text.contains(&format!("pid {}", std::process::id())),
            "{text}"
        );
        drop(first);
        Lab::turn(folder.path()).expect("it is free again");
    }
}
