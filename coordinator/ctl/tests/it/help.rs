//! The text of `--help`, held by goldens: a changed word is seen in review.

use h8lctl::errors::Exit;

use crate::bench::Bench;

async fn golden(name: &str, line: &str) {
    let said = Bench::without_context().run(line).await;
    assert_eq!(said.exit, Exit::Done, "{}", said.err);
    let text: Vec<&str> = said.out.lines().map(str::trim_end).collect();
    insta::assert_snapshot!(name, text.join("\n"));
}

#[tokio::test]
async fn the_top_level_lists_the_nouns_and_the_exit_codes() {
    golden("top", "--help").await;
}

#[tokio::test]
async fn each_noun_lists_its_verbs() {
    for noun in ["context", "token", "node", "event", "audit", "operator"] {
        golden(noun, &format!("{noun} --help")).await;
    }
}

#[tokio::test]
async fn commands_that_change_something_say_how_to_consent() {
    golden("node_decommission", "node decommission --help").await;
    golden("token_create", "token create --help").await;
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
    let said = bench.run(&format!("man --dir {}", dir.display())).await;
    assert_eq!(said.exit, Exit::Done, "{}", said.err);
    let page = std::fs::read_to_string(dir.join("h8lctl-node-doctor.1")).expect("page");
    assert!(page.contains("needs attention"));
}
