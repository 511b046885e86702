//! The control plane: etcd, API server, controller manager and scheduler in the namespace.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::pki::{self, Issued, Pki, Subject};
use super::programs::Programs;
use super::{Kubectl, image};
use crate::clock::until;
use crate::process::Processes;
use crate::space::{Network, Space};

/// Where the servers find the API server.
pub(super) const NETWORK: Network = Network::Priv;

const PORT: u16 = 6443;

/// Services' addresses. Nothing routes them: this cluster has no kube-proxy.
const SERVICES: &str = "10.96.0.0/16";
const FIRST_SERVICE: [u8; 4] = [10, 96, 0, 1];

/// etcd on the namespace's loopback, at its registered ports.
const ETCD: &str = "http://127.0.0.1:2379";
const ETCD_PEER: &str = "http://127.0.0.1:2380";

/// Measured: 3 s on an idle machine.
const UP_WITHIN: Duration = Duration::from_secs(120);

/// In the order of their start.
const STARTED: [&str; 4] = [
    "kube-etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
];

/// The control plane of the lab's one Kubernetes cluster.
#[derive(Debug)]
pub struct Control {
    space: Space,
    folder: PathBuf,
    pki: Pki,
    programs: Programs,
}

impl Control {
    /// Makes its keys in `folder`, or takes those that lie there. Nothing is started.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn at(folder: &Path, space: &Space, programs: Programs) -> Result<Self> {
        for part in ["pki", "etcd", "run"] {
            let part = folder.join(part);
            fs::create_dir_all(&part).with_context(|| format!("cannot make {}", part.display()))?;
        }
        let folder = fs::canonicalize(folder).context("cannot find the cluster's folder")?;
        let pki = Pki::at(&folder.join("pki"))?;
        let control = Self {
            space: space.clone(),
            folder,
            pki,
            programs,
        };
        if !control.kubeconfig("admin").exists() {
            control.make_keys()?;
        }
        Ok(control)
    }

    /// Starts what does not run, and waits until the API server is ready.
    ///
    /// # Errors
    /// When one does not start, or the API server is not ready in time.
    pub fn start(&self, processes: &Processes) -> Result<()> {
        let commands = [
            self.etcd(),
            self.api_server(),
            self.controller_manager(),
            self.scheduler(),
        ];
        for (name, command) in STARTED.iter().zip(commands) {
            if processes.running(name)?.is_none() {
                processes.start(name, command)?;
            }
            if *name == "kube-apiserver" {
                self.wait_until_ready(processes)?;
            }
        }
        Ok(())
    }

    /// Ends it, and removes its data.
    ///
    /// # Errors
    /// When a program survives.
    pub fn down(folder: &Path, processes: &Processes) -> Result<()> {
        for name in STARTED.iter().rev() {
            processes.stop(name)?;
        }
        match fs::remove_dir_all(folder) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(e).with_context(|| format!("cannot remove {}", folder.display()))
            }
            _ => Ok(()),
        }
    }

    /// Calls the API server as a member of `system:masters`.
    pub fn kubectl(&self) -> Kubectl {
        let program = self.programs.path("kubectl");
        Kubectl::new(&self.space, program, self.kubeconfig("admin"))
    }

    /// The file with which a program outside calls the API server as an administrator.
    pub fn kubeconfig(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.kubeconfig"))
    }

    /// The kubeconfig of a server's kubelet.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub(super) fn kubelet_config(&self, server: &str) -> Result<String> {
        let user = format!("system:node:{server}");
        let issued = self.pki.client(Subject {
            user: &user,
            group: Some("system:nodes"),
        })?;
        Ok(self.pki.kubeconfig(&url(), &issued).to_string())
    }

    pub(super) fn authority(&self) -> &str {
        self.pki.authority()
    }

    pub(super) fn programs(&self) -> &Programs {
        &self.programs
    }

    /// The archives of the images that pods of the lab may use.
    pub(super) fn images(&self) -> Result<[PathBuf; 2]> {
        image::make(&self.folder.join("run"), &self.programs.path("pause"))
    }

    fn make_keys(&self) -> Result<()> {
        let names = [
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "localhost",
        ];
        let addresses = [
            IpAddr::from(Network::Mgmt.space()),
            IpAddr::from(Network::Priv.space()),
            IpAddr::from([127, 0, 0, 1]),
            IpAddr::from(FIRST_SERVICE),
        ];
        self.pki
            .save("apiserver", &self.pki.server(&names, &addresses)?)?;
        self.pki.save_key("accounts")?;
        let masters = Some("system:masters");
        let to_kubelets = Subject {
            user: "kube-apiserver-kubelet-client",
            group: masters,
        };
        self.pki
            .save("to-kubelets", &self.pki.client(to_kubelets)?)?;
        // The administrator's last: it says that all are there.
        for (file, user, group) in [
            ("controller-manager", "system:kube-controller-manager", None),
            ("scheduler", "system:kube-scheduler", None),
            ("admin", "admin", masters),
        ] {
            let issued: Issued = self.pki.client(Subject { user, group })?;
            let text = self.pki.kubeconfig(&url(), &issued).to_string();
            pki::write(&self.kubeconfig(file), &text)?;
        }
        Ok(())
    }

    fn wait_until_ready(&self, processes: &Processes) -> Result<()> {
        let kubectl = self.kubectl();
        let ready = until("the API server is ready", UP_WITHIN, || {
            let running = processes.running("kube-apiserver")?;
            running.context("the API server ended")?;
            Ok(kubectl.tell(&["get", "--raw", "/readyz"]).ok())
        });
        ready.with_context(|| processes.last_words("kube-apiserver"))?;
        Ok(())
    }

    fn etcd(&self) -> Command {
        let mut command = self.space.command("etcd");
        command
            .args(["--name", "lab", "--data-dir"])
            .arg(self.folder.join("etcd"))
            .args([
                "--listen-client-urls",
                ETCD,
                "--advertise-client-urls",
                ETCD,
            ])
            .args([
                "--listen-peer-urls",
                ETCD_PEER,
                "--initial-advertise-peer-urls",
                ETCD_PEER,
            ])
            .args(["--initial-cluster", &format!("lab={ETCD_PEER}")])
            // A power cut of this machine ends the lab anyway.
            .arg("--unsafe-no-fsync");
        command
    }

    fn api_server(&self) -> Command {
        let mut command = self.program("kube-apiserver");
        command
            .arg(format!("--etcd-servers={ETCD}"))
            .arg(format!("--advertise-address={}", NETWORK.space()))
            .arg(format!("--secure-port={PORT}"))
            .arg(self.flag("client-ca-file", "ca.crt"))
            .arg(self.flag("tls-cert-file", "apiserver.crt"))
            .arg(self.flag("tls-private-key-file", "apiserver.key"))
            .arg(self.flag("kubelet-client-certificate", "to-kubelets.crt"))
            .arg(self.flag("kubelet-client-key", "to-kubelets.key"))
            .arg(self.flag("service-account-key-file", "accounts.pub"))
            .arg(self.flag("service-account-signing-key-file", "accounts.key"))
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .arg(format!("--service-cluster-ip-range={SERVICES}"))
            .arg("--authorization-mode=Node,RBAC")
            .arg("--enable-admission-plugins=NodeRestriction")
            // Nobody resolves the servers' names.
            .arg("--kubelet-preferred-address-types=InternalIP")
            .arg("--endpoint-reconciler-type=none")
            .arg("--allow-privileged=true");
        command
    }

    /// All its patience is Kubernetes' own: what h8lio is measured against.
    fn controller_manager(&self) -> Command {
        let mut command = self.program("kube-controller-manager");
        let config = self.kubeconfig("controller-manager");
        command
            .arg(format!("--kubeconfig={}", config.display()))
            .arg(self.flag("root-ca-file", "ca.crt"))
            .arg(self.flag("service-account-private-key-file", "accounts.key"))
            .args([
                "--use-service-account-credentials=true",
                "--leader-elect=false",
            ])
            .args(["--bind-address=127.0.0.1", "--port=0"]);
        command
    }

    fn scheduler(&self) -> Command {
        let mut command = self.program("kube-scheduler");
        let config = self.kubeconfig("scheduler");
        command
            .arg(format!("--kubeconfig={}", config.display()))
            .args([
                "--leader-elect=false",
                "--bind-address=127.0.0.1",
                "--port=0",
            ]);
        command
    }

    /// A program of Kubernetes', which writes certificates of its own below `run`.
    fn program(&self, name: &str) -> Command {
        let mut command = self.space.command(self.programs.path(name));
        let own = self.folder.join("run").join(name);
        command.arg(format!("--cert-dir={}", own.display()));
        command
    }

    fn flag(&self, flag: &str, file: &str) -> String {
        format!("--{flag}={}", self.pki.file(file).display())
    }
}

fn url() -> String {
    format!("https://{}:{PORT}", NETWORK.space())
}
