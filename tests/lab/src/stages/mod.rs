//! What `lab test` runs. A stage is one function over an empty lab of its own; a later stage is a
//! file here and a line in [`ALL`].

mod bmc;
mod ceph;
mod ceph_loopback;
mod flavours;
mod kube;
mod lab;
mod rollout;

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::checks::{Checks, say};
use crate::clock::now;
use crate::lab::Lab;
use crate::server::{Server, Spec};
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
    pub run: fn(&mut Checks, &Lab, Extent) -> Result<()>,
}

/// Every stage, the quick ones first.
pub const ALL: &[Stage] = &[
    Stage {
        name: "bmc",
        core: true,
        run: bmc::run,
    },
    Stage {
        name: "ceph-loopback",
        core: true,
        run: ceph_loopback::run,
    },
    Stage {
        name: "lab",
        core: true,
        run: lab::run,
    },
    Stage {
        name: "flavours",
        core: false,
        run: flavours::run,
    },
    Stage {
        name: "rollout",
        core: true,
        run: rollout::run,
    },
    Stage {
        name: "ceph",
        core: false,
        run: ceph::run,
    },
    Stage {
        name: "kube",
        core: false,
        run: kube::run,
    },
];

/// Runs the stage of this name, or the core of all; each in a fresh lab below `folder`, which
/// ends with it. With `keep` the lab stays up, for a person to look at, until the next run.
///
/// # Errors
/// When there is no such stage, or one fails; the others are run all the same.
pub fn run(folder: &Path, wanted: Option<&str>, keep: bool) -> Result<()> {
    let chosen = |stage: &&Stage| wanted.map_or(stage.core, |name| stage.name == name);
    let stages: Vec<&Stage> = ALL.iter().filter(chosen).collect();
    if stages.is_empty() {
        let names: Vec<&str> = ALL.iter().map(|stage| stage.name).collect();
        bail!(
            "there is no stage {wanted:?}; there are: {}",
            names.join(" ")
        );
    }
    let extent = match wanted {
        Some(_) => Extent::Whole,
        None => Extent::Core,
    };
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
    let ended = checks.end(&folder.join("log"));
    if !keep {
        Lab::stop(folder).context("the lab does not end")?;
    }
    ended.and(done)
}

/// Three ordinary servers of this lab, on and reached.
///
/// # Errors
/// When one does not boot.
fn three_servers<'a>(checks: &mut Checks, lab: &'a Lab) -> Result<Vec<Server<'a>>> {
    checks.need("three servers boot", || {
        for number in 1..=3 {
            let server =
                lab.add_server(&Spec::new(number), &|what| say(&format!("       {what}")))?;
            server.start()?;
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
