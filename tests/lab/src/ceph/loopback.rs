//! The quick cluster: monitor, manager and OSDs on sparse files, each OSD a host of its own for
//! CRUSH. Three are up in some ten seconds and take about half a gigabyte.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Client, Heart, Place, Site};
use crate::process::{self, Processes};

/// Measured: 10 s for three OSDs on an idle machine of two cores.
const UP_WITHIN: Duration = Duration::from_secs(120);

/// Size of an OSD's file; sparse, about 10 MB of it are written.
const OSD_BYTES: u64 = 4 << 30;

/// Where its data lies in its folder.
const DATA: &str = "ceph";

/// A running quick cluster.
#[derive(Debug)]
pub struct Loopback {
    heart: Heart,
    processes: Processes,
}

impl Loopback {
    /// Makes a cluster with `osds` OSDs in `folder` and starts it, or starts the one that lies
    /// there. `sockets` is a folder with a short path.
    ///
    /// # Errors
    /// When Ceph is not installed, or something does not come up in time.
    pub fn up(folder: &Path, sockets: &Path, place: &Place, osds: u32) -> Result<Self> {
        let processes = Processes::at(folder)?;
        let heart = Heart::at(&Site {
            folder: &folder.join(DATA),
            sockets,
            place,
            address: Ipv4Addr::LOCALHOST,
            network: None,
        })?;
        let cluster = Self { heart, processes };
        cluster.start_heart()?;
        for id in 0..osds {
            cluster.make_osd(id)?;
            cluster.start_osd(id)?;
        }
        cluster.admin().wait_for_up(osds.into(), UP_WITHIN)?;
        Ok(cluster)
    }

    /// Ends every program of the cluster in `folder`, and removes its data.
    ///
    /// # Errors
    /// When one survives.
    pub fn down(folder: &Path) -> Result<()> {
        let processes = Processes::at(folder)?;
        for (record, _) in processes.all()?.into_iter().rev() {
            if record.name.starts_with("ceph-osd.") {
                processes.stop(&record.name)?;
            }
        }
        Heart::down(&folder.join(DATA), &processes)
    }

    /// Asks as client.admin.
    pub fn admin(&self) -> Client {
        self.heart.admin()
    }

    /// Starts an OSD that was stopped or killed.
    ///
    /// # Errors
    /// When it runs already, or ends at once.
    pub fn start_osd(&self, id: u32) -> Result<()> {
        let name = name(id);
        if self.processes.running(&name)?.is_none() {
            self.processes.start(&name, self.osd(id))?;
        }
        Ok(())
    }

    /// Ends an OSD as an operator does.
    ///
    /// # Errors
    /// When it survives.
    pub fn stop_osd(&self, id: u32) -> Result<()> {
        self.processes.stop(&name(id))
    }

    /// Ends an OSD as a power cut does.
    ///
    /// # Errors
    /// When it survives.
    pub fn kill_osd(&self, id: u32) -> Result<()> {
        self.processes.kill(&name(id))
    }

    /// Freezes (`SIGSTOP`) or wakes (`SIGCONT`) an OSD, or sends it something else.
    ///
    /// # Errors
    /// When it does not run.
    pub fn signal_osd(&self, id: u32, signal: Signal) -> Result<()> {
        self.processes.signal(&name(id), signal)
    }

    /// The manager alone, for scenarios without one.
    ///
    /// # Errors
    /// When it survives.
    pub fn stop_manager(&self) -> Result<()> {
        self.processes.stop(super::heart::MANAGER)
    }

    /// Starts what of monitor and manager does not run.
    ///
    /// # Errors
    /// When the monitor does not answer.
    pub fn start_heart(&self) -> Result<()> {
        self.heart.start(&self.processes)
    }

    /// Ids of OSDs with their uuids, from the OSD map.
    fn known(&self) -> Result<Vec<(u64, String)>> {
        let dump = self.admin().ask(&["osd", "dump"])?;
        let entry = |osd: &Value| Some((osd["osd"].as_u64()?, osd["uuid"].as_str()?.to_owned()));
        let list = dump["osds"].as_array().context("the OSD map has no OSDs")?;
        Ok(list.iter().filter_map(entry).collect())
    }

    /// Makes the OSD unless it was made. The monitor gives ids in order, so the id is known before.
    fn make_osd(&self, id: u32) -> Result<()> {
        let data = self.heart.folder().join(format!("osd/{id}"));
        if data.join("ready").exists() {
            return Ok(());
        }
        fs::create_dir_all(&data).with_context(|| format!("cannot make {}", data.display()))?;
        let secret = self.make_osd_key(id)?;
        let uuid = self.reserve(id, &secret)?;
        let mut mkfs = self.osd(id);
        mkfs.args(["--mkfs", "--no-mon-config", "--osd-uuid", &uuid]);
        process::run(mkfs, UP_WITHIN).with_context(|| format!("cannot make osd.{id}"))?;
        Ok(())
    }

    /// The key that the monitor is to know the OSD by, and where it lies. One that lies there stays:
    /// a run that was killed may have told the monitor already.
    fn make_osd_key(&self, id: u32) -> Result<PathBuf> {
        let [secret, keyring] = ["secret.json", "keyring"].map(|file| format!("osd/{id}/{file}"));
        let path = self.heart.folder().join(&secret);
        if !path.exists() {
            let key = self.heart.tool("ceph-authtool", &["--gen-print-key"])?;
            self.heart
                .write(&keyring, &format!("[osd.{id}]\n\tkey = {key}\n"))?;
            let secrets = json!({"cephx_secret": key, "crush_device_class": "ssd"});
            self.heart.write(&secret, &secrets.to_string())?;
        }
        Ok(path)
    }

    /// Gets the id from the monitor as `ceph-volume` does, with the bootstrap key.
    fn reserve(&self, id: u32, secret: &Path) -> Result<String> {
        if let Some((_, uuid)) = self
            .known()?
            .into_iter()
            .find(|(known, _)| *known == u64::from(id))
        {
            return Ok(uuid);
        }
        let uuid = Uuid::new_v4().to_string();
        let secret = secret.display().to_string();
        let bootstrap = self.admin().named("client.bootstrap-osd");
        let given = bootstrap.tell(&["osd", "new", &uuid, "--in-file", &secret])?;
        ensure!(
            given.trim() == id.to_string(),
            "the monitor gave the id {} to what should be osd.{id}",
            given.trim()
        );
        Ok(uuid)
    }

    fn osd(&self, id: u32) -> std::process::Command {
        let mut command = self.heart.daemon("ceph-osd", &id.to_string());
        command.arg(format!("--bluestore-block-size={OSD_BYTES}"));
        command.arg(format!("--crush-location=root=default host=node{}", id + 1));
        command
    }
}

fn name(id: u32) -> String {
    format!("ceph-osd.{id}")
}
