//! Whether a rollout can be taken in at all. A no creates nothing.

use h8lio_model::order::PackageName;
use h8lio_model::rollout::{BadRollout, RolloutSpec, RolloutTarget};
use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;

use crate::calendar::{BadWindow, Stretch};
use crate::input::{Control, Rollout};
use crate::inventory::Inventory;
use crate::policy::Policy;
use crate::priority::estimate;

/// Why a rollout is not taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    #[error("rollout {0} exists; names are never used twice")]
    NameTaken(String),
    #[error(transparent)]
    Spec(#[from] BadRollout),
    #[error(transparent)]
    Window(#[from] BadWindow),
    #[error(
        "no enrolled node is selected by {0:?}; `h8lctl node list` shows names, roles, racks and labels"
    )]
    NobodySelected(String),
    #[error("no selected node is offered an update of package {0}; look at its name")]
    UnknownPackage(PackageName),
    #[error(
        "no window, between the freezes, is as long as the shortest node takes ({0}); make it longer"
    )]
    WindowTooShort(String),
}

/// Checks a specification against fleet, policy and calendar.
///
/// # Errors
/// The first [`NotAdmitted`].
pub fn admit(
    spec: RolloutSpec,
    existing: &[Rollout],
    inventory: &Inventory,
    policy: &Policy,
    zones: &TimeZoneDatabase,
    now: Timestamp,
) -> Result<Rollout, NotAdmitted> {
    if existing.iter().any(|r| *r.name() == spec.name) {
        return Err(NotAdmitted::NameTaken(spec.name.to_string()));
    }
    spec.check(now)?;
    let windows: Result<Vec<_>, _> = spec
        .windows
        .iter()
        .map(|w| Stretch::compile(w, zones, now))
        .collect();
    let windows = windows?;
    let selected = inventory.selected(&spec.selector);
    let shortest = selected.iter().map(|id| estimate(inventory, *id)).min();
    let Some(shortest) = shortest else {
        return Err(NotAdmitted::NobodySelected(spec.selector.to_string()));
    };
    if let RolloutTarget::Packages(names) = &spec.target {
        let offered = |name: &&PackageName| {
            let nodes = selected.iter().filter_map(|id| inventory.get(*id));
            let facts = nodes.filter_map(|n| n.packages.as_ref());
            let mut all = facts.flat_map(|f| {
                let updates = f.value.upgradable.iter().flatten().map(|u| &u.name);
                updates.chain(f.value.arriving.iter().flatten().map(|n| &n.name))
            });
            all.any(|n| n.split(':').next() == Some(name.as_str()))
        };
        if let Some(unknown) = names.iter().find(|n| !offered(n)) {
            return Err(NotAdmitted::UnknownPackage(unknown.clone()));
        }
    }
    let rollout = Rollout {
        spec,
        created_at: now,
        windows,
        control: Control::default(),
    };
    if rollout.calendar(policy).opens(now, shortest).is_none() {
        return Err(NotAdmitted::WindowTooShort(format!("{shortest:#}")));
    }
    Ok(rollout)
}
