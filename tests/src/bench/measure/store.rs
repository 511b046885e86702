//! Durable transitions: the coordinator's store and etcd, both on the same file system, both
//! answering after fsync, 64 callers.

use std::path::Path;

use serde::Serialize;

use super::super::cli::Scale;
use super::super::etcd::Etcd;
use super::super::load::orders::{Order, Puts};
use super::helper::Helper;

/// Callers at the same time.
pub const CALLERS: usize = 64;

/// What was measured.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Written {
    #[serde(flatten)]
    pub puts: Puts,
    /// Processor time of the writing process, microseconds a put. For ours this includes the
    /// callers, who live in the same process.
    pub cpu_us: f64,
}

/// Puts into a fresh store below `work`.
///
/// # Errors
/// When the store fails.
pub async fn ours(work: &Path, repeat: usize, scale: &Scale) -> anyhow::Result<Written> {
    let mut load = Helper::start(&work.join("load.log"))?;
    let file = work.join(format!("puts-{repeat}.db"));
    let before = load.process.cpu()?;
    let order = Order::StorePuts {
        file,
        callers: CALLERS,
        window: scale.puts,
    };
    let puts = load.puts(order).await?;
    let cpu = load.process.cpu()? - before;
    Ok(written(puts, cpu, scale))
}

/// Puts into a running etcd.
///
/// # Errors
/// When etcd fails.
pub async fn theirs(etcd: &Etcd, load: &mut Helper, scale: &Scale) -> anyhow::Result<Written> {
    load.tell(Order::Etcd {
        access: etcd.access.clone(),
        count: 0,
    })
    .await?;
    let before = etcd.process.cpu()?;
    let puts = load
        .puts(Order::EtcdPuts {
            callers: CALLERS,
            window: scale.puts,
        })
        .await?;
    let cpu = etcd.process.cpu()? - before;
    Ok(written(puts, cpu, scale))
}

fn written(puts: Puts, cpu: f64, scale: &Scale) -> Written {
    let done = puts.per_second * scale.puts.as_secs_f64();
    Written {
        puts,
        cpu_us: cpu / done * 1e6,
    }
}
