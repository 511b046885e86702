//! What the commands do.

use std::io::Write;
use std::sync::Arc;

use anyhow::Context as _;

use crate::cli::{Cli, Command, ConfigArgs, InitArgs, ManArgs};
use crate::clock::{Clock, SystemClock};
use crate::config;
use crate::init;

/// Runs one command and writes its answer to `out`.
///
/// # Errors
/// Whatever stopped it; a [`config::ConfigError`] inside means exit code 78.
pub fn execute(command: Command, clock: &dyn Clock, out: &mut dyn Write) -> anyhow::Result<()> {
    match command {
        Command::Run(args) => {
            crate::daemon::run(config::load(&args.config)?, Arc::new(SystemClock::new()))
        }
        Command::Init(args) => set_up(args, clock, out),
        Command::CheckConfig(args) => check_config(&args, out),
        Command::Version => {
            writeln!(out, "h8lio-coordinator {}", env!("CARGO_PKG_VERSION")).context("cannot print")
        }
        Command::Man(args) => man(&args),
    }
}

fn set_up(args: InitArgs, clock: &dyn Clock, out: &mut dyn Write) -> anyhow::Result<()> {
    let context = args.context_out.display().to_string();
    let (fleet, operator) = (args.fleet.to_string(), args.operator.to_string());
    let pki = args.dir.join("pki");
    let done = init::init(&args.into(), clock.now())?;
    write!(
        out,
        "\
fleet {fleet} is set up
  configuration  {config}
  addresses      {addresses}
  root pin       {pin}
  operator       {operator} (admin), until {until}: {context}
next:
  h8lio-coordinator run --config {config}
  h8lctl context import {context}
keep {root_key} somewhere safe, off this machine: only `ca rotate` needs it
",
        config = done.config.display(),
        addresses = done.addresses.join(", "),
        pin = done.pin,
        until = done.operator_expires,
        root_key = pki.join(crate::pki::files::ROOT_KEY).display(),
    )
    .context("cannot print")
}

fn check_config(args: &ConfigArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let settings = config::load(&args.config)?;
    writeln!(
        out,
        "{} is valid: coordinator {} of fleet {}, listening on {}",
        args.config.display(),
        settings.name,
        settings.fleet,
        settings.listen
    )
    .context("cannot print")
}

fn man(args: &ManArgs) -> anyhow::Result<()> {
    let command = <Cli as clap::CommandFactory>::command();
    clap_mangen::generate_to(command, &args.out)
        .with_context(|| format!("cannot write manual pages to {}", args.out.display()))
}
