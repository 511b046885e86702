use super::*;

#[test]
fn progress_is_the_newest_whole_line_whatever_the_tail_looks_like() {
    let at_end = progress(STATUS).expect("some");
    assert_eq!(at_end.stage, Stage::Installing);
    assert_eq!(at_end.doing, "Installed linux-image-cloud-amd64 (amd64)");
    let first = STATUS.iter().position(|b| *b == b'\n').expect("a line") + 1;
    for cut in 0..STATUS.len() {
        let mut torn = STATUS[..cut].to_vec();
        let whole = progress(&torn);
        assert_eq!(whole.is_some(), cut >= first, "{cut}");
        torn.extend([0; 64]);
        assert_eq!(progress(&torn), whole, "NULs behind byte {cut}");
        torn.extend(b"\n");
        assert_eq!(progress(&torn), whole, "a line of NULs behind byte {cut}");
    }
}

#[test]
fn the_sample_of_a_power_cut_shows_the_last_line_before_the_nuls() {
    let got = progress(POSTINST).expect("some");
    assert_eq!(
        (got.percent, got.doing.as_str()),
        (33.3333, "Unpacking labslow (amd64)")
    );
}

#[test]
fn errors_and_questions_in_the_stream_are_kept_with_their_package() {
    let stream = b"pmstatus:libc6:amd64:12.5000:Preparing: libc6\npmerror:x:20.0000:post-installation failed\n\
                   pmconffile:/etc/x:30.0000:'/etc/x' '/etc/x.dpkg-new' 1 1 \n\
                   pmconffile:/etc/y:30.0000:'/etc/y' '/etc/y.dpkg-new' 0 1 \nE: noise:1\n";
    let got = progress(stream).expect("some");
    assert_eq!(
        (got.percent, got.doing.as_str()),
        (12.5, "Preparing: libc6")
    );
    assert_eq!(got.errors, ["x: post-installation failed"]);
    assert_eq!(got.conffiles, ["/etc/x"]);
}

#[test]
fn archives_and_their_sizes_are_read_whole_or_not_at_all() {
    let got = uris::archives(URIS).expect("understood");
    assert_eq!((got.len(), got[1].size), (4, 776));
    for odd in [
        "'http://x/a.deb' ../a.deb 1 SHA256:0\n",
        "'http://x/a.deb' a.deb much SHA256:0\n",
        "'x",
    ] {
        uris::archives(odd.as_bytes()).expect_err(odd);
    }
}

fn changes() -> Vec<Change> {
    let change = |name: &str| Change {
        name: name.into(),
        from: Some("1.0".into()),
        to: "2.0".into(),
        class: Class::of(name),
    };
    vec![change("labdep"), change("labslow")]
}

fn ended(ended: Ended) -> RawTrace {
    let written = Written {
        attempt: uuid::Uuid::from_u128(1),
        boot_id: h8lio_model::ids::BootId(uuid::Uuid::from_u128(2)),
        ended,
    };
    RawTrace {
        specified: true,
        begun: true,
        running: Some(false),
        result: Some(serde_json::to_vec(&written).expect("has a JSON form")),
        ..RawTrace::default()
    }
}

#[test]
fn a_transaction_is_applied_when_the_database_says_so_and_never_by_its_exit_code() {
    let good = ended(Ended::Exited {
        code: 0,
        complaint: String::new(),
    });
    let bad = ended(Ended::Exited {
        code: 100,
        complaint: "E: x".into(),
    });
    let after = [("ii ", "labdep", "2.0"), ("ii ", "labslow", "2.0")];
    for trace in [&good, &bad] {
        let got = outcome(&changes(), trace, &have(&after));
        assert!(matches!(got, Outcome::Applied(_)), "{got:?}");
        let got = outcome(&changes(), trace, &have(BEFORE));
        assert!(matches!(got, Outcome::NothingDone(_)), "{got:?}");
        let half = [("ii ", "labdep", "1.0"), ("ii ", "labslow", "2.0")];
        let got = outcome(&changes(), trace, &have(&half));
        assert!(
            matches!(got, Outcome::PartlyDone { ref missing, .. } if missing == &["labdep"]),
            "{got:?}"
        );
        let broken = database::read(&cut_in_postinst()).expect("understood");
        let got = outcome(&changes(), trace, &broken);
        assert!(matches!(got, Outcome::Damaged { .. }), "{got:?}");
    }
}

#[test]
fn a_transaction_without_a_word_or_with_a_torn_one_is_judged_by_the_database_alone() {
    let mut trace = ended(Ended::Exited {
        code: 0,
        complaint: String::new(),
    });
    let whole = trace.result.clone().expect("some");
    let after = [("ii ", "labdep", "2.0"), ("ii ", "labslow", "2.0")];
    for result in [
        None,
        Some(vec![0; 64]),
        Some(whole[..whole.len() / 2].to_vec()),
    ] {
        trace.result = result;
        let Outcome::Applied(ending) = outcome(&changes(), &trace, &have(&after)) else {
            panic!("the database has both");
        };
        assert_eq!(ending.word, None);
        let got = outcome(&changes(), &trace, &have(BEFORE));
        assert!(matches!(got, Outcome::NothingDone(_)), "{got:?}");
    }
}

#[test]
fn a_transaction_at_work_is_not_judged_and_one_that_never_began_is_told_apart() {
    let mut trace = ended(Ended::Exited {
        code: 0,
        complaint: String::new(),
    });
    trace.running = Some(true);
    let got = outcome(&changes(), &trace, &have(BEFORE));
    assert_eq!(got, Outcome::Running(None));
    trace.running = None;
    let got = outcome(&changes(), &trace, &have(BEFORE));
    assert!(matches!(got, Outcome::Unknown { .. }), "{got:?}");
    let asked = RawTrace {
        specified: true,
        running: Some(false),
        ..RawTrace::default()
    };
    assert_eq!(
        outcome(&changes(), &asked, &have(BEFORE)),
        Outcome::NotBegun
    );
    // Its dpkg may outlive it.
    trace.running = Some(false);
    let mut busy = have(BEFORE);
    busy.locks.push(LockHolder {
        file: "/var/lib/dpkg/lock".into(),
        pid: Some(7),
        command: Some("dpkg".into()),
    });
    assert_eq!(outcome(&changes(), &trace, &busy), Outcome::Running(None));
}

fn changed(names: &[&str]) -> Vec<Change> {
    let change = |name: &&str| Change {
        name: (*name).into(),
        from: Some("1".into()),
        to: "2".into(),
        class: Class::of(name),
    };
    names.iter().map(change).collect()
}

fn no_reboot() -> RebootRequired {
    RebootRequired {
        required: Some(false),
        reasons: vec![],
    }
}

#[test]
fn services_that_use_replaced_files_are_restarted_except_those_that_must_not_be() {
    let listed = [
        "ssh.service",
        "dbus.service",
        "ceph-osd@3.service",
        "cron.service",
    ];
    let listed = listed.map(String::from);
    let got = after(&changed(&["libssl3"]), &listed, &no_reboot());
    assert_eq!(got.restart, ["ssh.service", "cron.service"]);
    let left: Vec<_> = got.left.iter().map(|l| l.unit.as_str()).collect();
    assert_eq!(left, ["dbus.service", "ceph-osd@3.service"]);
    assert_eq!(got.reboot, []);
}

#[test]
fn the_runtime_is_restarted_when_its_own_package_was_ordered_and_else_left() {
    let listed = ["containerd.service".to_owned()];
    let got = after(&changed(&["containerd"]), &listed, &no_reboot());
    assert_eq!((got.restart.len(), got.left.len()), (1, 0));
    let got = after(&changed(&["libseccomp2"]), &listed, &no_reboot());
    assert_eq!((got.restart.len(), got.left.len()), (0, 1));
}

#[test]
fn a_reboot_takes_the_place_of_restarts_and_says_why() {
    let listed = ["ssh.service".to_owned()];
    let got = after(
        &changed(&["linux-image-6.1.0-56-amd64", "linux-image-amd64"]),
        &listed,
        &no_reboot(),
    );
    assert_eq!(got.reboot, [Why::Class(Class::Kernel)]);
    assert_eq!((got.restart.len(), got.left.len()), (0, 0));
    let reason = RebootReason::Sentinel {
        packages: vec!["dbus".into()],
    };
    let said = RebootRequired {
        required: Some(true),
        reasons: vec![reason.clone()],
    };
    let got = after(&changed(&["dbus"]), &listed, &said);
    assert_eq!(got.reboot, [Why::Said(reason)]);
}

#[test]
fn whether_a_reboot_is_due_being_unknown_is_not_taken_for_no() {
    let unknown = RebootRequired {
        required: None,
        reasons: vec![],
    };
    assert_eq!(
        after(&changed(&["bash"]), &[], &unknown).reboot,
        [Why::Unknown]
    );
    assert_eq!(
        after(&[], &[], &unknown),
        After::default(),
        "nothing was changed"
    );
}

#[rstest]
#[case("linux-image-6.1.0-56-cloud-amd64", Class::Kernel)]
#[case("linux-image-amd64", Class::Kernel)]
#[case("linux-modules-extra-6.8.0-40-generic", Class::Kernel)]
#[case("linux-generic-hwe-22.04", Class::Kernel)]
#[case("linux-virtual", Class::Kernel)]
#[case("linux-headers-amd64", Class::Plain)]
#[case("libc6:i386", Class::Libc)]
#[case("libssl3", Class::Openssl)]
#[case("openssl", Class::Openssl)]
#[case("openssh-server", Class::Plain)]
#[case("systemd", Class::Systemd)]
#[case("libsystemd0", Class::Systemd)]
#[case("systemd-resolved", Class::Network)]
#[case("containerd.io", Class::Runtime)]
#[case("kubelet", Class::Kubelet)]
#[case("ceph-osd", Class::Ceph)]
#[case("librados2", Class::Ceph)]
#[case("etcd-server", Class::Etcd)]
#[case("h8lio-agent", Class::Agent)]
#[case("bash", Class::Plain)]
fn packages_have_the_class_of_what_they_are(#[case] package: &str, #[case] class: Class) {
    assert_eq!(Class::of(package), class);
}

#[test]
fn what_cannot_be_put_back_is_forward_only() {
    let forward: Vec<_> = Class::ALL
        .into_iter()
        .filter(|c| c.strategy().way == Way::ForwardOnly)
        .collect();
    assert_eq!(
        forward,
        [Class::Libc, Class::Systemd, Class::Ceph, Class::Etcd]
    );
}

#[test]
fn the_table_in_the_documentation_is_the_code() {
    let mut table = String::from(
        "| Class | Restarted | Reboot | Way back | Only by name |\n|---|---|---|---|---|\n",
    );
    for class in Class::ALL {
        let s = class.strategy();
        let named = if s.named_only { "yes" } else { "no" };
        table += &format!(
            "| {class} | {} | {} | {} | {named} |\n",
            s.restart, s.reboot, s.way
        );
    }
    let page = include_str!("../../../../../../docs/patching.md");
    assert!(
        page.contains(&table),
        "docs/patching.md is behind the code; its table is now:\n\n{table}"
    );
    assert_eq!(
        Class::ALL
            .iter()
            .filter(|c| matches!(c.strategy().restart, Restart::Unit(_)))
            .count(),
        2
    );
}
