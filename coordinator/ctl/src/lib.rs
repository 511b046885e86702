//! `h8lctl`: the operator's command line.
//!
//! One file per command below [`commands`]; what a page says is computed by pure functions in
//! [`report`] (model in, text out); [`output`] knows the forms of `-o`. The network is reached
//! through [`connect::Dial`], the person through [`terminal::Terminal`].

pub mod change;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod connect;
pub mod context;
pub mod errors;
pub mod follow;
pub mod output;
pub mod parse;
pub mod report;
pub mod terminal;
#[cfg(test)]
mod testing;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser as _;
use jiff::Timestamp;

use connect::{Api, Dial};
use context::{Context, Places};
use errors::{CtlError, Exit};
use follow::Interrupt;
use output::Format;
use terminal::Terminal;

/// All that is outside of the program.
pub struct World {
    pub terminal: Box<dyn Terminal>,
    pub dial: Arc<dyn Dial>,
    /// `contexts.toml`; `None` without a home.
    pub store: Option<PathBuf>,
    /// The wall clock.
    pub now: fn() -> Timestamp,
    /// Ends `--watch` and `--follow`.
    pub interrupt: Interrupt,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

/// A command being carried out.
#[derive(Debug)]
pub struct Ctl<'w> {
    pub world: &'w mut World,
    pub format: Format,
    pub timeout: std::time::Duration,
    pub places: Places,
}

impl Ctl<'_> {
    /// The terminal.
    pub fn terminal(&mut self) -> &mut dyn Terminal {
        self.world.terminal.as_mut()
    }

    /// The chosen context, checked as far as that goes without a coordinator.
    ///
    /// # Errors
    /// [`context::ContextError`].
    pub fn context(&self) -> Result<Context, CtlError> {
        let context = self.places.choose()?;
        context.check_expiry((self.world.now)())?;
        Ok(context)
    }

    /// Connects to a coordinator of the chosen context.
    ///
    /// # Errors
    /// When there is no usable context or no coordinator answers.
    pub async fn connect(&self) -> Result<Api, CtlError> {
        let context = self.context()?;
        connect::connect(self.world.dial.as_ref(), &context, self.timeout).await
    }
}

/// Parses `args` (the first is the program's name), carries the command out and prints what went
/// wrong as one line.
pub async fn run<I>(args: I, world: &mut World) -> Exit
where
    I: IntoIterator<Item = OsString>,
{
    let cli = match cli::Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(e) => return explain_usage(&e, world.terminal.as_mut()),
    };
    let places = Places {
        file: cli
            .global
            .context_file
            .filter(|file| !file.is_empty())
            .map(PathBuf::from),
        name: cli.global.context.filter(|name| !name.is_empty()),
        store: world.store.clone(),
    };
    let mut ctl = Ctl {
        world,
        format: cli.global.output,
        timeout: cli.global.timeout,
        places,
    };
    match commands::run(&mut ctl, cli.command).await {
        Ok(exit) => exit,
        Err(e) => {
            let exit = e.exit();
            if exit != Exit::Done {
                let style = anstyle::Style::new()
                    .bold()
                    .fg_color(Some(anstyle::AnsiColor::Red.into()));
                let line = output::clean(&e.line());
                // Nowhere left to say it when standard error is gone, too.
                let _ = ctl
                    .terminal()
                    .err(&format!("{style}error:{style:#} {line}\n"));
            }
            exit
        }
    }
}

fn explain_usage(e: &clap::Error, terminal: &mut dyn Terminal) -> Exit {
    let text = e.render().ansi().to_string();
    let (written, exit) = if e.use_stderr() {
        (terminal.err(&text), Exit::Usage)
    } else {
        (terminal.out(&text), Exit::Done)
    };
    match written {
        Ok(()) => exit,
        Err(e) => CtlError::Output(e).exit(),
    }
}
