//! The command line: nouns, then verbs. Each command's own options stand in its file.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, Parser};

use crate::commands::Command;
use crate::errors::EXIT_CODES;
use crate::output::Format;
use crate::parse;

/// Operates an h8lio fleet: servers, rollouts, tokens, events, audit log
#[derive(Debug, Parser)]
#[command(
    name = "h8lctl",
    version,
    after_help = EXIT_CODES,
    propagate_version = false,
    max_term_width = 100,
    arg_required_else_help = true,
    subcommand_required = true
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Use the stored context of this name
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "H8LIO_CONTEXT",
        hide_env_values = true
    )]
    pub context: Option<String>,
    /// Use this context file instead of the stored contexts
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "H8LIO_CONTEXT_FILE",
        hide_env_values = true,
        // Unlike clap's parser of paths this one takes an empty value, which counts as unset.
        value_parser = clap::builder::OsStringValueParser::new()
    )]
    pub context_file: Option<OsString>,
    /// Form of the answer
    #[arg(
        short,
        long,
        global = true,
        value_name = "FORM",
        default_value = "table",
        hide_possible_values = true,
        help = "Form of the answer: table, wide, json, yaml or name"
    )]
    pub output: Format,
    /// How long the coordinator may take to answer a call
    #[arg(
        long,
        global = true,
        value_name = "TIME",
        default_value = "30s",
        value_parser = parse::duration
    )]
    pub timeout: Duration,
}
