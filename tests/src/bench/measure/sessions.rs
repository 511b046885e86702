//! Beats and memory: many sessions on a coordinator, and as many lease clients on an etcd.

use std::time::Duration;

use anyhow::ensure;
use serde::Serialize;

use super::super::cli::Scale;
use super::super::clock;
use super::super::coordinator::Fleet;
use super::super::etcd::Etcd;
use super::super::load::orders::Order;
use super::super::process::Process;
use super::helper::Helper;

/// Interval of beats while they are counted: ten a second and session, half of what the
/// coordinator takes from one. Each comes alone, as in life: none waits to be read with the next.
pub const FAST: Duration = Duration::from_millis(100);
/// Interval of beats in life.
pub const CALM: Duration = Duration::from_secs(1);
/// Time for a program to come to rest before its memory is read.
const SETTLE: Duration = Duration::from_secs(5);

/// What a server program did in one window.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// Per second of its processor time.
    pub per_core_second: f64,
    /// Per second of the clock.
    pub per_second: f64,
    /// Its share of one core.
    pub cores: f64,
    /// The load's.
    pub load_cores: f64,
}

struct Start {
    at: std::time::Instant,
    cpu: f64,
    load_cpu: f64,
    count: f64,
}

impl Start {
    fn window(&self, cpu: f64, load_cpu: f64, count: f64) -> Window {
        let took = self.at.elapsed().as_secs_f64();
        let (cpu, done) = (cpu - self.cpu, count - self.count);
        Window {
            per_core_second: done / cpu,
            per_second: done / took,
            cores: cpu / took,
            load_cores: (load_cpu - self.load_cpu) / took,
        }
    }
}

/// Opens all sessions with a full report each and answers the memory per node, bytes.
///
/// # Errors
/// When the coordinator or the load fails.
pub async fn memory(
    coordinator: &Process,
    empty: u64,
    load: &mut Helper,
    round: u64,
    nodes: usize,
) -> anyhow::Result<f64> {
    load.tell(Order::Beat { every: CALM }).await?;
    load.tell(Order::Open).await?;
    load.tell(Order::Report { round }).await?;
    tokio::time::sleep(SETTLE).await;
    Ok((coordinator.pss()?.saturating_sub(empty)) as f64 / nodes as f64)
}

/// Counts beats of the open sessions, as the coordinator counts them itself.
///
/// # Errors
/// When the coordinator or the load fails.
pub async fn beats(
    fleet: &Fleet,
    coordinator: &Process,
    load: &mut Helper,
    scale: &Scale,
) -> anyhow::Result<Window> {
    load.tell(Order::Beat { every: FAST }).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let lost = load.tell(Order::Counts).await?.lost;
    let start = Start {
        count: fleet.scrape().await?.value("h8lio_beats_total")?,
        at: clock::now(),
        cpu: coordinator.cpu()?,
        load_cpu: load.process.cpu()?,
    };
    tokio::time::sleep(scale.beats).await;
    let count = fleet.scrape().await?.value("h8lio_beats_total")?;
    let window = start.window(coordinator.cpu()?, load.process.cpu()?, count);
    load.tell(Order::Beat { every: CALM }).await?;
    let counts = load.tell(Order::Counts).await?;
    ensure!(
        counts.lost == lost,
        "sessions were lost while beats were counted: {counts:?}"
    );
    Ok(window)
}

/// What an etcd does with as many lease clients: memory per client in bytes, and keepalives.
///
/// # Errors
/// When etcd or the load fails.
pub async fn leases(
    etcd: &Etcd,
    load: &mut Helper,
    scale: &Scale,
) -> anyhow::Result<(f64, Window)> {
    tokio::time::sleep(SETTLE).await;
    let empty = etcd.process.pss()?;
    load.tell(Order::Etcd {
        access: etcd.access.clone(),
        count: scale.nodes,
    })
    .await?;
    load.tell(Order::Beat { every: CALM }).await?;
    load.tell(Order::Open).await?;
    tokio::time::sleep(SETTLE).await;
    let memory = (etcd.process.pss()?.saturating_sub(empty)) as f64 / scale.nodes as f64;

    load.tell(Order::Beat { every: FAST }).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = load.tell(Order::Counts).await?;
    let start = Start {
        count: before.answered as f64,
        at: clock::now(),
        cpu: etcd.process.cpu()?,
        load_cpu: load.process.cpu()?,
    };
    tokio::time::sleep(scale.beats).await;
    let counts = load.tell(Order::Counts).await?;
    let window = start.window(
        etcd.process.cpu()?,
        load.process.cpu()?,
        counts.answered as f64,
    );
    ensure!(
        counts.lost == before.lost,
        "leases were lost while being counted: {counts:?}"
    );
    Ok((memory, window))
}
