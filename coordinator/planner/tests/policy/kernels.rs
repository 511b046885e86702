//! Kernels, as Debian and Ubuntu bring them.

use h8lio_model::inventory::{KernelFacts, PackageFacts};
use h8lio_model::order::{OrderContent, PackageChange};
use h8lio_model::plan::{FactName, NodeState, WaitingOn};
use rstest::rstest;

use crate::support::{KERNEL, Scene, arrival, declared, id, spec, update};
use h8lio_planner::constraints::Rule;

fn fleet(target: &str, nodes: usize) -> Scene {
    let mut patch = spec("march");
    patch.target = target.parse().expect("a target");
    let racks = vec!["r1"; nodes];
    let most = u32::try_from(nodes).expect("a few");
    Scene::new(&racks)
        .with(declared("all", Rule::Nodes(most)))
        .rollout(patch)
}

fn packages(fleet: &mut Scene, n: u32) -> &mut PackageFacts {
    &mut fleet.node(n).packages.as_mut().expect("packages").value
}

/// A new kernel of Debian 12: the package that points to it changes, the image comes anew.
fn bump(packages: &mut PackageFacts, abi: u32) {
    let version = format!("6.1.{abi}0-1");
    packages.upgradable = Some(vec![update("linux-image-amd64", &version)]);
    let image = format!("linux-image-6.1.0-{abi}-amd64");
    packages.arriving = Some(vec![arrival(&image, &version), arrival("libnew1", "1.0")]);
}

fn order(fleet: &Scene, n: u32) -> &OrderContent {
    &fleet.plan.content().orders[&id(n)].content
}

fn changes(fleet: &Scene, n: u32) -> Vec<String> {
    let patch = order(fleet, n).patch.as_ref().expect("versions");
    let told = |c: &PackageChange| {
        let from = c.from.as_ref().map_or("-", |v| v.as_str());
        format!("{} {from} {}", c.name, c.to)
    };
    patch.changes().iter().map(told).collect()
}

fn kernel(fleet: &Scene, n: u32) -> Option<String> {
    let reboot = order(fleet, n).reboot.as_ref().expect("a reboot");
    reboot.kernel.as_ref().map(ToString::to_string)
}

#[rstest]
fn a_new_kernel_is_ordered_by_name_beside_what_points_to_it(
    #[values("security", "all", "kernel", "packages:linux-image-amd64")] target: &str,
) {
    let mut fleet = fleet(target, 1);
    bump(packages(&mut fleet, 0), 30);
    fleet.plan();
    assert_eq!(
        changes(&fleet, 0),
        [
            "linux-image-6.1.0-30-amd64 - 6.1.300-1",
            "linux-image-amd64 1.0 6.1.300-1"
        ]
    );
    assert_eq!(kernel(&fleet, 0).as_deref(), Some("6.1.0-30-amd64"));
}

#[rstest]
#[case("kernel")]
#[case("packages:linux-generic")]
fn ubuntus_kernel_is_ordered_with_its_modules(#[case] target: &str) {
    let mut fleet = fleet(target, 1);
    let facts = packages(&mut fleet, 0);
    facts.kernel = Some(KernelFacts {
        running: "6.8.0-49-generic".into(),
        newest: Some("6.8.0-49-generic".into()),
    });
    let version = "6.8.0-50.51";
    let pointers = [
        "linux-generic",
        "linux-image-generic",
        "linux-headers-generic",
    ];
    let pointers = pointers.map(|n| update(n, version));
    facts.upgradable.as_mut().expect("known").extend(pointers);
    facts.arriving = Some(vec![
        arrival("linux-headers-6.8.0-50", version),
        arrival("linux-image-6.8.0-50-generic", version),
        arrival("linux-modules-6.8.0-50-generic", version),
    ]);
    fleet.plan();
    let names: Vec<String> = changes(&fleet, 0);
    let brings = |name: &str| names.iter().any(|n| n.starts_with(&format!("{name} - ")));
    assert!(brings("linux-image-6.8.0-50-generic"), "{names:?}");
    assert!(brings("linux-modules-6.8.0-50-generic"), "{names:?}");
    assert!(!names.iter().any(|n| n.starts_with("openssl")), "{names:?}");
    assert_eq!(kernel(&fleet, 0).as_deref(), Some("6.8.0-50-generic"));
}

#[test]
fn of_two_flavours_the_one_that_runs_is_booted() {
    let mut fleet = fleet("kernel", 1);
    let facts = packages(&mut fleet, 0);
    bump(facts, 30);
    let cloud = arrival("linux-image-6.1.0-30-cloud-amd64", "6.1.300-1");
    facts.arriving.as_mut().expect("known").push(cloud);
    let running = "6.1.0-29-cloud-amd64";
    facts.kernel = Some(KernelFacts {
        running: running.into(),
        newest: Some(running.into()),
    });
    fleet.plan();
    assert_eq!(changes(&fleet, 0).len(), 3);
    assert_eq!(kernel(&fleet, 0).as_deref(), Some("6.1.0-30-cloud-amd64"));
}

#[test]
fn the_kernel_that_was_settled_goes_everywhere_although_a_later_one_is_offered_by_now() {
    let mut fleet = fleet("kernel", 2);
    bump(packages(&mut fleet, 0), 30);
    let late = fleet.node(1).packages.take();
    fleet.plan();
    fleet.node(1).packages = late;
    bump(packages(&mut fleet, 1), 31);
    fleet.plan();
    assert_eq!(changes(&fleet, 0), changes(&fleet, 1));
    assert_eq!(kernel(&fleet, 1).as_deref(), Some("6.1.0-30-amd64"));
}

#[test]
fn a_reboot_alone_brings_the_newest_installed_kernel_of_the_running_flavour() {
    let mut fleet = fleet("reboot-only", 1);
    packages(&mut fleet, 0)
        .kernel
        .as_mut()
        .expect("known")
        .newest = Some("6.1.0-30-amd64".into());
    fleet.plan();
    assert_eq!(order(&fleet, 0).patch, None);
    assert_eq!(kernel(&fleet, 0).as_deref(), Some("6.1.0-30-amd64"));
}

#[test]
fn replacing_the_running_kernels_own_files_is_no_way_back_and_says_what_to_do() {
    let mut fleet = fleet("all", 1);
    let image = update(&format!("linux-image-{KERNEL}"), "6.1.200-2");
    packages(&mut fleet, 0).upgradable = Some(vec![image]);
    fleet.plan();
    assert_eq!(fleet.ordered(), [""; 0]);
    let said = fleet.why("march", 0);
    let [WaitingOn::NoWayBack { why }] = said.as_slice() else {
        panic!("{said:?}");
    };
    assert!(
        why.contains("would replace the files of the kernel that runs"),
        "{why}"
    );
    assert!(why.contains("into another installed kernel first"), "{why}");
    // The same update of a kernel that does not run leaves the running one as it is.
    let other = update("linux-image-6.1.0-28-amd64", "6.1.200-2");
    packages(&mut fleet, 0).upgradable = Some(vec![other]);
    fleet.plan();
    assert_eq!(
        fleet.state("march", 0),
        NodeState::NothingToDo,
        "it was settled before"
    );
}

#[test]
fn an_agent_that_does_not_say_what_would_come_anew_gets_no_kernel() {
    let mut fleet = fleet("all", 1);
    bump(packages(&mut fleet, 0), 30);
    packages(&mut fleet, 0).arriving = None;
    fleet.plan();
    let fact = FactName::Packages;
    assert_eq!(fleet.why("march", 0), [WaitingOn::MissingFact { fact }]);
}
