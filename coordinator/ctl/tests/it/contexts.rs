//! Contexts: imported, chosen, refused.

use std::os::unix::fs::PermissionsExt as _;

use h8lctl::errors::Exit;

use crate::bench::Bench;

fn export(bench: &Bench, file: &str, name: &str, addresses: &[&str], last_year: i32) -> String {
    let context = bench.fake.ca().context(name, addresses, last_year);
    bench.write(file, &context.to_toml().expect("TOML"));
    bench.path(file).display().to_string()
}

fn chmod(path: &str, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
}

#[tokio::test]
async fn without_a_context_the_error_says_how_to_get_one() {
    let said = Bench::without_context().run("node list").await;
    assert_eq!(said.exit, Exit::Usage);
    assert_eq!(
        said.err,
        "error: no context: import the file that the coordinator wrote (h8lctl context import FILE), or name it in H8LIO_CONTEXT_FILE\n"
    );
}

#[tokio::test]
async fn contexts_are_imported_used_shown_and_removed() {
    let bench = Bench::without_context();
    let one = export(&bench, "one.toml", "one", &["a.example:1"], 4096);
    let two = export(&bench, "two.toml", "two", &["b.example:1"], 4096);
    for file in [&one, &two] {
        let said = bench.run(&format!("context import {file}")).await;
        assert_eq!(said.exit, Exit::Done, "{}", said.err);
    }
    let again = bench.run(&format!("context import {one}")).await;
    assert_eq!(again.exit, Exit::Usage);
    assert!(again.err.contains("--replace"));

    assert_eq!(bench.run("node list").await.exit, Exit::Done);
    assert_eq!(bench.run("node list --context two").await.exit, Exit::Done);
    assert_eq!(bench.fake.state().dialled, ["a.example:1", "b.example:1"]);

    assert_eq!(bench.run("context use two").await.exit, Exit::Done);
    let shown = bench.run("context show -o json").await.json();
    assert_eq!(
        (&shown["name"], &shown["operator"]),
        (&"two".into(), &"ada".into())
    );
    let list = bench.run("context list").await.out;
    assert!(
        list.lines().any(|l| l.starts_with("*        two ")),
        "{list}"
    );
    assert!(!list.contains("KEY"));

    let missing = bench.run("node list --context three").await;
    assert_eq!(missing.exit, Exit::NotFound);
    assert!(missing.err.contains("there is one, two"), "{}", missing.err);

    assert_eq!(bench.run("context remove two").await.exit, Exit::Usage);
    assert_eq!(bench.run("context remove two --yes").await.exit, Exit::Done);
    let stored = bench.path("config/h8lio/contexts.toml");
    let mode = std::fs::metadata(stored)
        .expect("stored")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(bench.run("context list -o name").await.out, "one\n");
}

#[tokio::test]
async fn a_key_that_others_can_read_is_refused_with_the_command_that_helps() {
    let bench = Bench::without_context();
    let file = export(&bench, "open.toml", "open", &["a:1"], 4096);
    chmod(&file, 0o644);
    let said = bench.run(&format!("status --context-file {file}")).await;
    assert_eq!(said.exit, Exit::Usage);
    assert_eq!(
        said.err,
        format!("error: {file} can be read by others (mode 644): chmod 0600 {file}\n")
    );
    assert!(bench.fake.state().dialled.is_empty());
}

#[tokio::test]
async fn a_key_file_beside_the_context_is_read_and_held_to_the_same_rule() {
    let bench = Bench::without_context();
    let mut context = bench.fake.ca().context("c", &["a:1"], 4096);
    let key = context.key.take().expect("inline");
    context.key_file = Some("ada.key".into());
    bench.write("ada.key", &key);
    bench.write("demo.toml", &context.to_toml().expect("TOML"));
    assert_eq!(bench.run("status").await.exit, Exit::Done);
    chmod(&bench.path("ada.key").display().to_string(), 0o640);
    let said = bench.run("status").await;
    assert_eq!(said.exit, Exit::Usage);
    assert!(
        said.err.contains("ada.key can be read by others"),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn a_file_that_is_missing_or_damaged_is_named() {
    let bench = Bench::without_context();
    let absent = bench.path("absent.toml").display().to_string();
    let said = bench.run(&format!("status --context-file {absent}")).await;
    assert_eq!(said.exit, Exit::Usage);
    assert!(
        said.err.contains("absent.toml does not exist"),
        "{}",
        said.err
    );

    let good = bench.fake.ca().context("c", &["a:1"], 4096);
    let key = good.key.clone().expect("inline");
    let other = bench.fake.ca().context("c", &["a:1"], 4096);
    let text = |c: &h8lctl::context::Context| c.to_toml().expect("TOML");
    let mut mixed = good.clone();
    mixed.key = other.key;
    let mut keyless = good.clone();
    keyless.key = None;
    let mut homeless = good.clone();
    homeless.addresses.clear();
    for (damaged, cause) in [
        (text(&good).replace("fleet =", "flet ="), "unknown field"),
        (text(&good).replace("[\"a:1\"]", "7"), "invalid type"),
        (text(&mixed), "does not belong to the certificate"),
        (text(&keyless), "neither `key` nor `key_file`"),
        (text(&homeless), "names no coordinator"),
        (
            text(&good).replace("-----BEGIN CERT", "-----BEGIN CRET"),
            "cannot be used",
        ),
    ] {
        bench.write("bad.toml", &damaged);
        let file = bench.path("bad.toml").display().to_string();
        let said = bench.run(&format!("status --context-file {file}")).await;
        assert_eq!(said.exit, Exit::Usage, "{}", said.err);
        assert!(said.err.contains(cause), "{cause}: {}", said.err);
        assert_eq!(said.err.lines().count(), 1);
        let secret = key.lines().nth(1).expect("PEM body");
        assert!(!said.err.contains(secret), "the key must not be quoted");
    }
}

#[tokio::test]
async fn an_expired_certificate_is_told_before_anybody_is_called() {
    let bench = Bench::without_context();
    let file = export(&bench, "old.toml", "old", &["a:1"], 2001);
    let said = bench.run(&format!("status --context-file {file}")).await;
    assert_eq!(said.exit, Exit::NotPermitted);
    assert!(said.err.contains("expired at 2001-01-01"), "{}", said.err);
    assert!(said.err.contains("h8lctl operator create ada"));
    assert!(bench.fake.state().dialled.is_empty());
}

#[tokio::test]
async fn a_context_file_and_another_name_contradict_each_other() {
    let said = Bench::new().run("status --context other").await;
    assert_eq!(said.exit, Exit::Usage);
    assert!(said.err.contains("holds context \"demo\""), "{}", said.err);
}

#[tokio::test]
async fn the_second_coordinator_is_asked_when_the_first_is_down() {
    let bench = Bench::without_context();
    let file = export(&bench, "c.toml", "c", &["down-a:1", "b:2"], 4096);
    let said = bench.run(&format!("status --context-file {file}")).await;
    assert_eq!(said.exit, Exit::Done, "{}", said.err);
    assert_eq!(bench.fake.state().dialled, ["down-a:1", "b:2"]);
}

#[tokio::test]
async fn all_coordinators_down_is_one_line_with_each_cause() {
    let bench = Bench::without_context();
    let file = export(&bench, "c.toml", "c", &["down-a:1", "down-b:2"], 4096);
    let said = bench.run(&format!("status --context-file {file}")).await;
    assert_eq!(said.exit, Exit::Unreachable);
    assert_eq!(
        said.err,
        "error: no coordinator of fleet demo answers: down-a:1: connection refused; down-b:2: connection refused\n"
    );
}

#[test]
fn empty_variables_count_as_unset() {
    let home = tempfile::tempdir().expect("temporary folder");
    #[expect(clippy::disallowed_methods, reason = "variables are a process's own")]
    let mut h8lctl = std::process::Command::new(env!("CARGO_BIN_EXE_h8lctl"));
    let said = h8lctl
        .args(["context", "show"])
        .env("XDG_CONFIG_HOME", home.path())
        .env("H8LIO_CONTEXT_FILE", "")
        .env("H8LIO_CONTEXT", "")
        .output()
        .expect("h8lctl runs");
    assert_eq!(said.status.code(), Some(2));
    let err = String::from_utf8_lossy(&said.stderr);
    assert!(err.contains("no context: import the file"), "{err}");
}
