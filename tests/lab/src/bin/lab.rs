//! `lab`: brings the lab up, shows it, breaks it, takes it down.

use std::process::ExitCode;

use clap::Parser as _;
use h8lio_lab::cli::{Cli, run};

#[expect(clippy::print_stderr, reason = "where a command's error belongs")]
fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("lab: {e:#}");
            ExitCode::FAILURE
        }
    }
}
