//! `make demo`'s script: it shows, checks and stops what it says, and names the cause when it
//! cannot. The programs are stand-ins here; the demo itself runs the real ones in CI.

use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use h8lio_tests::repo::tree::top;
use tempfile::TempDir;

fn bash() -> Command {
    #[expect(clippy::disallowed_methods, reason = "the script is what is tested")]
    let mut command = Command::new("bash");
    command.current_dir(top()).stdin(Stdio::null());
    command
}

/// Runs a snippet over the scripts' shared functions.
fn with_lib(snippet: &str) -> Output {
    bash()
        .args(["-c", &format!(". scripts/lib.sh\n{snippet}")])
        .output()
        .expect("bash runs")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

/// A folder with stand-ins for the three programs and six servers in three racks.
struct Stage(TempDir);

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let programs = folder.path().join("programs");
        let servers = folder.path().join("servers");
        for new in [&programs, &servers] {
            std::fs::create_dir(new).expect("a folder");
        }
        for program in ["h8lio-coordinator", "h8lio-agent", "h8lctl"] {
            let stand_in = top().join("tests/tests/demo/stand-in.sh");
            symlink(stand_in, programs.join(program)).expect("a link");
        }
        for name in ["r1-a", "r1-b", "r2-a", "r2-b", "r3-a", "r3-b"] {
            std::fs::write(servers.join(format!("{name}.toml")), "# role: storage\n")
                .expect("a server");
        }
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn demo(&self, fault: &str) -> Command {
        let mut command = bash();
        command
            .arg("scripts/demo.sh")
            .env("DEMO_PROGRAMS", self.path().join("programs"))
            .env("DEMO_SERVERS", self.path().join("servers"))
            .env("DEMO_DIR", self.path().join("demo"))
            .env("DEMO_PATIENCE", "3")
            .env("STAND_IN_FAULT", fault);
        command
    }

    fn once(&self, fault: &str) -> Output {
        self.demo(fault)
            .env("DEMO", "once")
            .output()
            .expect("the script runs")
    }

    /// Ids of processes that still work below this stage.
    fn left(&self) -> String {
        out(&with_lib(&format!(
            "processes_naming h8lio- '{}/'",
            self.path().display()
        )))
    }

    fn fails(&self, fault: &str, cause: &str) {
        let output = self.once(fault);
        assert!(!output.status.success(), "{fault}: {}", out(&output));
        assert!(
            err(&output).contains(cause),
            "{fault}: {cause:?} is not in {}",
            err(&output)
        );
        assert_eq!(self.left(), "", "{fault} left processes running");
    }
}

#[test]
fn the_demo_checks_what_it_shows_and_leaves_nothing_also_the_second_time() {
    let stage = Stage::new();
    for _ in 0..2 {
        let output = stage.once("none");
        assert!(
            output.status.success(),
            "{}\n{}",
            out(&output),
            err(&output)
        );
        let text = out(&output);
        for line in [
            "the number of nodes online is 7",
            "the number of racks is 3",
            "nothing is left running",
        ] {
            assert!(text.contains(line), "{line:?} is not in {text}");
        }
        assert_eq!(stage.left(), "");
    }
}

#[test]
fn a_port_taken_meanwhile_is_tried_again() {
    let output = Stage::new().once("port");
    assert!(
        output.status.success() && out(&output).contains("was taken meanwhile"),
        "{}",
        err(&output)
    );
}

#[test]
fn each_thing_that_goes_wrong_ends_the_demo_with_its_cause() {
    let stage = Stage::new();
    stage.fails("bad-config", "unknown key 'x'");
    stage.fails("enroll", "the CA's pin differs");
    stage.fails("dies", "r3-a ended by itself");
    stage.fails("suspect", "not online: r2-a (Suspect) r2-b (Suspect)");
    stage.fails("one-rack", "the number of racks: found '1', expected '3'");
    stage.fails("boot-id", "found 'another'");
}

#[test]
fn a_program_that_does_not_stop_is_killed_and_that_is_a_failure() {
    Stage::new().fails("stubborn", "something had to be killed");
}

/// Waits until a file under the stage has this text; the bound only ends a broken run.
fn wait_for(log: &Path, text: &str) {
    for _ in 0..600 {
        if std::fs::read_to_string(log).is_ok_and(|found| found.contains(text)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{text:?} did not appear in {}", log.display());
}

fn start(stage: &Stage) -> Child {
    let log = std::fs::File::create(stage.path().join("out")).expect("a log");
    stage
        .demo("none")
        .stdout(log)
        .spawn()
        .expect("the script starts")
}

fn signal(child: &Child, name: &str) {
    let done = with_lib(&format!("kill -{name} {}", child.id()));
    assert!(done.status.success(), "{}", err(&done));
}

#[test]
fn the_demo_stays_up_refuses_a_second_one_and_stops_on_a_signal() {
    let stage = Stage::new();
    let mut child = start(&stage);
    wait_for(&stage.path().join("out"), "Ctrl-C stops it");
    assert_ne!(stage.left(), "");
    let second = stage.once("none");
    assert!(
        err(&second).contains("a demo is running already"),
        "{}",
        err(&second)
    );
    signal(&child, "TERM");
    assert!(child.wait().expect("it ends").success());
    assert_eq!(stage.left(), "");
}

/// Ids of processes of this stage whose arguments contain `text`.
fn pids(stage: &Stage, text: &str) -> String {
    out(&with_lib(&format!(
        "processes_naming '{text}' '{}/'",
        stage.path().display()
    )))
}

#[test]
fn an_agent_that_dies_is_one_line_and_only_the_coordinators_end_ends_the_demo() {
    let stage = Stage::new();
    let mut child = start(&stage);
    let log = stage.path().join("out");
    wait_for(&log, "Ctrl-C stops it");
    let text = std::fs::read_to_string(&log).expect("the log");
    assert!(
        text.contains("echo 'beat.stop 20s' >>") && text.contains("nodes/r1-a/state/faults"),
        "{text}"
    );

    let agent = pids(&stage, "nodes/r2-b/agent.toml");
    assert!(with_lib(&format!("kill -KILL {agent}")).status.success());
    wait_for(&log, "r2-b ended by itself");
    assert!(child.try_wait().expect("asked").is_none(), "it goes on");

    let coordinator = pids(&stage, "coordinator.toml");
    assert!(
        with_lib(&format!("kill -KILL {coordinator}"))
            .status
            .success()
    );
    assert!(!child.wait().expect("it ends").success());
    let text = std::fs::read_to_string(&log).expect("the log");
    assert_eq!(text.matches("ended by itself").count(), 1, "{text}");
    assert_eq!(stage.left(), "");
}

#[test]
fn clean_stops_what_a_killed_demo_left_running() {
    let stage = Stage::new();
    let mut child = start(&stage);
    wait_for(&stage.path().join("out"), "Ctrl-C stops it");
    signal(&child, "KILL");
    child.wait().expect("it ends");
    assert_ne!(stage.left(), "", "a killed script cannot stop its children");
    let clean = stage
        .demo("none")
        .arg("clean")
        .output()
        .expect("the script runs");
    assert!(clean.status.success(), "{}", err(&clean));
    assert_eq!(stage.left(), "");
    assert!(!stage.path().join("demo").exists());
}

#[test]
fn a_port_that_somebody_listens_on_is_not_free() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    assert!(!with_lib(&format!("port_is_free {port}")).status.success());
    drop(listener);
    assert!(with_lib(&format!("port_is_free {port}")).status.success());
    let found: u16 = out(&with_lib("free_port")).parse().expect("a port number");
    assert!((20000..32000).contains(&found), "{found}");
}

#[test]
fn waiting_ends_when_the_state_is_there_or_the_time_is_up() {
    assert!(with_lib("wait_until 1 true").status.success());
    assert!(!with_lib("wait_until 1 false").status.success());
    let later = with_lib("n=0; third() { n=$((n + 1)); ((n == 3)); }; wait_until 5 third; echo $n");
    assert_eq!(out(&later), "3");
}

#[test]
fn disks_made_of_memory_files_or_other_disks_are_not_counted() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let count = || {
        out(&with_lib(&format!(
            "count_disks '{}'",
            folder.path().display()
        )))
    };
    assert_eq!(count(), "0");
    for name in ["loop0", "dm-1", "sr0", "zram0", "sda", "nvme0n1", "vda"] {
        std::fs::create_dir(folder.path().join(name)).expect("a folder");
    }
    assert_eq!(count(), "3");
}
