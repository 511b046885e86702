//! The program: arguments, one printer of errors, exit codes.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use h8lio_coordinator::cli::Cli;
use h8lio_coordinator::clock::SystemClock;
use h8lio_coordinator::commands;

/// `EX_CONFIG` of sysexits.h; systemd does not restart on it.
const BAD_CONFIG: u8 = 78;

fn main() -> ExitCode {
    let Some(command) = Cli::parse().asked() else {
        let _ = writeln!(
            io::stderr(),
            "h8lio-coordinator: --config alone does nothing; add --check-config or a command (--help)"
        );
        return ExitCode::from(2);
    };
    let clock = SystemClock::new();
    match commands::execute(command, &clock, &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            // Nobody is left to tell when stderr is closed.
            let _ = writeln!(io::stderr(), "h8lio-coordinator: {e:#}");
            let bad = commands::is_bad_setup(&e);
            ExitCode::from(if bad { BAD_CONFIG } else { 1 })
        }
    }
}
