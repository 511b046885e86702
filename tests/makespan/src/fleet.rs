//! Fleets that are made up: nodes over racks, the sets that hold them, and what each node takes.

use std::collections::BTreeMap;

use h8lio_model::ids::{BootId, NodeId};
use h8lio_model::inventory::{
    DomainMode, KernelFacts, ManagerFacts, PackageFacts, UpgradablePackage,
};
use h8lio_model::lifecycle::{Admission, Availability, Scheduling};
use h8lio_model::order::{LedgerId, OrderReport};
use h8lio_planner::constraints::{Declared, Level, Members, Rule};
use h8lio_planner::inventory::{Fact, Inventory, NodeFacts};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

/// When all that is played begins.
pub const START: i64 = 1_770_000_000;

/// A fleet that is to be patched.
#[derive(Debug, Clone)]
pub struct Fleet {
    pub inventory: Inventory,
    pub declared: Vec<Declared>,
    /// What each node really takes; the planner is told the estimates in the inventory.
    pub takes: BTreeMap<NodeId, SignedDuration>,
}

/// Its beginning, as a time.
pub fn start() -> Timestamp {
    Timestamp::from_second(START).unwrap_or(Timestamp::MIN)
}

/// The id of the node with this number.
pub const fn id(n: u32) -> NodeId {
    NodeId::new(Uuid::from_u128(n as u128 + 1))
}

impl Fleet {
    /// Nodes over racks in turn, and nothing declared. Each is thought to take 8 to 15 minutes, and
    /// really takes between three and five quarters of that.
    pub fn new(nodes: u32, racks: u32) -> Self {
        let all = (0..nodes).map(|n| (id(n), server(n, n % racks)));
        let inventory = Inventory {
            nodes: all.collect(),
        };
        let takes = (0..nodes).map(|n| (id(n), takes(n)));
        Self {
            takes: takes.collect(),
            inventory,
            declared: Vec::new(),
        }
    }

    /// A set of all nodes.
    #[must_use]
    pub fn with(mut self, name: &str, rule: Rule) -> Self {
        let all: Vec<NodeId> = self.inventory.nodes.keys().copied().collect();
        self.declared.push(set(name, rule, all));
        self
    }

    /// Servers in racks, of which one rack may be away: Ceph's failure domain is the rack.
    pub fn of_racks(nodes: u32, racks: u32) -> Self {
        let rule = Rule::Domains {
            level: Level::Rack,
            most: 1,
        };
        Self::new(nodes, racks).with("racks", rule)
    }

    /// Clusters beside one another, each in racks of its own, of which one may be away in each
    /// cluster; the first five servers of each are its monitors.
    pub fn of_clusters(nodes: u32, racks: u32, clusters: u32) -> Self {
        let rule = Rule::Domains {
            level: Level::Rack,
            most: 1,
        };
        let mut fleet = Self::new(nodes, racks);
        for cluster in 0..clusters {
            let is_in = |n: &u32| n % racks % clusters == cluster;
            let members = || (0..nodes).filter(is_in).map(id);
            let (ceph, mons) = (format!("ceph-{cluster}"), format!("mons-{cluster}"));
            fleet.declared.push(set(&ceph, rule, members()));
            let monitors = set(&mons, Rule::Quorum, members().take(5));
            fleet.declared.push(monitors);
        }
        fleet
    }

    /// Sixty at once at most, and three of a rack.
    pub fn of_quotas(nodes: u32, racks: u32) -> Self {
        let rule = Rule::PerDomain {
            level: Level::Rack,
            most: 3,
        };
        let fleet = Self::new(nodes, racks).with("capacity", rule);
        fleet.with("all", Rule::Nodes(60))
    }
}

/// A set of these nodes.
pub fn set(name: &str, rule: Rule, members: impl IntoIterator<Item = NodeId>) -> Declared {
    Declared {
        name: name.to_owned(),
        members: Members::These(members.into_iter().collect()),
        rule,
        after: Vec::new(),
    }
}

const fn estimate(n: u32) -> SignedDuration {
    SignedDuration::from_mins(8 + (n * 7 % 8) as i64)
}

/// In whole minutes, so that some end together.
fn takes(n: u32) -> SignedDuration {
    // Knuth's multiplicative hash: spread, and the same in every run.
    let spread = i64::from(n.wrapping_mul(2_654_435_761) >> 16) % 51;
    let seconds = estimate(n).as_secs() * (75 + spread) / 100;
    SignedDuration::from_mins(seconds / 60)
}

/// A healthy server with one security update.
fn server(n: u32, rack: u32) -> NodeFacts {
    let number = u128::from(n) + 1;
    let boot = BootId(Uuid::from_u128(number));
    let kernel = "6.1.0-29-amd64".to_owned();
    let packages = PackageFacts {
        manager: Some("apt".to_owned()),
        upgradable: Some(vec![update()]),
        arriving: Some(Vec::new()),
        kernel: Some(KernelFacts {
            running: kernel.clone(),
            newest: Some(kernel),
        }),
        interrupted: Some(false),
        index_updated_at: Some(start()),
        boot_id: Some(boot),
        ..PackageFacts::default()
    };
    let managers = ManagerFacts {
        modes: BTreeMap::from([("patching".to_owned(), DomainMode::Act)]),
        ..ManagerFacts::default()
    };
    NodeFacts {
        name: format!("s{n}").parse().expect("a name"),
        admission: Admission::Enrolled,
        restricted: None,
        wanted: Scheduling::Active,
        wanted_by: None,
        availability: Availability::Online,
        availability_since: start(),
        roles: Vec::new(),
        topology: Some(format!("eu/par1/a/r{rack}").parse().expect("a place")),
        labels: BTreeMap::new(),
        estimate: estimate(n),
        boot: known(boot),
        release: known("debian/12".to_owned()),
        packages: known(packages),
        tenants: known(std::collections::BTreeSet::new()),
        managers: known(managers),
        way_back: known(Ok(())),
        orders: known(orders(LedgerId(Uuid::from_u128(number)))),
        agent: None,
    }
}

fn known<T>(value: T) -> Option<Fact<T>> {
    Some(Fact::new(value, start()))
}

fn update() -> UpgradablePackage {
    UpgradablePackage {
        name: "openssl".to_owned(),
        architecture: "amd64".to_owned(),
        installed: "1.0".to_owned(),
        candidate: "3.0.2".to_owned(),
        security: true,
        origin: "Debian-Security:12/stable-security".to_owned(),
    }
}

const fn orders(ledger: LedgerId) -> OrderReport {
    OrderReport {
        ledger,
        effective: None,
        pending: None,
        running: None,
        attempts: Vec::new(),
        last_ended: None,
        holds: Vec::new(),
        refused: None,
    }
}
