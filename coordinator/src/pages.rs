//! What the command line says about itself: manual pages and completion scripts.

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::Cli;

/// Tools of administrators, as the units' `Documentation=` says.
const SECTION: &str = "8";

/// Writes a page for the program and one for each command.
///
/// # Errors
/// When `folder` cannot be written to.
pub(crate) fn manual(folder: &Path) -> anyhow::Result<()> {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    write(&program, folder)
        .with_context(|| format!("cannot write manual pages to {}", folder.display()))
}

fn write(command: &Command, folder: &Path) -> std::io::Result<()> {
    for sub in command.get_subcommands().filter(|c| !c.is_hide_set()) {
        write(sub, folder)?;
    }
    let page = Man::new(command.clone()).section(SECTION);
    page.generate_to(folder).map(drop)
}

/// Prints the completion script for a shell.
///
/// # Errors
/// When `out` is closed.
pub(crate) fn completion(shell: Shell, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "h8lio-coordinator", &mut script);
    out.write_all(&script).context("cannot print")
}
