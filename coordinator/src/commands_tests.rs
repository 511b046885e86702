use clap::{CommandFactory as _, Parser as _};

use super::*;
use crate::cli::Cli;
use crate::clock::ManualClock;
use crate::config::ConfigError;
use crate::pki::acknowledge::Waiting;

fn run(arguments: &[&str]) -> anyhow::Result<String> {
    let cli = Cli::try_parse_from([&["h8lio-coordinator"], arguments].concat())?;
    let clock = ManualClock::new("2026-11-22T10:00:00Z".parse().expect("valid"));
    let mut out = Vec::new();
    execute(cli.asked().expect("a command"), &clock, &mut out)?;
    Ok(String::from_utf8(out).expect("text"))
}

#[test]
fn check_config_is_an_option_too() {
    let dir = tempfile::tempdir().expect("a folder");
    set_up(dir.path());
    let config = dir.path().join("c/coordinator.toml").display().to_string();
    let answer = run(&["--check-config", "--config", &config]).expect("valid");
    assert!(answer.contains("is valid"), "{answer}");
}

#[test]
fn a_setup_that_no_coordinator_could_start_with_is_not_called_valid() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().expect("a folder");
    set_up(dir.path());
    let config = dir.path().join("c/coordinator.toml").display().to_string();
    let check = || run(&["check-config", "--config", &config]);
    check().expect("valid");
    let key = dir.path().join("c/pki/issuing.key");
    let mode = |mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&key, mode).expect("set");
    };
    mode(0o644);
    let open = check().expect_err("others can read the key");
    mode(0o600);
    check().expect("valid again");
    std::fs::remove_file(&key).expect("removed");
    let missing = check().expect_err("no key");
    for refusal in [open, missing] {
        assert!(is_bad_setup(&refusal), "{refusal:#}");
        let text = format!("{refusal:#}");
        assert!(text.contains("issuing.key"), "{text}");
    }
    let start = crate::pki::live::LivePki::open(
        &crate::config::load(dir.path().join("c/coordinator.toml").as_path()).expect("valid"),
        Arc::new(ManualClock::default()),
    );
    let refusal = anyhow::Error::from(start.expect_err("no key"));
    assert!(
        is_bad_setup(&refusal),
        "the start says the same: {refusal:#}"
    );
}

#[test]
fn a_clock_that_is_wrong_is_no_bad_setup() {
    let dir = tempfile::tempdir().expect("a folder");
    set_up(dir.path());
    let settings = crate::config::load(dir.path().join("c/coordinator.toml").as_path());
    let start = crate::pki::live::LivePki::open(
        &settings.expect("valid"),
        Arc::new(ManualClock::default()),
    );
    let refusal = anyhow::Error::from(start.expect_err("in 1970"));
    assert!(!is_bad_setup(&refusal), "{refusal:#}");
}

fn set_up(dir: &std::path::Path) -> String {
    let (place, context) = (dir.join("c"), dir.join("ada.toml"));
    let (place, context) = (place.display().to_string(), context.display().to_string());
    let answer = run(&[
        "init",
        "--dir",
        &place,
        "--fleet",
        "prod",
        "--listen",
        "127.0.0.1:7443",
        "--operator",
        "ada",
        "--context-out",
        &context,
    ]);
    let answer = answer.expect("set up");
    assert!(
        answer.contains(&format!("h8lctl context import {context}")),
        "{answer}"
    );
    place
}

#[test]
fn an_admin_is_made_on_the_command_line_and_a_note_is_left_for_the_coordinator() {
    let dir = tempfile::tempdir().expect("a folder");
    let place = set_up(dir.path());
    let context = dir.path().join("back.toml").display().to_string();
    let create = |reason: &str| {
        run(&[
            "operator",
            "create",
            "--dir",
            &place,
            "--name",
            "ada",
            "--context-out",
            &context,
            "--reason",
            reason,
        ])
    };
    let notes = || {
        let folder = dir.path().join("c/local-operators");
        std::fs::read_dir(folder).map_or(0, Iterator::count)
    };
    let refused = create(" ").expect_err("says nothing");
    assert!(refused.to_string().contains("--reason"), "{refused}");
    assert_eq!(
        (notes(), std::path::Path::new(&context).exists()),
        (0, false)
    );
    let answer = create("the last certificate ended").expect("made");
    assert!(
        answer.contains(&format!("h8lctl context import {context}")),
        "{answer}"
    );
    assert!(answer.contains("2027-02-20"), "90 days: {answer}");
    assert_eq!(notes(), 1);
    let refused = create("again").expect_err("not written over");
    assert!(
        format!("{refused:#}").contains("is not overwritten"),
        "{refused:#}"
    );
    assert_eq!(notes(), 1);
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn a_rotation_goes_from_begin_to_finish_on_the_command_line() {
    let dir = tempfile::tempdir().expect("a folder");
    let place = set_up(dir.path());
    let rotate = |step: &[&str]| run(&[&["ca", "rotate"], step, &["--dir", &place]].concat());
    assert!(
        rotate(&["status"])
            .expect("status")
            .contains("none under way")
    );
    rotate(&["begin"]).expect("begun");
    assert!(
        rotate(&["status"])
            .expect("status")
            .contains("has not yet reported")
    );
    let settings = config::load(&std::path::Path::new(&place).join(init::CONFIG)).expect("valid");
    let state = rotation::under_way(&settings.pki)
        .expect("read")
        .expect("under way");
    let late = Waiting {
        who: "node/7".into(),
        name: "s7".into(),
        last_seen: None,
    };
    let report = Acknowledgements {
        bundle: state.bundle,
        as_of: state.begun_at,
        known: 3,
        waiting: vec![late],
    };
    report
        .write(&Acknowledgements::path(&settings))
        .expect("written");
    let status = rotate(&["status"]).expect("status");
    assert!(
        status.contains("2 of 3") && status.contains("s7 (node/7), never seen"),
        "{status}"
    );
    let refusal = rotate(&["finish"]).expect_err("refused").to_string();
    assert!(
        refusal.contains("1 of 3 would be cut off for good: s7"),
        "{refusal}"
    );
    rotate(&["finish", "--accept-loss", "1"]).expect("finished");
    assert!(
        rotate(&["status"])
            .expect("status")
            .contains("none under way")
    );
}

#[test]
fn a_wrong_configuration_is_told_apart_for_the_exit_code() {
    let dir = tempfile::tempdir().expect("a folder");
    let place = set_up(dir.path());
    let config = format!("{place}/coordinator.toml");
    let answer = run(&["check-config", "--config", &config]).expect("valid");
    assert!(
        answer.contains("is valid: coordinator c1 of fleet prod"),
        "{answer}"
    );
    let text = std::fs::read_to_string(&config)
        .expect("read")
        .replace("listen =", "lisen =");
    std::fs::write(&config, text).expect("written");
    let e = run(&["check-config", "--config", &config]).expect_err("refused");
    assert!(e.chain().any(|c| c.is::<ConfigError>()), "{e:#}");
}

#[test]
fn every_command_has_its_manual_page() {
    let dir = tempfile::tempdir().expect("a folder");
    run(&["man", "--out", &dir.path().display().to_string()]).expect("written");
    for command in Cli::command()
        .get_subcommands()
        .filter(|c| !c.is_hide_set())
    {
        let page = dir
            .path()
            .join(format!("h8lio-coordinator-{}.8", command.get_name()));
        assert!(page.exists(), "{}", page.display());
    }
}

#[test]
fn every_shell_gets_a_completion_script() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completion", shell]).expect("printed");
        assert!(script.contains("check-config"), "{shell}: {script}");
    }
}

#[test]
fn a_damaged_rotation_is_a_bad_setup_and_one_under_way_is_not() {
    let path = std::path::PathBuf::from("rotation.json");
    let damaged = || RotationError::Damaged { path: path.clone() };
    let missing = || std::io::Error::from(std::io::ErrorKind::NotFound);
    assert!(is_bad_setup(&damaged().into()));
    assert!(is_bad_setup(&LiveError::Rotation(damaged()).into()));
    let under_way = RotationError::NotRotating;
    assert!(!is_bad_setup(&LiveError::Rotation(under_way).into()));
    assert!(!is_bad_setup(&anyhow::Error::from(missing())));
}
