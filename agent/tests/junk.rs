//! Whatever a tool prints, the readers answer: with facts or with a problem, never with a panic.

use h8lio_agent::host::network::{RawNeighbours, RawNetwork};
use h8lio_agent::host::packages::{RawPackages, RawReboot, RawSentinel};
use h8lio_agent::host::runtime::{RawKubelet, RawRuntime, Secret};
use h8lio_agent::reconcile::{network, patching, runtime};
use jiff::Timestamp;
use proptest::prelude::*;

/// Junk, and lines that look right at first sight.
fn output() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        any::<String>(),
        "Inst [a-z0-9]{1,5} (\\[[ -~]{0,6}\\] )?\\([ -~]{0,20}\\]?\\)?",
        "[0-9]{1,3} upgraded, [0-9]{1,2} newly installed, 0 to remove and 0 not upgraded\\.",
        "[uihrp]?[incHUFWt]?[ R]?\t[ -~]{0,9}\t[ -~]{0,4}\t[ -~]{0,4}",
        "NEEDRESTART-(VER|KSTA|KCUR|UCSTA|SVC):? ?[0-9]?",
        "[0-9a-f]{0,4}-[0-9a-f]{0,4} r-xp 0 0:0 0 [ -~]{0,12}( \\(deleted\\))?",
        "\\{\"lldp\":\\[?\\{?\"interface\":[\\[\\{\\]\\}\":a-z,0]{0,20}",
        "clusters: [\\[\\]{}&*:, a-z'-]{0,30}",
    ];
    let text = prop::collection::vec(line, 0..6).prop_map(|l| (l.join("\n") + "\n").into_bytes());
    prop_oneof![text, prop::collection::vec(any::<u8>(), 0..200)]
}

proptest! {
    #[test]
    fn every_reader_answers_junk(bytes in output(), kernel in any::<String>()) {
        let some = || Some(bytes.clone());
        let raw = RawPackages {
            manager: Some("apt".into()),
            installed: some(),
            audit: some(),
            upgrade: some(),
            reboot: RawReboot {
                sentinel: Some(RawSentinel { present: true, packages: bytes.clone() }),
                needrestart: some(),
                init_maps: some(),
                running_kernel: Some(kernel),
            },
            ..RawPackages::default()
        };
        let facts = patching::facts(&raw);
        let conditions = patching::conditions(&facts, Timestamp::UNIX_EPOCH);
        prop_assert!(conditions.iter().all(|c| !c.message.contains('\n')));
        prop_assert!(serde_json::to_string(&facts).is_ok());

        let heard = RawNeighbours { lldp: some(), problems: vec![] };
        let facts = network::facts(&RawNetwork::default(), Some(&heard));
        prop_assert!(facts.problems.iter().all(|p| !p.message.contains('\n')));

        let kubelet = RawKubelet {
            installed: true,
            version: some(),
            kubeconfig: Some(Secret(bytes.clone())),
            ..RawKubelet::default()
        };
        let facts = runtime::facts(&RawRuntime { kubelet, ..RawRuntime::default() });
        prop_assert!(facts.kubelet.is_some());
    }
}
