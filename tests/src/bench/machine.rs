//! What the figures were measured on.

use std::path::Path;

use serde::Serialize;

use super::process::command;

/// The machine and the programs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub memory_bytes: u64,
    pub kernel: String,
    /// Of the folder where stores write.
    pub file_system: String,
    /// Processes that wanted to run when the bench began: others' work.
    pub load_at_start: String,
    pub versions: Versions,
}

/// First lines of what the programs say of themselves.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Versions {
    pub h8lio: &'static str,
    pub etcd: Option<String>,
    pub node_exporter: Option<String>,
}

impl Machine {
    /// Looks around; what cannot be read stays empty.
    pub async fn look(work: &Path) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let after = |text: &str, key: &str| {
            let line = text
                .lines()
                .find(|l| l.starts_with(key))
                .unwrap_or_default();
            line.split_once(':')
                .map_or("", |(_, v)| v)
                .trim()
                .to_owned()
        };
        let kib = after(&read("/proc/meminfo"), "MemTotal").replace(" kB", "");
        Self {
            cpu: after(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_bytes: kib.parse::<u64>().unwrap_or(0) * 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: first_line(
                Path::new("/usr/bin/stat"),
                &["-f", "-c", "%T", &work.to_string_lossy()],
            )
            .await
            .unwrap_or_default(),
            load_at_start: read("/proc/loadavg").trim().to_owned(),
            versions: Versions {
                h8lio: env!("CARGO_PKG_VERSION"),
                etcd: first_line(Path::new(super::etcd::PROGRAM), &["--version"]).await,
                node_exporter: first_line(
                    Path::new(super::measure::rest::EXPORTER),
                    &["--version"],
                )
                .await,
            },
        }
    }
}

/// The first line that a program prints; `None` when it is not there.
async fn first_line(program: &Path, arguments: &[&str]) -> Option<String> {
    let done = command(program).args(arguments).output().await.ok()?;
    let said = [done.stdout, done.stderr].concat();
    String::from_utf8_lossy(&said)
        .lines()
        .next()
        .map(str::to_owned)
}
