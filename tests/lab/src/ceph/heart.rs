//! The heart of a cluster: its keys, one monitor, one manager.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use uuid::Uuid;

use super::conf::Shape;
use super::{Client, Place, birth};
use crate::process::{self, Processes};

/// Making keys and an empty store takes a tenth of a second.
const TOOL: Duration = Duration::from_secs(60);

/// A unix socket's path has at most 107 bytes (unix(7)).
const LONGEST_FOLDER: usize = 107 - "/asok/osd.99.asok".len();

/// The file that says that a cluster lies in a folder.
const RECORD: &str = "cluster.json";

pub(super) const MONITOR: &str = "ceph-mon";
pub(super) const MANAGER: &str = "ceph-mgr";

/// A cluster without OSDs.
#[derive(Debug)]
pub struct Heart {
    folder: PathBuf,
    sockets: PathBuf,
    place: Place,
    shape: Shape,
}

/// Where a cluster is to be.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// Its data; made if it is not there.
    pub folder: &'a Path,
    /// A short path; its contents may go when nothing runs.
    pub sockets: &'a Path,
    pub place: &'a Place,
    /// Where its monitor listens.
    pub address: Ipv4Addr,
    /// The OSDs' network, as `10.77.1.0/24`. `None`: all is on the monitor's address.
    pub network: Option<&'a str>,
}

impl Heart {
    /// Makes a new cluster in `folder`, or takes the one that lies there. Nothing is started.
    ///
    /// # Errors
    /// When the path of `sockets` is too long for sockets, or one of Ceph's tools fails.
    pub fn at(site: &Site<'_>) -> Result<Self> {
        let Site {
            folder,
            sockets,
            place,
            address,
            network,
        } = *site;
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let folder = fs::canonicalize(folder).context("cannot find the cluster's folder")?;
        ensure!(
            sockets.is_absolute() && sockets.as_os_str().len() <= LONGEST_FOLDER,
            "a cluster needs an absolute folder of at most {LONGEST_FOLDER} bytes for its sockets: {}",
            sockets.display()
        );
        let known = recall(&folder)?;
        let is_new = known.is_none();
        let shape = match known {
            Some(shape) => shape,
            None => Shape {
                fsid: Uuid::new_v4(),
                monitor: SocketAddrV4::new(address, place.monitor_port()?),
                network: network.map(str::to_owned),
            },
        };
        let (sockets, place) = (sockets.to_owned(), place.clone());
        let heart = Self {
            folder,
            sockets,
            place,
            shape,
        };
        heart.lay_out()?;
        if is_new {
            heart.make()?;
        }
        Ok(heart)
    }

    /// Whether a cluster lies there.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(RECORD).exists()
    }

    /// Starts monitor and manager, those that do not run, and waits until the monitor answers.
    ///
    /// # Errors
    /// When one does not start or the monitor does not answer.
    pub fn start(&self, processes: &Processes) -> Result<()> {
        if processes.running(MONITOR)?.is_none() {
            processes.start(MONITOR, self.daemon("ceph-mon", "a"))?;
        }
        self.manager_key().with_context(|| {
            format!(
                "the monitor does not answer; it said: {}",
                processes.last_words(MONITOR)
            )
        })?;
        if processes.running(MANAGER)?.is_none() {
            processes.start(MANAGER, self.daemon("ceph-mgr", "x"))?;
        }
        Ok(())
    }

    /// Ends monitor and manager, and removes what lies in `folder`.
    ///
    /// # Errors
    /// When one survives, or something cannot be removed.
    pub fn down(folder: &Path, processes: &Processes) -> Result<()> {
        for name in [MANAGER, MONITOR] {
            processes.stop(name)?;
        }
        match fs::remove_dir_all(folder) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(e).with_context(|| format!("cannot remove {}", folder.display()))
            }
            _ => Ok(()),
        }
    }

    /// Asks as client.admin.
    pub fn admin(&self) -> Client {
        Client::new(&self.place, self.conf(), "client.admin")
    }

    /// The configuration that a server needs to join.
    pub fn conf_for_servers(&self) -> String {
        self.shape.for_servers()
    }

    /// The key that may make OSDs and nothing else, as a keyring.
    ///
    /// # Errors
    /// When the monitor does not hand it out.
    pub fn bootstrap_keyring(&self) -> Result<String> {
        self.admin().tell(&["auth", "get", "client.bootstrap-osd"])
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn conf(&self) -> PathBuf {
        self.folder.join("ceph.conf")
    }

    /// A daemon of this cluster, in the foreground, its log on stderr.
    pub(super) fn daemon(&self, program: &str, id: &str) -> std::process::Command {
        let mut command = self.place.daemon(program);
        command.args(["-d", "--id", id, "--conf"]).arg(self.conf());
        command
    }

    /// Runs a tool of Ceph's to its end.
    pub(super) fn tool(&self, program: &str, words: &[&str]) -> Result<String> {
        let mut command = self.place.command(program);
        command.args(words);
        process::run(command, TOOL)
    }

    pub(super) fn fsid(&self) -> String {
        self.shape.fsid.to_string()
    }

    /// The monitor's address in Ceph's notation.
    pub(super) fn monitor(&self) -> String {
        self.shape.monitor_vector()
    }

    /// Folders and configuration, written anew each time: they hold no state.
    fn lay_out(&self) -> Result<()> {
        let inside = ["mon", "mgr", "osd"].map(|part| self.folder.join(part));
        for part in inside.iter().chain([&self.sockets]) {
            fs::create_dir_all(part).with_context(|| format!("cannot make {}", part.display()))?;
        }
        self.write(
            "ceph.conf",
            &self.shape.for_this_side(&self.folder, &self.sockets),
        )
    }

    fn make(&self) -> Result<()> {
        birth::keys(self)?;
        birth::monitor(self)?;
        // Last: a folder without it is of a run that was killed, and is filled anew.
        let text = serde_json::to_string(&self.shape).context("a cluster has no JSON")?;
        self.write(RECORD, &text)
    }

    /// The manager's key. The call waits for the monitor, and gives the same key each time.
    fn manager_key(&self) -> Result<()> {
        let caps = [
            "mon",
            "allow profile mgr",
            "osd",
            "allow *",
            "mds",
            "allow *",
        ];
        let words = [&["auth", "get-or-create", "mgr.x"][..], &caps].concat();
        self.write("mgr/keyring", &self.admin().tell(&words)?)
    }

    pub(super) fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    pub(super) fn write(&self, name: &str, text: &str) -> Result<()> {
        let file = self.folder.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}

fn recall(folder: &Path) -> Result<Option<Shape>> {
    let file = folder.join(RECORD);
    let text = match fs::read(&file) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        read => read.with_context(|| format!("cannot read {}", file.display()))?,
    };
    let shape = serde_json::from_slice(&text)
        .with_context(|| format!("{} is no record of a cluster", file.display()))?;
    Ok(Some(shape))
}
