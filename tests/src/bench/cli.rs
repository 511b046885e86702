//! The command line of the bench.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

/// Measures h8lio beside etcd and node_exporter and says which targets are met.
#[derive(Debug, Parser)]
#[command(name = "bench")]
pub struct Cli {
    #[command(flatten)]
    pub options: Options,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the bench starts itself as.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Makes load, as told on standard input.
    #[command(hide = true)]
    Load,
}

/// What is measured, and how long.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Folder with h8lio-coordinator and h8lio-agent.
    #[arg(long, value_name = "DIR", default_value = "target/dist")]
    pub programs: PathBuf,
    /// The fleet simulator, built as `make sim` builds it.
    #[arg(long, value_name = "FILE", default_value = "target/sim/h8lio-fleetsim")]
    pub simulator: PathBuf,
    /// Where the report goes (JSON); work files go beside it.
    #[arg(long, value_name = "FILE", default_value = "target/bench/report.json")]
    pub out: PathBuf,
    /// A tenth of the nodes, once, in short windows: shows that the bench works.
    #[arg(long)]
    pub quick: bool,
    /// Ends well although a peer is not installed.
    #[arg(long)]
    pub allow_missing: bool,
    /// Only these parts; may be repeated.
    #[arg(long, value_enum)]
    pub only: Vec<Part>,
    /// Nodes, instead of 2,000 (200 with --quick).
    #[arg(long)]
    pub nodes: Option<usize>,
    /// Repeats, instead of 3 (1 with --quick).
    #[arg(long)]
    pub repeats: Option<usize>,
}

/// The parts of the bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Beats, memory, re-admission, detection: coordinator and etcd under sessions.
    Sessions,
    /// Durable transitions: the store and etcd.
    Store,
    /// The agent and node_exporter at rest.
    Agent,
    /// Rollouts played by the planner, and the fleet simulator's pace.
    Planner,
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    pub nodes: usize,
    pub repeats: usize,
    /// Window in which beats are counted.
    pub beats: Duration,
    /// Window in which puts are counted.
    pub puts: Duration,
    /// Windows of the agent at rest: one after the other in one run.
    pub rest: Duration,
    pub rest_windows: usize,
    /// Processes that are stopped and killed to see how soon it is noticed.
    pub victims: usize,
    /// Steps of workflows that the fleet simulator plays in each repeat.
    pub simulated: u64,
}

impl Options {
    /// Full or quick, with what the command line says otherwise.
    pub fn scale(&self) -> Scale {
        let secs = Duration::from_secs;
        let base = if self.quick {
            Scale {
                nodes: 200,
                repeats: 1,
                beats: secs(5),
                puts: secs(2),
                rest: secs(20),
                rest_windows: 1,
                victims: 5,
                simulated: 500,
            }
        } else {
            Scale {
                nodes: 2_000,
                repeats: 3,
                beats: secs(15),
                puts: secs(5),
                rest: secs(60),
                rest_windows: 3,
                victims: 20,
                simulated: 10_000,
            }
        };
        Scale {
            nodes: self.nodes.unwrap_or(base.nodes).clamp(1, 10_000),
            repeats: self.repeats.unwrap_or(base.repeats).clamp(1, 20),
            ..base
        }
    }

    /// Whether the packaged programs are needed.
    pub fn wants_programs(&self) -> bool {
        [Part::Sessions, Part::Store, Part::Agent]
            .iter()
            .any(|part| self.wants(*part))
    }

    /// Whether a part is wanted.
    pub fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}
