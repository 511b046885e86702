//! `lab kube`.

use anyhow::Result;
use clap::{Args, Subcommand};

use super::ceph::running;
use super::replace;
use crate::cache::Cache;
use crate::checks::say;
use crate::clock::now;
use crate::kube::Cluster;
use crate::kube::programs::Programs;
use crate::lab::Lab;

#[derive(Debug, Args)]
pub(super) struct KubeCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Build the programs unless the cache has them, and say where they are
    Programs,
    /// Start the control plane, and a kubelet on each server
    Up,
    /// Remove it from namespace and servers
    Down,
    /// Call the API server: lab kube ctl get nodes
    Ctl {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
}

impl KubeCommand {
    /// `open` is the lab with servers; building needs none.
    pub(super) fn run(&self, open: impl FnOnce() -> Result<Lab>) -> Result<()> {
        match &self.action {
            Action::Programs => programs(),
            Action::Up => up(&open()?),
            Action::Down => {
                let lab = open()?;
                Cluster::down(&lab, &running(&lab)?)
            }
            Action::Ctl { words } => {
                let lab = open()?;
                let mut command = Cluster::open(&lab, &|line| say(line))?.kubectl().command();
                command.args(words);
                replace(command)
            }
        }
    }
}

fn programs() -> Result<()> {
    let programs = Programs::get(&Cache::open()?, &|line| say(line))?;
    say(&programs.folder().display().to_string());
    Ok(())
}

fn up(lab: &Lab) -> Result<()> {
    let began = now();
    let step = |what: &str| {
        let passed = began.elapsed().as_secs_f64();
        say(&format!("[{passed:>5.0} s] {what}"));
    };
    let cluster = Cluster::up(lab, &step)?;
    step("the API server is ready");
    cluster.add_nodes(&running(lab)?)?;
    step("every server is a ready node");
    say("ask it: scripts/lab.sh kube ctl get pods -A");
    Ok(())
}
