//! Packages that h8lio holds on a node since a fallback.

use std::collections::BTreeSet;

use h8lio_model::ids::NodeId;
use h8lio_model::inventory::PackageFacts;
use h8lio_model::kernel::image_release;
use h8lio_model::order::{OwnHold, PackageName};
use h8lio_model::plan::WaitingOn;
use h8lio_model::rollout::RolloutTarget;

use crate::draft::Draft;
use crate::input::{PlanningInput, Rollout};
use crate::inventory::NodeFacts;
use crate::versions;

/// What the target may mean and is held: the node has not nothing to do, it went back from it. The
/// package manager does not say what a held package is offered, so that a rollout of security updates
/// waits for any of them. A kernel that is held would be what a boot is for, whoever asks for the boot.
pub(crate) fn reasons(
    target: &RolloutTarget,
    node: &NodeFacts,
    packages: &PackageFacts,
) -> Vec<WaitingOn> {
    let concerns = |name: &str| {
        versions::may_mean(target, name)
            || (image_release(name).is_some() && versions::may_boot(target))
    };
    let held = own(node, packages).filter(|h| concerns(h.package.as_str()));
    held.map(|hold| WaitingOn::HeldAfterFallback {
        package: hold.name(),
        since: hold.since,
    })
    .collect()
}

/// Holds that still stand. One that somebody lifted by hand is none.
fn own<'a>(node: &'a NodeFacts, packages: &'a PackageFacts) -> impl Iterator<Item = &'a OwnHold> {
    let all = node.orders.iter().flat_map(|fact| &fact.value.holds);
    all.filter(move |hold| {
        let bare = |name: &str| name.split(':').next() == Some(hold.package.as_str());
        let is_it = |name: &String| match hold.architecture {
            Some(_) => *name == hold.name(),
            // dpkg writes the architecture where several can be installed at a time.
            None => bare(name),
        };
        packages.held.iter().any(is_it)
    })
}

/// What the node is to let go: a person allowed another try, in a rollout in which it has not had it.
pub(crate) fn let_go(
    input: &PlanningInput<'_>,
    draft: &Draft,
    id: NodeId,
) -> BTreeSet<PackageName> {
    let Some(node) = input.inventory.get(id) else {
        return BTreeSet::new();
    };
    let Some(packages) = &node.packages else {
        return BTreeSet::new();
    };
    let mut rollouts = input.rollouts.iter();
    match rollouts.any(|rollout| is_allowed(draft, rollout, id)) {
        true => own(node, &packages.value)
            .map(|h| h.package.clone())
            .collect(),
        false => BTreeSet::new(),
    }
}

fn is_allowed(draft: &Draft, rollout: &Rollout, id: NodeId) -> bool {
    let progress = draft.content.rollouts.get(rollout.name());
    let tries = progress.and_then(|p| p.nodes.get(&id)).map(|n| n.tries);
    let allowed = rollout.control.retries.get(&id);
    tries.zip(allowed).is_some_and(|(had, may)| had <= *may)
}
