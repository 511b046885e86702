//! Plays seeds, says which fail, and shows the trace of one.

use std::num::NonZero;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use clap::{Parser, Subcommand};

use crate::repl;
use crate::sabotage::Sabotage;
use crate::shape::{Rate, Shape};
use crate::world::{Run, run};

/// Plays the fleet simulator.
#[derive(Debug, Parser)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Play this one and print its trace.
    #[arg(long)]
    seed: Option<u64>,
    /// The first of many.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many at least; more are played until there are enough steps.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Workflow steps to come to, over all seeds.
    #[arg(long, default_value_t = 1_000_000)]
    steps: u64,
    /// Say what was played as one line of JSON, last.
    #[arg(long)]
    json: bool,
    /// Take this guard away: seeds must fail then.
    #[arg(long)]
    sabotage: Option<Sabotage>,
    /// Have this fault come so often, of a thousand, whatever a seed draws: `ledgers=300`.
    #[arg(long = "fault", value_name = "NAME=N")]
    faults: Vec<Rate>,
}

/// What else it does.
#[derive(Debug, Subcommand)]
enum Command {
    /// Plays one fleet by hand: a command a line (`help` lists them).
    Repl {
        /// A script; standard input where there is none, or for `-`.
        #[arg(default_value = "-")]
        script: PathBuf,
    },
}

impl Cli {
    fn shape(&self, seed: u64) -> Shape {
        Shape::of_seed(seed, &self.faults)
    }
}

/// Does what is asked.
///
/// # Errors
/// When the simulated servers' folders cannot be made.
pub fn play(cli: &Cli) -> anyhow::Result<ExitCode> {
    match (&cli.command, cli.seed) {
        (Some(Command::Repl { script }), _) => Ok(code(repl::open(script)?)),
        (None, Some(seed)) => one(seed, cli),
        (None, None) => many(cli),
    }
}

#[expect(clippy::print_stdout, reason = "a command's output is its purpose")]
fn one(seed: u64, cli: &Cli) -> anyhow::Result<ExitCode> {
    let run = run(seed, Some(cli.shape(seed)), cli.sabotage, true)?;
    for line in &run.trace {
        println!("{line}");
    }
    println!("seed {seed}: {} steps, trace {}", run.steps, run.hash);
    Ok(code(run.broken.is_none()))
}

/// What was played.
#[derive(Debug, Default)]
struct Tally {
    seeds: u64,
    steps: u64,
    workflow: u64,
    attempts: usize,
    failed: Vec<Run>,
}

impl Tally {
    fn add(&mut self, run: Run) {
        self.seeds += 1;
        self.steps += run.steps;
        self.workflow += run.workflow;
        self.attempts += run.attempts;
        if run.broken.is_some() {
            self.failed.push(run);
        }
    }
}

/// Plays seed after seed on every processor. A seed's run depends on nothing but the seed.
fn tally(cli: &Cli) -> anyhow::Result<Tally> {
    let next = AtomicU64::new(cli.from);
    let tally = Mutex::new(Tally::default());
    let worker = || -> anyhow::Result<()> {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let run = run(seed, Some(cli.shape(seed)), cli.sabotage, false)?;
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            tally.add(run);
            if tally.seeds >= cli.seeds && tally.workflow >= cli.steps {
                return Ok(());
            }
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| {
            let ended = worker.join();
            ended.unwrap_or_else(|_| Err(anyhow::anyhow!("a seed made the simulator panic")))
        })
    })?;
    let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally.failed.sort_by_key(|run| run.seed);
    Ok(tally)
}

#[expect(clippy::print_stdout, reason = "a command's output is its purpose")]
fn many(cli: &Cli) -> anyhow::Result<ExitCode> {
    let tally = tally(cli)?;
    for run in &tally.failed {
        let why = run.broken.as_ref().map(ToString::to_string);
        println!("seed {} FAILED: {}", run.seed, why.unwrap_or_default());
        println!("  see it: make sim SEED={}", run.seed);
    }
    if cli.json {
        let told = serde_json::json!({
            "seeds": tally.seeds,
            "events": tally.steps,
            "workflow": tally.workflow,
            "attempts": tally.attempts,
            "failed": tally.failed.len(),
        });
        println!("{told}");
        return Ok(code(tally.failed.is_empty()));
    }
    println!(
        "{} seeds, {} events, {} of them steps of a workflow, {} attempts: {} seeds failed",
        tally.seeds,
        tally.steps,
        tally.workflow,
        tally.attempts,
        tally.failed.len()
    );
    Ok(code(tally.failed.is_empty()))
}

fn code(fine: bool) -> ExitCode {
    match fine {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
