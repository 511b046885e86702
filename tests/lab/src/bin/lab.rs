//! `lab`: brings the lab up, shows it, breaks it, takes it down.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use h8lio_lab::process::Processes;
use h8lio_lab::space::{Lifetime, Space};

/// Real servers on one small machine, to be rolled out to, broken and mended.
#[derive(Debug, Parser)]
#[command(name = "lab", version)]
struct Cli {
    /// Where the lab keeps its disks, records and logs
    #[arg(long, value_name = "FOLDER", default_value = ".lab", global = true)]
    dir: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes the namespace and starts the servers
    Up,
    /// Shows what runs
    Status,
    /// Stops everything, also what a killed run left
    Down,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    std::fs::create_dir_all(&cli.dir)
        .with_context(|| format!("cannot make {}", cli.dir.display()))?;
    let processes = Processes::at(&cli.dir)?;
    match cli.command {
        Command::Up => Space::create(&processes, Lifetime::Kept).map(|_| ()),
        Command::Status => status(&processes),
        Command::Down => processes.stop_all(),
    }
}

fn status(processes: &Processes) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for (record, runs) in processes.all()? {
        let state = if runs { "runs" } else { "ended" };
        writeln!(out, "{:<12} {state:<6} pid {}", record.name, record.pid)
            .context("cannot write to the terminal")?;
    }
    Ok(())
}
