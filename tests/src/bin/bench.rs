//! `make bench`: measures h8lio beside its peers and says which targets are met.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;
use h8lio_tests::bench::cli::{Cli, Command, Options};
use h8lio_tests::bench::{load, run};
use tokio::signal::unix::{SignalKind, signal};

/// Longest run, so that a hang is a failure and not a wait.
const WITHIN: Duration = Duration::from_secs(20 * 60);

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    match cli.command {
        Some(Command::Load) => load::run().await.map(|()| ExitCode::SUCCESS),
        None => bench(&cli.options).await,
    }
}

/// Measures until done, told to stop, or out of time; what was started ends in each case.
#[expect(clippy::print_stdout, reason = "a command's output is its purpose")]
async fn bench(options: &Options) -> anyhow::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch SIGTERM")?;
    let report = tokio::select! {
        report = run::run(options, say) => report?,
        _ = interrupt.recv() => anyhow::bail!("interrupted"),
        _ = terminate.recv() => anyhow::bail!("told to stop"),
        () = tokio::time::sleep(WITHIN) => anyhow::bail!("not done within {} minutes", WITHIN.as_secs() / 60),
    };
    report.write(&options.out)?;
    println!("{}", report.table());
    println!("on record: {}", options.out.display());
    let missing = report.missing();
    for what in &missing {
        println!("incomplete: {what}");
    }
    let whole = missing.is_empty() || options.allow_missing;
    Ok(if whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

#[expect(clippy::print_stderr, reason = "progress of a long command")]
fn say(what: &str) {
    eprintln!("bench: {what}");
}
