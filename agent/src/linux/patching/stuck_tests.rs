//! A version that can never be configured, over a real apt and dpkg.

use super::*;

/// The archive that was put aside takes the place of what cannot be configured, without a repair before,
/// also where no repository has it any more.
#[test]
fn a_version_that_can_never_be_configured_is_replaced_by_the_one_before() {
    let lab = Lab::new();
    well(&lab.install(1, "1:1.0"));
    let old = [pin("labone=1:1.0")];
    let missing = lab.host.keep_old(&old, leave()).expect("asked");
    assert_eq!(missing, []);
    lab.offer_with(&["1:2.0"], Some("1:2.0"));
    fs::remove_dir_all(lab.at("var/cache/apt/archives")).expect("removed");
    fs::create_dir_all(lab.at("var/cache/apt/archives/partial")).expect("made");
    let failed = lab.install(2, "1:2.0");
    assert!(
        !matches!(failed, Ended::Exited { code: 0, .. }),
        "{failed:?}"
    );
    for (n, action) in [(3, Action::ConfigureAll), (4, Action::FixBroken)] {
        let repair = lab.specify(n, action);
        lab.carry_out(repair).expect("carried out");
    }
    let Diagnosis::Interrupted { broken } = lab.database().diagnose() else {
        panic!("no repair helps");
    };
    assert_eq!((broken.len(), broken[0].name.as_str()), (1, "labone"));
    assert_eq!(lab.version().as_deref(), Some("1:2.0"));
    let missing = lab.host.keep_old(&old, leave()).expect("asked again");
    assert_eq!(missing, [], "it is there still");

    let packages = old.to_vec();
    let back = lab.specify(5, Action::PutBack { packages });
    well(&lab.carry_out(back).expect("carried out"));
    assert_eq!(lab.version().as_deref(), Some("1:1.0"));
    assert_eq!(lab.database().diagnose(), Diagnosis::Whole);
}

/// dpkg was killed because a configuration hung: apt refuses all work until dpkg has run, and what dpkg
/// would have to run hangs again.
#[test]
fn a_version_at_which_dpkg_was_killed_is_replaced_by_the_one_before() {
    let lab = Lab::new();
    well(&lab.install(1, "1:1.0"));
    let old = [pin("labone=1:1.0")];
    assert_eq!(lab.host.keep_old(&old, leave()).expect("asked"), []);
    lab.offer_with(&["1:2.0"], Some("1:2.0"));
    lab.install(2, "1:2.0");
    // What it had not written into its database yet.
    let status = fs::read_to_string(lab.at("var/lib/dpkg/status")).expect("read");
    let of_it = |stanza: &&str| stanza.starts_with("Package: labone\n");
    let stanza = status.split("\n\n").find(of_it).expect("it is known");
    fs::write(lab.at("var/lib/dpkg/updates/0000"), format!("{stanza}\n")).expect("written");
    let refused = lab.specify(3, Action::FixBroken);
    let refused = lab.carry_out(refused).expect("carried out");
    let Ended::Exited {
        code: 100,
        complaint,
    } = refused
    else {
        panic!("apt works on: {refused:?}");
    };
    assert!(complaint.contains("dpkg was interrupted"), "{complaint}");

    let packages = old.to_vec();
    let back = lab.specify(4, Action::PutBack { packages });
    well(&lab.carry_out(back).expect("carried out"));
    assert_eq!(lab.version().as_deref(), Some("1:1.0"));
    assert_eq!(lab.database().diagnose(), Diagnosis::Whole);
}
