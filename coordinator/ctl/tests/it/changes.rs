//! Commands that change something.

use h8lctl::errors::Exit;
use h8lio_model::lifecycle::Restriction;
use h8lio_model::operator::OperatorRole;
use tonic::Status;

use crate::bench::Bench;

const ID: &str = "00000000-0000-0000-0000-000000000001";

#[tokio::test]
async fn a_script_that_gives_no_reason_or_no_yes_is_refused_before_anybody_is_asked() {
    let bench = Bench::new();
    for line in [
        "node ban r1-s1 --yes",
        "node ban r1-s1 --reason stolen",
        "node decommission r1-s1 --reason gone",
        "node approve r1-s1",
        "node unban r1-s1",
        "node label r1-s1 a=b",
        "node allow-recovery r1-s1",
        "token create",
        "token revoke t1 --yes",
        "operator create bob --role viewer",
        "operator revoke bob --yes",
    ] {
        let said = bench.run(line).await;
        assert_eq!(said.exit, Exit::Usage, "{line}: {}", said.err);
        assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    }
    assert!(bench.fake.state().dialled.is_empty());
}

#[tokio::test]
async fn each_change_of_a_node_carries_reason_ticket_and_a_request_id_of_its_own() {
    let bench = Bench::new();
    for verb in ["approve", "ban", "unban", "decommission"] {
        let line = format!("node {verb} r1-s1 --reason swap --ticket T-1 -y -o json");
        let json = bench.run(&line).await.json();
        assert_eq!(json["name"], "r1-s1");
    }
    let state = bench.fake.state();
    let calls: Vec<&str> = state.changes.iter().map(|c| c.0).collect();
    assert_eq!(calls, ["approve", "ban", "unban", "decommission"]);
    let mut ids = std::collections::BTreeSet::new();
    for (_, target, change) in &state.changes {
        assert_eq!(target, ID, "what was shown is what is changed");
        assert_eq!(
            (change.reason.as_str(), change.ticket.as_str()),
            ("swap", "T-1")
        );
        ids.insert(change.request_id.clone());
    }
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn a_person_sees_what_will_happen_and_a_no_changes_nothing() {
    let mut bench = Bench::new();
    bench.answers = Some(vec!["stolen", "n"]);
    let said = bench.run("node ban r1-s1").await;
    assert_eq!(said.exit, Exit::Aborted);
    assert!(said.err.starts_with("node r1-s1 ("), "{}", said.err);
    assert!(said.err.contains("live streams are cut"));
    assert!(said.err.ends_with("error: nothing was changed\n"));
    assert!(bench.fake.state().changes.is_empty());

    bench.answers = Some(vec!["stolen", "y"]);
    let said = bench.run("node ban r1-s1").await;
    assert_eq!(
        (said.exit, said.out.as_str()),
        (Exit::Done, "node r1-s1 banned\n")
    );
}

#[tokio::test]
async fn decommission_wants_the_name_and_not_just_a_yes() {
    let mut bench = Bench::new();
    bench.answers = Some(vec!["y"]);
    let said = bench.run("node decommission r1-s1 --reason gone").await;
    assert_eq!(said.exit, Exit::Aborted);
    assert!(bench.fake.state().changes.is_empty());
    bench.answers = Some(vec!["r1-s1"]);
    let said = bench.run("node decommission r1-s1 --reason gone").await;
    assert_eq!(said.exit, Exit::Done, "{}", said.err);
}

#[tokio::test]
async fn a_label_change_shows_old_and_new_values() {
    let mut bench = Bench::new();
    bench.answers = Some(vec!["y"]);
    let line = "node label r1-s1 tier=silver row=3 old- --roles cloud --topology eu/p/z/r9 \
                --reason move";
    let said = bench.run(line).await;
    assert_eq!(said.exit, Exit::Done, "{}", said.err);
    for change in [
        "tier: gold -> silver",
        "row: - -> 3",
        "old: - (as it is)",
        "roles: cloud,storage -> cloud",
        "topology: eu/par1/par1-a/r1/u12 -> eu/p/z/r9",
    ] {
        assert!(said.err.contains(change), "{change}: {}", said.err);
    }
    let state = bench.fake.state();
    assert_eq!(state.updates[0].set_labels["tier"], "silver");
    assert_eq!(state.updates[0].remove_labels, ["old"]);
}

#[tokio::test]
async fn nothing_to_label_is_wrong_usage() {
    let said = Bench::new().run("node label r1-s1 --reason r -y").await;
    assert_eq!(said.exit, Exit::Usage);
    assert!(said.err.contains("key=value"));
}

#[tokio::test]
async fn recovery_is_counted_by_the_coordinators_clock() {
    let bench = Bench::new();
    let said = bench
        .run("node allow-recovery r1-s1 --for 2h --reason outage -y")
        .await;
    assert_eq!(said.exit, Exit::Done, "{}", said.err);
    let until = crate::samples::as_of().as_second() + 7_200;
    assert_eq!(bench.fake.state().changes[0].1, format!("{ID}@{until}"));
}

#[tokio::test]
async fn a_refused_change_is_told_and_is_not_done() {
    let bench = Bench::new();
    // The first call finds the node, the second is the change.
    let said = bench.run("node ban nowhere --reason r -y").await;
    assert_eq!(said.exit, Exit::NotFound);
    bench.fake.state().refuse = Some(Status::permission_denied("needs approver"));
    let said = bench.run("token revoke t1 --reason r -y").await;
    assert_eq!(said.exit, Exit::NotPermitted, "{}", said.err);
    let said = bench.run("token revoke t9 --reason r -y").await;
    assert_eq!(said.exit, Exit::NotFound);
    assert!(said.err.contains("no token called \"t9\""), "{}", said.err);
}

#[tokio::test]
async fn the_token_alone_is_on_standard_output() {
    let bench = Bench::new();
    let line = "token create --ttl 2h --uses 2 --roles storage,cloud --serial 7XK2F3 \
                --topology eu/p/z/r1 --reason grow -y";
    let said = bench.run(line).await;
    assert_eq!(
        (said.exit, said.out.as_str()),
        (Exit::Done, "h8lio1.secret\n")
    );
    assert!(said.err.contains("let in when it matches serial 7XK2F3"));
    let json = bench.run(&format!("{line} -o json")).await.json();
    assert_eq!(json["token"], "h8lio1.secret");
    assert_eq!(json["id"], "t1");
    let state = bench.fake.state();
    let asked = &state.tokens[0];
    assert_eq!(asked.ttl.as_ref().map(|t| t.seconds), Some(7_200));
    assert_eq!((asked.max_uses, asked.roles.len()), (2, 2));
    assert_eq!(
        asked.expect.as_ref().map(|e| e.serial.as_str()),
        Some("7XK2F3")
    );
}

#[tokio::test]
async fn a_new_operator_gets_a_context_whose_key_never_left_this_computer() {
    let bench = Bench::new();
    let file = bench.path("bob.toml");
    let line = format!(
        "operator create bob --role approver --file {} --reason hired -y",
        file.display()
    );
    let said = bench.run(&line).await;
    assert_eq!(said.exit, Exit::Done, "{}", said.err);
    let context = h8lctl::context::Context::read(&file).expect("a usable context, mode 0600");
    let view = context.view().expect("certificate and key belong together");
    assert_eq!(view.operator.as_deref(), Some("bob"));
    assert_eq!(view.role, Some(OperatorRole::Approver));
    assert_eq!(view.addresses, ["a.example:7443"]);

    let again = bench.run(&line).await;
    assert_eq!(
        again.exit,
        Exit::Usage,
        "an existing key is never overwritten"
    );
    assert_eq!(bench.fake.state().changes.len(), 1);
}

#[tokio::test]
async fn a_refused_operator_leaves_no_file_behind() {
    let bench = Bench::new();
    let file = bench.path("bob.toml");
    bench.fake.state().refuse = Some(Status::permission_denied("needs admin"));
    let line = format!(
        "operator create bob --role admin --file {} --reason r -y",
        file.display()
    );
    assert_eq!(bench.run(&line).await.exit, Exit::NotPermitted);
    assert!(!file.exists());
}

#[tokio::test]
async fn a_change_that_changes_nothing_is_called_unchanged() {
    let bench = Bench::new();
    for (line, told) in [
        ("node ban r1-s1", "node r1-s1 banned\n"),
        ("node ban r1-s1", "node r1-s1 unchanged\n"),
        ("node unban r1-s1", "node r1-s1 no longer banned\n"),
        ("node unban r1-s1", "node r1-s1 unchanged\n"),
        ("node approve r1-s1", "node r1-s1 unchanged\n"),
        ("node label r1-s1 tier=gold", "node r1-s1 unchanged\n"),
        ("node label r1-s1 tier=iron", "node r1-s1 updated\n"),
        ("node decommission r1-s1", "node r1-s1 decommissioned\n"),
        ("node decommission r1-s1", "node r1-s1 unchanged\n"),
        ("token revoke t1", "token t1 revoked\n"),
        ("token revoke t1", "token t1 unchanged\n"),
        ("operator revoke ada", "operator ada revoked\n"),
        ("operator revoke ada", "operator ada unchanged\n"),
    ] {
        let said = bench.run(&format!("{line} --reason r -y")).await;
        assert_eq!((said.exit, said.out.as_str()), (Exit::Done, told), "{line}");
    }
}

#[tokio::test]
async fn what_the_coordinator_would_refuse_is_told_before_any_plan() {
    let bench = Bench::new();
    let refused = async |line: &str, cause: &str| {
        let said = bench.run(&format!("{line} --reason r -y")).await;
        assert_eq!(said.exit, Exit::Failed, "{line}");
        assert_eq!(said.err.lines().count(), 1, "{}", said.err);
        assert!(said.err.contains(cause), "{}", said.err);
    };
    bench.run("node ban r1-s1 --reason r -y").await;
    refused("node approve r1-s1", "end the ban first").await;
    bench.run("node decommission r1-s1 --reason r -y").await;
    for line in [
        "node approve r1-s1",
        "node ban r1-s1",
        "node label r1-s1 a=b",
    ] {
        refused(line, "was decommissioned").await;
    }
    bench.fake.state().nodes[1].node.restriction = Some(Restriction::Quarantined {
        reason: "two servers".into(),
        at: crate::samples::as_of(),
    });
    refused("node unban r1-s2", "is quarantined, not banned").await;
}

#[tokio::test]
async fn what_is_wrong_in_the_command_itself_is_told_before_anybody_is_called() {
    let bench = Bench::new();
    for (line, cause) in [
        (
            "token create --ttl 59s",
            "--ttl <TIME>': it may be 1m to 30d",
        ),
        (
            "token create --ttl 31d",
            "--ttl <TIME>': it may be 1m to 30d",
        ),
        (
            "token create --name s1 --uses 2",
            "--name is for one server",
        ),
        (
            "operator create bob --role viewer --ttl 59m",
            "--ttl <TIME>': it may be 1h to 400d",
        ),
        (
            "operator create bob --role viewer --ttl 401d",
            "--ttl <TIME>': it may be 1h to 400d",
        ),
        (
            "operator create bob --role viewer --file no/such/bob.toml",
            "folder no/such does not exist",
        ),
    ] {
        let said = bench.run(&format!("{line} --reason r -y")).await;
        assert_eq!(said.exit, Exit::Usage, "{line}");
        assert!(said.err.contains(cause), "{line}: {}", said.err);
        assert!(!said.err.contains("certificate for") && !said.err.contains("join token for"));
    }
    assert!(bench.fake.state().dialled.is_empty());
}

#[tokio::test]
async fn a_token_or_operator_that_is_not_there_is_told_before_any_plan() {
    let bench = Bench::new();
    for line in ["token revoke t9", "operator revoke bob"] {
        let said = bench.run(&format!("{line} --reason r -y")).await;
        assert_eq!(said.exit, Exit::NotFound, "{line}");
        assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    }
    assert!(bench.fake.state().changes.is_empty());
}
