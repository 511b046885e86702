use super::*;
use crate::reconcile::network::facts;
use h8lio_model::inventory::InterfaceKind;

#[test]
fn the_loopback_of_this_machine_is_read_with_its_address() {
    let raw = LinuxNetwork::new().network();
    let got = facts(&raw, None);
    let lo = got
        .interfaces
        .iter()
        .find(|i| i.name == "lo")
        .expect("every machine has lo");
    assert_eq!(lo.kind, InterfaceKind::Loopback);
    assert!(lo.addresses.contains(&"127.0.0.1/8".to_owned()), "{lo:?}");
    assert_eq!(got.problems, []);
}

/// Makes a bridge with a hostile name over one end of a pair, in a namespace of its own, and runs
/// the test below in there.
const MAKE: &str = r#"
mount -t sysfs sysfs /sys
ip link set lo up
ip link add 'br$(reboot)' type bridge
ip link add v0 type veth peer name v1
ip link set v0 master 'br$(reboot)' up
ip link set v1 up
ip link set 'br$(reboot)' up
ip address add 10.9.0.1/24 dev v1
ip route add 10.8.0.0/16 metric 7 nexthop via 10.9.0.2 nexthop via 10.9.0.3
ip route add default via 10.9.0.9 table 77
exec "$0" --exact --ignored linux::network::tests::inside_the_namespace
"#;

/// scenario: 44 (integration)
#[test]
fn a_bridge_a_pair_and_a_multipath_route_are_read_in_a_namespace_of_their_own() {
    let deadline = Duration::from_secs(30);
    let may = exec::run("unshare", &Argv::of(&["-Urnm", "true"]), &[], deadline);
    if !may.is_ok_and(|a| a.code == 0) {
        eprintln!("skipped: namespaces are not allowed here");
        return;
    }
    let this = std::env::current_exe().expect("path of this test");
    let args = Argv::of(&["-Urnm", "sh", "-ec", MAKE]).operand(this);
    let args = args.expect("a path");
    let got = exec::run("unshare", &args, &[], deadline).expect("ran");
    let said = String::from_utf8_lossy(&got.stdout).into_owned();
    assert!(
        got.code == 0 && said.contains("1 passed"),
        "{said} {}",
        got.stderr
    );
}

#[test]
#[ignore = "run by the test above, inside its namespace"]
fn inside_the_namespace() {
    let got = facts(&LinuxNetwork::new().network(), None);
    assert_eq!(got.problems, []);
    let find = |name: &str| {
        got.interfaces
            .iter()
            .find(|i| i.name == name)
            .unwrap_or_else(|| panic!("{name} in {got:?}"))
    };
    let bridge = find("br$(reboot)");
    assert_eq!(bridge.bridge.as_ref().expect("a bridge").members, ["v0"]);
    assert_eq!(find("v0").controller.as_deref(), Some("br$(reboot)"));
    assert_eq!(find("v1").kind, InterfaceKind::Veth);
    assert!(find("v1").addresses.contains(&"10.9.0.1/24".to_owned()));
    let hops: Vec<_> = got
        .routes
        .iter()
        .filter(|r| r.destination == "10.8.0.0/16")
        .map(|r| (r.gateway.as_deref(), r.interface.as_deref(), r.metric))
        .collect();
    let via = |g| (Some(g), Some("v1"), Some(7));
    assert_eq!(hops, [via("10.9.0.2"), via("10.9.0.3")]);
    assert!(got.routes.iter().all(|r| r.destination != "default"));
}

#[test]
fn an_interface_that_netlink_left_out_is_a_problem() {
    let sys = tempfile::tempdir().expect("tempdir");
    std::fs::create_dir(sys.path().join("ghost0")).expect("made");
    let host = LinuxNetwork {
        sys: sys.path().to_owned(),
    };
    let problems = host.network().problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].what, "interface ghost0");
}

#[test]
fn the_same_complaint_of_lldpctl_reads_the_same_at_another_time() {
    let first = "2026-11-22T21:32:16 [WARN/control] unable to connect to socket";
    let later = "2026-11-22T21:33:07 [WARN/control] unable to connect to socket";
    assert_eq!(undated(first), undated(later));
    assert_eq!(undated("no [such] file"), "no [such] file");
}
