//! What the commands do.

use std::io::Write;
use std::sync::Arc;

use anyhow::Context as _;

use crate::cli::{
    BackupArgs, CaCommand, Command, ConfigArgs, InitArgs, OperatorCommand, OperatorCreateArgs,
    PlaceArgs, RestoreArgs, RotateCommand,
};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, ConfigError, Settings};
use crate::init;
use crate::life::LifeError;
use crate::local_operator;
use crate::pages;
use crate::pki::acknowledge::Acknowledgements;
use crate::pki::authority::Authority;
use crate::pki::error::AuthorityError;
use crate::pki::live::LiveError;
use crate::pki::rotation::{self, RotationError, Status};
use crate::restore::{self, Wish};
use crate::store::sqlite::backup;

/// Whether starting again cannot help, as the configuration or the authority's files are wrong
/// (exit code 78). What depends on the time may mend itself: the clock may be set right.
pub fn is_bad_setup(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<ConfigError>()
            || matches!(cause.downcast_ref(), Some(LifeError::OtherFleet { .. }))
            || cause
                .downcast_ref::<AuthorityError>()
                .is_some_and(AuthorityError::is_permanent)
            || cause
                .downcast_ref::<RotationError>()
                .is_some_and(RotationError::is_permanent)
            || cause
                .downcast_ref::<LiveError>()
                .is_some_and(LiveError::is_permanent)
    })
}

/// Runs one command and writes its answer to `out`.
///
/// # Errors
/// Whatever stopped it; see [`is_bad_setup`] for the exit code.
pub fn execute(command: Command, clock: &dyn Clock, out: &mut dyn Write) -> anyhow::Result<()> {
    match command {
        Command::Run(args) => {
            crate::daemon::run(config::load(&args.config)?, Arc::new(SystemClock::new()))
        }
        Command::Init(args) => set_up(args, clock, out),
        Command::CheckConfig(args) => check_config(&args, clock, out),
        Command::Ca(CaCommand::Rotate(step)) => rotate(step, clock, out),
        Command::Operator(OperatorCommand::Create(args)) => create_operator(args, clock, out),
        Command::Backup(args) => back_up(&args, out),
        Command::Restore(args) => put_back(args, clock, out),
        Command::Version => {
            writeln!(out, "h8lio-coordinator {}", env!("CARGO_PKG_VERSION")).context("cannot print")
        }
        Command::Man(args) => pages::manual(&args.out),
        Command::Completion(args) => pages::completion(args.shell, out),
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

fn create_operator(
    args: OperatorCreateArgs,
    clock: &dyn Clock,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let settings = settings_of(&args.place)?;
    let wish = local_operator::Wish {
        name: args.name,
        by: who(),
        reason: args.reason,
        context_out: args.context_out,
    };
    let made = local_operator::create(&settings, &wish, clock.now())?;
    write!(
        out,
        "\
operator {name} (admin) is made, until {until}
a coordinator that runs takes it over within seconds, one that is stopped at its start
next:
  h8lctl context import {context}
",
        name = made.name,
        until = made.expires_at,
        context = wish.context_out.display(),
    )
    .context("cannot print")
}

fn back_up(args: &BackupArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let settings = settings_of(&args.place)?;
    backup::copy(&settings.store, &args.out)?;
    write!(
        out,
        "\
the store of fleet {fleet} is copied to {file}
the certificate authority is not in it: keep a copy of {pki}, too, with the same care
",
        fleet = settings.fleet,
        file = args.out.display(),
        pki = settings.pki.display(),
    )
    .context("cannot print")
}

fn put_back(args: RestoreArgs, clock: &dyn Clock, out: &mut dyn Write) -> anyhow::Result<()> {
    let settings = settings_of(&args.place)?;
    let wish = Wish {
        from: args.from,
        by: who(),
        reason: args.reason,
    };
    let done = restore::restore(&settings, &wish, clock.now())?;
    let aside = done.aside.map_or_else(
        || "there was no store before".to_owned(),
        |path| format!("what was there is kept: {}", path.display()),
    );
    write!(
        out,
        "\
{from} is in place: fleet {fleet}, {nodes} nodes, epoch {epoch}
{aside}
next:
  start the coordinator; it is frozen, and its servers go on as they are
  h8lctl backup recovery    which servers were heard, and whether they know more
  h8lctl backup accept      goes on above everything that servers were ordered
",
        from = wish.from.display(),
        fleet = settings.fleet,
        nodes = done.nodes,
        epoch = done.epoch,
    )
    .context("cannot print")
}

/// Who runs this, as far as the machine can tell: behind sudo the person, else the user.
fn who() -> String {
    let behind_sudo = std::env::var("SUDO_USER").ok();
    let user = || {
        let uid = nix::unistd::getuid();
        let known = nix::unistd::User::from_uid(uid).ok().flatten();
        known.map_or_else(|| format!("uid-{uid}"), |u| u.name)
    };
    let name = behind_sudo.filter(|n| !n.is_empty()).unwrap_or_else(user);
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

fn check_config(args: &ConfigArgs, clock: &dyn Clock, out: &mut dyn Write) -> anyhow::Result<()> {
    let settings = config::load(&args.config)?;
    // As the start does: a key that others can read, or that is not there, is found here.
    Authority::load(&settings.pki, &settings.fleet)?.check(clock.now())?;
    rotation::under_way(&settings.pki)?;
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

fn rotate(step: RotateCommand, clock: &dyn Clock, out: &mut dyn Write) -> anyhow::Result<()> {
    match step {
        RotateCommand::Begin { place, root_key } => {
            let s = settings_of(&place)?;
            let state = rotation::begin(&s.pki, &s.fleet, root_key.as_deref(), clock.now())?;
            write!(
                out,
                "\
rotation of fleet {fleet} began at {at}; both roots are trusted now
next:
  wait until every server and operator has the new one: h8lio-coordinator ca rotate status --dir {dir}
  then: h8lio-coordinator ca rotate finish --dir {dir}
  the new root's key is in {key}: keep it somewhere safe, off this machine
",
                fleet = s.fleet,
                at = state.begun_at,
                dir = place.dir.display(),
                key = s.pki.join(crate::pki::files::ROOT_KEY).display(),
            )
        }
        RotateCommand::Status { place } => {
            let s = settings_of(&place)?;
            let status = rotation::status(&s.pki, &s.fleet, &Acknowledgements::path(&s))?;
            out.write_all(describe(&status).as_bytes())
        }
        RotateCommand::Finish { place, accept_loss } => {
            let s = settings_of(&place)?;
            let report = Acknowledgements::path(&s);
            rotation::finish(&s.pki, &s.fleet, &report, accept_loss)?;
            writeln!(
                out,
                "rotation of fleet {} is finished; the old root is trusted no longer, and join tokens that were made before it began are void",
                s.fleet
            )
        }
    }
    .context("cannot print")
}

fn settings_of(place: &PlaceArgs) -> anyhow::Result<Settings> {
    Ok(config::load(&place.dir.join(init::CONFIG))?)
}

fn describe(status: &Status) -> String {
    let mut text = format!(
        "fleet {}\n  root pin       {}\n  issuing until  {}\n",
        status.fleet, status.pin, status.issuing_until
    );
    let Some(under_way) = status.under_way else {
        return text + "  rotation       none under way\n";
    };
    text += &format!("  rotation       under way since {}\n", under_way.begun_at);
    match &status.report {
        None => text += "  waiting for    not known: the coordinator has not yet reported\n",
        Some(r) => {
            let (ready, known) = (r.known - r.waiting.len().min(r.known), r.known);
            text += &format!("  ready          {ready} of {known}, as of {}\n", r.as_of);
            for w in &r.waiting {
                let seen = w
                    .last_seen
                    .map_or("never seen".into(), |t| format!("last seen {t}"));
                text += &format!("  waiting for    {} ({}), {seen}\n", w.name, w.who);
            }
        }
    }
    text
}

#[cfg(test)]
#[path = "commands_tests.rs"]
mod tests;
