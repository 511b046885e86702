//! The lab's Kubernetes: control plane and kubelets together.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use super::programs::Programs;
use super::{Control, Kubectl, kubelet};
use crate::lab::Lab;
use crate::server::Server;

/// Measured: 43 s from boot to ready, twice that with three at once.
const READY_WITHIN: Duration = Duration::from_secs(300);

/// The cluster of a lab.
#[derive(Debug)]
pub struct Cluster<'a> {
    lab: &'a Lab,
    control: Control,
}

impl<'a> Cluster<'a> {
    /// Starts the control plane, with the programs from the cache or built now; `say` hears what
    /// takes long.
    ///
    /// # Errors
    /// When a program cannot be built or does not start.
    pub fn up(lab: &'a Lab, say: &dyn Fn(&str)) -> Result<Self> {
        let programs = Programs::get(lab.cache(), say)?;
        let control = Control::at(&folder(lab.folder()), lab.space(), programs)?;
        control.start(lab.processes())?;
        Ok(Self { lab, control })
    }

    /// The cluster that was made in this lab, its control plane running.
    ///
    /// # Errors
    /// When none was made, or the API server is not ready.
    pub fn open(lab: &'a Lab, say: &dyn Fn(&str)) -> Result<Self> {
        ensure!(
            folder(lab.folder()).is_dir(),
            "this lab has no Kubernetes cluster; make one with: lab kube up"
        );
        Self::up(lab, say)
    }

    /// Calls the API server as an administrator.
    pub fn kubectl(&self) -> Kubectl {
        self.control.kubectl()
    }

    /// The control plane's own, to stop parts of it.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Makes these servers nodes, and waits until they are ready. One after the other: three
    /// kubelets that start together are slower.
    ///
    /// # Errors
    /// When a server cannot be reached, or is not ready in time.
    pub fn add_nodes(&self, servers: &[Server<'_>]) -> Result<()> {
        let numbers: Vec<u8> = servers.iter().map(Server::number).collect();
        for number in &numbers {
            kubelet::place(&self.control, self.lab, *number, &numbers)?;
        }
        let names: Vec<String> = servers.iter().map(Server::name).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.kubectl().wait_for_nodes(&names, READY_WITHIN)
    }

    /// Ends the cluster: kubelets and their pods on the servers that run, then the control plane
    /// with its data.
    ///
    /// # Errors
    /// When a server cannot be cleaned or a program survives.
    pub fn down(lab: &Lab, servers: &[Server<'_>]) -> Result<()> {
        let mut failed = Vec::new();
        for server in servers {
            if let Err(e) = kubelet::remove(lab, server.number()) {
                failed.push(format!("{}: {e:#}", server.name()));
            }
        }
        Control::down(&folder(lab.folder()), lab.processes()).context("the control plane")?;
        match failed.is_empty() {
            true => Ok(()),
            false => bail!("cannot remove kubelets: {}", failed.join("; ")),
        }
    }
}

fn folder(lab: &Path) -> PathBuf {
    lab.join("kube")
}
