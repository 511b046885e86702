//! `make sim`: plays seeds, says which fail, and shows the trace of one.

use std::process::ExitCode;

use clap::Parser as _;
use h8lio_fleetsim::app::{Cli, play};

fn main() -> anyhow::Result<ExitCode> {
    play(&Cli::parse())
}
