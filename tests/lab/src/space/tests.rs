use super::*;

/// A machine where tests may not make namespaces fails here and says so: the lab needs them.
fn space() -> (tempfile::TempDir, Processes, Space) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let processes = Processes::at(folder.path()).expect("its folders");
    let space = Space::create(&processes, Lifetime::WithThisThread).expect("a namespace");
    (folder, processes, space)
}

#[test]
fn the_namespace_has_its_own_addresses_and_no_way_out() {
    let (_folder, processes, space) = space();
    let addresses = space
        .run("ip", &["-brief", "-4", "address"])
        .expect("addresses");
    for network in Network::ALL {
        assert!(
            addresses.contains(&network.space().to_string()),
            "{addresses}"
        );
    }
    let routes = space
        .run("ip", &["route", "show", "default"])
        .expect("routes");
    assert_eq!(routes, "");
    Space::destroy(&processes).expect("it ends");
}

#[test]
fn what_runs_inside_ends_with_the_namespace() {
    let (_folder, processes, space) = space();
    let mut sleep = space.command("sleep");
    sleep.arg("600");
    let record = processes.start("inside", &sleep).expect("it starts");
    assert_ne!(record.pid, record.inside, "it has an id of its own inside");
    Space::destroy(&processes).expect("it ends");
    let left = processes.running("inside").expect("its record");
    assert!(left.is_none(), "{left:?}");
}

#[test]
fn one_program_inside_is_stopped_without_the_others() {
    let (_folder, processes, space) = space();
    for name in ["one", "two"] {
        let mut sleep = space.command("sleep");
        sleep.arg("600");
        processes.start(name, &sleep).expect("it starts");
    }
    processes.stop("one").expect("it ends");
    let runs = |name: &str| processes.running(name).expect("a record").is_some();
    assert!(!runs("one") && runs("two"));
    Space::destroy(&processes).expect("it ends");
}

#[test]
fn cuts_are_listed_and_undone() {
    let (_folder, processes, space) = space();
    let server = |name: &str| End::Server(name.to_owned());
    let cut = |from: &End, to: &End| space.drop_one_way(Network::Mgmt, from, to);
    cut(&server("s1"), &server("s2")).expect("a cut");
    cut(&End::Space, &server("s1")).expect("a cut");
    let drops = space.drops().expect("the cuts");
    assert_eq!(
        drops,
        [
            "iifname \"s1-mgmt\" oifname \"s2-mgmt\" drop",
            "oifname \"s1-mgmt\" drop"
        ]
    );
    space.drop_nothing().expect("all are undone");
    assert_eq!(space.drops().expect("the cuts"), [""; 0]);
    let nothing = cut(&End::Space, &End::Space).expect_err("no cut");
    assert!(nothing.to_string().contains("the same: Space"), "{nothing}");
    Space::destroy(&processes).expect("it ends");
}

#[test]
fn a_frozen_program_does_not_hold_up_the_end() {
    let (_folder, processes, space) = space();
    let mut sleep = space.command("sleep");
    sleep.arg("600");
    processes.start("frozen", &sleep).expect("it starts");
    let signal = nix::sys::signal::Signal::SIGSTOP;
    processes.signal("frozen", signal).expect("it is stopped");
    Space::destroy(&processes).expect("it ends");
    assert!(processes.running("frozen").expect("its record").is_none());
}

#[test]
fn a_namespace_ends_with_the_thread_that_made_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let processes = Processes::at(folder.path()).expect("its folders");
    std::thread::scope(|scope| {
        let made = scope.spawn(|| Space::create(&processes, Lifetime::WithThisThread).map(|_| ()));
        made.join().expect("no panic").expect("a namespace");
    });
    crate::clock::until("the namespace ends", LIMIT, || {
        Ok(Space::open(&processes)?.is_none().then_some(()))
    })
    .expect("it ends");
}
