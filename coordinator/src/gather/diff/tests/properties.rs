//! What holds for any two reports.

use std::collections::BTreeSet;

use h8lio_model::condition::{Condition, ConditionType, Status};
use h8lio_model::inventory::{
    Carrier, CriEndpoint, Disk, DiskFacts, DiskKey, Domain, ForeignManager, Health, Interface,
    InterfaceKind, ManagerFacts, NetworkFacts, Osd, OsdFacts, RuntimeFacts,
};
use h8lio_model::section::SectionKind;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde::Serialize;

use super::super::{FactEvent, MAX_EVENTS, MAX_MESSAGE_BYTES, diff};
use super::facts::*;

fn events<T: Serialize>(kind: SectionKind, old: &T, new: &T) -> Vec<FactEvent> {
    diff(kind, Some(&json(old)), &json(new)).expect("the facts are well formed")
}

fn count(events: &[FactEvent], reason: &str) -> usize {
    events.iter().filter(|e| e.reason == reason).count()
}

/// Few names, so that the same turn up on both sides; one of them hostile.
fn name() -> impl Strategy<Value = String> {
    select(vec!["a", "b", "c", "d\u{1b}[31m\r\n\u{202e}", "e e\"e"]).prop_map(str::to_owned)
}

fn any_disk() -> impl Strategy<Value = Disk> {
    let key = prop_oneof![
        4 => name().prop_map(DiskKey::Wwn),
        2 => name().prop_map(DiskKey::Serial),
        1 => name().prop_map(DiskKey::Unstable),
    ];
    let health = prop_oneof![
        Just(Health::Healthy),
        vec(".{0,600}", 0..8).prop_map(|evidence| Health::Failing { evidence }),
        ".{0,20}".prop_map(|reason| Health::Unknown { reason }),
    ];
    (key, name(), health).prop_map(|(key, device, health)| Disk {
        health,
        ..disk(key, &device)
    })
}

fn any_disks() -> impl Strategy<Value = DiskFacts> {
    vec(any_disk(), 0..6).prop_map(|disks| DiskFacts {
        disks,
        problems: Vec::new(),
    })
}

fn any_osds() -> impl Strategy<Value = OsdFacts> {
    let one = (
        0..4u32,
        any::<Option<bool>>(),
        select(vec![None, some("x"), some("y")]),
    );
    let one = one.prop_map(|(id, running, cluster_fsid)| Osd {
        running,
        cluster_fsid,
        ..osd(id)
    });
    vec(one, 0..5).prop_map(|osds| OsdFacts {
        osds,
        problems: Vec::new(),
    })
}

fn any_network() -> impl Strategy<Value = NetworkFacts> {
    let kinds = vec![
        InterfaceKind::Physical,
        InterfaceKind::Vlan,
        InterfaceKind::Veth,
    ];
    let carriers = vec![Carrier::Up, Carrier::Down, Carrier::Unknown];
    let one = (
        name(),
        select(kinds),
        select(carriers),
        any::<bool>(),
        vec(name(), 0..3),
    );
    let one = one.prop_map(|(name, kind, carrier, admin_up, addresses)| Interface {
        carrier,
        admin_up,
        addresses,
        ..interface(&name, kind)
    });
    vec(one, 0..5).prop_map(|interfaces| NetworkFacts {
        interfaces,
        ..NetworkFacts::default()
    })
}

fn any_runtime() -> impl Strategy<Value = RuntimeFacts> {
    let one = (name(), proptest::option::of(".{0,300}"));
    let one = one.prop_map(|(socket, error)| CriEndpoint {
        error,
        ..endpoint(&socket)
    });
    let kubelet = proptest::option::of(any::<Option<bool>>().prop_map(|healthy| {
        h8lio_model::inventory::Kubelet {
            healthy,
            ..kubelet()
        }
    }));
    (vec(one, 0..4), kubelet).prop_map(|(endpoints, kubelet)| RuntimeFacts {
        endpoints,
        kubelet,
        problems: Vec::new(),
    })
}

fn any_managers() -> impl Strategy<Value = ManagerFacts> {
    let one = (select(vec![Domain::Disks, Domain::Network]), name());
    let one = one.prop_map(|(domain, name)| ForeignManager {
        domain,
        name,
        evidence: vec!["\u{7}".into()],
    });
    vec(one, 0..4).prop_map(|managers| ManagerFacts {
        managers,
        ..ManagerFacts::default()
    })
}

fn any_conditions() -> impl Strategy<Value = Vec<Condition>> {
    let kinds = ConditionType::ALL.to_vec();
    let states = vec![Status::True, Status::False, Status::Unknown];
    let one = (select(kinds), name(), select(states), ".{0,900}");
    let one = one.prop_map(|(kind, subject, status, message)| Condition {
        message,
        ..condition(kind, &subject, status)
    });
    vec(one, 0..6)
}

/// What holds for a pair of reports whatever their kind.
fn holds<T: Serialize>(kind: SectionKind, old: &T, new: &T) -> Result<(), TestCaseError> {
    prop_assert_eq!(events(kind, old, old), vec![], "the same report twice");
    let first = diff(kind, None, &json(new)).expect("the facts are well formed");
    prop_assert!(first.len() <= 1, "{:?}", first);
    let told = events(kind, old, new);
    prop_assert!(told.len() <= MAX_EVENTS);
    for event in told.iter().chain(&first) {
        let text = &event.message;
        prop_assert!(
            !text.is_empty() && text.len() <= MAX_MESSAGE_BYTES,
            "{text}"
        );
        prop_assert!(
            !text.chars().any(|c| c.is_control() || c == '\u{202e}'),
            "{text:?}"
        );
    }
    Ok(())
}

/// What appears one way vanishes the other way, and the numbers add up.
fn pairs_up<T: Serialize>(
    kind: SectionKind,
    (old, new): (&T, &T),
    (appeared, vanished): (&str, &str),
    (before, after): (usize, usize),
) -> Result<(), TestCaseError> {
    let (there, back) = (events(kind, old, new), events(kind, new, old));
    prop_assert_eq!(count(&there, appeared), count(&back, vanished));
    prop_assert_eq!(count(&there, vanished), count(&back, appeared));
    let sum = before + count(&there, appeared) - count(&there, vanished);
    prop_assert_eq!(sum, after);
    Ok(())
}

/// How many different keys there are.
fn distinct<K: Ord>(keys: impl Iterator<Item = K>) -> usize {
    keys.collect::<BTreeSet<_>>().len()
}

proptest! {
    #[test]
    fn disks_pair_up(old in any_disks(), new in any_disks()) {
        holds(SectionKind::Disks, &old, &new)?;
        let stable = |facts: &DiskFacts| {
            let keys = facts.disks.iter().map(|d| d.key.clone());
            distinct(keys.filter(|k| !matches!(k, DiskKey::Unstable(_))))
        };
        let sizes = (stable(&old), stable(&new));
        pairs_up(SectionKind::Disks, (&old, &new), ("DiskAppeared", "DiskVanished"), sizes)?;
    }

    #[test]
    fn shuffled_device_names_make_nothing_appear(old in any_disks(), by in 0usize..5) {
        let mut names: Vec<String> = old.disks.iter().map(|d| d.device.clone()).collect();
        names.rotate_left(by.min(old.disks.len()));
        let new = with(&old, |facts| {
            for (disk, name) in facts.disks.iter_mut().zip(names) {
                if let DiskKey::Unstable(key) = &mut disk.key {
                    key.clone_from(&name);
                }
                disk.device = name;
            }
        });
        let told = events(SectionKind::Disks, &old, &new);
        prop_assert_eq!(count(&told, "DiskAppeared") + count(&told, "DiskVanished"), 0);
        prop_assert_eq!(count(&told, "UnidentifiedDisksChanged"), 0);
    }

    #[test]
    fn osds_pair_up(old in any_osds(), new in any_osds()) {
        holds(SectionKind::Osds, &old, &new)?;
        let (there, back) = (events(SectionKind::Osds, &old, &new), events(SectionKind::Osds, &new, &old));
        prop_assert_eq!(count(&there, "OsdAppeared"), count(&back, "OsdVanished"));
        prop_assert_eq!(count(&there, "OsdVanished"), count(&back, "OsdAppeared"));
    }

    #[test]
    fn interfaces_pair_up(old in any_network(), new in any_network()) {
        holds(SectionKind::Network, &old, &new)?;
        let followed = |facts: &NetworkFacts| {
            let all = facts.interfaces.iter().filter(|i| i.kind != InterfaceKind::Veth);
            distinct(all.map(|i| i.name.clone()))
        };
        let sizes = (followed(&old), followed(&new));
        pairs_up(SectionKind::Network, (&old, &new), ("InterfaceAppeared", "InterfaceVanished"), sizes)?;
    }

    #[test]
    fn runtimes_pair_up(old in any_runtime(), new in any_runtime()) {
        holds(SectionKind::Runtime, &old, &new)?;
        let sockets = |facts: &RuntimeFacts| distinct(facts.endpoints.iter().map(|e| e.socket.clone()));
        let sizes = (sockets(&old), sockets(&new));
        pairs_up(SectionKind::Runtime, (&old, &new), ("RuntimeAppeared", "RuntimeVanished"), sizes)?;
    }

    #[test]
    fn managers_pair_up(old in any_managers(), new in any_managers()) {
        holds(SectionKind::Managers, &old, &new)?;
        let keys = |facts: &ManagerFacts| {
            distinct(facts.managers.iter().map(|m| (m.domain, m.name.clone())))
        };
        let sizes = (keys(&old), keys(&new));
        pairs_up(SectionKind::Managers, (&old, &new), ("ManagerAppeared", "ManagerVanished"), sizes)?;
    }

    #[test]
    fn what_newly_holds_is_raised_once(old in any_conditions(), new in any_conditions()) {
        holds(SectionKind::Conditions, &old, &new)?;
        let keys = |list: &[Condition]| -> BTreeSet<(ConditionType, String)> {
            let raised = list.iter().filter(|c| c.status == Status::True);
            raised.map(|c| (c.kind, c.subject.clone())).collect()
        };
        let (before, after) = (keys(&old), keys(&new));
        let raised = |old, new| count(&events(SectionKind::Conditions, old, new), "ConditionRaised");
        prop_assert_eq!(raised(&old, &new), after.difference(&before).count());
        prop_assert_eq!(raised(&new, &old), before.difference(&after).count());
    }

    #[test]
    fn no_bytes_make_it_panic(kind in select(SectionKind::ALL.to_vec()), old in any::<Vec<u8>>(), new in any::<Vec<u8>>()) {
        if let Err(e) = diff(kind, Some(&old), &new) {
            let text = e.to_string();
            prop_assert!(!text.chars().any(char::is_control), "{text:?}");
        }
    }
}
