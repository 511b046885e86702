use h8lio_model::condition::{Condition, ConditionType, Status};
use h8lio_model::inventory::{NewPackage, RebootReason, UpgradablePackage};
use jiff::Timestamp;

use super::*;
use crate::host::packages::{RawReboot, RawSentinel};

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../tests/fixtures/patching/", $name))
    };
}

const DEBIAN_12: &str = fixture!("apt-get-s-dist-upgrade-debian12.txt");
const DATABASE: &str = "ii \tlinux-image-6.1.0-50-cloud-amd64\tamd64\t6.1.176-1\n\
                        ii \tlinux-image-cloud-amd64\tamd64\t6.1.176-1\n";
const MAPS: &str = "\
55d0c8a00000-55d0c8a10000 r-xp 00000000 fe:01 1234                       /usr/lib/systemd/systemd
7f0000000000-7f0000001000 rw-p 00000000 00:00 0 
7f0000002000-7f0000003000 r-xp 00000000 fe:01 99                         /usr/lib/x86_64-linux-gnu/libc.so.6
";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("in range")
}

/// A server on which nothing waits.
fn healthy() -> RawPackages {
    RawPackages {
        manager: Some("apt".into()),
        installed: Some(DATABASE.into()),
        audit: Some(vec![]),
        journal: Some(vec!["tmp.i".into()]),
        upgrade: Some("0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n".into()),
        index_updated_at: Some(at(0)),
        reboot: RawReboot {
            sentinel: Some(RawSentinel::default()),
            needrestart: Some(fixture!("needrestart-b.1-before.txt").into()),
            init_maps: Some(MAPS.into()),
            running_kernel: Some("6.1.0-50-cloud-amd64".into()),
        },
        ..RawPackages::default()
    }
}

fn judged(raw: &RawPackages) -> Vec<Condition> {
    conditions(&facts(raw), at(3600))
}

fn only(raw: &RawPackages) -> Condition {
    let mut all = judged(raw);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn a_server_on_which_nothing_waits_has_no_condition_and_a_clear_no() {
    let got = facts(&healthy());
    assert_eq!(got.problems, []);
    assert_eq!(got.reboot_required.required, Some(false));
    assert_eq!(got.upgradable, Some(vec![]));
    assert_eq!((got.installed, got.interrupted), (Some(2), Some(false)));
    assert_eq!(judged(&healthy()), []);
}

#[test]
fn security_updates_are_told_from_others_also_behind_a_second_origin() {
    let got = apt::simulation(DEBIAN_12.as_bytes()).expect("understood");
    assert_eq!(got.upgradable.len(), 130);
    let find = |name: &str| {
        got.upgradable
            .iter()
            .find(|p| p.name == name)
            .unwrap_or_else(|| panic!("{name}"))
    };
    assert!(!find("bash").security);
    assert!(find("liblzma5").security);
    let both = find("libgcrypt20");
    assert_eq!(
        *both,
        UpgradablePackage {
            name: "libgcrypt20".into(),
            architecture: "amd64".into(),
            installed: "1.10.1-3".into(),
            candidate: "1.10.1-3+deb12u1".into(),
            security: true,
            origin: "Debian:12.15/oldstable, Debian-Security:12/oldstable-security".into(),
        }
    );
    // apt lists packages that are broken for the moment behind the parenthesis.
    assert_eq!(find("libpam-modules-bin").architecture, "amd64");
}

#[test]
fn ubuntus_security_archives_count_and_a_name_with_security_in_it_does_not() {
    let line = |origin: &str| {
        format!(
            "Inst libc6:i386 [2.35-0ubuntu3.1] (2.35-0ubuntu3.8 {origin} [i386])\n1 upgraded, 0 \
             newly installed, 0 to remove and 0 not upgraded.\n"
        )
    };
    for (origin, security) in [
        (
            "Ubuntu:22.04/jammy-updates, Ubuntu:22.04/jammy-security",
            true,
        ),
        ("UbuntuESMApps:22.04/jammy-apps-security", true),
        ("Debian-Security:13/stable-security", true),
        ("Ubuntu:22.04/jammy-updates", false),
        ("my-security", false),
        ("localhost", false),
    ] {
        let got = apt::simulation(line(origin).as_bytes()).expect(origin);
        assert_eq!(got.upgradable[0].security, security, "{origin}");
        assert_eq!(got.upgradable[0].name, "libc6:i386");
    }
}

/// `apt-get --simulate dist-upgrade` of Ubuntu 24.04, shortened.
const UBUNTU: &str = "\
Inst linux-modules-6.8.0-50-generic (6.8.0-50.51 Ubuntu:24.04/noble-updates, Ubuntu:24.04/noble-security [amd64])
Inst linux-image-6.8.0-50-generic (6.8.0-50.51 Ubuntu:24.04/noble-updates, Ubuntu:24.04/noble-security [amd64])
Inst linux-generic [6.8.0-49.49] (6.8.0-50.51 Ubuntu:24.04/noble-updates, Ubuntu:24.04/noble-security [amd64]) []
Inst linux-image-generic [6.8.0-49.49] (6.8.0-50.51 Ubuntu:24.04/noble-updates, Ubuntu:24.04/noble-security [amd64]) []
Inst linux-headers-6.8.0-50 (6.8.0-50.51 Ubuntu:24.04/noble-updates, Ubuntu:24.04/noble-security [all])
Inst linux-headers-6.8.0-50-generic (6.8.0-50.51 Ubuntu:24.04/noble-updates, Ubuntu:24.04/noble-security [amd64])
Inst linux-headers-generic [6.8.0-49.49] (6.8.0-50.51 Ubuntu:24.04/noble-updates, Ubuntu:24.04/noble-security [amd64])
3 upgraded, 4 newly installed, 0 to remove and 0 not upgraded.
";

#[test]
fn a_kernel_that_would_come_anew_is_a_fact_beside_the_one_that_runs() {
    let mut raw = healthy();
    raw.upgrade = Some(UBUNTU.as_bytes().to_vec());
    raw.reboot.running_kernel = Some("6.8.0-49-generic".into());
    raw.installed = Some(
        b"ii \tlinux-image-6.8.0-49-generic\tamd64\t6.8.0-49.49\n\
          ii \tlinux-image-6.8.0-48-generic\tamd64\t6.8.0-48.48\n\
          ii \tlinux-image-6.8.0-51-lowlatency\tamd64\t6.8.0-51.52\n"
            .to_vec(),
    );
    let got = facts(&raw);
    let arriving = got.arriving.expect("told");
    let image = arriving
        .iter()
        .find(|n| n.name == "linux-image-6.8.0-50-generic");
    let image = image.expect("it comes anew");
    assert_eq!(
        (image.version.as_str(), image.security),
        ("6.8.0-50.51", true)
    );
    assert_eq!(arriving.len(), 4);
    let kernel = got.kernel.expect("told");
    assert_eq!(kernel.newest.as_deref(), Some("6.8.0-49-generic"));
    raw.upgrade = None;
    raw.installed = None;
    let got = facts(&raw);
    assert_eq!(
        (got.arriving, got.kernel),
        (None, None),
        "not known is not none"
    );
}

#[test]
fn kept_back_packages_are_named_and_new_ones_are_no_upgrades() {
    let got = apt::simulation(fixture!("apt-get-s-upgrade.txt").as_bytes()).expect("understood");
    assert_eq!(got.kept_back, ["linux-image-cloud-amd64"]);
    let got =
        apt::simulation(fixture!("apt-get-s-dist-upgrade.txt").as_bytes()).expect("understood");
    let names: Vec<_> = got.upgradable.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["labdep", "labslow", "linux-image-cloud-amd64"]);
    assert_eq!(got.upgradable[0].origin, "localhost");
    let image = NewPackage {
        name: "linux-image-6.1.0-56-cloud-amd64".into(),
        architecture: "amd64".into(),
        version: "6.1.192-2".into(),
        security: false,
        origin: "localhost".into(),
    };
    assert_eq!(got.new, [image]);
}

#[test]
fn every_cut_through_a_simulation_is_refused() {
    let text = fixture!("apt-get-s-dist-upgrade.txt");
    let whole = apt::simulation(text.as_bytes()).expect("understood");
    for end in 0..text.len() {
        // Lines that come after the last package to be installed add nothing.
        if let Ok(got) = apt::simulation(&text.as_bytes()[..end]) {
            assert_eq!(got, whole, "cut at {end}");
        }
    }
}

/// scenario: 44 (unit)
#[test]
fn a_simulation_with_hostile_names_or_missing_lines_is_refused() {
    let summary = "1 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n";
    for inst in [
        "Inst $(reboot) [1] (2 x [all])\n",
        "Inst a;b [1] (2 x [all])\n",
        "Inst ab [1] (2 x [all]\n",
        "Inst ab [1]\n",
        "Inst ab [] (2 x [all])\n",
        "",
    ] {
        assert!(
            apt::simulation(format!("{summary}{inst}").as_bytes()).is_err(),
            "{inst}"
        );
    }
    assert!(apt::simulation(b"").is_err());
    assert!(apt::simulation(&[0xff, 0xfe, b'\n']).is_err());
}

#[test]
fn a_lock_on_the_database_is_no_complaint_and_hides_none() {
    let locked = "Another process has locked the database for writing, and might currently be\n\
                  modifying it, some of the following problems might just be due to that.\n";
    let none = audit::complaints(locked.as_bytes()).expect("understood");
    assert_eq!(none, []);
    let half = "The following packages are only half configured, probably due to problems\n\
                configuring them the first time.\n libc6  GNU C Library\n";
    let one = audit::complaints(format!("{locked}{half}").as_bytes()).expect("understood");
    assert_eq!(one[0].state, "half-configured");
}

#[test]
fn the_audits_of_real_power_cuts_name_what_dpkg_must_repair() {
    let section = |text: &str, from: &str, to: &str| {
        let start = text.find(from).expect("starts");
        let end = text[start..].find(to).expect("ends") + start;
        text.as_bytes()[start..end].to_vec()
    };
    let unpack = section(
        fixture!("powercut-1-unpack-state.txt"),
        "The following",
        "rc=0",
    );
    let postinst = section(fixture!("powercut-2-postinst.txt"), "The following", "rc=0");
    let told = |audit: &[u8]| -> Vec<_> {
        let all = audit::complaints(audit).expect("understood");
        all.into_iter().map(|b| (b.name, b.state)).collect()
    };
    let pair = |n: &str, s: &str| (n.to_owned(), s.to_owned());
    assert_eq!(told(&unpack), [pair("labslow", "reinst-required")]);
    assert_eq!(
        told(&postinst),
        [
            pair("labdep", "unpacked"),
            pair("labslow", "half-configured")
        ]
    );
    let mut raw = healthy();
    raw.audit = Some(postinst);
    raw.journal = Some(vec!["0000".into(), "0001".into(), "tmp.i".into()]);
    let got = only(&raw);
    assert_eq!(
        (got.kind, got.reason.as_str()),
        (ConditionType::PackagesBroken, "Interrupted")
    );
    assert!(
        got.message.contains("labslow (half-configured)"),
        "{}",
        got.message
    );

    raw.busy = vec!["dpkg".into()];
    let got = only(&raw);
    assert_eq!(
        (got.status, got.reason.as_str()),
        (Status::Unknown, "InProgress")
    );
}

#[test]
fn an_interrupted_journal_alone_breaks_packages() {
    let mut raw = healthy();
    raw.journal = Some(vec!["0000".into()]);
    assert_eq!(only(&raw).reason, "Interrupted");
}

#[test]
fn states_of_the_database_are_told_by_their_letters() {
    let line = |status: &str, name: &str| format!("{status}\t{name}\tall\t1.0\n");
    let text = [
        line("ii ", "ok"),
        line("hi ", "held"),
        line("iHR", "labslow"),
        line("iF ", "half-configured"),
        line("it ", "triggered"),
        line("rc ", "gone"),
        line("iiR", "reinstall"),
    ]
    .concat();
    let got = dpkg::database(text.as_bytes()).expect("understood");
    let broken: Vec<_> = got.broken.iter().map(|b| (&*b.name, &*b.state)).collect();
    let want = [
        ("labslow", "reinst-required"),
        ("half-configured", "half-configured"),
        ("triggered", "triggers-pending"),
        ("reinstall", "reinst-required"),
    ];
    assert_eq!(broken, want);
    assert_eq!((got.installed, got.held), (5, vec!["held".to_owned()]));
}

#[test]
fn releases_are_read_from_kernel_images_and_from_nothing_else() {
    let names = [
        "linux-image-6.1.0-56-cloud-amd64",
        "linux-image-unsigned-6.8.0-45-generic",
        "linux-image-6.12.9+deb13-amd64-unsigned",
        "linux-image-6.1.0-56-amd64-dbg",
        "linux-image-amd64",
        "linux-image-6.1-amd64:amd64",
        "linux-headers-6.1.0-56-amd64",
    ];
    let text: String = names.map(|n| format!("ii \t{n}\tamd64\t1\n")).concat();
    let got = dpkg::database(text.as_bytes()).expect("understood");
    let want = [
        "6.1.0-56-cloud-amd64",
        "6.8.0-45-generic",
        "6.12.9+deb13-amd64",
        "6.1-amd64",
    ];
    assert_eq!(got.kernels, want);
}

#[test]
fn junk_in_the_database_leaves_everything_unknown() {
    for junk in [
        "ii \t$(reboot)\tall\t1.0\n",
        "ii \tname\n",
        "zz \tname\tall\t1.0\n",
        "ii \tname\tall\t1.0",
        "\u{0}\n",
        "",
    ] {
        let mut raw = healthy();
        raw.installed = Some(junk.into());
        let got = facts(&raw);
        assert_eq!((got.installed, got.held.len()), (None, 0), "{junk:?}");
        assert!(
            got.problems.iter().any(|p| p.reason == "NotUnderstood"),
            "{junk:?}"
        );
        assert_eq!(only(&raw).status, Status::Unknown, "{junk:?}");
    }
}

#[test]
fn a_newer_kernel_wants_a_reboot_by_needrestart_and_by_packages_in_one_reason() {
    let kernel = RebootReason::Kernel {
        running: "6.1.0-50-cloud-amd64".into(),
        installed: "6.1.0-56-cloud-amd64".into(),
    };
    let mut raw = healthy();
    raw.reboot.needrestart = Some(fixture!("needrestart-b.2-after-install.txt").into());
    assert_eq!(
        facts(&raw).reboot_required.reasons,
        std::slice::from_ref(&kernel)
    );
    let newer = format!("{DATABASE}ii \tlinux-image-6.1.0-56-cloud-amd64\tamd64\t6.1.192-2\n");
    raw.installed = Some(newer.into());
    assert_eq!(
        facts(&raw).reboot_required.reasons,
        std::slice::from_ref(&kernel)
    );
    raw.reboot.needrestart = None;
    assert_eq!(facts(&raw).reboot_required.reasons, [kernel]);
    let got = only(&raw);
    assert_eq!(
        (got.kind, got.reason.as_str()),
        (ConditionType::RebootRequired, "Kernel")
    );
    raw.reboot.running_kernel = Some("6.1.0-56-cloud-amd64".into());
    raw.reboot.needrestart = Some(fixture!("needrestart-b.3-after-reboot-into-new.txt").into());
    assert_eq!(facts(&raw).reboot_required.required, Some(false));
}

#[test]
fn every_other_source_alone_wants_a_reboot() {
    let mut raw = healthy();
    raw.reboot.sentinel = Some(RawSentinel {
        present: true,
        packages: fixture!("reboot-required.pkgs").into(),
    });
    assert!(
        only(&raw)
            .message
            .contains("linux-image-6.1.0-56-cloud-amd64")
    );

    let mut raw = healthy();
    let replaced = format!(
        "{MAPS}7f0000004000-7f0000005000 r-xp 00000000 fe:01 98  /usr/lib/libssl.so.3 (deleted)\n\
         7f0000006000-7f0000007000 rw-s 00000000 00:01 97  /memfd:x (deleted)\n"
    );
    raw.reboot.init_maps = Some(replaced.into());
    assert!(
        only(&raw).message.contains("libssl.so.3"),
        "{:?}",
        judged(&raw)
    );

    let mut raw = healthy();
    raw.reboot.needrestart = Some(
        "NEEDRESTART-VER: 3.6\nNEEDRESTART-KSTA: 1\nNEEDRESTART-UCSTA: 2\nNEEDRESTART-UCCUR: \
         0x1\nNEEDRESTART-UCEXP: 0x2\nNEEDRESTART-SVC: ssh.service\nNEEDRESTART-SVC: a b\n"
            .into(),
    );
    assert_eq!(only(&raw).reason, "Microcode");
    assert_eq!(facts(&raw).services_to_restart, ["a b", "ssh.service"]);
}

#[test]
fn no_reboot_is_never_concluded_from_a_source_that_could_not_be_asked() {
    let cases: [fn(&mut RawPackages); 5] = [
        |r| r.reboot.sentinel = None,
        |r| r.reboot.init_maps = None,
        |r| r.reboot.init_maps = Some(b"junk\n".to_vec()),
        |r| r.reboot.init_maps = Some(vec![]),
        |r| {
            r.reboot.running_kernel = Some("6.18.44-own".into());
            r.reboot.needrestart = Some(b"NEEDRESTART-VER: 3.6\nNEEDRESTART-KSTA: 0\n".to_vec());
        },
    ];
    for (i, spoil) in cases.into_iter().enumerate() {
        let mut raw = healthy();
        spoil(&mut raw);
        assert_eq!(facts(&raw).reboot_required.required, None, "case {i}");
        assert_eq!(only(&raw).status, Status::Unknown, "case {i}");
    }
}

#[test]
fn needrestart_junk_is_a_problem() {
    for junk in [
        "",
        "no\n",
        "NEEDRESTART-VER: 3.6\nNEEDRESTART-KSTA: 9\n",
        "NEEDRESTART-VER: 3",
    ] {
        let mut raw = healthy();
        raw.reboot.needrestart = Some(junk.into());
        assert_eq!(facts(&raw).problems[0].what, "needrestart", "{junk:?}");
    }
}

#[test]
fn an_index_is_stale_after_seven_days_and_unknown_without_one() {
    let mut raw = healthy();
    let week = 7 * 86_400;
    let told = |raw: &RawPackages, now| conditions(&facts(raw), at(now));
    assert_eq!(told(&raw, week), []);
    assert_eq!(
        told(&raw, week + 1)[0].kind,
        ConditionType::PackageIndexStale
    );
    raw.index_updated_at = None;
    assert_eq!(told(&raw, 0)[0].status, Status::Unknown);
}

#[test]
fn a_server_without_apt_has_problems_and_no_conditions() {
    let raw = RawPackages {
        problems: vec![Problem {
            what: "package manager".into(),
            reason: "ToolMissing".into(),
            message: String::new(),
        }],
        ..RawPackages::default()
    };
    let got = facts(&raw);
    assert_eq!((got.manager.clone(), got.upgradable.clone()), (None, None));
    assert_eq!(got.problems.len(), 1);
    assert_eq!(judged(&raw), []);
}
