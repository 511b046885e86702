use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Fast-moving readings. Never stored; the coordinator keeps the latest in memory.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Vitals {
    pub uptime_seconds: u64,
    pub load1: f64,
    /// `MemAvailable`, bytes.
    pub memory_available_bytes: u64,
    /// Pressure stall information by resource (`cpu`, `memory`, `io`); empty without PSI.
    pub pressure: BTreeMap<String, Pressure>,
    pub filesystems: Vec<FilesystemUsage>,
    /// Degrees Celsius by disk key.
    pub disk_temperatures: BTreeMap<String, i32>,
    /// Degrees Celsius by sensor of the server, for example `coretemp Package id 0`; the hottest
    /// where several sensors have one name.
    pub temperatures: BTreeMap<String, i32>,
    /// Offset of the server's wall clock from the coordinator's, milliseconds, from the last
    /// beat's round trip; `None` before the first.
    pub clock_offset_ms: Option<i64>,
    pub interfaces: BTreeMap<String, InterfaceCounters>,
}

/// One line pair of `/proc/pressure/*`, percent of time over ten seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Pressure {
    pub some_avg10: f64,
    pub full_avg10: Option<f64>,
}

/// How full a file system is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FilesystemUsage {
    pub mount: String,
    pub total_bytes: u64,
    /// Available to an unprivileged process.
    pub available_bytes: u64,
    pub read_only: bool,
    /// `None`: the file system has no fixed number of inodes (btrfs, overlay).
    pub inodes_total: Option<u64>,
    pub inodes_free: Option<u64>,
}

/// Counters since the interface appeared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InterfaceCounters {
    pub rx_bytes: u64,
    pub tx_bytes: u64,
    pub rx_errors: u64,
    pub tx_errors: u64,
    pub rx_dropped: u64,
    pub tx_dropped: u64,
}
