//! The text of `--help`, held by goldens: a changed word is seen in review.

use clap::CommandFactory as _;
use h8lctl::cli::Cli;
use h8lctl::errors::Exit;

use crate::bench::Bench;

/// The help of a command, 100 columns wide whatever the terminal of the test run.
fn golden(name: &str, path: &[&str]) {
    let args = ["h8lctl"].iter().chain(path).chain(&["--help"]);
    let shown = Cli::command()
        .term_width(100)
        .try_get_matches_from(args)
        .expect_err("help ends the parsing");
    let help = shown.render().to_string();
    let text: Vec<&str> = help.lines().map(str::trim_end).collect();
    insta::assert_snapshot!(name, text.join("\n"));
}

#[test]
fn the_top_level_lists_the_nouns_and_the_exit_codes() {
    golden("top", &[]);
}

#[test]
fn each_noun_lists_its_verbs() {
    for noun in [
        "context", "token", "node", "rollout", "explain", "event", "audit", "operator",
    ] {
        golden(noun, &[noun]);
    }
}

#[test]
fn commands_that_change_something_say_how_to_consent() {
    golden("node_decommission", &["node", "decommission"]);
    golden("token_create", &["token", "create"]);
    golden("rollout_create", &["rollout", "create"]);
    golden("rollout_acknowledge", &["rollout", "acknowledge"]);
}

#[tokio::test]
async fn help_exits_with_0_on_standard_output() {
    let said = Bench::without_context().run("node --help").await;
    assert_eq!((said.exit, said.err.as_str()), (Exit::Done, ""));
    assert!(said.out.contains("decommission"));
}

#[tokio::test]
async fn wrong_usage_exits_with_2_and_says_what_is_right() {
    let bench = Bench::without_context();
    for (line, hint) in [
        ("nodes", "node"),
        ("node lst", "list"),
        ("node list -o csv", "table, wide, json, yaml, name"),
        ("node list --selector rack", "key=value"),
        ("token create --uses 0", "1..=10000"),
        ("audit verify --remembered 7:zz", "SEQ:HASH"),
        ("operator create ada --role root", "viewer, operator"),
    ] {
        let said = bench.run(line).await;
        assert_eq!(said.exit, Exit::Usage, "{line}");
        assert!(said.err.contains(hint), "{line}: {}", said.err);
        assert_eq!(said.out, "");
    }
}

#[tokio::test]
async fn a_completion_script_and_man_pages_are_made() {
    let bench = Bench::without_context();
    let said = bench.run("completion bash").await;
    assert!(said.out.contains("_h8lctl()"));
    let dir = bench.path("man");
    let said = bench.run(&format!("man --out {}", dir.display())).await;
    assert_eq!(said.exit, Exit::Done, "{}", said.err);
    let page = std::fs::read_to_string(dir.join("h8lctl-node-doctor.1")).expect("page");
    assert!(page.contains("needs attention"));
}
