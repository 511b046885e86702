//! `make sim`: plays seeds, says which fail, and shows the trace of one.

use std::process::ExitCode;

use clap::Parser;
use h8lio_fleetsim::shape::{Rate, Shape};
use h8lio_fleetsim::{Run, Sabotage, run};

/// Plays the fleet simulator.
#[derive(Debug, Parser)]
struct Cli {
    /// Play this one and print its trace.
    #[arg(long)]
    seed: Option<u64>,
    /// The first of many.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many; more are played until there are enough steps.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Workflow steps to come to, over all seeds.
    #[arg(long, default_value_t = 1_000_000)]
    steps: u64,
    /// Take this guard away: seeds must fail then.
    #[arg(long)]
    sabotage: Option<Sabotage>,
    /// Have this fault come so often, of a thousand, whatever a seed draws: `ledgers=300`.
    #[arg(long = "fault", value_name = "NAME=N")]
    faults: Vec<Rate>,
}

impl Cli {
    fn shape(&self, seed: u64) -> Shape {
        Shape::of_seed(seed, &self.faults)
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    match cli.seed {
        Some(seed) => one(seed, &cli),
        None => many(&cli),
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

#[expect(clippy::print_stdout, reason = "a command's output is its purpose")]
fn many(cli: &Cli) -> anyhow::Result<ExitCode> {
    let (mut steps, mut workflow, mut attempts, mut seeds) = (0, 0, 0, 0);
    let mut failed: Vec<Run> = Vec::new();
    let mut seed = cli.from;
    while seeds < cli.seeds || workflow < cli.steps {
        let run = run(seed, Some(cli.shape(seed)), cli.sabotage, false)?;
        steps += run.steps;
        workflow += run.workflow;
        attempts += run.attempts;
        seeds += 1;
        seed += 1;
        if run.broken.is_some() {
            failed.push(run);
        }
    }
    for run in &failed {
        let why = run.broken.as_ref().map(ToString::to_string);
        println!("seed {} FAILED: {}", run.seed, why.unwrap_or_default());
        println!("  see it: make sim SEED={}", run.seed);
    }
    println!(
        "{seeds} seeds, {steps} events, {workflow} of them steps of a workflow, {attempts} attempts: {} seeds failed",
        failed.len()
    );
    Ok(code(failed.is_empty()))
}

fn code(fine: bool) -> ExitCode {
    match fine {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
