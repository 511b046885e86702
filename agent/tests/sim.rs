//! The sample rack: real collectors over simulated servers.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use h8lio_agent::clock::{Clock, SystemClock};
use h8lio_agent::config::Modes;
use h8lio_agent::report::{Gathered, Shared, collectors};
use h8lio_agent::sim::SimServer;
use h8lio_model::condition::ConditionType::{self, *};
use h8lio_model::inventory::{DiskFacts, OsFacts, OsdFacts, UnusableReason, WayBack};
use h8lio_model::section::SectionKind;
use rstest::rstest;

fn demo(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/sim/demo/{name}.toml"))
}

struct Sim {
    server: SimServer,
    dir: tempfile::TempDir,
}

impl Sim {
    fn start(name: &str, faults: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("faults"), faults).expect("written");
        let server = SimServer::load(&demo(name), dir.path()).expect("a good scenario");
        Self { server, dir }
    }

    fn gathered(&self) -> Gathered {
        let shared = Arc::new(Shared::default());
        let mut all = Gathered::default();
        for mut c in collectors(&self.server.hosts(), &Modes::new(), &shared) {
            let g = c.collect(SystemClock::new().now()).expect("something");
            all.sections.extend(g.sections);
            all.conditions.extend(g.conditions);
        }
        all
    }

    /// Type and subject of what is wrong, besides the managers that every such server has.
    fn wrong(&self) -> Vec<(ConditionType, String)> {
        let mut all: Vec<_> = self
            .gathered()
            .conditions
            .into_iter()
            .filter(|c| c.kind != ForeignManager)
            .map(|c| (c.kind, c.subject))
            .collect();
        all.sort();
        all
    }

    fn section<T: serde::de::DeserializeOwned>(&self, kind: SectionKind) -> T {
        let all = self.gathered().sections;
        let found = all.iter().find(|s| s.kind == kind).expect("the section");
        serde_json::from_slice(&found.body).expect("its type")
    }
}

#[rstest]
#[case("r1-1", &[])]
#[case("r1-2", &[DiskFailing])]
#[case("r1-3", &[])]
#[case("r1-4", &[])]
#[case("r2-1", &[LinkDegraded])]
#[case("r2-2", &[])]
#[case("r2-3", &[])]
#[case("r2-4", &[KubeletNotReady])]
#[case("r3-1", &[RebootRequired, SecurityUpdatesPending])]
#[case("r3-2", &[PackagesBroken, OsdDown])]
#[case("r3-3", &[SecurityUpdatesPending])]
#[case("r3-4", &[LinkDegraded, BondDegraded])]
fn each_server_of_the_sample_rack_has_just_the_problems_it_is_made_for(
    #[case] name: &str,
    #[case] expected: &[ConditionType],
) {
    let mut kinds: Vec<_> = Sim::start(name, "")
        .wrong()
        .into_iter()
        .map(|w| w.0)
        .collect();
    kinds.dedup();
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!(kinds, expected);
}

#[rstest]
#[case("disk.fail sdc", DiskFailing)]
#[case("disk.unreadable sdc 5", DiskFailing)]
#[case("link.speed eno1 100", LinkDegraded)]
#[case("link.down eno2", BondDegraded)]
#[case("osd.down 1", OsdDown)]
#[case("package.break tzdata-legacy", PackagesBroken)]
#[case(
    "package.upgrade curl 7.88.1-1 7.88.1-2 security",
    SecurityUpdatesPending
)]
#[case("kernel.install 6.1.0-41-amd64", RebootRequired)]
#[case("var.fill 97", FilesystemPressure)]
fn a_fault_shows_as_its_condition(#[case] fault: &str, #[case] expected: ConditionType) {
    let wrong = Sim::start("r1-1", &format!("# by a test\n\n{fault}\n")).wrong();
    assert!(wrong.iter().any(|w| w.0 == expected), "{wrong:?}");
}

#[test]
fn foreign_managers_are_found_by_their_traces() {
    let all = Sim::start("r2-3", "").gathered().conditions;
    let text: Vec<_> = all
        .iter()
        .filter(|c| c.kind == ForeignManager)
        .map(|c| &c.message)
        .collect();
    for name in ["netplan", "unattended-upgrades", "kubeadm"] {
        assert!(text.iter().any(|m| m.contains(name)), "{name}: {text:?}");
    }
}

#[test]
fn the_rack_names_its_osds_and_its_free_disk() {
    let osds: OsdFacts = Sim::start("r1-1", "").section(SectionKind::Osds);
    assert_eq!(osds.problems, []);
    assert_eq!(osds.osds.len(), 5);
    assert!(
        osds.osds
            .iter()
            .all(|o| o.running == Some(true) && o.disks.len() == 1)
    );
    let disks: DiskFacts = Sim::start("r1-4", "").section(SectionKind::Disks);
    let free: Vec<_> = disks
        .disks
        .iter()
        .filter(|d| d.unusable.is_empty())
        .collect();
    assert_eq!(free.len(), 1);
    assert_eq!(free[0].device, "sde");
    let system = disks
        .disks
        .iter()
        .find(|d| d.device == "nvme0n1")
        .expect("there");
    let root =
        |r: &UnusableReason| matches!(r, UnusableReason::SystemDisk { mount } if mount == "/");
    assert!(system.unusable.iter().any(root), "{:?}", system.unusable);
}

#[test]
fn the_boot_id_stays_when_only_the_agent_starts_again() {
    let first = Sim::start("r1-1", "");
    let boot = |s: &SimServer| s.hosts().os.os().boot_id;
    let again = SimServer::load(&demo("r1-1"), first.dir.path()).expect("loaded");
    assert_eq!(boot(&first.server), boot(&again));
}

/// What the server says of going down, with this scenario beside its name.
fn os(scenario: &str) -> OsFacts {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("s1.toml");
    std::fs::write(&file, format!("hostname = \"s1\"\n{scenario}")).expect("written");
    let server = SimServer::load(&file, dir.path()).expect("a good scenario");
    Sim { server, dir }.section(SectionKind::Os)
}

#[test]
fn a_server_leads_back_by_grub_and_nobody_depends_on_it_unless_its_scenario_says_so() {
    let plain = os("");
    assert_eq!(plain.daemons, Some(BTreeSet::new()));
    let Some(WayBack::Grub { entry }) = plain.way_back else {
        panic!("{:?}", plain.way_back);
    };
    assert!(entry.contains("6.1.0-40-amd64"), "{entry}");
    let raid = os("[os]\nboot_on = \"raid\"\n").way_back;
    assert!(
        matches!(&raid, Some(WayBack::No { why }) if why.contains("md RAID")),
        "{raid:?}"
    );
    let etcd = os("[traces]\nprocesses = [\"etcd\", \"puppet\"]\n");
    assert_eq!(etcd.daemons, Some(BTreeSet::from(["etcd".to_owned()])));
    let osds: OsFacts = Sim::start("r1-1", "").section(SectionKind::Os);
    assert_eq!(osds.daemons, Some(BTreeSet::from(["ceph-osd".to_owned()])));
}

#[test]
fn a_reboot_that_no_agent_lived_to_see_is_another_boot_too() {
    let first = Sim::start("r1-1", "");
    let boot = |s: &SimServer| s.hosts().os.os().boot_id;
    first.server.write("reboot 2s").expect("queued");
    let again = SimServer::load(&demo("r1-1"), first.dir.path()).expect("loaded");
    assert_ne!(boot(&first.server), boot(&again));
    let third = SimServer::load(&demo("r1-1"), first.dir.path()).expect("loaded");
    assert_eq!(boot(&again), boot(&third));
}

#[test]
fn a_scenario_with_an_unknown_key_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("bad.toml");
    std::fs::write(&file, "hostname = \"x\"\nnicc = []\n").expect("written");
    let error = SimServer::load(&file, dir.path()).expect_err("refused");
    assert!(format!("{error:#}").contains("nicc"), "{error:#}");
}

#[test]
fn a_scenario_that_is_no_good_is_told_in_one_line_with_its_place() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("s.toml");
    std::fs::write(&file, "hostname = \"s1\"\n[os]\nversion = 12\n").expect("written");
    let error = SimServer::load(&file, dir.path()).expect_err("refused");
    let line = format!("{error:#}");
    let begins = format!("{}:3: os.version: invalid type", file.display());
    assert!(line.starts_with(&begins) && !line.contains('\n'), "{line}");
}
