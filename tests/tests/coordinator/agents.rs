//! The real agent, as a process over a simulated server, and the real coordinator.

use std::time::Duration;

use h8lio_proto::v1;
use h8lio_proto::v1::restriction::Kind;
use h8lio_proto::v1::{Availability, Node};
use h8lio_tests::harness::{Agent, Fleet, says, soon};

/// An agent of the sample rack that is enrolled and online.
async fn online(fleet: &Fleet, name: &str) -> Agent {
    let mut agent = Agent::of_sample(name);
    let token = fleet
        .token()
        .expecting_serial(&format!("SIM-{}", name.to_uppercase()))
        .create();
    agent.enroll(&token.await).await.expect("enrolled");
    agent.run();
    fleet
        .admin
        .sees_availability(name, Availability::Online)
        .await;
    agent
}

fn has(kind: &'static str) -> impl Fn(&Node) -> bool {
    move |n| n.conditions.iter().any(|c| c.r#type == kind)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_enrolled_and_shown_with_its_disks() {
    let fleet = Fleet::start().await;
    let _agent = online(&fleet, "r1-1").await;
    let request = v1::GetNodeRequest {
        node: "r1-1".to_owned(),
    };
    let mut nodes = fleet.admin.nodes().await;
    h8lio_tests::harness::until("its disks", || {
        let (mut nodes, request) = (nodes.clone(), request.clone());
        async move {
            let shown = nodes.get_node(request).await.expect("a node").into_inner();
            let facts: serde_json::Value = serde_json::from_slice(&shown.inventory).expect("JSON");
            (facts["disks"].as_array()?.len() > 1 && facts["os"]["id"] == "debian").then_some(())
        }
    })
    .await;
    let node = nodes
        .get_node(request)
        .await
        .expect("a node")
        .into_inner()
        .node;
    assert!(node.is_some_and(|n| n.certificate_expires_at.is_some()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_agent_is_noticed_by_its_stream_and_comes_back_as_itself() {
    let fleet = Fleet::builder()
        // So long that only the closed stream can tell.
        .with(|s| {
            s.session.suspect_after = Some(Duration::from_secs(600));
            s.session.unreachable_after = Some(Duration::from_secs(1_200));
            s.session.warm_up = Some(Duration::from_secs(1_200));
        })
        .start()
        .await;
    let mut agent = online(&fleet, "r1-1").await;
    agent.kill();
    let node = fleet
        .admin
        .sees_availability("r1-1", Availability::Suspect)
        .await;
    says(&node.availability_reason, &["stream closed"]);
    agent.run();
    let node = fleet
        .admin
        .sees_availability("r1-1", Availability::Online)
        .await;
    assert_eq!(node.restriction, None);
}

/// scenario: 31 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_whose_clock_jumps_a_day_is_reported_and_stays_online() {
    let fleet = Fleet::start().await;
    let agent = online(&fleet, "r1-1").await;
    agent.fault("clock.jump +1d");
    fleet
        .admin
        .sees("r1-1", "unsynchronized", has("ClockUnsynchronized"))
        .await;
    // And back, and a day too far.
    agent.fault("clock.jump -2d");
    let behind = |n: &Node| n.conditions.iter().any(|c| c.message.contains("behind"));
    let node = fleet.admin.sees("r1-1", "behind", behind).await;
    assert_eq!(node.availability(), Availability::Online);
    assert_eq!(node.restriction, None);
    assert_eq!(fleet.admin.events_of("r1-1", "NodeSuspect").await, []);
}

/// scenario: 32 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_space_beats_and_reports_just_that() {
    let fleet = Fleet::start().await;
    let agent = online(&fleet, "r1-1").await;
    agent.fault("var.fill 100");
    agent.fault("statedir.full");
    fleet
        .admin
        .sees("r1-1", "full", has("FilesystemPressure"))
        .await;
    fleet
        .admin
        .sees(
            "r1-1",
            "without a state directory",
            has("StateDirUnwritable"),
        )
        .await;
    // What changes afterwards is still reported.
    agent.fault("var.fill 10");
    fleet
        .admin
        .sees("r1-1", "no longer full", |n| !has("FilesystemPressure")(n))
        .await;
    assert!(has("StateDirUnwritable")(&fleet.admin.node("r1-1").await));
    let node = fleet.admin.node("r1-1").await;
    assert_eq!(node.availability(), Availability::Online);
    assert_eq!(fleet.admin.events_of("r1-1", "NodeSuspect").await, []);
}

/// scenario: 32 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_memory_beats_and_reports_just_that() {
    let fleet = Fleet::start().await;
    // Less than the unit allows the agent and its tools together.
    let agent = Agent::short_of_memory("/usr/bin/lsblk", 384 << 10);
    let mut agent = agent.expect("a mount namespace; run as root, or allow user namespaces");
    let token = fleet.token().for_anybody().named("s1").create().await;
    agent.enroll(&token).await.expect("enrolled");
    agent.run();
    let starved = |n: &Node| {
        n.conditions.iter().any(|c| {
            c.r#type == "ProbeFailed" && c.subject == "lsblk" && c.message.contains("lsblk")
        })
    };
    fleet.admin.sees("s1", "without lsblk", starved).await;
    // It beats on, and what else can be read is reported.
    let before = fleet.admin.node("s1").await.last_seen.expect("heard");
    let later = |n: &Node| {
        n.last_seen
            .is_some_and(|t| (t.seconds, t.nanos) > (before.seconds, before.nanos))
    };
    let node = fleet.admin.sees("s1", "heard on", later).await;
    assert_eq!(node.availability(), Availability::Online);
    assert_eq!(fleet.admin.events_of("s1", "NodeSuspect").await, []);
    let request = v1::GetNodeRequest {
        node: "s1".to_owned(),
    };
    let shown = fleet.admin.nodes().await.get_node(request).await;
    let inventory = shown.expect("a node").into_inner().inventory;
    let facts: serde_json::Value = serde_json::from_slice(&inventory).expect("JSON");
    assert!(facts["os"]["kernel"].is_string(), "{facts}");
}

/// scenario: 35 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebooted_server_is_itself() {
    let fleet = Fleet::start().await;
    let agent = online(&fleet, "r1-1").await;
    let before = fleet.admin.node("r1-1").await.boot_id;
    agent.fault("reboot 1s");
    let node = fleet
        .admin
        .sees("r1-1", "rebooted", |n| n.boot_id != before)
        .await;
    assert_eq!(node.restriction, None);
    fleet
        .admin
        .sees_availability("r1-1", Availability::Online)
        .await;
}

/// scenario: 35 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copied_disk_in_a_second_server_is_quarantined_and_the_rack_goes_on() {
    let fleet = Fleet::start().await;
    let original = online(&fleet, "r1-1").await;
    let _bystander = online(&fleet, "r2-2").await;
    let mut copy = original.copy_to("r1-3");
    copy.run();
    let quarantined = |n: &Node| {
        n.restriction
            .as_ref()
            .is_some_and(|r| r.kind() == Kind::Quarantined)
    };
    let node = fleet.admin.sees("r1-1", "quarantined", quarantined).await;
    assert_eq!(
        node.availability(),
        Availability::Online,
        "it beats and is left alone"
    );
    fleet.admin.sees_event("r1-1", "IdentityCloned").await;
    let bystander = fleet.admin.node("r2-2").await;
    assert_eq!(bystander.restriction, None);
    assert_eq!(bystander.availability(), Availability::Online);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_renewed_in_time_and_nobody_notices() {
    let fleet = Fleet::builder()
        .with(|s| s.certificates.node = Duration::from_secs(20))
        .start()
        .await;
    let agent = online(&fleet, "r1-1").await;
    let ends = |n: &Node| n.certificate_expires_at.map(|t| t.seconds);
    let first = ends(&fleet.admin.node("r1-1").await);
    for _ in 0..2 {
        let before = ends(&fleet.admin.node("r1-1").await);
        fleet
            .admin
            .sees("r1-1", "renewed", |n| ends(n) > before)
            .await;
    }
    let node = fleet.admin.node("r1-1").await;
    assert!(ends(&node) > first);
    assert!(!agent.log().contains("took over"), "nothing to worry about");
    // Once at half of each life, and not without end.
    let registry = &fleet.running().services.registry;
    let record = registry.find("r1-1").expect("known").record();
    let issued = record.value.next_rotation().0 - 1;
    assert!((3..=4).contains(&issued), "{issued} certificates");
    assert_eq!(node.availability(), Availability::Online);
    assert_eq!(fleet.admin.events_of("r1-1", "NodeSuspect").await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_waits_for_approval_is_ready_and_says_what_it_waits_for() {
    let fleet = Fleet::start().await;
    let mut agent = Agent::of_sample("r1-1");
    let token = fleet.token().expecting_nothing().named("s1").create();
    let told = agent.run_as_service(&token.await);
    let mut all = String::new();
    let mut buffer = [0; 4_096];
    while !(all.contains("READY=1") && all.contains("STATUS=waiting for approval as s1")) {
        let read = soon("what it waits for", told.recv(&mut buffer));
        let bytes = read.await.expect("told");
        all.push_str(&String::from_utf8_lossy(&buffer[..bytes]));
        all.push('\n');
    }
    fleet.admin.approve("s1").await.expect("approved");
    fleet
        .admin
        .sees_availability("s1", Availability::Online)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_coordinator_is_found_again_and_the_agent_bears_witness() {
    let mut fleet = Fleet::start().await;
    let agent = online(&fleet, "r1-1").await;
    fleet.restart_in_place().await;
    fleet
        .admin
        .sees_availability("r1-1", Availability::Online)
        .await;
    let verified = fleet.admin.verify().await;
    assert_eq!(
        (verified.witnesses, verified.faults.len()),
        (1, 0),
        "{verified:?}"
    );
    assert_eq!(fleet.admin.events_of("r1-1", "NodeUnreachable").await, []);
    drop(agent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_with_a_token_of_no_use_says_why_in_one_line() {
    let fleet = Fleet::start().await;
    let other = Fleet::start().await;
    let agent = Agent::of_sample("r1-1");
    let revoked = fleet.token().for_anybody().create().await;
    let request = v1::RevokeTokenRequest {
        id: revoked.id.to_string(),
        change: h8lio_tests::harness::change("leaked"),
    };
    fleet
        .admin
        .fleet()
        .await
        .revoke_token(request)
        .await
        .expect("revoked");
    let told = agent.enroll(&revoked).await.expect_err("refused");
    says(
        &told,
        &[revoked.id.as_str(), "revoked", "h8lctl token create"],
    );
    // A token of another fleet that leads here by its addresses.
    let mut astray = other.token().for_anybody().create().await;
    astray.addresses = vec![fleet.dial.address.to_string()];
    let told = agent.enroll(&astray).await.expect_err("refused");
    says(&told, &["pin", "another fleet"]);
}
