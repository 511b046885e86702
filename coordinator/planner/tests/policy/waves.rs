//! From the first wave to the last.

use crate::support::{
    NODE_TIME, Scene, arrival, declared, id, minutes, name, racks, spec, t0, update,
};
use h8lio_model::order::{OnFailure, Outcome};
use h8lio_model::plan::{FactName, NodeState, RolloutState, WaitingOn};
use h8lio_model::rollout::WaveSize;
use h8lio_planner::constraints::Rule;

#[test]
fn three_servers_are_patched_one_wave_after_the_other_to_the_end() {
    let mut patch = spec("march");
    patch.waves = vec![WaveSize::Nodes(1)];
    let mut fleet = Scene::new(&["r1", "r2", "r3"])
        .with(declared("all", Rule::Nodes(3)))
        .rollout(patch);
    let mut order = Vec::new();
    for _ in 0..3 {
        fleet.plan();
        assert_eq!(fleet.told("march").state, RolloutState::Running);
        order.extend(fleet.ordered());
        fleet.all_done();
    }
    fleet.plan();
    assert_eq!(order, ["s0", "s1", "s2"]);
    let told = fleet.told("march");
    assert_eq!(told.state, RolloutState::Finished);
    assert_eq!(told.count.done, 3);
    assert!(fleet.plan.content().slots.is_empty());
    for order in fleet.plan.content().orders.values() {
        assert_eq!(order.generation.0, 2, "in and out of the slot");
        assert!(order.content.tickets.is_empty());
    }
}

#[test]
fn an_order_names_versions_the_boot_that_must_end_and_one_ticket() {
    let mut fleet = Scene::new(&["r1"]).rollout(spec("march"));
    let kernel = arrival("linux-image-6.1.0-30-amd64", "6.1.124-1");
    let packages = &mut fleet.node(0).packages.as_mut().expect("packages").value;
    packages.arriving.as_mut().expect("known").push(kernel);
    fleet.plan();
    let order = &fleet.plan.content().orders[&id(0)].content;
    let patch = order.patch.as_ref().expect("versions").changes();
    let steps: Vec<_> = patch
        .iter()
        .map(|c| (c.name.as_str(), c.to.as_str()))
        .collect();
    assert_eq!(
        steps,
        [
            ("linux-image-6.1.0-30-amd64", "6.1.124-1"),
            ("openssl", "3.0.2")
        ]
    );
    let reboot = order.reboot.as_ref().expect("a reboot");
    assert_eq!(
        Some(reboot.boot_id_not),
        fleet.inventory.nodes[&id(0)].boot.as_ref().map(|b| b.value)
    );
    assert_eq!(
        reboot.kernel.as_ref().expect("a kernel").as_str(),
        "6.1.0-30-amd64"
    );
    assert_eq!(order.tickets.len(), 1);
}

#[test]
fn the_canary_goes_alone_and_is_watched() {
    let mut patch = spec("march");
    patch.canary = 1;
    patch.soak = minutes(30);
    let mut fleet = Scene::new(&["r1", "r1", "r1"])
        .with(racks(1))
        .rollout(patch);
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0"]);
    let mine = 1;
    assert_eq!(
        fleet.why("march", 1),
        [WaitingOn::Wave { current: 0, mine }]
    );
    fleet.all_done();
    fleet.plan();
    let until = fleet.now.checked_add(minutes(30)).expect("in range");
    assert!(fleet.ordered().is_empty());
    assert_eq!(fleet.why("march", 2), [WaitingOn::CanarySoak { until }]);
    let since = fleet.now;
    fleet.pass(minutes(29));
    fleet.plan();
    assert!(fleet.ordered().is_empty(), "a minute too early");
    let told = &fleet.report.as_ref().expect("planned").nodes[&id(2)];
    let waiting = &told.parts[&name("march")].waiting[0];
    assert_eq!((waiting.since, waiting.expected), (since, Some(until)));
    fleet.pass(minutes(1));
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s1", "s2"]);
}

#[test]
fn a_canary_that_is_not_there_is_not_passed_over() {
    let mut patch = spec("march");
    patch.canary = 1;
    let mut fleet = Scene::new(&["r1", "r1"]).with(racks(1)).rollout(patch);
    fleet.plan();
    fleet.ends_as(0, Outcome::Failed, true, "DownloadFailed");
    fleet.rollouts[0].control.retries.insert(id(0), 1);
    fleet.node(0).availability = h8lio_model::lifecycle::Availability::Unreachable;
    fleet.plan();
    assert_eq!(fleet.state("march", 0), NodeState::Waiting);
    assert_eq!(
        fleet.why("march", 1),
        [WaitingOn::Wave {
            current: 0,
            mine: 1
        }]
    );
}

#[test]
fn a_wave_does_not_wait_for_a_straggler_and_the_straggler_catches_up() {
    let mut patch = spec("march");
    patch.waves = vec![WaveSize::Nodes(2)];
    let mut fleet = Scene::new(&["r1"; 4])
        .with(declared("all", Rule::Nodes(4)))
        .rollout(patch);
    fleet.node(1).restricted = Some("banned".into());
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s0"]);
    fleet.all_done();
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s2", "s3"], "wave 2 goes on without s1");
    fleet.node(1).restricted = None;
    fleet.plan();
    assert_eq!(fleet.ordered(), ["s1", "s2", "s3"]);
}

#[test]
fn waves_are_counted_in_percent_of_the_whole_rounded_up() {
    let mut patch = spec("march");
    patch.waves = vec![WaveSize::Percent(20), WaveSize::Percent(100)];
    let mut fleet = Scene::new(&["r1"; 7])
        .with(declared("all", Rule::Nodes(7)))
        .rollout(patch);
    fleet.plan();
    assert_eq!(fleet.ordered().len(), 2);
    fleet.all_done();
    fleet.plan();
    assert_eq!(fleet.ordered().len(), 5);
}

#[test]
fn who_has_nothing_to_do_gets_no_slot_and_holds_nobody_up() {
    let mut patch = spec("march");
    patch.waves = vec![WaveSize::Nodes(1)];
    let mut fleet = Scene::new(&["r1", "r1"]).with(racks(1)).rollout(patch);
    let packages = fleet.node(0).packages.as_mut().expect("packages");
    packages.value.upgradable = Some(Vec::new());
    fleet.plan();
    assert_eq!(fleet.state("march", 0), NodeState::NothingToDo);
    assert_eq!(fleet.ordered(), ["s1"]);
}

#[test]
fn what_security_means_is_settled_when_the_rollout_is_first_planned() {
    let mut fleet = Scene::new(&["r1", "r2"])
        .with(racks(1))
        .rollout(spec("march"));
    fleet.plan();
    let later = update("bash", "5.3");
    let newer = update("openssl", "3.0.3");
    let packages = &mut fleet.node(1).packages.as_mut().expect("packages").value;
    packages.upgradable = Some(vec![later, newer]);
    fleet.all_done();
    fleet.plan();
    let order = &fleet.plan.content().orders[&id(1)].content;
    let patch = order.patch.as_ref().expect("versions").changes();
    let steps: Vec<_> = patch
        .iter()
        .map(|c| (c.name.as_str(), c.to.as_str()))
        .collect();
    assert_eq!(steps, [("openssl", "3.0.2")]);
}

#[test]
fn a_server_that_could_not_be_asked_at_first_is_asked_later_and_has_not_nothing_to_do() {
    let mut fleet = Scene::new(&["r1", "r2"])
        .with(racks(2))
        .rollout(spec("march"));
    let unheard = |fleet: &mut Scene, n| fleet.node(n).packages.take().expect("packages");
    let lists = [0, 1].map(|n| unheard(&mut fleet, n));
    fleet.plan();
    let fact = FactName::Packages;
    assert_eq!(fleet.why("march", 0), [WaitingOn::MissingFact { fact }]);
    assert_eq!(fleet.ordered(), [""; 0]);

    // The second one is offered a later version than the first was when it was asked.
    let [first, mut second] = lists;
    second.value.upgradable = Some(vec![update("openssl", "3.0.3"), update("bash", "5.3")]);
    fleet.node(0).packages = Some(first);
    fleet.plan();
    fleet.node(1).packages = Some(second);
    fleet.plan();
    assert_eq!(fleet.told("march").count.nothing_to_do, 0);
    let orders = &fleet.plan.content().orders;
    let steps = |n| {
        let patch = orders[&id(n)].content.patch.as_ref().expect("versions");
        let changes = patch.changes().iter();
        let steps = changes.map(|c| format!("{} {}", c.name, c.to));
        steps.collect::<Vec<_>>()
    };
    assert_eq!(steps(0), ["openssl 3.0.2"]);
    assert_eq!(steps(1), ["bash 5.3", "openssl 3.0.2"]);
}

#[test]
fn rollouts_of_the_system_leave_ceph_and_the_kubelet_alone_unless_they_are_named() {
    for (target, expected) in [
        ("all", vec!["openssl"]),
        ("security", vec!["openssl"]),
        ("packages:kubelet", vec!["kubelet"]),
    ] {
        let mut patch = spec("march");
        patch.target = target.parse().expect("a target");
        let mut fleet = Scene::new(&["r1"]).rollout(patch);
        let packages = &mut fleet.node(0).packages.as_mut().expect("packages").value;
        let known = packages.upgradable.as_mut().expect("known");
        known.push(update("kubelet", "1.31"));
        known.push(update("ceph-osd", "19"));
        fleet.plan();
        let order = &fleet.plan.content().orders[&id(0)].content;
        let patch = order.patch.as_ref().expect("versions").changes();
        let names: Vec<_> = patch.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, expected, "{target}");
    }
}

#[test]
fn a_reboot_alone_names_no_package() {
    let mut reboot = spec("march");
    reboot.target = "reboot-only".parse().expect("a target");
    let mut fleet = Scene::new(&["r1"]).rollout(reboot);
    fleet.plan();
    let order = &fleet.plan.content().orders[&id(0)].content;
    assert_eq!(order.patch, None);
    assert!(order.reboot.is_some());
}

#[test]
fn the_forecast_of_three_servers_one_at_a_time_is_three_times_one() {
    let mut fleet = Scene::new(&["r1", "r2", "r3"])
        .with(racks(1))
        .rollout(spec("march"));
    fleet.plan();
    let forecast = fleet.told("march").forecast.clone().expect("a forecast");
    assert_eq!(forecast.finish, t0().checked_add(NODE_TIME * 3).ok());
    assert_eq!(Some(forecast.not_before), forecast.finish);
    assert_eq!(
        forecast.because,
        "constraint racks: at most 1 of its Rack domains at once"
    );
}

#[test]
fn a_deadline_that_cannot_be_met_is_said_at_once_with_the_cause() {
    let mut patch = spec("march");
    let deadline = t0().checked_add(NODE_TIME * 2).expect("in range");
    patch.deadline = Some(deadline);
    let mut fleet = Scene::new(&["r1", "r2", "r3"])
        .with(racks(1))
        .rollout(patch);
    fleet.plan();
    let finish = t0().checked_add(NODE_TIME * 3).ok();
    assert_eq!(
        fleet.holds("march"),
        [WaitingOn::DeadlineImpossible {
            deadline,
            finish,
            because: "constraint racks: at most 1 of its Rack domains at once".into(),
        }]
    );
    assert_eq!(fleet.ordered(), ["s0"], "it goes on as fast as is safe");
}

#[test]
fn packages_that_only_go_forward_are_not_taken_back_by_the_agent() {
    for (package, on_failure) in [
        ("openssl", OnFailure::FallBackOnce),
        ("linux-image-6.1.0-30-amd64", OnFailure::FallBackOnce),
        ("systemd", OnFailure::Halt),
        ("libc6", OnFailure::Halt),
    ] {
        let mut fleet = Scene::new(&["r1"]).rollout(spec("march"));
        let packages = &mut fleet.node(0).packages.as_mut().expect("packages").value;
        packages.upgradable = Some(vec![update(package, "2.0")]);
        fleet.plan();
        let order = &fleet.plan.content().orders[&id(0)].content;
        assert_eq!(order.tickets[0].on_failure, on_failure, "{package}");
    }
}

#[test]
fn packages_of_several_releases_and_architectures_are_not_mixed_up() {
    let mut fleet = Scene::new(&["r1", "r1"])
        .with(racks(1))
        .rollout(spec("march"));
    fleet.node(1).release.as_mut().expect("release").value = "debian/13".into();
    let packages = &mut fleet.node(1).packages.as_mut().expect("packages").value;
    packages.upgradable = Some(vec![update("openssl", "3.5.1")]);
    fleet.plan();
    let to = |n: u32| {
        let order = &fleet.plan.content().orders[&id(n)].content;
        order.patch.as_ref().expect("versions").changes()[0]
            .to
            .to_string()
    };
    assert_eq!((to(0), to(1)), ("3.0.2".to_owned(), "3.5.1".to_owned()));
}
