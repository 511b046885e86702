//! The figures: what each is, its target (docs/performance.md says where that comes from), and
//! what it is measured beside.

use serde::Serialize;

/// Which way a figure is good.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// So many times the peer, or more.
    TimesPeer(f64),
    /// Measured beside others, without a target.
    None,
}

/// One figure's fixed part.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    pub id: &'static str,
    pub what: &'static str,
    pub unit: &'static str,
    pub target: Target,
    /// What the peer's number is.
    pub peer: Option<&'static str>,
    /// Debian's package of the peer.
    pub package: Option<&'static str>,
}

const ETCD: Option<&str> = Some("etcd-server");
const EXPORTER: Option<&str> = Some("prometheus-node-exporter");

const fn kind(id: &'static str, what: &'static str, unit: &'static str, target: Target) -> Kind {
    Kind {
        id,
        what,
        unit,
        target,
        peer: None,
        package: None,
    }
}

impl Kind {
    const fn beside(mut self, peer: &'static str, package: Option<&'static str>) -> Self {
        self.peer = Some(peer);
        self.package = package;
        self
    }
}

pub const BEATS: Kind = kind(
    "heartbeatsPerCoreSecond",
    "heartbeats per core-second, fully processed",
    "beats",
    Target::AtLeast(40_000.0),
)
.beside("etcd lease keepalives", ETCD);
pub const MEMORY: Kind = kind(
    "memoryPerNode",
    "coordinator memory per connected node",
    "KiB",
    Target::AtMost(45.0),
)
.beside("etcd, a lease client's connection", ETCD);
pub const MEMORY_AFTER_RESTART: Kind = kind(
    "memoryPerNodeAfterRestart",
    "the same after re-admission",
    "KiB",
    Target::AtMost(45.0),
);
pub const READMISSION: Kind = kind(
    "readmission",
    "all nodes Online again after SIGKILL",
    "s",
    Target::AtMost(8.0),
);
pub const READMISSION_CPU: Kind = kind(
    "readmissionCpuPerNode",
    "processor time of that, per node (10,000 in 5 s)",
    "ms",
    Target::AtMost(0.5),
);
pub const FALSE_VERDICTS: Kind = kind(
    "falseVerdicts",
    "false verdicts in and after it",
    "nodes",
    Target::AtMost(0.0),
);
pub const RESUMED: Kind = kind(
    "resumedHandshakes",
    "TLS sessions resumed across the restart",
    "%",
    Target::AtLeast(99.0),
);
pub const PUTS: Kind = kind(
    "durableTransitions",
    "durable transitions, 64 at once, fsync",
    "1/s",
    Target::TimesPeer(10.0),
)
.beside("etcd puts", ETCD);
pub const PUTS_P99: Kind = kind(
    "durableTransitionsP99",
    "99 of 100 of them within",
    "ms",
    Target::AtMost(10.0),
)
.beside("etcd puts", ETCD);
pub const DEATH: Kind = kind(
    "detectDeathMedian",
    "an agent's process killed: event seen, median",
    "ms",
    Target::AtMost(100.0),
);
pub const DEATH_MAX: Kind = kind(
    "detectDeathMax",
    "an agent's process killed: event seen, longest",
    "ms",
    Target::AtMost(100.0),
);
pub const SILENCE: Kind = kind(
    "detectSilenceMedian",
    "silence at 1 s beats: NodeUnreachable, median",
    "s",
    Target::AtMost(4.0),
);
pub const SILENCE_MAX: Kind = kind(
    "detectSilenceMax",
    "silence at 1 s beats: NodeUnreachable, longest",
    "s",
    Target::AtMost(4.0),
);
pub const SUSPECT: Kind = kind(
    "suspectSilenceMedian",
    "silence at 1 s beats: NodeSuspect, median",
    "s",
    Target::None,
);
pub const REST_PSS: Kind = kind(
    "agentPss",
    "agent at rest, memory (PSS)",
    "MiB",
    Target::AtMost(8.0),
)
.beside("node_exporter", EXPORTER);
pub const REST_CPU: Kind = kind(
    "agentCpu",
    "agent at rest, processor time a minute",
    "s",
    Target::AtMost(0.03),
)
.beside("node_exporter", EXPORTER);
pub const RACKS_BOUND: Kind = kind(
    "rolloutRacksOverBound",
    "rollout of 1,000 nodes in 40 racks, by the lower bound",
    "times",
    Target::AtMost(1.10),
);
pub const RACKS_SERIAL: Kind = kind(
    "rolloutRacksTimesSerial",
    "the same, faster than one at a time",
    "times",
    Target::AtLeast(15.0),
);
pub const RACKS_FIVE: Kind = kind(
    "rolloutRacksTimesFive",
    "the same, faster than five at a time",
    "times",
    Target::None,
);
pub const CLUSTERS_BOUND: Kind = kind(
    "rolloutClustersOverBound",
    "rollout of 5,000 nodes in 10 clusters, by the lower bound",
    "times",
    Target::AtMost(1.10),
);
pub const CLUSTERS_SERIAL: Kind = kind(
    "rolloutClustersTimesSerial",
    "the same, faster than one at a time",
    "times",
    Target::None,
);
pub const CLUSTERS_FIVE: Kind = kind(
    "rolloutClustersTimesFive",
    "the same, faster than five at a time",
    "times",
    Target::None,
);
pub const PLAN_FIRST: Kind = kind(
    "planFirst",
    "the first plan for 5,000 nodes, processor time",
    "s",
    Target::AtMost(1.0),
);
pub const PLAN_SLOWEST: Kind = kind(
    "planSlowest",
    "the slowest plan of that rollout, processor time",
    "s",
    Target::AtMost(1.0),
);
pub const SIM_STEPS: Kind = kind(
    "simulatedStepsPerCoreSecond",
    "fleet simulator: steps of workflows per core-second",
    "steps",
    Target::None,
);
pub const SIM_EVENTS: Kind = kind(
    "simulatedEventsPerCoreSecond",
    "fleet simulator: events per core-second",
    "events",
    Target::None,
);
