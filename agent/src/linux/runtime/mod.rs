//! Container runtimes over their unix sockets and the kubelet over loopback.
//!
//! The questions are asynchronous inside and asked on a small runtime of their own, so that the
//! caller's thread blocks for a bounded time: 2 s for each socket that exists, and 2 s for the
//! kubelet.

mod cri;
mod health;
mod messages;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use h8lio_model::inventory::Problem;

use super::exec::{self, Argv};
use super::{procs, refusal, unreadable};
use crate::host::runtime::{
    CriFault, KubeletHealth, RawCri, RawKubelet, RawRuntime, RuntimeHost, Secret,
};

/// Longest wait for one socket or for the kubelet, seconds.
const DEADLINE_SECONDS: u32 = 2;
const DEADLINE: Duration = Duration::from_secs(DEADLINE_SECONDS as u64);

/// Where runtimes put their sockets.
const SOCKETS: [&str; 5] = [
    "run/containerd/containerd.sock",
    "run/crio/crio.sock",
    "run/k3s/containerd/containerd.sock",
    "run/cri-dockerd.sock",
    "var/snap/microk8s/common/run/containerd.sock",
];

/// Kubeconfigs of the kubelet.
const KUBECONFIGS: [&str; 3] = [
    "etc/kubernetes/kubelet.conf",
    "var/lib/rancher/k3s/agent/kubelet.kubeconfig",
    "var/lib/rancher/rke2/agent/kubelet.kubeconfig",
];

/// Files that tell who installed the kubelet.
const MARKS: [&str; 3] = [
    "var/lib/kubelet/kubeadm-flags.env",
    "var/lib/rancher/k3s/agent",
    "var/lib/rancher/rke2/agent",
];

/// Programs that are, or hold, a kubelet.
const BINARIES: [&str; 3] = ["kubelet", "k3s", "rke2"];

/// A kubeconfig beyond this is not read: 256 KiB.
const KUBECONFIG_CAP: u64 = 256 << 10;

/// The real runtimes and kubelet.
#[derive(Debug)]
pub struct LinuxRuntime {
    root: PathBuf,
    kubelet: SocketAddr,
    /// The last answer to `--version` and the binary that gave it: starting a large Go program
    /// every period would cost more than all other readings together.
    version: Mutex<Option<(Stamp, Vec<u8>)>>,
}

/// Path, inode, modification time and size of a binary.
type Stamp = (PathBuf, u64, i64, u64);

impl LinuxRuntime {
    /// The server's runtimes, and the kubelet on 127.0.0.1:10248.
    pub fn new() -> Self {
        Self {
            root: PathBuf::from("/"),
            kubelet: SocketAddr::from(([127, 0, 0, 1], 10248)),
            version: Mutex::new(None),
        }
    }
}

impl Default for LinuxRuntime {
    fn default() -> Self {
        Self::new()
    }
}

impl RuntimeHost for LinuxRuntime {
    fn runtime(&self) -> RawRuntime {
        let mut problems = Vec::new();
        let asker = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let asker = match asker {
            Ok(asker) => asker,
            Err(e) => {
                problems.push(unreadable("container runtimes", &e));
                return RawRuntime {
                    problems,
                    ..RawRuntime::default()
                };
            }
        };
        let endpoints = SOCKETS
            .iter()
            .map(|s| self.root.join(s))
            .filter_map(|path| endpoint(&asker, &path))
            .collect();
        let kubelet = self.kubelet(&asker, &mut problems);
        RawRuntime {
            endpoints,
            kubelet,
            problems,
        }
    }
}

/// `None` when nothing is at the path.
fn endpoint(asker: &tokio::runtime::Runtime, path: &Path) -> Option<RawCri> {
    let answer = match fs::metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return None,
        Err(e) => Err(cri::connect_fault(&e)),
        Ok(meta) if !meta.file_type().is_socket() => Err(CriFault::NotCri {
            detail: "it is no socket".to_owned(),
        }),
        Ok(_) => asker.block_on(async {
            tokio::time::timeout(DEADLINE, cri::ask(path))
                .await
                .unwrap_or(Err(CriFault::TimedOut {
                    seconds: DEADLINE_SECONDS,
                }))
        }),
    };
    Some(RawCri {
        socket: path.display().to_string(),
        answer,
    })
}

impl LinuxRuntime {
    fn kubelet(&self, asker: &tokio::runtime::Runtime, problems: &mut Vec<Problem>) -> RawKubelet {
        let there = |p: &&&str| self.root.join(p).exists();
        let marks: Vec<_> = MARKS
            .iter()
            .filter(there)
            .map(|m| format!("/{m}"))
            .collect();
        let binary = BINARIES.iter().find_map(|b| Some((*b, exec::find(b)?)));
        let installed =
            binary.is_some() || !marks.is_empty() || self.root.join("var/lib/kubelet").exists();
        if !installed {
            return RawKubelet::default();
        }
        let health = asker.block_on(async {
            tokio::time::timeout(DEADLINE, health::ask(self.kubelet))
                .await
                .unwrap_or(KubeletHealth::TimedOut)
        });
        // One that answers runs; the walk over all processes is spared then.
        let process = match health {
            KubeletHealth::Answered { .. } => None,
            _ => self.process(problems),
        };
        RawKubelet {
            installed,
            process,
            health,
            version: binary.and_then(|(tool, path)| self.version(tool, &path, problems)),
            kubeconfig: self.kubeconfig(problems),
            marks,
        }
    }

    fn process(&self, problems: &mut Vec<Problem>) -> Option<bool> {
        match procs::names(&self.root.join("proc")) {
            Ok(names) => Some(names.iter().any(|n| is_kubelet(n))),
            Err(e) => {
                problems.push(unreadable("processes", &e));
                None
            }
        }
    }

    fn version(
        &self,
        tool: &'static str,
        path: &Path,
        problems: &mut Vec<Problem>,
    ) -> Option<Vec<u8>> {
        let meta = fs::metadata(path).ok()?;
        let stamp = (path.to_owned(), meta.ino(), meta.mtime(), meta.size());
        let mut cached = self
            .version
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((_, version)) = cached.as_ref().filter(|(s, _)| *s == stamp) {
            return Some(version.clone());
        }
        let what = format!("{tool} --version");
        match exec::run(
            tool,
            &Argv::of(&["--version"]),
            &[],
            Duration::from_secs(10),
        ) {
            Ok(answer) if answer.code == 0 => {
                *cached = Some((stamp, answer.stdout.clone()));
                return Some(answer.stdout);
            }
            Ok(answer) => problems.push(refusal(&what, &answer)),
            Err(e) => problems.push(e.problem(&what)),
        }
        None
    }

    fn kubeconfig(&self, problems: &mut Vec<Problem>) -> Option<Secret> {
        for path in KUBECONFIGS {
            let shown = format!("/{path}");
            let path = self.root.join(path);
            match fs::metadata(&path).map(|m| m.len()) {
                Ok(length) if length > KUBECONFIG_CAP => problems.push(Problem {
                    what: shown,
                    reason: "NotUnderstood".to_owned(),
                    message: "it is larger than 256 KiB and not read".to_owned(),
                }),
                Ok(_) => match fs::read(&path) {
                    Ok(bytes) => return Some(Secret(bytes)),
                    Err(e) => problems.push(unreadable(&shown, &e)),
                },
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => problems.push(unreadable(&shown, &e)),
            }
        }
        None
    }
}

fn is_kubelet(process: &str) -> bool {
    process == "kubelet"
        || ["k3s-server", "k3s-agent", "k3s", "rke2"].contains(&process)
        || process == "kubelite"
}

#[cfg(test)]
mod tests;
