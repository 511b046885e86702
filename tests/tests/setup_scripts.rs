//! The scripts that prepare a machine install what is missing, and say so when they cannot.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use h8lio_tests::repo::tree::top;
use tempfile::TempDir;

/// A machine whose PATH holds the tools that the scripts use, a stand-in for apt, and no jq.
struct Machine(TempDir);

impl Machine {
    /// `user` is what `id -u` answers; `apt` is the body of a script, run with apt-get's arguments.
    fn new(user: u32, apt: &str) -> Self {
        let machine = Self(tempfile::tempdir().expect("a temporary folder"));
        let tools = [
            "awk", "bash", "cat", "chmod", "cut", "dirname", "head", "rm", "sort", "touch",
        ];
        for tool in tools {
            let real = ["/bin", "/usr/bin"].map(|folder| Path::new(folder).join(tool));
            let real = real
                .iter()
                .find(|path| path.exists())
                .expect("a Debian machine");
            symlink(real, machine.path().join(tool)).expect("a link");
        }
        machine.program("cargo", "");
        machine.program("cc", "");
        machine.program("make", "");
        machine.program("git", "");
        machine.program("smartctl", "");
        machine.program("id", &format!("echo {user}"));
        machine.program("apt-get", apt);
        machine
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn program(&self, name: &str, body: &str) {
        let path = self.path().join(name);
        std::fs::write(&path, format!("#!/bin/bash\n{body}\n")).expect("a program");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("its mode");
    }

    fn run(&self, script: &str, arguments: &[&str]) -> Output {
        #[expect(clippy::disallowed_methods, reason = "the script is what is tested")]
        let mut command = Command::new(top().join("scripts").join(script));
        command
            .args(arguments)
            .stdin(Stdio::null())
            .env("PATH", self.path())
            .env("HOME", self.path())
            .env_remove("XDG_CACHE_HOME")
            .env("SETUP_POLICY", self.path().join("policy"))
            .env("SETUP_OS_RELEASE", self.path().join("os-release"))
            .env("SETUP_BACKPORTS_LIST", self.path().join("backports.list"))
            .env("MACHINE", self.path())
            .output()
            .expect("the script runs")
    }
}

fn told(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{err}")
}

const INSTALLS: &str = "echo \"$@\" >>$MACHINE/asked; test -x $MACHINE/policy || exit 9; \
                        $MACHINE/policy; [[ $? == 101 ]] || exit 8; touch $MACHINE/jq; \
                        chmod 755 $MACHINE/jq";

#[test]
fn root_gets_exactly_what_is_missing_and_no_daemon_starts() {
    let machine = Machine::new(0, INSTALLS);
    let output = machine.run("setup.sh", &["build", "demo"]);
    assert!(output.status.success(), "{}", told(&output));
    let asked = std::fs::read_to_string(machine.path().join("asked")).expect("apt was asked");
    assert_eq!(asked.lines().count(), 1, "{asked}");
    assert!(
        asked
            .trim_end()
            .ends_with("install -y --no-install-recommends jq"),
        "{asked}"
    );
    assert!(
        !machine.path().join("policy").exists(),
        "the policy stays behind"
    );
}

#[test]
fn a_policy_that_is_there_already_stays() {
    let machine = Machine::new(0, INSTALLS);
    machine.program("policy", "exit 101");
    assert!(machine.run("setup.sh", &["demo"]).status.success());
    assert!(machine.path().join("policy").exists());
}

#[test]
fn without_root_what_is_missing_is_named_with_its_reason() {
    let machine = Machine::new(1000, "touch $MACHINE/asked");
    let output = machine.run("setup.sh", &["demo"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        told(&output).contains("needed, but not here: jq (checks what the demo shows)"),
        "{}",
        told(&output)
    );
    assert!(
        !machine.path().join("asked").exists(),
        "apt was asked without root"
    );
}

#[test]
fn something_wanted_and_missing_does_not_end_the_work() {
    let machine = Machine::new(1000, "");
    std::fs::remove_file(machine.path().join("git")).expect("git is there");
    let output = machine.run("setup.sh", &["build"]);
    let text = told(&output);
    assert!(
        output.status.success() && text.contains("wanted, but not here: git"),
        "{text}"
    );
}

#[test]
fn when_apt_fails_it_is_asked_once_more_with_fresh_lists_and_then_said() {
    let machine = Machine::new(0, "echo \"$@\" >>$MACHINE/asked; exit 100");
    let output = machine.run("setup.sh", &["demo"]);
    let asked = std::fs::read_to_string(machine.path().join("asked")).expect("apt was asked");
    assert!(
        asked
            .lines()
            .last()
            .is_some_and(|line| line.ends_with("update")),
        "{asked}"
    );
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(
        told(&output).contains("needed, but not here: jq"),
        "{}",
        told(&output)
    );
}

/// An apt that knows one mirror, and notes what else it is asked.
const HAS_A_MIRROR: &str = "if [[ $1 == indextargets ]]; then echo 'mirror://here/debian bookworm'; \
                            else echo \"$@\" >>$MACHINE/asked; fi";

fn asked_for_the_lab(codename: &str) -> (Machine, String) {
    let machine = Machine::new(0, HAS_A_MIRROR);
    let release = format!("VERSION_CODENAME={codename}\n");
    std::fs::write(machine.path().join("os-release"), release).expect("a release");
    machine.run("setup.sh", &["lab"]);
    let asked = std::fs::read_to_string(machine.path().join("asked")).expect("apt was asked");
    let installs = asked.lines().find(|line| line.contains("qemu-system-x86"));
    let line = installs.expect("QEMU is asked for").to_owned();
    (machine, line)
}

#[test]
fn what_is_too_old_comes_from_the_backports_of_the_machines_own_mirror() {
    let (machine, install) = asked_for_the_lab("bookworm");
    assert!(install.contains("-t bookworm-backports qemu-"), "{install}");
    assert!(!install.contains("mmdebstrap"), "{install}");
    let list = std::fs::read_to_string(machine.path().join("backports.list")).expect("a source");
    assert_eq!(list, "deb mirror://here/debian bookworm-backports main\n");
}

#[test]
fn a_newer_debian_needs_no_backports() {
    let (machine, install) = asked_for_the_lab("trixie");
    assert!(!install.contains("-t "), "{install}");
    assert!(!machine.path().join("backports.list").exists());
}

#[test]
fn a_machine_without_rust_is_told_so() {
    let machine = Machine::new(0, "");
    std::fs::remove_file(machine.path().join("cargo")).expect("cargo is there");
    let output = machine.run("setup.sh", &["build"]);
    assert!(!output.status.success() && told(&output).contains("install the Rust toolchain"));
}

#[test]
fn a_tool_is_found_in_its_cache_and_asking_never_installs() {
    let machine = Machine::new(0, "");
    machine.program("cargo", "touch $MACHINE/installed");
    let asked = machine.run("tool.sh", &["--have", "cargo-deny"]);
    assert!(!asked.status.success() && !machine.path().join("installed").exists());
    machine.program("cargo-deny", "");
    let found = machine.run("tool.sh", &["--have", "cargo-deny"]);
    assert_eq!(told(&found).trim(), machine.path().to_string_lossy());
    let unknown = machine.run("tool.sh", &["cargo-nothing"]);
    assert!(
        told(&unknown).contains("unknown tool 'cargo-nothing'"),
        "{}",
        told(&unknown)
    );
}
