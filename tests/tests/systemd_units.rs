//! The units are valid, say why each directive is there, and expose no more than they admit to.

use std::path::Path;
use std::process::Output;

use h8lio_tests::repo::tree::{Tree, top};

/// Each service and the exposure it may have at most, in tenths, by systemd's own measure.
/// The agent's is what its work costs; the head of its unit says what is missing and why.
const SERVICES: [(&str, u32); 2] = [("h8lio-coordinator", 20), ("h8lio-agent", 39)];

fn unit(service: &str) -> String {
    let path = top().join(format!("systemd/{service}.service"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()))
}

fn run(program: &str, arguments: &[&str]) -> Output {
    #[expect(
        clippy::disallowed_methods,
        reason = "systemd's own tools are the judge here"
    )]
    let mut command = std::process::Command::new(program);
    command
        .args(arguments)
        .env("LC_ALL", "C")
        .env("SYSTEMD_COLORS", "0")
        .output()
        .unwrap_or_else(|e| {
            panic!("cannot run {program} ({e}); install Debian's package systemd to test the units")
        })
}

fn told(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{}\n{out}{err}", output.status)
}

/// A copy of the unit whose program exists on this machine, as systemd wants to see it.
fn runnable(service: &str, unit: &str, folder: &Path) -> String {
    let program = format!("/usr/bin/{service}");
    assert!(
        unit.contains(&format!("ExecStart={program} run ")),
        "{service} starts {program}"
    );
    let path = folder.join(format!("{service}.service"));
    std::fs::write(&path, unit.replace(&program, "/bin/true")).expect("the copy can be written");
    path.to_str().expect("a temporary path is text").to_owned()
}

/// What is wrong with the reasons of a unit: directives without a comment right above them.
fn without_reason(unit: &str) -> Vec<String> {
    let (mut found, mut reason) = (Vec::new(), String::new());
    for line in unit.lines() {
        if let Some(comment) = line.strip_prefix('#') {
            reason.push_str(comment.trim_matches([' ', '.']));
            continue;
        }
        if line.contains('=') && reason.len() < 15 {
            found.push(line.to_owned());
        }
        reason.clear();
    }
    found
}

/// The number in `Overall exposure level for x.service: 1.2 OK`, in tenths.
fn exposure(report: &str) -> Option<u32> {
    let (_, rest) = report.split_once("Overall exposure level for ")?;
    let (_, figure) = rest.split_once(": ")?;
    let (whole, tenths) = figure.split_whitespace().next()?.split_once('.')?;
    Some(whole.parse::<u32>().ok()? * 10 + tenths.parse::<u32>().ok()?)
}

#[test]
fn every_directive_carries_its_reason() {
    for (service, _) in SERVICES {
        let found = without_reason(&unit(service));
        assert!(
            found.is_empty(),
            "{service}: say above each of these why it is there: {found:#?}"
        );
    }
}

#[test]
fn a_directive_without_a_reason_is_noticed() {
    let unit = "[Service]\n# Because it has to be so.\nA=1\nB=2\n# short\nC=3\n\n# Far away, a reason.\n\nD=4\n";
    assert_eq!(without_reason(unit), ["B=2", "C=3", "D=4"]);
}

#[test]
fn systemd_accepts_the_units_without_a_word() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (service, _) in SERVICES {
        let path = runnable(service, &unit(service), folder.path());
        let output = run("systemd-analyze", &["verify", "--man=no", &path]);
        let silent = output.stdout.is_empty() && output.stderr.is_empty();
        assert!(
            output.status.success() && silent,
            "{service}: {}",
            told(&output)
        );
    }
}

#[test]
fn systemd_objects_to_a_misspelt_directive() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let unit = unit("h8lio-agent").replace("ProtectHome=", "ProtectHomes=");
    let path = runnable("h8lio-agent", &unit, folder.path());
    let output = run("systemd-analyze", &["verify", "--man=no", &path]);
    assert!(told(&output).contains("ProtectHomes"), "{}", told(&output));
}

#[test]
fn exposure_stays_below_what_each_unit_admits() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (service, most) in SERVICES {
        let path = runnable(service, &unit(service), folder.path());
        let output = run(
            "systemd-analyze",
            &["security", "--no-pager", "--offline=true", &path],
        );
        let report = told(&output);
        let found = exposure(&report).unwrap_or_else(|| panic!("no exposure in: {report}"));
        assert!(
            found <= most,
            "{service}: exposure {found} tenths is above {most}: {report}"
        );
    }
}

#[test]
fn a_service_without_its_sandbox_would_be_too_exposed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (service, most) in SERVICES {
        let bare: String = unit(service)
            .lines()
            .filter(|line| !line.starts_with("Protect") && !line.starts_with("SystemCall"))
            .flat_map(|line| [line, "\n"])
            .collect();
        let path = runnable(service, &bare, folder.path());
        let output = run(
            "systemd-analyze",
            &["security", "--no-pager", "--offline=true", &path],
        );
        let found = exposure(&told(&output)).expect("an exposure");
        assert!(
            found > most,
            "{service}: {found} tenths without its sandbox"
        );
    }
}

#[test]
fn both_services_notify_are_watched_and_stay_down_on_a_bad_configuration() {
    for (service, _) in SERVICES {
        let unit = unit(service);
        let lines = [
            "Type=notify",
            "NotifyAccess=main",
            "Restart=always",
            "RestartPreventExitStatus=78",
        ];
        for line in lines {
            assert!(unit.lines().any(|l| l == line), "{service} lacks {line}");
        }
        assert!(
            unit.contains("\nWatchdogSec=") && unit.contains("\nLoadCredential="),
            "{service}"
        );
    }
}

#[test]
fn the_user_and_the_folders_that_the_units_need_are_declared() {
    let users = Tree::read().expect("the repository can be read");
    let users = users
        .get("systemd/sysusers.d/h8lio-coordinator.conf")
        .expect("sysusers.d is there")
        .text
        .clone();
    assert!(
        users.lines().any(|line| line.starts_with("u h8lio ")),
        "{users}"
    );

    // systemd-tmpfiles resolves users from the root it is given.
    let root = tempfile::tempdir().expect("a temporary folder");
    let etc = root.path().join("etc");
    std::fs::create_dir(&etc).expect("etc");
    std::fs::write(
        etc.join("passwd"),
        "root:x:0:0::/:/bin/sh\nh8lio:x:977:977::/:/bin/sh\n",
    )
    .expect("passwd");
    std::fs::write(etc.join("group"), "root:x:0:\nh8lio:x:977:\n").expect("group");
    let root_argument = format!("--root={}", root.path().display());
    let [agent, coordinator] = SERVICES.map(|(service, _)| {
        let conf = top().join(format!("systemd/tmpfiles.d/{service}.conf"));
        conf.to_str().expect("a path of text").to_owned()
    });
    let arguments = ["--create", &root_argument, &agent, &coordinator];
    let output = run("systemd-tmpfiles", &arguments);
    for folder in [
        "etc/h8lio",
        "var/lib/h8lio/coordinator",
        "var/lib/h8lio/agent",
    ] {
        assert!(
            root.path().join(folder).is_dir(),
            "{folder} is missing: {}",
            told(&output)
        );
    }
}
