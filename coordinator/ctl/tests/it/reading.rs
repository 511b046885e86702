//! Commands that only read.

use h8lctl::errors::Exit;
use h8lio_model::lifecycle::Admission;
use tonic::Status;

use crate::bench::Bench;

#[tokio::test]
async fn the_table_goes_to_standard_output_and_its_time_to_standard_error() {
    let said = Bench::new().run("node list").await;
    assert_eq!(said.exit, Exit::Done);
    assert_eq!(said.out.lines().count(), 3);
    assert!(said.out.starts_with("NAME "));
    assert_eq!(said.err, "as of 2026-11-21 22:26:40Z (2)\n");
}

#[tokio::test]
async fn an_empty_fleet_is_an_empty_array_and_a_table_with_a_header() {
    let bench = Bench::new();
    bench.fake.state().nodes.clear();
    assert_eq!(bench.run("node list -o json").await.out, "[]\n");
    assert_eq!(bench.run("node list").await.out.lines().count(), 1);
    assert_eq!(bench.run("node list -o name").await.out, "");
}

#[tokio::test]
async fn decommissioned_nodes_are_listed_only_when_all_are_asked_for() {
    let bench = Bench::new();
    bench.fake.state().nodes[0].node.admission = Admission::Decommissioned;
    let said = bench.run("node list").await;
    assert_eq!(said.out.lines().count(), 2, "{}", said.out);
    assert!(
        said.err.ends_with("1 decommissioned not shown (--all)\n"),
        "{}",
        said.err
    );
    let names = bench.run("node list -o name").await;
    assert_eq!((names.out.as_str(), names.err.as_str()), ("r1-s2\n", ""));
    let json = bench.run("node list -o json").await.json();
    assert_eq!(json.as_array().map(Vec::len), Some(1));
    let all = bench.run("node list --all").await;
    let gone = all.out.lines().nth(1).unwrap_or_default();
    let cells: Vec<&str> = gone.split_whitespace().take(4).collect();
    assert_eq!(cells, ["r1-s1", "Decommissioned", "Active", "-"]);
    let json = bench.run("node list --all -o json").await.json();
    assert_eq!(json.as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn names_are_one_a_line_for_xargs() {
    let bench = Bench::new();
    assert_eq!(bench.run("node list -o name").await.out, "r1-s1\nr1-s2\n");
    assert_eq!(bench.run("token list -o name").await.out, "t1\n");
    assert_eq!(bench.run("operator list -o name").await.out, "ada\n");
}

#[tokio::test]
async fn yaml_says_the_same_as_json() {
    let said = Bench::new().run("node list -o yaml").await;
    assert!(said.out.contains("name: r1-s1"), "{}", said.out);
    assert!(said.out.contains("cephFsid: "), "{}", said.out);
}

#[tokio::test]
async fn a_selector_reaches_the_coordinator() {
    let bench = Bench::new();
    let said = bench.run("node list -o name -l tier=silver").await;
    assert_eq!((said.exit, said.out.as_str()), (Exit::Done, ""));
    let said = bench.run("node list -o name -l tier=gold").await;
    assert_eq!(said.out.lines().count(), 2);
}

#[tokio::test]
async fn a_node_is_shown_by_name_and_by_id() {
    let bench = Bench::new();
    let by_name = bench.run("node show r1-s1").await;
    let by_id = bench
        .run("node show 00000000-0000-0000-0000-000000000001")
        .await;
    assert_eq!(by_name.exit, Exit::Done, "{}", by_name.err);
    assert!(by_name.out.contains("PowerEdge R6515"));
    assert_eq!(by_name.out, by_id.out);
}

#[tokio::test]
async fn doctor_exits_with_1_only_when_something_needs_attention() {
    let bench = Bench::new();
    let sound = bench.run("node doctor r1-s1").await;
    assert_eq!(sound.exit, Exit::Done, "{}", sound.out);
    assert!(sound.out.contains("nothing needs attention"));
    assert!(sound.out.contains("unattended-upgrades"));
    let sick = bench.run("node doctor r1-s2 -o json").await;
    assert_eq!(sick.exit, Exit::Failed);
    let json = sick.json_whatever_exit();
    assert_eq!(json["healthy"], false);
    assert_eq!(json["findings"][1]["reason"], "MediumErrors");
}

#[tokio::test]
async fn a_mistyped_name_is_answered_with_the_one_that_was_meant() {
    let said = Bench::new().run("node show r1s2").await;
    assert_eq!(said.exit, Exit::NotFound);
    assert_eq!(
        said.err,
        "error: no node called \"r1s2\"; did you mean r1-s2, r1-s1?\n"
    );
    let said = Bench::new().run("node show zebra").await;
    assert_eq!(
        said.err,
        "error: no node called \"zebra\"; `h8lctl node list` shows what there is\n"
    );
}

#[tokio::test]
async fn each_refusal_of_the_coordinator_is_one_line_with_its_exit_code() {
    for (status, exit, text) in [
        (
            Status::permission_denied("ban needs role approver; you are viewer"),
            Exit::NotPermitted,
            "not permitted: ban needs role approver; you are viewer",
        ),
        (
            Status::failed_precondition("the store is read-only: disk full"),
            Exit::Failed,
            "the store is read-only: disk full",
        ),
        (
            Status::invalid_argument("field selector: no such key"),
            Exit::Usage,
            "field selector: no such key",
        ),
        (
            Status::unavailable("cannot record token.create: no space left on device"),
            Exit::Failed,
            "error: cannot record token.create: no space left on device",
        ),
    ] {
        let bench = Bench::new();
        bench.fake.state().refuse = Some(status);
        let said = bench.run("node list").await;
        assert_eq!(said.exit, exit, "{}", said.err);
        assert!(said.err.contains(text), "{}", said.err);
        assert_eq!(said.err.lines().count(), 1);
        assert_eq!(said.out, "");
    }
}

#[tokio::test]
async fn a_broken_audit_log_exits_with_1_and_names_every_fault() {
    let bench = Bench::new();
    assert_eq!(bench.run("audit verify").await.exit, Exit::Done);
    bench.fake.state().faults = vec!["audit entry 3 was edited".into()];
    let said = bench.run("audit verify").await;
    assert_eq!(said.exit, Exit::Failed);
    assert!(said.out.contains("NOT whole"));
    assert!(said.out.contains("audit entry 3 was edited"));
}

#[tokio::test]
async fn a_remembered_head_is_sent_along() {
    let bench = Bench::new();
    let head = format!("9:{}", "ab".repeat(32));
    let said = bench
        .run(&format!("audit verify --remembered {head}"))
        .await;
    assert_eq!(said.exit, Exit::Failed);
    assert!(said.out.contains("you remember 9"));
}
