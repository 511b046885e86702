use std::sync::Arc;

use h8lio_model::inventory::{Kubelet, Osd, OsdFacts, OsdManager, PackageFacts, RuntimeFacts};
use h8lio_model::lifecycle::Quarantined;
use h8lio_model::section::SectionKind;
use jiff::Timestamp;
use rstest::rstest;
use uuid::Uuid;

use super::*;
use crate::clock::ManualClock;
use crate::maintenance::sections::Cache;
use crate::maintenance::testing::{enroll, id, os, section, write_section};
use crate::registry::Registry;
use crate::store::Store;
use crate::store::memory::MemoryStore;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn boot() -> BootId {
    BootId(Uuid::from_u128(1))
}

/// One server as the registry has it, with these sections over those of a server that is well.
struct World {
    store: Arc<dyn Store>,
    registry: Registry,
    cache: Cache,
}

impl World {
    async fn new() -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(ManualClock::default())));
        enroll(store.as_ref(), 1, "r1", boot()).await;
        let registry = Registry::load(Arc::clone(&store), at(0)).await;
        Self {
            registry: registry.expect("loads"),
            cache: Cache::default(),
            store,
        }
    }

    fn node(&self) -> Arc<Node> {
        self.registry.by_id(id(1)).expect("known")
    }

    /// A section comes at `second`.
    async fn comes<T: serde::Serialize>(&self, kind: SectionKind, facts: &T, second: i64) {
        let (_, section) = section(kind, facts);
        let digest = section.digest;
        write_section(self.store.as_ref(), id(1), kind, section).await;
        self.node().set_digest(kind, digest, at(second));
    }

    async fn facts(&mut self, boot: Option<BootId>) -> NodeFacts {
        let nodes = [self.node()];
        let read = self.cache.refresh(self.store.as_ref(), &nodes).await;
        read.expect("read");
        let sections = self.cache.sections(&nodes[0]);
        facts(
            &nodes[0],
            &sections,
            boot,
            None,
            SignedDuration::from_mins(15),
        )
    }
}

#[tokio::test]
async fn a_server_that_is_well_has_every_fact() {
    let facts = World::new().await.facts(Some(boot())).await;
    assert_eq!(facts.boot.map(|f| f.value), Some(boot()));
    assert_eq!(facts.release.map(|f| f.value), Some("debian/12".to_owned()));
    assert_eq!(facts.tenants.map(|f| f.value), Some(BTreeSet::new()));
    assert_eq!(facts.way_back.map(|f| f.value), Some(Ok(())));
    assert!(facts.packages.is_some() && facts.managers.is_some());
    assert_eq!(facts.restricted, None);
    assert_eq!(facts.estimate, SignedDuration::from_mins(15));
    assert_eq!(facts.topology.map(|t| t.rack), Some("r1".to_owned()));
}

#[tokio::test]
async fn a_fact_is_as_fresh_as_the_last_confirmation_of_its_section() {
    let mut world = World::new().await;
    world.comes(SectionKind::Os, &os(boot()), 100).await;
    assert_eq!(
        world.facts(None).await.boot,
        Some(Fact::new(boot(), at(100)))
    );
    let digest = world.node().digest(SectionKind::Os).expect("held");
    assert!(world.node().confirm(SectionKind::Os, digest, at(900)));
    assert_eq!(
        world.facts(None).await.boot,
        Some(Fact::new(boot(), at(900)))
    );
    let tenants = world.facts(None).await.tenants.expect("known");
    assert_eq!(
        tenants.observed_at,
        at(0),
        "the oldest of what it was made from"
    );
}

#[tokio::test]
async fn a_body_is_read_from_the_store_only_when_its_digest_changed() {
    let mut world = World::new().await;
    let held = PackageFacts {
        held: vec!["vim".to_owned()],
        ..PackageFacts::default()
    };
    world.comes(SectionKind::Packages, &held, 1).await;
    assert_eq!(
        world.facts(None).await.packages.map(|f| f.value),
        Some(held.clone())
    );
    // Behind the registry's back: the digest that it holds is the old one's.
    let (_, other) = section(SectionKind::Packages, &PackageFacts::default());
    write_section(world.store.as_ref(), id(1), SectionKind::Packages, other).await;
    assert_eq!(
        world.facts(None).await.packages.map(|f| f.value),
        Some(held)
    );
    world
        .comes(SectionKind::Packages, &PackageFacts::default(), 2)
        .await;
    let now = world.facts(None).await.packages.map(|f| f.value);
    assert_eq!(now, Some(PackageFacts::default()));
}

/// scenario: 15 (unit)
#[tokio::test]
async fn what_is_known_of_another_boot_is_not_known() {
    let mut world = World::new().await;
    let other = Some(BootId(Uuid::from_u128(2)));
    let facts = world.facts(other).await;
    assert_eq!(
        (facts.boot, facts.way_back, facts.tenants),
        (None, None, None)
    );
}

#[tokio::test]
async fn a_release_without_a_number_is_none() {
    let mut world = World::new().await;
    let testing = OsFacts {
        version: None,
        ..os(boot())
    };
    world.comes(SectionKind::Os, &testing, 1).await;
    assert_eq!(world.facts(None).await.release, None);
}

#[rstest]
#[case(None, None)]
#[case(Some(WayBack::Firmware), Some(Ok(())))]
#[case(Some(WayBack::Kexec), Some(Ok(())))]
#[case(Some(WayBack::No { why: "no GRUB".to_owned() }), Some(Err("no GRUB".to_owned())))]
#[tokio::test]
async fn a_way_back_that_was_not_looked_for_is_a_missing_fact(
    #[case] said: Option<WayBack>,
    #[case] wanted: Option<inventory::WayBack>,
) {
    let mut world = World::new().await;
    let facts = OsFacts {
        way_back: said,
        ..os(boot())
    };
    world.comes(SectionKind::Os, &facts, 1).await;
    assert_eq!(world.facts(None).await.way_back.map(|f| f.value), wanted);
}

async fn tenants_of(daemons: Option<&[&str]>) -> Option<BTreeSet<Tenant>> {
    let mut world = World::new().await;
    let names = daemons.map(|names| names.iter().map(|n| (*n).to_owned()).collect());
    let facts = OsFacts {
        daemons: names,
        ..os(boot())
    };
    world.comes(SectionKind::Os, &facts, 1).await;
    world.facts(None).await.tenants.map(|f| f.value)
}

#[tokio::test]
async fn tenants_are_told_by_their_processes_and_unknown_ones_are_not_passed_over() {
    let all = tenants_of(Some(&["ceph-osd", "ceph-mon", "etcd", "kubelet"])).await;
    let wanted = [Tenant::Osd, Tenant::Mon, Tenant::Etcd, Tenant::Kubelet];
    assert_eq!(all, Some(wanted.into()));
    assert_eq!(tenants_of(None).await, None, "nobody could look");
    assert_eq!(tenants_of(Some(&["etcd", "qemu"])).await, None);
}

#[tokio::test]
async fn an_osd_and_a_kubelet_that_do_not_run_are_tenants_too() {
    let mut world = World::new().await;
    let osd = Osd {
        id: 7,
        fsid: None,
        cluster_fsid: None,
        device_class: None,
        encrypted: None,
        disks: Vec::new(),
        running: Some(false),
        manager: OsdManager::Packages,
    };
    let osds = OsdFacts {
        osds: vec![osd],
        ..OsdFacts::default()
    };
    world.comes(SectionKind::Osds, &osds, 1).await;
    let runtime = RuntimeFacts {
        kubelet: Some(Kubelet {
            running: Some(false),
            version: None,
            healthy: None,
            api_server: None,
            manager: None,
        }),
        ..RuntimeFacts::default()
    };
    world.comes(SectionKind::Runtime, &runtime, 2).await;
    let tenants = world.facts(None).await.tenants.map(|f| f.value);
    assert_eq!(tenants, Some([Tenant::Osd, Tenant::Kubelet].into()));
}

#[tokio::test]
async fn a_quarantined_node_is_restricted() {
    let mut world = World::new().await;
    world.node().set_aside(Quarantined {
        reason: "two servers".to_owned(),
        at: at(5),
    });
    let facts = world.facts(None).await;
    assert_eq!(facts.restricted.as_deref(), Some("quarantined"));
}
