//! Who calls, what is known of the fleet, and a driver that plans when the test says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use h8lio_model::audit::AuditEntry;
use h8lio_model::ids::{BootId, FleetName, Incarnation, NodeId, Rotation};
use h8lio_model::inventory::{DomainMode, ManagerFacts, PackageFacts, UpgradablePackage};
use h8lio_model::lifecycle::{Admission, Availability, Scheduling};
use h8lio_model::operator::{Operator, OperatorRole};
use h8lio_model::order::{AttemptId, AttemptReport, LedgerId, OrderReport, Outcome};
use h8lio_model::plan::Plan;
use h8lio_model::rollout::RolloutSpec;
use h8lio_model::rollout::view::RolloutView;
use h8lio_planner::constraints::Constraints;
use h8lio_planner::inventory::{Fact, Inventory, NodeFacts};
use h8lio_planner::{Oracles, plan};
use h8lio_proto::v1;
use h8lio_proto::v1::rollout_service_server::RolloutService as _;
use h8lio_tls::serial::Serial;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tonic::{Request, Status};
use uuid::Uuid;

use crate::accept::Peer;
use crate::audit::AuditLog;
use crate::clock::{Clock as _, ManualClock};
use crate::config::Settings;
use crate::events::EventLog;
use crate::feed::Feed;
use crate::maintenance::{Maintenance, Rollouts, Snapshot};
use crate::operators::Operators;
use crate::outage::Outages;
use crate::pki::caller::Caller;
use crate::pki::generation::Generation;
use crate::pki::live::LivePki;
use crate::quarantine::Quarantine;
use crate::registry::{Registry, records, testing};
use crate::rpc::rollouts::RolloutServer;
use crate::rpc::services::{Facts, Services};
use crate::session::table::SessionTable;
use crate::store::health::WatchedStore;
use crate::store::memory::MemoryStore;
use crate::store::{Op, Store, Txn};

/// The desk at which operators call. Servers s1 to s4, two in each of the racks r1 and r2, one
/// security update waiting on each.
pub(super) struct Desk {
    pub(super) server: RolloutServer,
    /// What the next round is made from.
    pub(super) world: Snapshot,
}

pub(super) fn t0() -> Timestamp {
    "2026-03-02T10:00:00Z".parse().expect("a time")
}

pub(super) fn id(n: u32) -> NodeId {
    NodeId::new(Uuid::from_u128(u128::from(n)))
}

fn serial() -> Serial {
    Serial::new([1; 8], Rotation(3))
}

pub(super) fn change(reason: &str) -> Option<v1::Change> {
    Some(v1::Change {
        reason: reason.to_owned(),
        ticket: "T-1".to_owned(),
        request_id: Uuid::from_u128(7).to_string(),
    })
}

/// A call of ada in this role.
pub(super) fn as_role<T>(role: OperatorRole, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Peer {
        address: ([127, 0, 0, 1], 1).into(),
        caller: Arc::new(Caller::Operator {
            name: "ada".parse().expect("a name"),
            role,
            serial: serial(),
            not_after: Timestamp::MAX,
        }),
        calls: crate::accept::Calls::new(1),
    });
    request
}

pub(super) fn as_admin<T>(message: T) -> Request<T> {
    as_role(OperatorRole::Admin, message)
}

fn facts(n: u32, rack: &str) -> NodeFacts {
    let update = UpgradablePackage {
        name: "openssl".into(),
        architecture: "amd64".into(),
        installed: "3.0.1".into(),
        candidate: "3.0.2".into(),
        security: true,
        origin: "Debian-Security:12/stable-security".into(),
    };
    let packages = PackageFacts {
        manager: Some("apt".into()),
        upgradable: Some(vec![update]),
        interrupted: Some(false),
        index_updated_at: Some(t0()),
        boot_id: Some(BootId(Uuid::from_u128(u128::from(n)))),
        ..PackageFacts::default()
    };
    let managers = ManagerFacts {
        modes: BTreeMap::from([("patching".to_owned(), DomainMode::Act)]),
        ..ManagerFacts::default()
    };
    let orders = OrderReport {
        ledger: LedgerId(Uuid::from_u128(u128::from(n))),
        effective: None,
        pending: None,
        running: None,
        attempts: Vec::new(),
        last_ended: None,
        holds: Vec::new(),
        refused: None,
    };
    NodeFacts {
        name: format!("s{n}").parse().expect("a name"),
        admission: Admission::Enrolled,
        restricted: None,
        wanted: Scheduling::Active,
        wanted_by: None,
        availability: Availability::Online,
        availability_since: t0(),
        roles: vec!["storage".parse().expect("a role")],
        topology: Some(format!("eu/par1/par1-a/{rack}").parse().expect("a place")),
        labels: BTreeMap::from([("tier".to_owned(), "gold".to_owned())]),
        estimate: SignedDuration::from_mins(10),
        boot: Some(Fact::new(BootId(Uuid::from_u128(u128::from(n))), t0())),
        release: Some(Fact::new("debian/12".into(), t0())),
        packages: Some(Fact::new(packages, t0())),
        tenants: Some(Fact::new(BTreeSet::new(), t0())),
        managers: Some(Fact::new(managers, t0())),
        way_back: Some(Fact::new(Ok(()), t0())),
        orders: Some(Fact::new(orders, t0())),
        agent: None,
    }
}

fn world() -> Snapshot {
    let racks = [(1, "r1"), (2, "r1"), (3, "r2"), (4, "r2")];
    let nodes = racks.map(|(n, rack)| (id(n), facts(n, rack)));
    let inventory = Inventory {
        nodes: nodes.into(),
    };
    let ok: Result<(), String> = Ok(());
    Snapshot {
        now: t0(),
        plan: Plan::root(t0()),
        report: None,
        constraints: Constraints::resolve(&[], &inventory).expect("no constraints"),
        inventory,
        policy: Arc::default(),
        rollouts: Vec::new(),
        health: BTreeMap::from([("shop-front".to_owned(), Fact::new(ok, t0()))]),
        oracles: Oracles::default(),
        frozen: None,
    }
}

fn never() -> watch::Receiver<bool> {
    watch::channel(false).1
}

async fn services(store: Arc<dyn Store>, clock: Arc<ManualClock>) -> Services {
    let dir = tempfile::tempdir().expect("a folder");
    let fleet: FleetName = "demo".parse().expect("a name");
    let mut settings = Settings::defaults(fleet.clone());
    settings.pki = dir.path().join("pki");
    std::fs::create_dir(&settings.pki).expect("made");
    let generation = Generation::make(&fleet, 1, clock.now()).expect("made");
    generation.write(&settings.pki).expect("written");
    let live = LivePki::open(&settings, Arc::clone(&clock) as _).expect("opened");
    let clock: Arc<dyn crate::clock::Clock> = clock;
    let now = clock.now();
    let watched = WatchedStore::new(Arc::clone(&store), Arc::clone(&clock));
    let registry = Registry::load(Arc::clone(&store), now).await;
    let registry = Arc::new(registry.expect("a registry"));
    let audit = Arc::new(AuditLog::start(Arc::clone(&store)).await.expect("a log"));
    let feed = Feed::new(Arc::clone(&clock));
    let table = Arc::new(SessionTable::default());
    let outages = Outages::start(Arc::clone(&store), Arc::clone(&clock)).await;
    let rollouts = Rollouts::load(Arc::clone(&store)).await.expect("rollouts");
    let operators = Operators::load(Arc::clone(&store)).await;
    let bans = crate::bans::BanFile::beside(std::path::Path::new("/nowhere/store"));
    let bans = Arc::new(bans);
    Services {
        bans: Arc::clone(&bans),
        health: watched.health(),
        operators: Arc::new(operators.expect("operators")),
        events: EventLog::new(Arc::clone(&store), 1_000),
        quarantine: Arc::new(Quarantine {
            registry: Arc::clone(&registry),
            table: Arc::clone(&table),
            feed: Arc::clone(&feed),
            clock: Arc::clone(&clock),
            audit: Arc::clone(&audit),
            bans,
        }),
        authority: live.cell(),
        outages: Arc::new(outages.expect("outages")),
        maintenance: Arc::new(Maintenance::new(rollouts, world())),
        stopping: never(),
        facts: Facts {
            fleet,
            coordinator: "c1".to_owned(),
            advertise: Vec::new(),
            incarnation: Incarnation(Uuid::from_u128(5)),
            epoch: 1,
            started_at: now,
            node_certificate: Duration::from_secs(86_400),
            recovery_limit: Duration::from_secs(86_400),
            warm_up: Duration::ZERO,
            beat: Duration::from_secs(1),
            health_checks: BTreeSet::from(["shop-front".to_owned()]),
        },
        store,
        registry,
        audit,
        feed,
        table,
        clock,
    }
}

/// A rollout of all that waits from security archives, over all nodes.
pub(super) fn spec(name: &str) -> RolloutSpec {
    RolloutSpec {
        name: name.parse().expect("a name"),
        target: "security".parse().expect("a target"),
        selector: "all".parse().expect("a selector"),
        lane: Default::default(),
        windows: Vec::new(),
        canary: 0,
        waves: Vec::new(),
        soak: SignedDuration::ZERO,
        failure_threshold: 1,
        deadline: None,
        health_checks: Vec::new(),
    }
}

impl Desk {
    pub(super) async fn new() -> Self {
        let clock = Arc::new(ManualClock::new(t0()));
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::clone(&clock) as _));
        for n in 1..=4u32 {
            let record = testing::record(u128::from(n), &format!("s{n}"));
            testing::put(store.as_ref(), &record).await;
        }
        let ada = Operator {
            name: "ada".parse().expect("a name"),
            role: OperatorRole::Admin,
            certificate_serial: serial().to_string(),
            created_at: t0(),
            expires_at: Timestamp::MAX,
            revoked_at: None,
        };
        let op = Op::put(crate::operators::key(&ada.name), records::write(&ada));
        store
            .txn(Txn::default().then([op]))
            .await
            .expect("an operator");
        Self::over(store, clock).await
    }

    async fn over(store: Arc<dyn Store>, clock: Arc<ManualClock>) -> Self {
        let services = services(store, clock).await;
        Self {
            server: RolloutServer(Arc::new(services)),
            world: world(),
        }
    }

    /// The same store under another life of the coordinator.
    pub(super) async fn restarted(&self) -> Self {
        let store = Arc::clone(&self.server.0.store);
        Self::over(store, Arc::new(ManualClock::new(t0()))).await
    }

    pub(super) fn maintenance(&self) -> &Maintenance {
        &self.server.0.maintenance
    }

    /// One round: plans for what operators asked for, and publishes.
    pub(super) fn round(&mut self) {
        self.world.rollouts = self.maintenance().rollouts.all();
        let (plan, report) = plan(&self.world.input());
        self.world.plan = plan;
        self.world.report = Some(report);
        self.publish();
    }

    /// Publishes what is known without planning.
    pub(super) fn publish(&self) {
        self.maintenance().publish(self.world.clone());
    }

    /// The node reports the end of the attempt in its slot, and a round takes it up.
    pub(super) fn ends(&mut self, n: u32, outcome: Outcome, as_before: bool) {
        let attempt = self.attempt(n);
        let end = AttemptReport {
            attempt,
            outcome,
            as_before,
            reason: "LinkLost".into(),
            message: "bond0 lost its carrier".into(),
            at: t0(),
        };
        self.orders(n).attempts.push(end);
        self.round();
    }

    pub(super) fn orders(&mut self, n: u32) -> &mut OrderReport {
        let node = self.world.inventory.nodes.get_mut(&id(n)).expect("a node");
        &mut node.orders.as_mut().expect("orders").value
    }

    /// The attempt of the node's slot.
    pub(super) fn attempt(&self, n: u32) -> AttemptId {
        self.world.plan.content().slots[&id(n)].attempt
    }

    /// The number of the one node that has a slot.
    pub(super) fn in_slot(&self) -> u32 {
        let slots = &self.world.plan.content().slots;
        assert_eq!(slots.len(), 1, "one node at a time");
        (1..=4)
            .find(|n| slots.contains_key(&id(*n)))
            .expect("a node")
    }

    pub(super) async fn ask(
        &self,
        spec: &RolloutSpec,
        dry_run: bool,
    ) -> Result<RolloutView, Status> {
        let message = v1::CreateRolloutRequest {
            spec: records::write(spec),
            dry_run,
            change: (!dry_run).then(|| change("CVE-2026-1")).flatten(),
        };
        let answer = self.server.create_rollout(as_admin(message)).await?;
        let view = serde_json::from_slice(&answer.into_inner().rollout);
        Ok(view.expect("a view"))
    }

    pub(super) async fn create(&self, spec: &RolloutSpec) -> Result<RolloutView, Status> {
        self.ask(spec, false).await
    }

    pub(super) async fn show(&self, name: &str) -> RolloutView {
        let name = name.to_owned();
        let message = v1::GetRolloutRequest { name };
        let answer = self.server.get_rollout(as_admin(message)).await;
        let bytes = answer.expect("a rollout").into_inner().rollout;
        serde_json::from_slice(&bytes).expect("a view")
    }

    /// Entries about rollouts: action, target, refused.
    pub(super) async fn audited(&self) -> Vec<(String, String, bool)> {
        let entries = self.entries().await.into_iter();
        let refused =
            |e: &AuditEntry| matches!(e.outcome, h8lio_model::audit::Outcome::Refused { .. });
        entries
            .map(|e| (e.action.clone(), e.target.clone(), refused(&e)))
            .collect()
    }

    pub(super) async fn entries(&self) -> Vec<AuditEntry> {
        let entries = self.server.0.audit.read(1, 100).await;
        entries.expect("the audit log")
    }
}

/// The text of a refusal, with its code.
pub(super) fn refused<T: std::fmt::Debug>(answer: Result<T, Status>) -> (tonic::Code, String) {
    let status = answer.expect_err("must be refused");
    assert_eq!(status.message().lines().count(), 1, "{status}");
    (status.code(), status.message().to_owned())
}
