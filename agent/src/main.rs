//! `h8lio-agent`: arguments, configuration before the runtime, one printer of errors, exit codes.
//!
//! | Code | Means |
//! |---|---|
//! | 0 | done |
//! | 1 | failed; standard error says why |
//! | 2 | wrong arguments |
//! | 78 | bad configuration: starting again does not help (`RestartPreventExitStatus=78`) |

use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use h8lio_agent::cli::{Cli, Command};
use h8lio_agent::config::ConfigError;
use h8lio_agent::{app, config, logging, pages};

const BAD_CONFIG: u8 = 78;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            #[expect(clippy::print_stderr, reason = "the one printer of errors")]
            {
                eprintln!("h8lio-agent: {e:#}");
            }
            if e.is::<ConfigError>() {
                return ExitCode::from(BAD_CONFIG);
            }
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let command = match cli.command {
        _ if cli.check_config => Command::CheckConfig,
        Some(command) => command,
        None => {
            Cli::command().print_help()?;
            return Ok(());
        }
    };
    match &command {
        Command::Version => return app::say(&format!("h8lio-agent {}", env!("CARGO_PKG_VERSION"))),
        Command::Man(man) => return pages::manual(&man.out),
        Command::Completion(c) => return pages::completion(c.shell),
        _ => {}
    }
    let mut settings = config::load(cli.config.as_deref())?;
    if let Some(dir) = cli.state_dir {
        settings.state_dir = std::path::absolute(dir)?;
    }
    let work = match command {
        Command::CheckConfig => return app::say("the configuration is good"),
        Command::Status => return app::status(&settings),
        Command::Transaction(t) => return app::transaction(&settings, t.attempt),
        other => other,
    };
    logging::start(&cli.log)?;
    app::be_frugal();
    // One thread for everything that must be prompt; blocking reads go to a few others. They end
    // soon after a round: making one costs microseconds, and a sleeping one keeps its stack.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(24)
        .thread_keep_alive(Duration::from_secs(2))
        .build()?;
    let outcome = runtime.block_on(app::work(&settings, work));
    // A reading that hangs in the kernel must not keep the process from ending.
    runtime.shutdown_background();
    outcome
}
