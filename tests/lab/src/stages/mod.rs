//! What `lab test` runs. A stage is one function over an empty lab of its own; a later stage is a
//! file here and a line in [`ALL`].

mod bmc;
mod ceph;
mod ceph_loopback;
mod flavours;
mod kube;
mod lab;
mod patching;
mod rollout;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::checks::{Checks, say};
use crate::clock::now;
use crate::lab::Lab;
use crate::server::{Power, Server, Spec};
use crate::space::Lifetime;

/// How much of a stage runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The part that runs when no stage is named: without it the rest means nothing.
    Core,
    /// All of it, when the stage is named.
    Whole,
}

/// A named set of checks.
#[derive(Debug, Clone, Copy)]
pub struct Stage {
    pub name: &'static str,
    /// Whether a part of it runs when no stage is named.
    pub core: bool,
    /// Whether it rolls out what `make packages` builds.
    pub packages: bool,
    pub run: fn(&mut Checks, &Lab, Extent) -> Result<()>,
}

/// Every stage, the quick ones first.
pub const ALL: &[Stage] = &[
    Stage {
        name: "bmc",
        core: true,
        packages: false,
        run: bmc::run,
    },
    Stage {
        name: "ceph-loopback",
        core: true,
        packages: false,
        run: ceph_loopback::run,
    },
    Stage {
        name: "lab",
        core: true,
        packages: false,
        run: lab::run,
    },
    Stage {
        name: "flavours",
        core: false,
        packages: true,
        run: flavours::run,
    },
    Stage {
        name: "rollout",
        core: true,
        packages: true,
        run: rollout::run,
    },
    Stage {
        name: "patching",
        core: false,
        packages: true,
        run: patching::run,
    },
    Stage {
        name: "ceph",
        core: false,
        packages: false,
        run: ceph::run,
    },
    Stage {
        name: "kube",
        core: false,
        packages: false,
        run: kube::run,
    },
];

/// Folder for the logs of failed stages, one each.
const FAILED: &str = "failed";

/// Those that `lab test` plays: the one of this name, or all that have a core.
fn chosen(wanted: Option<&str>) -> Result<Vec<&'static Stage>> {
    match wanted {
        Some(name) => Ok(vec![named(name)?]),
        None => Ok(ALL.iter().filter(|stage| stage.core).collect()),
    }
}

/// Whether one of them rolls out what `make packages` builds.
///
/// # Errors
/// When there is no such stage.
pub fn need_packages(wanted: Option<&str>) -> Result<bool> {
    Ok(chosen(wanted)?.iter().any(|stage| stage.packages))
}

/// Runs the stage of this name, or the core of all; each in a fresh lab below `folder`, which
/// ends with it. With `keep` the lab stays up, for a person to look at, until the next run.
///
/// # Errors
/// When there is no such stage, or one fails; the others are run all the same.
pub fn run(folder: &Path, wanted: Option<&str>, keep: bool) -> Result<()> {
    let stages = chosen(wanted)?;
    let extent = match wanted {
        Some(_) => Extent::Whole,
        None => Extent::Core,
    };
    let _turn = Lab::turn(folder)?;
    forget_failures(folder)?;
    let began = now();
    let mut failed = Vec::new();
    for stage in stages {
        if let Err(e) = run_one(folder, stage, extent, keep) {
            failed.push(format!("{e:#}"));
        }
    }
    say(&format!(
        "all stages: {:.0} s",
        began.elapsed().as_secs_f64()
    ));
    match failed.is_empty() {
        true => Ok(()),
        false => bail!("{}", failed.join("; ")),
    }
}

/// Plays a stage in a lab that is up, with the servers that run in it, and leaves it up.
///
/// # Errors
/// When there is no such stage, or it fails.
pub fn run_here(lab: &Lab, name: &str) -> Result<()> {
    let stage = named(name)?;
    let mut checks = Checks::begin(stage.name);
    let done = (stage.run)(&mut checks, lab, Extent::Whole);
    checks.end(&lab.folder().join("log")).and(done)
}

fn named(name: &str) -> Result<&'static Stage> {
    let found = ALL.iter().find(|stage| stage.name == name);
    found.with_context(|| {
        let names: Vec<&str> = ALL.iter().map(|stage| stage.name).collect();
        format!("there is no stage {name:?}; there are: {}", names.join(" "))
    })
}

fn run_one(folder: &Path, stage: &Stage, extent: Extent, keep: bool) -> Result<()> {
    let mut checks = Checks::begin(stage.name);
    let lifetime = if keep {
        Lifetime::Kept
    } else {
        Lifetime::WithThisThread
    };
    let lab = checks.need("a namespace for the lab", || {
        // What a killed run left here ends first.
        Lab::remove(folder)?;
        Lab::create(folder, lifetime)
    });
    // What fails without being a check is printed and counted by `need`.
    let done = lab.and_then(|lab| (stage.run)(&mut checks, &lab, extent));
    let logs = folder.join("log");
    if keep {
        return checks.end(&logs).and(done);
    }
    let kept = folder.join(FAILED).join(stage.name);
    let ended = checks.end(&kept);
    Lab::stop(folder).context("the lab does not end")?;
    if ended.is_err() || done.is_err() {
        keep_logs(&logs, &kept)?;
    }
    Lab::remove(folder)?;
    ended.and(done)
}

/// The next stage begins with an empty folder for its logs.
fn keep_logs(logs: &Path, kept: &Path) -> Result<()> {
    let above = kept.parent().unwrap_or(kept);
    fs::create_dir_all(above)
        .and_then(|()| fs::rename(logs, kept))
        .with_context(|| format!("cannot move {} to {}", logs.display(), kept.display()))
}

fn forget_failures(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder.join(FAILED)) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(e).with_context(|| format!("cannot remove old logs in {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Three ordinary servers of this lab, on and reached. Those that it has already stay as they are.
///
/// # Errors
/// When one does not boot.
fn three_servers<'a>(checks: &mut Checks, lab: &'a Lab) -> Result<Vec<Server<'a>>> {
    checks.need("three servers boot", || {
        for number in 1..=3 {
            let there = lab.server(&format!("s{number}"));
            let server = match there {
                Ok(server) => server,
                Err(_) => {
                    lab.add_server(&Spec::new(number), &|what| say(&format!("       {what}")))?
                }
            };
            if server.power()? == Power::Off {
                server.start()?;
            }
        }
        let servers = lab.servers()?;
        for server in &servers {
            server.wait_for_ssh()?;
        }
        Ok(servers)
    })
}

/// Every one of these must be in the text.
fn expect_all<T: AsRef<str>>(text: &str, wanted: &[T]) -> Result<()> {
    let missing = wanted
        .iter()
        .map(AsRef::as_ref)
        .find(|part| !text.contains(part));
    match missing {
        Some(part) => bail!("{part:?} is missing in {text:?}"),
        None => Ok(()),
    }
}
