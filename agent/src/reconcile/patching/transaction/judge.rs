//! Whether what apt would do is what was ordered, and nothing else.

use std::cmp::Ordering;

use h8lio_model::order::{PackageChange, PatchTarget};

use super::class::Class;
use super::database::Database;
use super::room::{Full, Writes, fits};
use crate::host::patching::{InvalidPin, Pinned, RawAnswer, RawPlan};
use crate::reconcile::patching::parse::apt::{self, Simulation};
use crate::reconcile::patching::parse::complaint::{Complaint, complaint};
use crate::reconcile::patching::parse::dpkg::kernel;
use crate::reconcile::patching::parse::uris;
use crate::reconcile::patching::version;
use crate::words::list;

/// Unpacked, an archive takes some five times its size, where apt does not say how much.
const RATIO: u64 = 5;

/// What a held package means for an order that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// The order is refused: somebody held it for a reason.
    Refuse,
    /// The package is left as it is, and named.
    LeaveAlone,
}

/// Which way versions may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Forward,
    /// A fallback puts older versions back.
    Back,
}

/// An order about packages, before anybody asked apt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub target: PatchTarget,
    pub held: Held,
    pub direction: Direction,
}

/// What is left to be asked of apt, and what is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sorted {
    /// To be changed.
    pub ask: Vec<Pinned>,
    /// At their version already.
    pub unchanged: Vec<Pinned>,
    /// Held, and therefore left as they are.
    pub left_alone: Vec<Pinned>,
}

/// What will be done, known before anything is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transaction {
    pub changes: Vec<Change>,
    /// Bytes to fetch.
    pub fetch: u64,
    /// Updates that the distribution offers to a part of all servers at a time. Ordered versions
    /// are installed all the same: waves are for the operator to choose, and one order means one
    /// thing on every server.
    pub phased: Vec<String>,
}

/// One package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    pub name: String,
    /// `None`: it is not installed yet.
    pub from: Option<String>,
    pub to: String,
    pub class: Class,
}

/// Why an order about packages is not carried out. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the order's package cannot be given to apt")]
    Odd(#[from] InvalidPin),
    #[error(
        "{name} is {} and the order was resolved when it was {}: somebody else changed it; resolve \
         the rollout again",
        at(.found), at(.resolved)
    )]
    SomebodyElse {
        name: String,
        resolved: Option<String>,
        found: Option<String>,
    },
    #[error("{} held on this server: apt-mark unhold, or order the rollout to leave held packages alone", is_are(.0))]
    Held(Vec<String>),
    #[error(
        "{name} is installed at {installed}, which is newer than {wanted}; only a fallback goes back"
    )]
    Downgrade {
        name: String,
        installed: String,
        wanted: String,
    },
    #[error("apt refuses: {0}")]
    Apt(Complaint),
    #[error("the answer about {what} is not understood: {why}")]
    NotUnderstood { what: &'static str, why: String },
    #[error("it would remove {}; resolve the rollout again, or remove them by hand", list(.0, 5))]
    WouldRemove(Vec<String>),
    #[error("apt would not bring {name} to {wanted}; resolve the rollout again")]
    NotBrought { name: String, wanted: String },
    #[error(
        "apt would also bring {name} to {to}, which was not ordered; resolve the rollout again"
    )]
    NotOrdered { name: String, to: String },
    #[error(
        "{needed} bytes are to be fetched and {free} are free where archives are kept; make room, for example with apt-get clean"
    )]
    NoRoom { needed: u64, free: u64 },
    #[error(transparent)]
    Full(#[from] Full),
}

fn at(version: &Option<String>) -> String {
    match version {
        Some(version) => format!("at {version}"),
        None => "not installed".to_owned(),
    }
}

fn is_are(names: &[String]) -> String {
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", list(names, 5))
}

/// Sorts an order by what is installed, before apt is asked.
///
/// # Errors
/// [`Refusal`].
pub fn sort(wanted: &Wanted, have: &Database) -> Result<Sorted, Refusal> {
    let mut out = Sorted::default();
    let mut held = Vec::new();
    for change in wanted.target.changes() {
        let pin = pin(change, have)?;
        let Some(known) = have.find(change.name.as_str(), change.architecture.as_str()) else {
            as_resolved(change, None)?;
            out.ask.push(pin);
            continue;
        };
        if known.version == pin.version() && known.whole {
            out.unchanged.push(pin);
        } else if known.held && wanted.held == Held::Refuse {
            held.push(known.name.clone());
        } else if known.held {
            out.left_alone.push(pin);
        } else {
            // One that was left half-done on the way there is on its way.
            if known.version != pin.version() {
                as_resolved(change, Some(&known.version))?;
            }
            forward(&pin, &known.version, wanted.direction)?;
            out.ask.push(pin);
        }
    }
    if !held.is_empty() {
        return Err(Refusal::Held(held));
    }
    Ok(out)
}

/// The operand for apt: without an architecture it is the server's own.
fn pin(change: &PackageChange, have: &Database) -> Result<Pinned, InvalidPin> {
    let (name, arch) = (change.name.as_str(), change.architecture.as_str());
    let own = arch == "all" || Some(arch) == have.native();
    match own {
        true => Pinned::new(name, change.to.as_str()),
        false => Pinned::new(&format!("{name}:{arch}"), change.to.as_str()),
    }
}

fn as_resolved(change: &PackageChange, found: Option<&str>) -> Result<(), Refusal> {
    let resolved = change.from.as_ref().map(|v| v.as_str());
    if resolved == found {
        return Ok(());
    }
    Err(Refusal::SomebodyElse {
        name: change.name.to_string(),
        resolved: resolved.map(str::to_owned),
        found: found.map(str::to_owned),
    })
}

fn forward(pin: &Pinned, installed: &str, direction: Direction) -> Result<(), Refusal> {
    let order = version::compare_whole(pin.version(), installed);
    if direction == Direction::Forward && order == Ordering::Less {
        return Err(Refusal::Downgrade {
            name: pin.name().to_owned(),
            installed: installed.to_owned(),
            wanted: pin.version().to_owned(),
        });
    }
    Ok(())
}

/// Compares apt's plan with what was asked: exactly the asked versions, no removal, nothing else
/// but packages that are new and needed.
///
/// # Errors
/// [`Refusal`].
pub fn judge(ask: &[Pinned], raw: &RawPlan) -> Result<Transaction, Refusal> {
    let simulation = answered(&raw.simulation, "apt-get --simulate")?;
    let plan = apt::simulation(&simulation.stdout).map_err(|e| Refusal::NotUnderstood {
        what: "apt-get --simulate",
        why: e.to_string(),
    })?;
    if !plan.removed.is_empty() {
        return Err(Refusal::WouldRemove(plan.removed));
    }
    let mut changes = brought(ask, &plan)?;
    changes.extend(needed(ask, &plan)?);
    changes.sort();
    let printed = answered(&raw.archives, "apt-get --print-uris")?;
    let unpacked = uris::unpacked(&printed.stdout);
    let archives = uris::archives(&printed.stdout).map_err(|e| Refusal::NotUnderstood {
        what: "apt-get --print-uris",
        why: e.to_string(),
    })?;
    let fetch = archives
        .iter()
        .fold(0_u64, |sum, a| sum.saturating_add(a.size));
    let free = raw.free.ok_or_else(|| Refusal::NotUnderstood {
        what: "room for archives",
        why: "it could not be read".to_owned(),
    })?;
    if fetch > free {
        return Err(Refusal::NoRoom {
            needed: fetch,
            free,
        });
    }
    let unpacked = unpacked.unwrap_or_else(|| fetch.saturating_mul(RATIO));
    let room = raw.room.as_ref().ok_or_else(|| Refusal::NotUnderstood {
        what: "room on the file systems",
        why: "it could not be read".to_owned(),
    })?;
    fits(&changes, Writes { fetch, unpacked }, room)?;
    Ok(Transaction {
        changes,
        fetch,
        phased: plan.phased,
    })
}

fn answered<'a>(
    answer: &'a Option<RawAnswer>,
    what: &'static str,
) -> Result<&'a RawAnswer, Refusal> {
    let answer = answer.as_ref().ok_or_else(|| Refusal::NotUnderstood {
        what,
        why: "there is none".to_owned(),
    })?;
    if answer.code == 0 {
        return Ok(answer);
    }
    let code = answer.code;
    let said = complaint(&answer.stderr);
    Err(Refusal::Apt(said.unwrap_or_else(|| {
        Complaint::Other(format!("{what} ended with code {code} and no reason"))
    })))
}

fn brought(ask: &[Pinned], plan: &Simulation) -> Result<Vec<Change>, Refusal> {
    ask.iter()
        .map(|pin| {
            let replaced = plan
                .upgradable
                .iter()
                .find(|u| same(pin.name(), &u.name, &u.architecture))
                .map(|u| (Some(u.installed.clone()), &u.candidate));
            let new = plan
                .new
                .iter()
                .find(|n| same(pin.name(), &n.name, &n.architecture))
                .map(|n| (None, &n.version));
            match replaced.or(new) {
                Some((from, to)) if to == pin.version() => Ok(change(pin.name(), from, to)),
                _ => Err(Refusal::NotBrought {
                    name: pin.name().to_owned(),
                    wanted: pin.version().to_owned(),
                }),
            }
        })
        .collect()
}

/// New packages that the ordered ones depend on. One that is installed and would be changed, and
/// one of a class that is only ever changed by name, was not ordered.
fn needed(ask: &[Pinned], plan: &Simulation) -> Result<Vec<Change>, Refusal> {
    let ordered = |name: &str, arch: &str| ask.iter().any(|p| same(p.name(), name, arch));
    if let Some(u) = plan
        .upgradable
        .iter()
        .find(|u| !ordered(&u.name, &u.architecture))
    {
        return Err(Refusal::NotOrdered {
            name: u.name.clone(),
            to: u.candidate.clone(),
        });
    }
    plan.new
        .iter()
        .filter(|n| !ordered(&n.name, &n.architecture))
        .map(|n| {
            let change = change(&n.name, None, &n.version);
            // A kernel goes in when the way back from it was thought of.
            if change.class.strategy().named_only || kernel(&n.name).is_some() {
                return Err(Refusal::NotOrdered {
                    name: n.name.clone(),
                    to: n.version.clone(),
                });
            }
            Ok(change)
        })
        .collect()
}

fn change(name: &str, from: Option<String>, to: &str) -> Change {
    Change {
        name: name.to_owned(),
        from,
        to: to.to_owned(),
        class: Class::of(name),
    }
}

/// Whether an ordered name is the one in a plan, which has no architecture for the server's own.
fn same(ordered: &str, planned: &str, architecture: &str) -> bool {
    let (base, asked) = ordered.split_once(':').unwrap_or((ordered, ""));
    let (name, own) = planned.split_once(':').unwrap_or((planned, ""));
    base == name && (asked == own || (own.is_empty() && asked == architecture))
}
