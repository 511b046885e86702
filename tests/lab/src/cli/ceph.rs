//! `lab ceph`.

use std::path::Path;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};

use super::replace;
use crate::ceph::loopback::Loopback;
use crate::ceph::servers::Cluster;
use crate::ceph::{Client, Place};
use crate::checks::say;
use crate::clock::now;
use crate::lab::Lab;
use crate::server::{Power, Server};
use crate::space::Lifetime;

#[derive(Debug, Args)]
pub(super) struct CephCommand {
    /// The quick cluster without servers, in a namespace of its own
    #[arg(long, global = true)]
    loopback: bool,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make the cluster, or start the one that is there
    Up {
        /// The disk of each server that becomes an OSD
        #[arg(long, default_value = "d2")]
        disk: String,
    },
    /// Remove it; the servers' disks are wiped
    Down,
    /// Run a program of Ceph's against it: lab ceph run ceph -s
    Run {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
}

/// How many OSDs the quick cluster has.
const OSDS: u32 = 3;

impl CephCommand {
    /// `open` is the lab with servers; the quick cluster has one of its own beside it.
    pub(super) fn run(
        &self,
        folder: Option<&Path>,
        open: impl FnOnce() -> Result<Lab>,
    ) -> Result<()> {
        let quick_folder = folder.unwrap_or(Path::new(super::LOOPBACK));
        match (&self.action, self.loopback) {
            (Action::Up { disk }, false) => up(&open()?, disk),
            (Action::Down, false) => {
                let lab = open()?;
                Cluster::down(&lab, &running(&lab)?)
            }
            (Action::Run { command }, false) => become_(&Cluster::open(&open()?)?.admin(), command),
            (Action::Up { .. }, true) => quick_up(quick_folder),
            (Action::Down, true) => quick_down(quick_folder),
            (Action::Run { command }, true) => {
                become_(&quick(&Lab::open(quick_folder)?)?.admin(), command)
            }
        }
    }
}

fn up(lab: &Lab, disk: &str) -> Result<()> {
    let began = now();
    let cluster = Cluster::up(lab)?;
    say(&format!(
        "[{:>5.0} s] monitor and manager run",
        began.elapsed().as_secs_f64()
    ));
    cluster.add_osds(&running(lab)?, disk)?;
    say(&format!(
        "[{:>5.0} s] OSDs on {disk} are up",
        began.elapsed().as_secs_f64()
    ));
    say("ask it: scripts/lab.sh ceph run ceph -s");
    Ok(())
}

fn quick_up(folder: &Path) -> Result<()> {
    let began = now();
    let lab = match Lab::open(folder) {
        Ok(lab) => lab,
        Err(_) => Lab::create(folder, Lifetime::Kept)?,
    };
    quick(&lab)?;
    say(&format!(
        "[{:>5.0} s] {OSDS} OSDs are up",
        began.elapsed().as_secs_f64()
    ));
    say("ask it: scripts/lab.sh ceph run --loopback ceph -s");
    Ok(())
}

fn quick(lab: &Lab) -> Result<Loopback> {
    let place = Place::Inside(lab.space().clone());
    Loopback::up(lab.folder(), &lab.sockets().join("ceph"), &place, OSDS)
}

fn quick_down(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        Loopback::down(folder)?;
    }
    Lab::remove(folder)
}

/// The servers that are on; those that are off keep what they have.
pub(super) fn running(lab: &Lab) -> Result<Vec<Server<'_>>> {
    let mut on = Vec::new();
    for server in lab.servers()? {
        if server.power()? == Power::On {
            on.push(server);
        }
    }
    Ok(on)
}

fn become_(client: &Client, words: &[String]) -> Result<()> {
    let (program, words) = words.split_first().context("no program was named")?;
    let mut command = client.command(program);
    command.args(words);
    replace(command)
}
