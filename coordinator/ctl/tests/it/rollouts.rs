//! Rollouts, explanations and what-if from the command line down.

use h8lctl::errors::Exit;
use h8lio_model::rollout::view::WishView;
use tonic::Status;

use crate::bench::Bench;
use crate::sample_rollouts::ATTEMPT;

#[tokio::test]
async fn all_that_a_rollout_can_be_is_asked_for_as_it_was_typed() {
    let bench = Bench::new();
    let said = bench
        .run_words(&[
            "rollout",
            "create",
            "april",
            "--target",
            "packages:openssl,curl",
            "--selector",
            "rack=r1,role=storage",
            "--canary",
            "1",
            "--wave",
            "5",
            "--wave",
            "20%",
            "--soak",
            "1h30m",
            "--failure-threshold",
            "2",
            "--deadline",
            "2026-12-01T06:00:00Z",
            "--window",
            "0 22 * * FRI;4h;Europe/Paris",
            "--cve",
            "--health-check",
            "shop-front",
            "--reason",
            "CVE-2026-1",
            "--yes",
        ])
        .await;
    assert_eq!(said.exit, Exit::Done, "{}", said.err);
    assert_eq!(said.out, "rollout april created\n");
    assert!(
        said.err
            .contains("rollout april brings packages:curl,openssl to 4 nodes")
    );
    assert!(said.err.contains("canary: r1-s1"), "{}", said.err);
    let state = bench.fake.state();
    let [(true, planned), (false, created)] = &state.asked[..] else {
        panic!("planned first, then created: {:?}", state.asked);
    };
    assert_eq!(planned, created);
    let expected = serde_json::json!({
        "name": "april", "target": "packages:curl,openssl", "selector": "role=storage,rack=r1",
        "lane": "cve", "canary": 1, "waves": [{"nodes": 5}, {"percent": 20}], "soak": "PT1H30M",
        "failureThreshold": 2, "deadline": "2026-12-01T06:00:00Z",
        "windows": [{"cron": "0 22 * * FRI", "lasts": "PT4H", "zone": "Europe/Paris"}],
        "healthChecks": ["shop-front"],
    });
    assert_eq!(created, &expected);
    assert_eq!(state.changes[0].2.reason, "CVE-2026-1");
}

#[tokio::test]
async fn a_dry_run_needs_no_reason_and_creates_nothing() {
    let bench = Bench::new();
    let line = "rollout create april --target security --selector all --dry-run";
    let said = bench.run(line).await;
    assert_eq!(said.exit, Exit::Done, "{}", said.err);
    assert!(
        said.out.contains("r1-s3") && said.out.contains("expected end"),
        "{}",
        said.out
    );
    let json = bench.run(&format!("{line} -o json")).await.json();
    assert_eq!(json["spec"]["name"], "april");
    let state = bench.fake.state();
    assert!(state.asked.iter().all(|(dry_run, _)| *dry_run));
    assert!(state.changes.is_empty());
}

#[tokio::test]
async fn a_person_sees_the_plan_and_a_no_creates_nothing() {
    let mut bench = Bench::new();
    bench.answers = Some(vec!["n"]);
    let line = "rollout create april --target security --selector all --reason r";
    let said = bench.run(line).await;
    assert_eq!(said.exit, Exit::Aborted);
    assert!(said.err.contains("first: r1-s1, r1-s2"), "{}", said.err);
    assert!(bench.fake.state().changes.is_empty());
}

#[tokio::test]
async fn what_the_coordinator_refuses_is_told_before_anybody_is_asked() {
    let bench = Bench::new();
    // Looking for a rollout of that name is the first call, planning the second.
    bench.fake.state().refuse_second = Some(Status::invalid_argument("nobody is selected"));
    let line = "rollout create april --target security --selector all --reason r -y";
    let said = bench.run(line).await;
    assert_eq!((said.exit, said.out.as_str()), (Exit::Usage, ""));
    assert_eq!(said.err, "error: nobody is selected\n");
    assert!(bench.fake.state().changes.is_empty());
}

#[tokio::test]
async fn creating_the_same_again_is_called_unchanged() {
    let bench = Bench::new();
    let line = "rollout create march --target security --selector all --reason r -y";
    let said = bench.run(line).await;
    assert_eq!(said.exit, Exit::Done, "{}", said.err);
    assert_eq!(said.out, "rollout march unchanged\n");
    assert!(
        said.err.contains("nothing to create: it exists"),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn what_is_no_rollout_is_told_before_a_coordinator_is_called() {
    let bench = Bench::new();
    for (options, hint) in [
        (
            "--target everything --selector all",
            "use security, all, kernel",
        ),
        (
            "--target all --selector host=s1",
            "is no term of a selection",
        ),
        ("--target all --selector all,rack=r1", "contradicts itself"),
        (
            "--target all --selector all --wave 0",
            "write it as 5 for nodes, or 20%",
        ),
        (
            "--target all --selector all --wave 101%",
            "write it as 5 for nodes, or 20%",
        ),
        (
            "--target all --selector all --soak soon",
            "write it as 90s, 15m",
        ),
        (
            "--target all --selector all --window nightly",
            "CRON;TIME;ZONE",
        ),
        ("--target all --selector all --failure-threshold 0", "1.."),
        (
            "--target all --selector all --deadline tomorrow",
            "--deadline <WHEN>",
        ),
        ("--target all", "--selector <TERM,…>"),
    ] {
        let said = bench.run(&format!("rollout create april {options}")).await;
        assert_eq!(said.exit, Exit::Usage, "{options}");
        assert!(said.err.contains(hint), "{options}: {}", said.err);
    }
    let empty = [
        "rollout",
        "create",
        "x",
        "--target",
        "all",
        "--selector",
        "",
    ];
    let said = bench.run_words(&empty).await;
    assert_eq!(said.exit, Exit::Usage);
    assert!(said.err.contains("the selection is empty"), "{}", said.err);
    for line in [
        "rollout create april --target all --selector all",
        "rollout pause march --yes",
        "rollout retry march --node r1-s1 --yes",
        "rollout acknowledge march --node r1-s1 --outcome failed --reason r",
    ] {
        let said = bench.run(line).await;
        assert_eq!(said.exit, Exit::Usage, "{line}");
        assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    }
    assert!(bench.fake.state().dialled.is_empty());
}

#[tokio::test]
async fn a_rollout_is_paused_resumed_and_cancelled() {
    let bench = Bench::new();
    for (line, told) in [
        ("rollout pause march", "rollout march paused\n"),
        ("rollout pause march", "rollout march unchanged\n"),
        ("rollout resume march", "rollout march resumed\n"),
        ("rollout resume march", "rollout march unchanged\n"),
        ("rollout cancel march", "rollout march cancelled\n"),
        ("rollout cancel march", "rollout march unchanged\n"),
    ] {
        let said = bench.run(&format!("{line} --reason r -y")).await;
        assert_eq!((said.exit, said.out.as_str()), (Exit::Done, told), "{line}");
        assert!(
            said.err.starts_with("rollout march is halted"),
            "{}",
            said.err
        );
    }
    let asked = bench.fake.state().changes.len();
    for verb in ["pause", "resume"] {
        let said = bench
            .run(&format!("rollout {verb} march --reason r -y"))
            .await;
        assert_eq!(said.exit, Exit::Failed);
        assert!(said.err.contains("was cancelled by ada"), "{}", said.err);
    }
    assert_eq!(bench.fake.state().changes.len(), asked, "nobody was asked");
    let json = bench.run("rollout show march -o json").await.json();
    assert_eq!(json["wish"]["is"], "cancel");
}

#[tokio::test]
async fn what_was_shown_is_what_is_acknowledged() {
    let bench = Bench::new();
    let line = "rollout acknowledge march --node r1-s1 --outcome rolledBack --reason looked -y";
    let said = bench.run(line).await;
    assert_eq!(said.exit, Exit::Done, "{}", said.err);
    let told = "the end of node r1-s1 in rollout march is acknowledged as rolledBack\n";
    assert_eq!(said.out, told);
    assert!(
        said.err.contains("rolledBack (bond0 lost its carrier)"),
        "{}",
        said.err
    );
    let asked = bench.fake.state().changes[0].1.clone();
    assert_eq!(asked, format!("march/r1-s1/{ATTEMPT}/rolledBack"));
    let said = bench.run(&line.replace("rolledBack", "fine")).await;
    assert_eq!(said.exit, Exit::Usage);
    assert!(
        said.err.contains("done, failed, rolledBack, unknown"),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn a_node_that_failed_is_let_try_again() {
    let bench = Bench::new();
    let said = bench
        .run("rollout retry march --node r1-s1 --reason mended -y")
        .await;
    assert_eq!(said.exit, Exit::Done, "{}", said.err);
    assert_eq!(said.out, "node r1-s1 in rollout march may try once more\n");
    assert!(
        said.err.contains("it has been tried 1 time"),
        "{}",
        said.err
    );
    assert_eq!(bench.fake.state().changes[0].1, "march/r1-s1");
}

#[tokio::test]
async fn what_is_not_there_exits_with_3() {
    let bench = Bench::new();
    for (line, told) in [
        (
            "rollout show april",
            "no rollout called \"april\"; `h8lctl rollout list`",
        ),
        (
            "rollout pause april --reason r -y",
            "no rollout called \"april\"",
        ),
        ("explain rollout april", "no rollout called \"april\""),
        (
            "explain node x9",
            "no node called \"x9\"; `h8lctl node list`",
        ),
        (
            "rollout retry march --node x9 --reason r -y",
            "no node called \"x9\"",
        ),
        (
            "rollout acknowledge march --node x9 --outcome failed --reason r -y",
            "no node called \"x9\"",
        ),
        ("what-if --nodes r1-s1,x9", "no node called \"x9\""),
    ] {
        let said = bench.run(line).await;
        assert_eq!(said.exit, Exit::NotFound, "{line}: {}", said.err);
        assert!(said.err.contains(told), "{line}: {}", said.err);
    }
}

#[tokio::test]
async fn the_list_and_the_page_say_first_that_the_coordinator_is_frozen() {
    let bench = Bench::new();
    bench.fake.state().rollouts[0].frozen = Some("it is behind its agents".into());
    let said = bench.run("rollout list").await;
    assert!(
        said.err
            .starts_with("the coordinator is frozen, and nothing goes on: it is behind")
    );
    assert!(said.out.starts_with("NAME "), "{}", said.out);
    let said = bench.run("rollout show march").await;
    assert!(
        said.out.starts_with("the coordinator is frozen"),
        "{}",
        said.out
    );
    let json = bench.run("rollout show march -o json").await;
    assert!(
        json.out
            .trim_start_matches(['{', '\n', ' '])
            .starts_with("\"frozen\"")
    );
    bench.fake.state().rollouts[0].wish = WishView::Run;
    assert_eq!(bench.run("rollout list -o name").await.out, "march\n");
    bench.fake.state().rollouts.clear();
    assert_eq!(bench.run("rollout list -o json").await.out, "[]\n");
}

#[tokio::test]
async fn an_explanation_is_a_page_or_json() {
    let bench = Bench::new();
    for line in ["explain node r1-s3", "explain rollout march"] {
        let said = bench.run(line).await;
        assert_eq!(said.exit, Exit::Done, "{}", said.err);
        assert!(said.out.contains("until: look at r1-s1"), "{}", said.out);
        // What a server reported must not steer the terminal.
        assert!(!said.out.contains('\u{1b}'), "{}", said.out);
    }
    let json = bench.run("explain node r1-s3 -o json").await.json();
    assert_eq!(json["reasons"][0]["on"]["is"], "keptSlot");
}

#[tokio::test]
async fn what_if_exits_with_0_when_they_may_and_with_1_when_not() {
    let bench = Bench::new();
    let line = "what-if --nodes r1-s1,r1-s2";
    let said = bench.run(line).await;
    assert_eq!(said.exit, Exit::Failed);
    assert!(said.out.contains("constraint undeclared"), "{}", said.out);
    let said = bench.run(&format!("{line} -o json")).await;
    assert_eq!(said.json_whatever_exit()[0]["node"], "r1-s2");
    assert_eq!(bench.run(&format!("{line} -o name")).await.out, "r1-s2\n");
    bench.fake.state().objections.clear();
    let said = bench.run(line).await;
    let may = "2 nodes may go down together now\n";
    assert_eq!((said.exit, said.out.as_str()), (Exit::Done, may));
    assert_eq!(bench.run("what-if").await.exit, Exit::Usage);
}

#[tokio::test]
async fn who_may_not_is_told() {
    let bench = Bench::new();
    bench.fake.state().refuse_second = Some(Status::permission_denied("needs approver"));
    let line = "rollout acknowledge march --node r1-s1 --outcome failed --reason r -y";
    let said = bench.run(line).await;
    assert_eq!(said.exit, Exit::NotPermitted, "{}", said.err);
}
