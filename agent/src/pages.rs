//! What the command line says about itself: manual pages and completion scripts.

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
pub fn manual(folder: &Path) -> anyhow::Result<()> {
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
/// When standard output is closed.
pub fn completion(shell: Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "h8lio-agent", &mut script);
    std::io::Write::write_all(&mut std::io::stdout(), &script).context("cannot print")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_is_shown_has_its_page_in_section_8() {
        let folder = tempfile::tempdir().expect("a folder");
        manual(folder.path()).expect("written");
        let page = |name: &str| std::fs::read_to_string(folder.path().join(name));
        let text = page("h8lio-agent.8").expect("the program's page");
        assert!(text.contains(".TH h8lio-agent 8"), "{text}");
        page("h8lio-agent-enroll.8").expect("a command's page");
        assert!(
            page("h8lio-agent-man.8").is_err(),
            "hidden commands have none"
        );
    }
}
