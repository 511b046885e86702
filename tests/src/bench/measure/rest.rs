//! The agent at rest on this machine, all collectors every ten seconds, and node_exporter
//! scraped as often, at the same time.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;

use super::super::cli::Scale;
use super::super::clock;
use super::super::coordinator::{Fleet, http_get};
use super::super::process::{Process, command, free_port};

/// Where Debian's package puts it.
pub const EXPORTER: &str = "/usr/bin/prometheus-node-exporter";
/// Both work this often.
const EVERY: Duration = Duration::from_secs(10);
/// First rounds are dear (packages, disks) and come once.
const WARM_UP: Duration = Duration::from_secs(30);

/// A program at rest, one entry a window.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rest {
    pub pss_mib: Vec<f64>,
    pub cpu_seconds_a_minute: Vec<f64>,
}

/// Both programs side by side; the second is empty when node_exporter is not installed.
///
/// # Errors
/// When the agent does not run, or one of them ends.
pub async fn rest(
    programs: &Path,
    work: &Path,
    scale: &Scale,
    quick: bool,
) -> anyhow::Result<(Rest, Rest)> {
    let fleet = Fleet::init(programs, &work.join("rest")).await?;
    let coordinator = fleet.start().await?;
    let agent = start_agent(&fleet, programs, work).await?;
    let exporter = start_exporter(work)?;
    settle(&fleet, &exporter, if quick { WARM_UP / 3 } else { WARM_UP }).await?;
    let (mut ours, mut theirs) = (Rest::default(), Rest::default());
    for _ in 0..scale.rest_windows {
        let start = clock::now();
        let before = agent.cpu()?;
        let exporter_before = exporter.as_ref().map(|(p, _)| p.cpu()).transpose()?;
        while start.elapsed() < scale.rest {
            if let Some((_, address)) = &exporter {
                http_get(address, "/metrics").await?;
            }
            tokio::time::sleep(EVERY.min(scale.rest.saturating_sub(start.elapsed()))).await;
        }
        let minutes = start.elapsed().as_secs_f64() / 60.0;
        note(&mut ours, &agent, before, minutes)?;
        if let Some(((process, _), before)) = exporter.as_ref().zip(exporter_before) {
            note(&mut theirs, process, before, minutes)?;
        }
    }
    let online = fleet.scrape().await?.online()?;
    ensure!(
        online == 1,
        "the agent is not Online at the end: {}",
        agent.last_words()
    );
    agent.stop().await?;
    if let Some((process, _)) = exporter {
        process.stop().await?;
    }
    coordinator.stop().await?;
    Ok((ours, theirs))
}

fn note(rest: &mut Rest, process: &Process, before: f64, minutes: f64) -> anyhow::Result<()> {
    rest.cpu_seconds_a_minute
        .push((process.cpu()? - before) / minutes);
    rest.pss_mib
        .push(process.pss()? as f64 / f64::from(1 << 20));
    Ok(())
}

/// Waits until the agent is Online, then until the first, dear round is over.
async fn settle(
    fleet: &Fleet,
    exporter: &Option<(Process, String)>,
    time: Duration,
) -> anyhow::Result<()> {
    let start = clock::now();
    while fleet.scrape().await?.online()? == 0 {
        if start.elapsed() > Duration::from_secs(60) {
            bail!("the agent is not Online after a minute");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    if let Some((_, address)) = exporter {
        http_get(address, "/metrics").await?;
    }
    tokio::time::sleep(time).await;
    Ok(())
}

async fn start_agent(fleet: &Fleet, programs: &Path, work: &Path) -> anyhow::Result<Process> {
    let program = programs.join("h8lio-agent");
    let (config, state, token) = (
        work.join("agent.toml"),
        work.join("agent"),
        work.join("token"),
    );
    let seconds = EVERY.as_secs();
    std::fs::write(&config, format!("[intervals]\nreport = \"{seconds}s\"\n"))
        .context("cannot write the agent's configuration")?;
    std::fs::write(&token, fleet.token().await?).context("cannot write a token")?;
    let agent = || {
        let mut agent = command(&program);
        agent
            .arg("--config")
            .arg(&config)
            .arg("--state-dir")
            .arg(&state);
        agent
    };
    let done = agent()
        .args(["enroll", "--token-file"])
        .arg(&token)
        .output()
        .await
        .with_context(|| format!("cannot start {}; build it first", program.display()))?;
    ensure!(
        done.status.success(),
        "enrolling failed: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    Process::start("agent", agent().arg("run"), &work.join("agent.log"))
}

/// `None` when it is not installed.
fn start_exporter(work: &Path) -> anyhow::Result<Option<(Process, String)>> {
    if !Path::new(EXPORTER).exists() {
        return Ok(None);
    }
    let address = format!("127.0.0.1:{}", free_port()?);
    let mut command = command(Path::new(EXPORTER));
    command.arg("--web.listen-address").arg(&address);
    let process = Process::start("node_exporter", &mut command, &work.join("exporter.log"))?;
    Ok(Some((process, address)))
}
