use h8lio_model::inventory::{Problem, RebootReason, RebootRequired};
use h8lio_model::order::{PackageChange, PatchTarget};
use rstest::rstest;

use super::after::{After, Why, after};
use super::class::{Class, Restart, Way};
use super::database::{self, Database, Diagnosis, Repair, Step, repair};
use super::judge::{Change, Direction, Held, Refusal, Wanted, judge, sort};
use super::outcome::{Outcome, outcome};
use crate::host::patching::{
    Ended, LockHolder, Pinned, RawAnswer, RawDatabase, RawPlan, RawTrace, Written,
};
use crate::reconcile::patching::parse::progress::{Stage, progress};
use crate::reconcile::patching::parse::{apt, complaint, uris};

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../../tests/fixtures/patching/", $name))
    };
}

const URIS: &[u8] = fixture!("apt-get-print-uris.txt");
const STATUS: &[u8] = fixture!("apt-status-fd.txt");
const UNPACK_STATE: &[u8] = fixture!("powercut-1-unpack-state.txt");
const UNPACK_REPAIR: &[u8] = fixture!("powercut-1-unpack-repair.txt");
const POSTINST: &[u8] = fixture!("powercut-2-postinst.txt");

/// The part of a recorded session between the line `from` and the line `to`.
fn part(session: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8_lossy(session);
    let after = &text[text.find(from).expect("begins") + from.len()..];
    after[..after.find(to).expect("ends")].as_bytes().to_vec()
}

fn pin(text: &str) -> Pinned {
    text.parse().expect("valid")
}

fn lines(rows: &[(&str, &str, &str)]) -> Vec<u8> {
    let own = ("ii ", "dpkg", "1.21.22");
    let rows = rows.iter().chain([&own]);
    let text = rows.map(|(status, name, version)| format!("{status}\t{name}\tamd64\t{version}\n"));
    text.collect::<String>().into_bytes()
}

/// What the server had before the power cut samples were taken.
fn raw(rows: &[(&str, &str, &str)]) -> RawDatabase {
    RawDatabase {
        installed: Some(lines(rows)),
        audit: Some(vec![]),
        journal: Some(vec!["tmp.i".into()]),
        locks: Some(vec![]),
        problems: vec![],
    }
}

fn have(rows: &[(&str, &str, &str)]) -> Database {
    database::read(&raw(rows)).expect("understood")
}

const BEFORE: &[(&str, &str, &str)] = &[
    ("ii ", "labdep", "1.0"),
    ("ii ", "labslow", "1.0"),
    ("ii ", "linux-image-cloud-amd64", "6.1.176-1"),
];

/// `NAME FROM TO`, with `-` for a package that comes anew.
fn order(changes: &[&str]) -> Wanted {
    let change = |text: &&str| {
        let words: Vec<_> = text.split(' ').collect();
        let from = (words[1] != "-").then(|| words[1].parse().expect("valid"));
        PackageChange {
            name: words[0].parse().expect("valid"),
            architecture: "amd64".parse().expect("valid"),
            from,
            to: words[2].parse().expect("valid"),
        }
    };
    Wanted {
        target: PatchTarget::new(changes.iter().map(change).collect()).expect("some"),
        held: Held::Refuse,
        direction: Direction::Forward,
    }
}

fn answer(stdout: &[u8]) -> Option<RawAnswer> {
    Some(RawAnswer {
        code: 0,
        stdout: stdout.to_vec(),
        stderr: String::new(),
    })
}

fn plan(stdout: &[u8]) -> RawPlan {
    RawPlan {
        simulation: answer(stdout),
        archives: answer(URIS),
        free: Some(1 << 30),
        problems: vec![],
    }
}

fn all_three() -> Vec<Pinned> {
    [
        "labdep=2.0",
        "labslow=2.0",
        "linux-image-cloud-amd64=6.1.192-2",
    ]
    .map(pin)
    .to_vec()
}

#[test]
fn a_plan_that_brings_the_ordered_versions_and_a_new_kernel_they_need_is_accepted() {
    let got = judge(&all_three(), &plan(URIS)).expect("accepted");
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
    let ask = all_three();
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
    let error = judge(&all_three(), &refused).expect_err("refused");
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

/// Cut off while unpacking: state `iHR`.
fn cut_in_unpack() -> RawDatabase {
    let mut audit = b"The following".to_vec();
    audit.extend(part(UNPACK_STATE, "The following", "rc=0"));
    RawDatabase {
        installed: Some(lines(&[
            ("ii ", "labdep", "1.0"),
            ("iHR", "labslow", "1.0"),
        ])),
        audit: Some(audit),
        journal: Some(["0000", "0001", "0002"].map(String::from).to_vec()),
        locks: Some(vec![]),
        problems: vec![],
    }
}

/// Cut off in a postinst: states `iF` and `iU`.
fn cut_in_postinst() -> RawDatabase {
    RawDatabase {
        installed: Some(lines(&[
            ("iU ", "labdep", "2.0"),
            ("iF ", "labslow", "2.0"),
        ])),
        audit: Some(part(POSTINST, "== audit\n", "rc=0")),
        journal: Some(["0000", "0001", "tmp.i"].map(String::from).to_vec()),
        locks: Some(vec![]),
        problems: vec![],
    }
}

#[test]
fn a_power_cut_while_unpacking_is_seen_in_the_audits_words_though_its_exit_code_was_zero() {
    let seen = database::read(&cut_in_unpack()).expect("understood");
    let Diagnosis::Interrupted { broken } = seen.diagnose() else {
        panic!("{seen:?}");
    };
    assert_eq!(broken.len(), 1);
    assert_eq!(
        (broken[0].name.as_str(), broken[0].state.as_str()),
        ("labslow", "reinst-required")
    );
    let told = database::told(&broken);
    assert_eq!(
        told,
        "dpkg was interrupted; repaired: labslow (reinst-required)"
    );
}

#[test]
fn a_power_cut_in_a_postinst_is_seen_in_both_packages() {
    let seen = database::read(&cut_in_postinst()).expect("understood");
    let Diagnosis::Interrupted { broken } = seen.diagnose() else {
        panic!("{seen:?}");
    };
    let states: Vec<_> = broken.iter().map(|b| b.state.as_str()).collect();
    assert_eq!(states, ["unpacked", "half-configured"]);
}

#[test]
fn a_journal_alone_is_an_interruption_unless_somebody_is_at_work() {
    let mut raw = raw(BEFORE);
    raw.journal = Some(vec!["0000".into()]);
    let seen = database::read(&raw).expect("understood");
    assert_eq!(seen.diagnose(), Diagnosis::Interrupted { broken: vec![] });
    let holder = LockHolder {
        file: "/var/lib/dpkg/lock-frontend".into(),
        pid: Some(4242),
        command: Some("unattended-upgr".into()),
    };
    raw.locks = Some(vec![holder.clone()]);
    let seen = database::read(&raw).expect("understood");
    assert_eq!(seen.diagnose(), Diagnosis::Busy(vec![holder.clone()]));
    assert_eq!(
        holder.to_string(),
        "unattended-upgr (pid 4242) holds /var/lib/dpkg/lock-frontend"
    );
}

#[test]
fn the_repair_goes_in_the_measured_order_and_only_the_audit_ends_it() {
    let broken = database::read(&cut_in_unpack()).expect("understood");
    let whole = have(BEFORE);
    assert_eq!(repair(&[], &broken), Repair::Run(Step::ConfigureAll));
    // It ended with 0 and repaired nothing: the sample says so.
    let configured = part(
        UNPACK_REPAIR,
        "== dpkg --configure -a\n",
        "== apt-get -y -f install",
    );
    assert_eq!(configured, b"rc=0\n");
    let one = [Step::ConfigureAll];
    assert_eq!(repair(&one, &broken), Repair::Run(Step::FixBroken));
    assert_eq!(
        repair(&one, &whole),
        Repair::Run(Step::FixBroken),
        "dependencies are not known"
    );
    let both = [Step::ConfigureAll, Step::FixBroken];
    assert_eq!(repair(&both, &whole), Repair::Done);
    let Repair::Hopeless { left } = repair(&both, &broken) else {
        panic!("a broken package is not repaired");
    };
    assert_eq!(left[0].name, "labslow");
}

#[test]
fn a_database_that_is_whole_is_not_repaired_and_one_in_use_is_waited_for() {
    assert_eq!(repair(&[], &have(BEFORE)), Repair::Done);
    let mut busy = have(BEFORE);
    busy.locks.push(LockHolder {
        file: "/var/lib/dpkg/lock".into(),
        pid: None,
        command: None,
    });
    assert_eq!(repair(&[], &busy), Repair::Wait(busy.locks.clone()));
    assert_eq!(
        repair(&[Step::ConfigureAll], &busy),
        Repair::Wait(busy.locks.clone())
    );
}

#[test]
fn what_could_not_be_asked_is_not_taken_for_whole() {
    let forget: [fn(&mut RawDatabase); 6] = [
        |r| r.installed = None,
        |r| r.audit = None,
        |r| r.journal = None,
        |r| r.locks = None,
        |r| r.audit = Some(b"The following".to_vec()),
        |r| r.installed = Some(vec![]),
    ];
    for change in forget {
        let mut raw = raw(BEFORE);
        change(&mut raw);
        database::read(&raw).expect_err("unknown is not whole");
    }
    let mut raw = raw(BEFORE);
    raw.audit = None;
    raw.problems.push(Problem {
        what: "dpkg --audit".into(),
        reason: "TimedOut".into(),
        message: "dpkg did not finish".into(),
    });
    let error = database::read(&raw).expect_err("not asked").to_string();
    assert!(
        error.ends_with("dpkg --audit: dpkg did not finish"),
        "{error}"
    );
}

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
    let page = include_str!("../../../../../docs/patching.md");
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
