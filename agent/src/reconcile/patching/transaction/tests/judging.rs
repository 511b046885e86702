use super::*;

#[test]
fn a_plan_that_brings_the_ordered_versions_and_the_new_kernel_among_them_is_accepted() {
    let got = judge(&all_four(), &plan(URIS)).expect("accepted");
    let names: Vec<_> = got
        .changes
        .iter()
        .map(|c| (c.name.as_str(), c.class))
        .collect();
    assert_eq!(
        names,
        [
            ("labdep", Class::Plain),
            ("labslow", Class::Plain),
            ("linux-image-6.1.0-56-cloud-amd64", Class::Kernel),
            ("linux-image-cloud-amd64", Class::Kernel),
        ]
    );
    assert_eq!(got.changes[2].from, None);
    assert_eq!(got.changes[3].from.as_deref(), Some("6.1.176-1"));
    assert_eq!(got.fetch, 48_756_304 + 776 + 26_713_492 + 1504);
}

#[test]
fn a_plan_that_would_bring_anything_else_is_refused_by_name() {
    let ask = [pin("labdep=2.0"), pin("labslow=2.0")];
    let error = judge(&ask, &plan(URIS)).expect_err("the metapackage was not ordered");
    let expected = Refusal::NotOrdered {
        name: "linux-image-cloud-amd64".into(),
        to: "6.1.192-2".into(),
    };
    assert_eq!(error, expected);

    let error = judge(&[pin("labdep=3.0")], &plan(URIS)).expect_err("another version");
    assert!(
        matches!(error, Refusal::NotBrought { ref name, .. } if name == "labdep"),
        "{error}"
    );
}

#[test]
fn a_kernel_that_the_ordered_packages_need_is_ordered_by_its_own_name_or_not_installed() {
    let image = "linux-image-6.1.0-56-cloud-amd64";
    let ask: Vec<_> = all_four()
        .into_iter()
        .filter(|p| p.name() != image)
        .collect();
    let error = judge(&ask, &plan(URIS)).expect_err("the image was not ordered");
    let expected = Refusal::NotOrdered {
        name: image.into(),
        to: "6.1.192-2".into(),
    };
    assert_eq!(error, expected);
}

#[test]
fn a_plan_that_would_remove_something_is_refused_by_name() {
    let text = "Remv labdep [1.0]\nInst labslow [1.0] (2.0 localhost [all])\n\
                1 upgraded, 0 newly installed, 1 to remove and 0 not upgraded.\n";
    let error = judge(&[pin("labslow=2.0")], &plan(text.as_bytes())).expect_err("removes");
    assert_eq!(error, Refusal::WouldRemove(vec!["labdep".into()]));
}

#[test]
fn a_dependency_of_a_class_that_is_only_changed_by_name_is_not_brought_along() {
    let text = "Inst labslow [1.0] (2.0 localhost [all])\nInst ceph-common (17.2 x [amd64])\n\
                1 upgraded, 1 newly installed, 0 to remove and 0 not upgraded.\n";
    let error = judge(&[pin("labslow=2.0")], &plan(text.as_bytes())).expect_err("Ceph");
    assert!(
        matches!(error, Refusal::NotOrdered { ref name, .. } if name == "ceph-common"),
        "{error}"
    );
    let ask = [pin("labslow=2.0"), pin("ceph-common=17.2")];
    judge(&ask, &plan(text.as_bytes())).expect("ordered by name");
}

#[test]
fn what_cannot_be_read_or_does_not_fit_says_no() {
    let ask = all_four();
    let mut torn = plan(&URIS[..URIS.len() / 2]);
    torn.archives = answer(URIS);
    let error = judge(&ask, &torn).expect_err("torn");
    assert!(matches!(error, Refusal::NotUnderstood { .. }), "{error}");
    let mut small = plan(URIS);
    small.free = Some(1000);
    let error = judge(&ask, &small).expect_err("no room");
    assert!(
        matches!(error, Refusal::NoRoom { free: 1000, .. }),
        "{error}"
    );
    small.free = None;
    let error = judge(&ask, &small).expect_err("unknown room");
    assert!(matches!(error, Refusal::NotUnderstood { .. }), "{error}");
    let error = judge(&ask, &RawPlan::default()).expect_err("no answer");
    assert!(matches!(error, Refusal::NotUnderstood { .. }), "{error}");
    small.free = Some(1 << 30);
    small.room = None;
    let error = judge(&ask, &small).expect_err("nobody knows the room");
    assert!(matches!(error, Refusal::NotUnderstood { .. }), "{error}");
    small.room = Some(RawRoom {
        rooms: vec![Room {
            place: "/var",
            device: 1,
            free: 1_000_000,
        }],
        kernel: 0,
    });
    let error = judge(&ask, &small).expect_err("it is full");
    let says = "/var has 1 MB free, the change needs about 250 MB: make room";
    assert!(error.to_string().starts_with(says), "{error}");
}

#[rstest]
#[case(
    "E: Unable to locate package nope\n",
    "apt refuses: no configured repository has a package nope"
)]
#[case(
    "E: Version '9' for 'labslow' was not found\n",
    "apt refuses: no configured repository has labslow 9"
)]
#[case(
    "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem. \n",
    "apt refuses: dpkg was interrupted before"
)]
#[case(
    "W: odd\nE: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 4242 (unattended-upgr)\nE: Unable to acquire the dpkg frontend lock\n",
    "apt refuses: /var/lib/dpkg/lock-frontend is locked by unattended-upgr (pid 4242)"
)]
#[case(
    "E: Could not get lock /var/lib/apt/lists/lock - open (11: Resource temporarily unavailable)\n",
    "apt refuses: /var/lib/apt/lists/lock is locked by another program"
)]
#[case(
    "E: Sub-process\x1b[31m failed\n",
    "apt refuses: Sub-process\\u{1b}[31m failed"
)]
#[case(
    "",
    "apt refuses: apt-get --simulate ended with code 100 and no reason"
)]
fn apts_refusal_is_told_with_what_the_next_move_depends_on(
    #[case] stderr: &str,
    #[case] says: &str,
) {
    let mut refused = plan(b"");
    refused.simulation = Some(RawAnswer {
        code: 100,
        stdout: vec![],
        stderr: stderr.to_owned(),
    });
    let error = judge(&all_four(), &refused).expect_err("refused");
    assert_eq!(error.to_string(), says);
}

#[test]
fn held_packages_are_refused_by_name_or_left_alone_and_named() {
    let have = have(&[("hi ", "labdep", "1.0"), ("ii ", "labslow", "1.0")]);
    let mut wanted = order(&["labdep 1.0 2.0", "labslow 1.0 2.0"]);
    let error = sort(&wanted, &have).expect_err("held");
    assert!(
        error
            .to_string()
            .starts_with("labdep is held on this server: apt-mark unhold"),
        "{error}"
    );
    wanted.held = Held::LeaveAlone;
    let got = sort(&wanted, &have).expect("sorted");
    assert_eq!(
        (got.ask, got.left_alone),
        (vec![pin("labslow=2.0")], vec![pin("labdep=2.0")])
    );
}

#[test]
fn a_held_package_that_is_where_it_is_wanted_hinders_nobody() {
    let have = have(&[("hi ", "labdep", "2.0")]);
    let got = sort(&order(&["labdep 1.0 2.0"]), &have).expect("sorted");
    assert_eq!(got.unchanged, [pin("labdep=2.0")]);
}

#[test]
fn a_package_that_somebody_else_changed_since_stops_the_order_by_name() {
    let have = have(BEFORE);
    for (order, says) in [
        (
            order(&["labdep 0.9 2.0"]),
            "labdep is at 1.0 and the order was resolved when it was at 0.9",
        ),
        (
            order(&["labdep - 2.0"]),
            "labdep is at 1.0 and the order was resolved when it was not installed",
        ),
        (
            order(&["gone 1.0 2.0"]),
            "gone is not installed and the order was resolved when it was at 1.0",
        ),
    ] {
        let error = sort(&order, &have).expect_err("somebody else").to_string();
        assert!(error.starts_with(says), "{error}");
    }
    let got = sort(
        &order(&["linux-image-6.1.0-56-cloud-amd64 - 6.1.192-2"]),
        &have,
    );
    assert_eq!(got.expect("comes anew").ask.len(), 1);
}

#[test]
fn only_a_fallback_goes_back() {
    let have = have(&[("ii ", "labslow", "1:2.0-1")]);
    let mut wanted = order(&["labslow 1:2.0-1 3.0-1"]);
    let error = sort(&wanted, &have).expect_err("an older epoch");
    assert!(matches!(error, Refusal::Downgrade { .. }), "{error}");
    wanted.direction = Direction::Back;
    assert_eq!(
        sort(&wanted, &have).expect("back").ask,
        [pin("labslow=3.0-1")]
    );
}

#[test]
fn a_package_at_its_version_that_is_half_configured_is_not_taken_for_done() {
    let have = have(&[("iF ", "labslow", "2.0")]);
    let got = sort(&order(&["labslow 1.0 2.0"]), &have).expect("sorted");
    assert_eq!((got.ask.len(), got.unchanged.len()), (1, 0));
}

#[test]
fn a_foreign_architecture_is_named_to_apt_and_the_servers_own_is_not() {
    let text = "ii \tdpkg\tamd64\t1.21\nii \tlibc6:amd64\tamd64\t1.0\nii \tlibc6:i386\ti386\t1.0\n";
    let raw = RawDatabase {
        installed: Some(text.into()),
        ..raw(&[])
    };
    let have = database::read(&raw).expect("understood");
    let mut changes = order(&["libc6 1.0 2.0"]).target.changes().to_vec();
    changes.push(PackageChange {
        architecture: "i386".parse().expect("valid"),
        ..changes[0].clone()
    });
    let wanted = Wanted {
        target: PatchTarget::new(changes).expect("two"),
        ..order(&["libc6 1.0 2.0"])
    };
    let got = sort(&wanted, &have).expect("sorted");
    assert_eq!(got.ask, [pin("libc6=2.0"), pin("libc6:i386=2.0")]);
}

#[test]
fn a_name_without_architecture_means_the_servers_own() {
    let text = "ii \tdpkg\tamd64\t1.21\nii \tlibc6:amd64\tamd64\t2.36-9\nii \tlibc6:i386\ti386\t2.36-8\n\
                ii \tbash\tamd64\t5.2\n";
    let raw = RawDatabase {
        installed: Some(text.into()),
        ..raw(&[])
    };
    let have = database::read(&raw).expect("understood");
    let version = |name: &str| have.package(name).map(|k| k.version.as_str());
    assert_eq!(version("libc6"), Some("2.36-9"));
    assert_eq!(version("libc6:i386"), Some("2.36-8"));
    assert_eq!(version("bash:amd64"), Some("5.2"));
    assert_eq!((version("bash:i386"), version("zsh")), (None, None));
}

#[test]
fn updates_that_are_offered_to_a_part_of_all_servers_are_named() {
    let text = "The following upgrades have been deferred due to phasing:\n  labdep labslow\n\
                0 upgraded, 0 newly installed, 0 to remove and 2 not upgraded.\n";
    let got = apt::simulation(text.as_bytes()).expect("understood");
    assert_eq!(got.phased, ["labdep", "labslow"]);
    assert!(got.kept_back.is_empty());
}

#[test]
fn a_simulation_on_a_broken_system_says_what_is_unfinished_and_not_that_it_would_fail() {
    // It ended with code 0, and the real command ends with 100: see the samples.
    let text = part(
        POSTINST,
        "== apt-get -s install hello\n",
        "rc=0\n== apt-get -y",
    );
    let got = apt::simulation(&text).expect("understood");
    assert_eq!((got.new.len(), got.unfinished), (1, 2));
    let refused = part(POSTINST, "== apt-get -y install hello\n", "rc=100");
    let refused = String::from_utf8(refused).expect("text");
    assert_eq!(
        complaint::complaint(&refused),
        Some(complaint::Complaint::Interrupted)
    );
}
