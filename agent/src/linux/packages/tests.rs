use super::*;
use crate::reconcile::patching::facts;

/// A dpkg database cut off in the middle of an upgrade, in a root folder of its own.
const STATUS: &str = "\
Package: labslow
Status: install reinstreq half-installed
Architecture: all
Version: 1.0
Maintainer: A <a@example.org>
Description: slow package

Package: keep
Status: hold ok installed
Architecture: amd64
Version: 1:2.0-1
Maintainer: A <a@example.org>
Description: held package

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1
Maintainer: A <a@example.org>
Description: removed package
";

fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("tempdir");
    let at = |p: &str| root.path().join(p);
    for folder in ["var/lib/dpkg/info", "var/lib/dpkg/updates", "proc/1", "run"] {
        fs::create_dir_all(at(folder)).expect("made");
    }
    fs::write(at("var/lib/dpkg/status"), STATUS).expect("written");
    for file in ["info/format", "info/keep.list", "info/keep.md5sums"] {
        let content = if file.ends_with("format") { "1\n" } else { "" };
        fs::write(at("var/lib/dpkg").join(file), content).expect("written");
    }
    fs::write(at("proc/1/comm"), "systemd\n").expect("written");
    root
}

#[test]
fn an_interrupted_dpkg_is_read_by_the_real_tools_without_a_lock_or_a_repair() {
    if exec::find("dpkg-query").is_none() {
        eprintln!("skipped: this machine has no dpkg");
        return;
    }
    let root = root();
    let host = LinuxPackages {
        root: root.path().to_owned(),
    };
    let folder = root.path().join("var/lib/dpkg");
    fs::write(folder.join("updates/0000"), "Package: xx\nStatus: install ok unpacked\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: y\n")
        .expect("written");
    let before = entries(&folder).expect("listed").len();
    let mut raw = RawPackages::default();
    host.dpkg(&mut raw);
    let got = facts(&raw);
    assert_eq!(got.held, ["keep"], "{:?}", got.problems);
    let broken: Vec<_> = got.broken.iter().map(|b| (&*b.name, &*b.state)).collect();
    assert_eq!(
        broken,
        [("labslow", "reinst-required"), ("xx", "unpacked")],
        "{:?}",
        got.problems
    );
    assert_eq!((got.installed, got.interrupted), (Some(2), Some(true)));
    assert_eq!(
        entries(&folder).expect("listed").len(),
        before,
        "no lock file"
    );
    assert!(folder.join("updates/0000").exists(), "the journal stays");

    fs::create_dir(root.path().join("proc/5")).expect("made");
    fs::write(root.path().join("proc/5/comm"), "dpkg\n").expect("written");
    let mut raw = RawPackages::default();
    host.dpkg(&mut raw);
    let got = facts(&raw);
    assert_eq!(
        (got.interrupted, got.busy),
        (Some(false), vec!["dpkg".to_owned()])
    );
}

#[test]
fn without_an_index_nothing_is_said_of_upgrades() {
    let root = root();
    let host = LinuxPackages {
        root: root.path().to_owned(),
    };
    let mut raw = RawPackages::default();
    host.apt(&mut raw);
    assert_eq!(raw.problems[0].what, "/var/lib/apt/lists");
    fs::create_dir_all(root.path().join("var/lib/apt/lists/partial")).expect("made");
    let mut raw = RawPackages::default();
    host.apt(&mut raw);
    assert_eq!((raw.upgrade.clone(), raw.index_updated_at), (None, None));
    assert_eq!(raw.problems[0].what, "package index");
}

#[test]
fn the_fingerprint_changes_with_the_database_the_sentinel_and_the_boot() {
    let root = root();
    let host = LinuxPackages {
        root: root.path().to_owned(),
    };
    let mut last = host.fingerprint();
    assert_eq!(last, host.fingerprint());
    for (path, content) in [
        ("var/lib/dpkg/status", "changed"),
        ("run/reboot-required", ""),
        ("proc/sys/kernel/random/boot_id", "b\n"),
    ] {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("has one")).expect("made");
        fs::write(&path, content).expect("written");
        let now = host.fingerprint();
        assert_ne!(last, now, "{}", path.display());
        last = now;
    }
}

#[test]
fn the_sentinel_and_what_process_1_maps_are_read() {
    let root = root();
    fs::write(root.path().join("run/reboot-required"), "").expect("written");
    fs::write(root.path().join("run/reboot-required.pkgs"), "linux-base\n").expect("written");
    let sentinel = sentinel(root.path()).expect("read");
    assert!(sentinel.present);
    assert_eq!(sentinel.packages, b"linux-base\n");
}
