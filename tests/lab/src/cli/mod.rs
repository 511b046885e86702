//! The commands of `lab`.

mod bmc;
mod ceph;
mod cut;
mod disk;
mod kube;
mod power;
mod up;

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::{Parser, Subcommand};

use crate::checks::say;
use crate::lab::Lab;
use crate::server::Power;
use crate::stages;

/// Folders of the three labs that a checkout may have, below the folder that `lab` is run in.
const HAND: &str = ".lab/hand";
const TEST: &str = ".lab/test";
const LOOPBACK: &str = ".lab/loopback";

/// Real servers on one small machine, to be rolled out to, broken and mended.
#[derive(Debug, Parser)]
#[command(name = "lab", version)]
pub struct Cli {
    /// Where the lab keeps its disks, records and logs [default: .lab/hand; for test: .lab/test;
    /// for the quick Ceph cluster: .lab/loopback]
    #[arg(long, value_name = "FOLDER", global = true)]
    dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Makes the lab, boots its servers and waits for them
    Up(up::Up),
    /// Stops everything, also what a killed run left; disks go too, logs stay. With --dir only that
    /// lab
    Down,
    /// Shows the servers and what else runs
    Status,
    /// Logs in to a server, or runs a command there
    Ssh {
        server: String,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Talks on a server's serial line; Ctrl-] leaves
    Console {
        server: String,
        /// Print what was said so far instead
        #[arg(long)]
        log: bool,
    },
    /// Runs a command, or a shell, inside the lab's namespace
    Enter {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Switches, cuts, resets, freezes
    Power(power::PowerCommand),
    /// Cuts a server from a network
    Cut(cut::Cut),
    /// Undoes every cut
    Mend,
    /// Gives, takes, breaks and heals disks
    Disk(disk::DiskCommand),
    /// Shows a server's BMC, and makes it slow, dead, deaf or lying
    Bmc(bmc::BmcCommand),
    /// Is a server's BMC, until it is told to end
    #[command(hide = true)]
    BmcServe { name: String },
    /// Is called by a BMC's ipmi_sim
    #[command(hide = true)]
    BmcHook {
        socket: PathBuf,
        #[arg(trailing_var_arg = true, required = true)]
        words: Vec<String>,
    },
    /// Makes, removes and asks a Ceph cluster: over the servers, or without them
    Ceph(ceph::CephCommand),
    /// Makes, removes and asks a Kubernetes cluster over the servers
    Kube(kube::KubeCommand),
    /// Runs the checks of a stage, or of the core
    Test {
        #[arg(long)]
        stage: Option<String>,
        /// Play the stage in the lab that is up, with its servers, instead of one of its own
        #[arg(long, requires = "stage", conflicts_with = "keep")]
        here: bool,
        /// Leave the lab up afterwards: `lab --dir .lab/test status`
        #[arg(long)]
        keep: bool,
        /// Only say whether `make packages` is needed before
        #[arg(long, hide = true)]
        packages: bool,
    },
}

/// Does what was asked.
///
/// # Errors
/// What the command says.
pub fn run(cli: &Cli) -> Result<()> {
    let dir = cli.dir.clone().unwrap_or_else(|| PathBuf::from(HAND));
    let open = || Lab::open(&dir).map_err(|e| anyhow!("{e:#}; start one with: make lab-up"));
    match &cli.command {
        Command::Up(up) => up.run(&dir),
        Command::Down => down(cli.dir.as_deref()),
        Command::Status => status(&open()?),
        Command::Ssh { server, command } => ssh(&open()?, server, command),
        Command::Console { server, log } => console(&open()?, server, *log),
        Command::Enter { command } => enter(&open()?, command),
        Command::Power(power) => power.run(&open()?),
        Command::Cut(cut) => cut.run(&open()?),
        Command::Mend => cut::mend(&open()?),
        Command::Disk(disk) => disk.run(&open()?),
        Command::Bmc(bmc) => bmc.run(&open()?),
        Command::BmcServe { name } => crate::bmc::handle::serve(open()?, name),
        Command::BmcHook { socket, words } => bmc::hook(socket, words),
        Command::Ceph(ceph) => ceph.run(cli.dir.as_deref(), open),
        Command::Kube(kube) => kube.run(open),
        Command::Test {
            stage: Some(stage),
            here: true,
            packages: false,
            ..
        } => stages::run_here(&open()?, stage),
        Command::Test {
            stage, packages, ..
        } if *packages => {
            let needed = stages::need_packages(stage.as_deref())?;
            say(if needed { "needed" } else { "not needed" });
            Ok(())
        }
        Command::Test { stage, keep, .. } => {
            let folder = cli.dir.clone().unwrap_or_else(|| PathBuf::from(TEST));
            stages::run(&folder, stage.as_deref(), *keep)
        }
    }
}

/// Ends the lab in this folder; without one, every lab of this checkout.
fn down(folder: Option<&Path>) -> Result<()> {
    let folders = match folder {
        Some(folder) => vec![folder],
        None => vec![Path::new(HAND), Path::new(TEST), Path::new(LOOPBACK)],
    };
    let mut failed = Vec::new();
    for folder in folders.into_iter().filter(|folder| folder.is_dir()) {
        match end(folder) {
            Ok(ended) => say(&format!("{}: {ended} programs stopped", folder.display())),
            Err(e) => failed.push(format!("{e:#}")),
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => bail!("{}", failed.join("; ")),
    }
}

/// Stops the lab in this folder and removes its servers' disks; how many programs ran.
fn end(folder: &Path) -> Result<usize> {
    let _turn = Lab::turn(folder)?;
    let ended = Lab::stop(folder)?;
    let servers = folder.join("servers");
    if servers.is_dir() {
        std::fs::remove_dir_all(&servers)
            .with_context(|| format!("cannot remove {}", servers.display()))?;
    }
    Ok(ended)
}

fn status(lab: &Lab) -> Result<()> {
    for server in lab.servers()? {
        let spec = server.spec()?;
        let power = match server.power()? {
            Power::On => "on",
            Power::Off => "off",
        };
        let disks: Vec<String> = spec
            .disks
            .iter()
            .map(|disk| match disk.fault {
                Some(_) => format!("{} (broken)", disk.id()),
                None => disk.id(),
            })
            .collect();
        let network = crate::space::Network::Mgmt.server(spec.number);
        say(&format!(
            "{} {power:<3}  {network}  {} {}  disks {}",
            server.name(),
            spec.release,
            spec.flavour,
            disks.join(" ")
        ));
    }
    for bmc in crate::bmc::all(lab)? {
        let mode = bmc.folder().mode();
        if mode != crate::bmc::Mode::Normal {
            say(&format!("the BMC of {} is {mode}", bmc.name()));
        }
    }
    for drop in lab.space().drops()? {
        say(&format!("cut: {drop}"));
    }
    for (record, runs) in lab.processes().all()? {
        let state = if runs { "runs" } else { "ended" };
        say(&format!(
            "{:<12} {state:<5} pid {:<7} {}",
            record.name,
            record.pid,
            record.log.display()
        ));
    }
    Ok(())
}

fn ssh(lab: &Lab, server: &str, command: &[String]) -> Result<()> {
    let number = lab.server(server)?.number();
    let mut ssh = lab.ssh().command(number);
    if command.is_empty() {
        ssh.arg("-t");
    }
    ssh.args(command);
    replace(ssh)
}

fn console(lab: &Lab, server: &str, log: bool) -> Result<()> {
    let server = lab.server(server)?;
    if log {
        say(&server.console_text());
        return Ok(());
    }
    say("Ctrl-] leaves; a shell waits after Enter once the server is up");
    let mut socat = crate::process::command("socat");
    socat.arg("-,raw,echo=0,escape=0x1d");
    socat.arg(format!(
        "UNIX-CONNECT:{}",
        server.places().console().display()
    ));
    replace(socat)
}

fn enter(lab: &Lab, command: &[String]) -> Result<()> {
    let words: &[String] = if command.is_empty() {
        &["bash".to_owned()]
    } else {
        command
    };
    let mut inside = lab.space().command(&words[0]);
    inside.args(&words[1..]);
    replace(inside)
}

/// Becomes the other program, with this terminal.
fn replace(mut command: std::process::Command) -> Result<()> {
    command
        .stdin(Stdio::inherit())
        .stdout(Stdio::inherit())
        .stderr(Stdio::inherit());
    let error = command.exec();
    Err(error).with_context(|| format!("cannot start {:?}", command.get_program()))
}
