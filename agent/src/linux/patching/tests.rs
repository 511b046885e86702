//! Over a real apt and dpkg, in a root folder of their own with a repository of two versions.

#[path = "stuck_tests.rs"]
mod stuck;

use std::fs;
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::thread;

use h8lio_model::section::Digest;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::worker::{WorkError, carry_out_with};
use super::*;
use crate::host::patching::{Action, Ended};
use crate::host::tool::ToolError;
use crate::reconcile::patching::transaction::class::Class;
use crate::reconcile::patching::transaction::database::{self, Database, Diagnosis};
use crate::reconcile::patching::transaction::judge::{Change, Refusal, judge};
use crate::reconcile::patching::transaction::outcome::{Outcome, outcome};

/// A server in a folder: one package `labone` with a configuration file, in the versions 1:1.0 and
/// 1:2.0.
struct Lab {
    root: tempfile::TempDir,
    host: LinuxPatching,
}

fn pin(text: &str) -> Pinned {
    text.parse().expect("valid")
}

fn leave() -> MayAct {
    MayAct::by(h8lio_model::inventory::DomainMode::Act).expect("leave")
}

fn control(version: &str) -> String {
    format!(
        "Package: labone\nVersion: {version}\nArchitecture: all\nMaintainer: A <a@example.org>\n\
         Description: a package of the tests\n"
    )
}

impl Lab {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let at = |p: &str| root.path().join(p);
        for folder in [
            "var/lib/dpkg/info",
            "var/lib/dpkg/updates",
            "var/lib/dpkg/triggers",
            "var/lib/apt/lists/partial",
            "var/cache/apt/archives/partial",
            "var/log/apt",
            "etc/apt/apt.conf.d",
            "etc/apt/preferences.d",
            "etc/apt/trusted.gpg.d",
            "repo",
            "state",
        ] {
            fs::create_dir_all(at(folder)).expect("made");
        }
        fs::write(at("var/lib/dpkg/info/format"), "1\n").expect("written");
        // apt wants to know an essential architecture's dpkg; so does whoever asks for its own.
        let dpkg = "Package: dpkg\nStatus: install ok installed\nArchitecture: amd64\n\
                    Version: 1.21.22\nMaintainer: A <a@example.org>\nDescription: d\n\n";
        fs::write(at("var/lib/dpkg/status"), dpkg).expect("written");
        for file in ["dpkg.list", "dpkg.md5sums"] {
            fs::write(at("var/lib/dpkg/info").join(file), "").expect("written");
        }
        let source = format!("deb [trusted=yes] file:{} ./\n", at("repo").display());
        fs::write(at("etc/apt/sources.list"), source).expect("written");
        let this = root.path().display();
        let options = vec![
            format!("Dir={this}"),
            format!("Dir::State::status={this}/var/lib/dpkg/status"),
            format!("DPkg::Options::=--root={this}"),
            // The repositories of the server that the test runs on are not asked.
            format!("Dir::Etc::sourcelist={this}/etc/apt/sources.list"),
            "Dir::Etc::sourceparts=/dev/null".into(),
            "APT::Architecture=amd64".into(),
            "APT::Sandbox::User=root".into(),
        ];
        let host = LinuxPatching {
            apt: Apt::below(root.path(), options),
            state_dir: at("state"),
        };
        let lab = Self { root, host };
        lab.offer(&["1:1.0", "1:2.0"]);
        lab
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    /// Lets the repository have these versions, and no others.
    fn offer(&self, versions: &[&str]) {
        self.offer_with(versions, None);
    }

    /// As [`Lab::offer`], where this version can never be configured.
    fn offer_with(&self, versions: &[&str], stuck: Option<&str>) {
        let mut index = String::new();
        for version in versions {
            // As in a distribution's pool: without the epoch.
            let file = format!("labone_{}_all.deb", version.trim_start_matches("1:"));
            let tree = self.at("build");
            fs::create_dir_all(tree.join("DEBIAN")).expect("made");
            fs::create_dir_all(tree.join("etc")).expect("made");
            fs::write(tree.join("DEBIAN/control"), control(version)).expect("written");
            fs::write(tree.join("DEBIAN/conffiles"), "/etc/labone.conf\n").expect("written");
            fs::write(tree.join("etc/labone.conf"), format!("version {version}\n"))
                .expect("written");
            if stuck == Some(*version) {
                let script = tree.join("DEBIAN/postinst");
                fs::write(&script, "#!/bin/sh\nexit 1\n").expect("written");
                fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("set");
            }
            let archive = self.at("repo").join(&file);
            let args = Argv::of(&["--build", "--root-owner-group"]);
            let args = args.operand(&tree).and_then(|a| a.operand(&archive));
            let built = exec::run("dpkg-deb", &args.expect("plain"), &[], PLAN).expect("ran");
            assert_eq!(built.code, 0, "{}", built.stderr);
            let bytes = fs::read(&archive).expect("built");
            index += &format!(
                "{}Filename: ./{file}\nSize: {}\nSHA256: {}\n\n",
                control(version),
                bytes.len(),
                Digest::of(&bytes)
            );
            fs::remove_dir_all(&tree).expect("removed");
        }
        fs::write(self.at("repo/Packages"), index).expect("written");
        let args = self.host.apt.acting(&["update"]);
        let updated = exec::run("apt-get", &args, apt::ENV, PLAN).expect("ran");
        assert_eq!(updated.code, 0, "{}", updated.stderr);
    }

    fn database(&self) -> Database {
        let raw = self.host.database();
        database::read(&raw).unwrap_or_else(|e| panic!("{e}: {:?}", raw.problems))
    }

    fn version(&self) -> Option<String> {
        self.database().package("labone").map(|p| p.version.clone())
    }

    fn specify(&self, n: u128, action: Action) -> Uuid {
        self.specify_within(n, action, 120)
    }

    fn specify_within(&self, n: u128, action: Action, deadline_seconds: u64) -> Uuid {
        let attempt = Uuid::from_u128(n);
        let spec = Spec {
            attempt,
            action,
            deadline_seconds,
        };
        self.host.folder(attempt).specify(&spec).expect("written");
        attempt
    }

    fn carry_out(&self, attempt: Uuid) -> Result<Ended, WorkError> {
        let written = carry_out_with(&self.host.apt, &self.host.state_dir, attempt)?;
        Ok(written.ended)
    }

    fn install(&self, n: u128, version: &str) -> Ended {
        let packages = vec![pin(&format!("labone={version}"))];
        let attempt = self.specify(n, Action::Install { packages });
        self.carry_out(attempt).expect("carried out")
    }
}

fn change(from: &str, to: &str) -> Vec<Change> {
    vec![Change {
        name: "labone".into(),
        from: Some(from.into()),
        to: to.into(),
        class: Class::Plain,
    }]
}

fn well(ended: &Ended) {
    assert!(matches!(ended, Ended::Exited { code: 0, .. }), "{ended:?}");
}

#[test]
fn an_ordered_version_is_planned_fetched_applied_and_put_back_when_the_repository_has_moved_on() {
    let lab = Lab::new();
    assert_eq!(lab.database().diagnose(), Diagnosis::Whole);
    well(&lab.install(1, "1:1.0"));
    assert_eq!(lab.version().as_deref(), Some("1:1.0"));

    let ask = [pin("labone=1:2.0")];
    let raw = lab.host.plan(&ask);
    let plan = judge(&ask, &raw).unwrap_or_else(|e| panic!("{e}: {raw:?}"));
    assert_eq!(plan.changes, change("1:1.0", "1:2.0"));
    let missing = lab
        .host
        .keep_old(&[pin("labone=1:1.0")], leave())
        .expect("asked");
    assert_eq!(missing, [], "the old archive is put aside");
    lab.host.download(&ask, leave()).expect("fetched");
    assert_eq!(
        lab.version().as_deref(),
        Some("1:1.0"),
        "nothing is installed by it"
    );

    fs::write(lab.at("etc/labone.conf"), "the owner's\n").expect("written");
    well(&lab.install(2, "1:2.0"));
    let trace = lab.host.trace(Uuid::from_u128(2));
    let Outcome::Applied(ending) = outcome(&plan.changes, &trace, &lab.database()) else {
        panic!("{trace:?}");
    };
    assert_eq!(ending.conffiles, ["/etc/labone.conf"]);
    let conf = fs::read_to_string(lab.at("etc/labone.conf")).expect("there");
    assert_eq!(conf, "the owner's\n");
    assert!(lab.at("etc/labone.conf.dpkg-dist").exists());

    lab.offer(&["1:2.0"]);
    fs::remove_dir_all(lab.at("var/cache/apt/archives")).expect("removed");
    fs::create_dir_all(lab.at("var/cache/apt/archives/partial")).expect("made");
    let packages = vec![pin("labone=1:1.0")];
    let back = lab.specify(3, Action::PutBack { packages });
    well(&lab.carry_out(back).expect("carried out"));
    assert_eq!(lab.version().as_deref(), Some("1:1.0"));
    let got = outcome(
        &change("1:2.0", "1:1.0"),
        &lab.host.trace(back),
        &lab.database(),
    );
    assert!(matches!(got, Outcome::Applied(_)), "{got:?}");
}

#[test]
fn what_no_repository_has_is_told_by_name_and_leaves_everything_as_it_was() {
    let lab = Lab::new();
    well(&lab.install(1, "1:1.0"));
    let ask = [pin("labone=1:9.9")];
    let error = judge(&ask, &lab.host.plan(&ask))
        .expect_err("not there")
        .to_string();
    assert_eq!(
        error,
        "apt refuses: no configured repository has labone 1:9.9"
    );
    let ask = [pin("nope=1.0")];
    let error = judge(&ask, &lab.host.plan(&ask)).expect_err("not there");
    assert!(matches!(error, Refusal::Apt(_)), "{error}");
    let error = lab.host.download(&ask, leave()).expect_err("not there");
    assert!(
        matches!(
            error,
            PatchError::Tool(ToolError::Refused { code: 100, .. })
        ),
        "{error}"
    );
    let missing = lab.host.keep_old(&ask, leave()).expect("asked");
    assert_eq!(
        missing, ask,
        "named, so that there is no way back without saying so"
    );

    let ended = lab.install(2, "1:9.9");
    let Ended::Exited {
        code: 100,
        complaint,
    } = &ended
    else {
        panic!("{ended:?}");
    };
    assert!(complaint.contains("was not found"), "{complaint}");
    let trace = lab.host.trace(Uuid::from_u128(2));
    let got = outcome(&change("1:1.0", "1:9.9"), &trace, &lab.database());
    assert!(matches!(got, Outcome::NothingDone(_)), "{got:?}");
}

#[test]
fn a_transaction_is_carried_out_once_and_only_if_it_was_not_withdrawn() {
    let lab = Lab::new();
    well(&lab.install(1, "1:1.0"));
    let again = lab.carry_out(Uuid::from_u128(1));
    assert!(
        matches!(again, Err(WorkError::BegunBefore { .. })),
        "{again:?}"
    );
    let spec = Spec {
        attempt: Uuid::from_u128(1),
        action: Action::FixBroken,
        deadline_seconds: 1,
    };
    let known = lab.host.folder(spec.attempt).specify(&spec);
    assert!(matches!(known, Err(PatchError::Known { .. })), "{known:?}");
    let late = lab.host.withdraw(spec.attempt);
    assert!(matches!(late, Err(PatchError::Begun { .. })), "{late:?}");

    let packages = vec![pin("labone=1:2.0")];
    let attempt = lab.specify(2, Action::Install { packages });
    let asked = lab.host.trace(attempt);
    assert!(
        asked.specified && !asked.begun && asked.running == Some(false),
        "{asked:?}"
    );
    lab.host.withdraw(attempt).expect("not begun");
    lab.host.withdraw(attempt).expect("again");
    let trace = lab.host.trace(attempt);
    assert!(trace.withdrawn && !trace.specified, "{trace:?}");
    let gone = lab.carry_out(attempt);
    assert!(matches!(gone, Err(WorkError::Withdrawn { .. })), "{gone:?}");
    assert_eq!(lab.version().as_deref(), Some("1:1.0"));
}

/// The agent died, power was cut or the disk was full between the folder, the spec and the unit.
#[test]
fn a_transaction_that_was_written_down_and_not_started_is_written_down_again_and_begins_once() {
    let lab = Lab::new();
    well(&lab.install(1, "1:1.0"));
    let packages = vec![pin("labone=1:2.0")];
    let install = Action::Install { packages };
    let folder = lab
        .at("state/transactions")
        .join(Uuid::from_u128(2).to_string());
    fs::create_dir(&folder).expect("made");
    let early = lab.carry_out(Uuid::from_u128(2));
    assert!(
        matches!(early, Err(WorkError::Withdrawn { .. })),
        "{early:?}"
    );
    let attempt = lab.specify(2, install.clone());
    assert_eq!(
        lab.specify(2, install.clone()),
        attempt,
        "as often as it takes"
    );

    // The unit of a life before was on its way all the same: both units work on it at once.
    let units: Vec<_> = (0..2)
        .map(|_| {
            let (apt, state_dir) = (lab.host.apt.clone(), lab.host.state_dir.clone());
            thread::spawn(move || carry_out_with(&apt, &state_dir, attempt))
        })
        .collect();
    let ends = units.into_iter().map(|u| u.join().expect("no panic"));
    let (done, not): (Vec<_>, Vec<_>) = ends.partition(Result::is_ok);
    assert_eq!((done.len(), not.len()), (1, 1), "{done:?} {not:?}");
    assert!(
        matches!(not[0], Err(WorkError::BegunBefore { .. })),
        "{not:?}"
    );
    assert_eq!(lab.version().as_deref(), Some("1:2.0"));
    let log = fs::read_to_string(lab.at("var/log/apt/history.log")).expect("apt keeps one");
    assert_eq!(log.matches("Start-Date:").count(), 2, "{log}");
}

#[test]
fn what_was_withdrawn_before_anybody_asked_for_it_is_never_begun() {
    let lab = Lab::new();
    let attempt = Uuid::from_u128(77);
    lab.host.withdraw(attempt).expect("nobody knows it");
    let spec = Spec {
        attempt,
        action: Action::FixBroken,
        deadline_seconds: 1,
    };
    let known = lab.host.folder(attempt).specify(&spec);
    assert!(matches!(known, Err(PatchError::Known { .. })), "{known:?}");
    let gone = lab.carry_out(attempt);
    assert!(matches!(gone, Err(WorkError::Withdrawn { .. })), "{gone:?}");
}

/// Until `ready` says so; a test that waits longer is ended by its runner.
fn wait_until(mut ready: impl FnMut() -> bool) {
    while !ready() {
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_transaction_that_hangs_is_seen_at_work_with_its_locks_and_ended_at_its_deadline() {
    let mut lab = Lab::new();
    well(&lab.install(1, "1:1.0"));
    // Runs with the locks held, as a maintainer script that hangs would.
    lab.host.apt = lab
        .host
        .apt
        .clone()
        .with("DPkg::Pre-Invoke::=/bin/sleep 600");
    let packages = vec![pin("labone=1:2.0")];
    let attempt = lab.specify_within(2, Action::Install { packages }, 4);
    let (apt, state_dir) = (lab.host.apt.clone(), lab.host.state_dir.clone());
    let worker = thread::spawn(move || carry_out_with(&apt, &state_dir, attempt));

    wait_until(|| !lab.database().locks.is_empty() || worker.is_finished());
    let Diagnosis::Busy(holders) = lab.database().diagnose() else {
        panic!("nobody holds a lock");
    };
    assert_eq!(holders[0].file, "/var/lib/dpkg/lock-frontend");
    assert_eq!(holders[0].command.as_deref(), Some("apt-get"));
    assert!(holders[0].pid.is_some());
    let trace = lab.host.trace(attempt);
    assert_eq!((trace.begun, trace.running), (true, Some(true)));
    assert_eq!(lab.host.at_work(), Some(vec![attempt]));
    let late = lab.host.withdraw(attempt);
    assert!(matches!(late, Err(PatchError::Begun { .. })), "{late:?}");

    let written = worker.join().expect("no panic").expect("written down");
    let Ended::Killed { why } = written.ended else {
        panic!("{written:?}");
    };
    assert_eq!(why, "apt-get did not finish within 4 s and was killed");
    assert_eq!(lab.host.trace(attempt).running, Some(false));
    assert_eq!(lab.host.at_work(), Some(Vec::new()));
    wait_until(|| lab.database().locks.is_empty());
    let got = outcome(
        &change("1:1.0", "1:2.0"),
        &lab.host.trace(attempt),
        &lab.database(),
    );
    assert!(matches!(got, Outcome::NothingDone(_)), "{got:?}");
}

#[test]
fn after_a_commit_only_what_leads_back_from_it_stays() {
    let lab = Lab::new();
    let touch = |path: &str| fs::write(lab.at(path), "an archive").expect("written");
    let names = |path: &str| {
        let entries = fs::read_dir(lab.at(path)).expect("there");
        let mut names: Vec<String> = entries
            .map(|e| e.expect("read").file_name().into_string().expect("text"))
            .filter(|name| name.ends_with(".deb"))
            .collect();
        names.sort();
        names
    };
    fs::create_dir_all(lab.at("state/way-back/partial")).expect("made");
    for file in [
        "labone_1%3a0.9_all.deb",
        "labone_1%3a1.0_all.deb",
        "other_1_amd64.deb",
    ] {
        touch(&format!("state/way-back/{file}"));
        touch(&format!("var/cache/apt/archives/{file}"));
    }
    touch("state/way-back/partial/cut_1_all.deb");
    touch("var/cache/apt/archives/labone_1%3a2.0_all.deb");
    touch("var/cache/apt/archives/labone_1%3a1.0_arm64.deb");
    touch("var/cache/apt/archives/labone-doc_1%3a1.0_all.deb");
    let attempts: Vec<Uuid> = (1..=20)
        .map(|n| lab.specify(n, Action::FixBroken))
        .collect();
    // The oldest one is at work.
    let works = lab.host.folder(attempts[0]).lock().expect("locked");

    let (old, new) = ([pin("labone=1:1.0")], [pin("labone=1:2.0")]);
    lab.host.clean(&old, &new, leave()).expect("cleaned");
    assert_eq!(names("state/way-back"), ["labone_1%3a1.0_all.deb"]);
    assert_eq!(names("state/way-back/partial"), [""; 0]);
    let left = [
        "labone-doc_1%3a1.0_all.deb",
        "labone_1%3a1.0_arm64.deb",
        "labone_1%3a2.0_all.deb",
        "other_1_amd64.deb",
    ];
    assert_eq!(names("var/cache/apt/archives"), left);
    let left = |n: usize| lab.host.trace(attempts[n]).specified;
    assert_eq!(
        attempts
            .iter()
            .filter(|a| lab.host.trace(**a).specified)
            .count(),
        17
    );
    assert!(
        left(0) && !left(1) && left(19),
        "one at work, and the last sixteen"
    );
    drop(works);
    lab.host.clean(&old, &new, leave()).expect("again");
    assert!(!left(0));

    // The archive of what is installed now is what the next change goes back to.
    let nothing = [pin("labone=1:3.0")];
    lab.host
        .clean(&nothing, &nothing, leave())
        .expect("cleaned");
    assert_eq!(names("state/way-back"), [""; 0]);
    assert!(
        lab.at("var/cache/apt/archives/labone_1%3a2.0_all.deb")
            .exists()
    );
}

#[test]
fn the_room_of_each_place_is_read_with_what_the_running_kernel_takes() {
    let lab = Lab::new();
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("a kernel runs");
    let release = release.trim();
    fs::create_dir(lab.at("boot")).expect("made");
    for (file, size) in [("vmlinuz", 300), ("initrd.img", 500)] {
        fs::write(lab.at(&format!("boot/{file}-{release}")), vec![0; size]).expect("written");
        fs::write(lab.at(&format!("boot/{file}-0.1")), vec![0; size]).expect("written");
    }
    let room = lab.host.plan(&[pin("labone=1:1.0")]).room.expect("read");
    let places: Vec<&str> = room.rooms.iter().map(|r| r.place).collect();
    assert_eq!(places, ["/", "/boot", "/var"]);
    assert!(
        room.rooms
            .iter()
            .all(|r| r.free > 0 && r.device == room.rooms[0].device)
    );
    assert_eq!(room.kernel, 800);
}

/// Holds the lock of this file until it is dropped.
fn locked(path: &Path) -> fs::File {
    let file = fs::File::create(path).expect("made");
    let lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(file.as_fd(), FcntlArg::F_OFD_SETLK(&lock)).expect("locked");
    file
}

/// As the tools of a life before, which an agent that ended left behind.
#[test]
fn somebody_elses_lock_on_archives_is_no_refusal() {
    let lab = Lab::new();
    well(&lab.install(1, "1:1.0"));
    let busy = |answer: Result<_, PatchError>| match answer {
        Err(PatchError::Tool(ToolError::Busy { said, .. })) => said,
        Err(other) => panic!("{other}"),
        Ok(()) => panic!("nobody was in the way"),
    };
    let ask = [pin("labone=1:2.0")];
    let archives = lab.at("var/cache/apt/archives/lock");
    let lock = locked(&archives);
    let said = busy(lab.host.download(&ask, leave()));
    assert!(said.contains(&archives.display().to_string()), "{said}");
    drop(lock);
    lab.host.download(&ask, leave()).expect("fetched");

    let old = [pin("labone=1:1.0")];
    fs::create_dir_all(lab.at("state/way-back/partial")).expect("made");
    let lock = locked(&lab.at("state/way-back/lock"));
    busy(lab.host.keep_old(&old, leave()).map(drop));
    drop(lock);
    assert_eq!(lab.host.keep_old(&old, leave()).expect("asked"), []);
}

#[test]
fn a_lock_without_a_visible_process_is_still_a_lock() {
    let lab = Lab::new();
    assert_eq!(lab.host.database().locks, Some(vec![]));
    let file = locked(&lab.at("var/lib/apt/lists/lock"));
    let holders = lab.host.database().locks.expect("asked");
    assert_eq!(holders.len(), 1);
    assert_eq!(
        (holders[0].file.as_str(), holders[0].pid),
        ("/var/lib/apt/lists/lock", None)
    );
    drop(file);
    assert_eq!(lab.host.database().locks, Some(vec![]));
}

#[test]
fn a_unit_is_started_under_a_name_of_its_own_with_the_program_that_is_installed() {
    let text = format!(
        "{:?}",
        unit::arguments(Path::new("/var/lib/h8lio/agent"), Uuid::from_u128(5))
    );
    for part in [
        "--collect",
        "--unit=h8lio-transaction-00000000-0000-0000-0000-000000000005",
        "\"--\", \"/usr/bin/h8lio-agent\", \"transaction\"",
        "--state-dir=/var/lib/h8lio/agent",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}
