use super::*;

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
