//! A fleet whose servers do as they are told, and a coordinator that can die.

use h8lio_model::section::SectionKind;

use super::*;
use crate::maintenance::testing::{os, packages, section, write_section};

/// A fleet, its store, and a coordinator that can be started again and again.
pub(super) struct World {
    pub(super) clock: Arc<ManualClock>,
    pub(super) inner: Arc<dyn Store>,
    pub(super) fragile: Arc<Fragile>,
    pub(super) servers: Vec<Server>,
    pub(super) epoch: u64,
    pub(super) life: Life,
}

pub(super) struct Life {
    pub(super) driver: Driver,
    pub(super) registry: Arc<Registry>,
    pub(super) table: Arc<SessionTable>,
    pub(super) feed: Arc<Feed>,
    pub(super) maintenance: Arc<Maintenance>,
}

pub(super) fn begin() -> Timestamp {
    "2026-03-02T10:00:00Z".parse().expect("a time")
}

/// All servers of a rack are one set of which one may be away.
pub(super) fn rules() -> Rules {
    let declared = Declared {
        name: "racks".to_owned(),
        members: Members::Selected("all".parse().expect("a selector")),
        rule: Rule::PerDomain {
            level: Level::Rack,
            most: 1,
        },
        after: Vec::new(),
    };
    Rules {
        policy: Policy::default(),
        constraints: vec![declared],
        estimate: SignedDuration::from_mins(10),
        health: BTreeMap::new(),
    }
}

pub(super) fn rollout() -> Rollout {
    Rollout {
        spec: RolloutSpec {
            name: "march".parse().expect("a name"),
            target: RolloutTarget::RebootOnly,
            selector: "all".parse().expect("a selector"),
            lane: Lane::Normal,
            windows: Vec::new(),
            canary: 0,
            waves: Vec::new(),
            soak: SignedDuration::ZERO,
            failure_threshold: 1,
            deadline: None,
            health_checks: Vec::new(),
        },
        created_at: begin(),
        windows: Vec::new(),
        control: Control::default(),
    }
}

impl World {
    /// `racks`: one server for each, s1 in the first one, and so on.
    pub(super) async fn new(racks: &[&str]) -> Self {
        let clock = Arc::new(ManualClock::new(begin()));
        let inner: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::clone(&clock) as _));
        let mut servers = Vec::new();
        for (number, rack) in (1..).zip(racks) {
            let server = Server::new(number);
            enroll(inner.as_ref(), number, rack, server.boot).await;
            servers.push(server);
        }
        let fragile = Fragile::new(Arc::clone(&inner));
        let life = live(&fragile, &clock, 1).await;
        let mut world = Self {
            clock,
            inner,
            fragile,
            servers,
            epoch: 1,
            life,
        };
        world.connect();
        world
    }

    /// The coordinator died; another life begins, and all servers come back to it.
    pub(super) async fn restart(&mut self) {
        self.fragile.set(None);
        self.epoch += 1;
        for server in &mut self.servers {
            server.disconnect(&self.life.table);
        }
        self.life = live(&self.fragile, &self.clock, self.epoch).await;
        self.connect();
    }

    pub(super) fn connect(&mut self) {
        for server in &mut self.servers {
            server.connect(&self.life.table);
            let node = self.life.registry.by_id(server.id).expect("known");
            judge(&node, Availability::Online);
        }
    }

    /// Every server reports, and its sections are confirmed.
    pub(super) async fn report(&self) {
        for server in &self.servers {
            let node = self.life.registry.by_id(server.id).expect("known");
            let after = server.ends.last().map(|end| end.attempt);
            let os = section(SectionKind::Os, &os(server.boot));
            let packages = section(SectionKind::Packages, &packages(server.boot, after));
            for (kind, section) in [os, packages] {
                let digest = section.digest;
                write_section(self.inner.as_ref(), server.id, kind, section).await;
                node.set_digest(kind, digest, self.clock.now());
            }
            for (kind, digest) in kinds(&node) {
                node.confirm(kind, digest, self.clock.now());
            }
            server.say(&node, &self.clock);
        }
    }

    /// Reports come, a round is made, orders arrive.
    pub(super) async fn step(&mut self) {
        self.report().await;
        self.round().await;
        for server in &mut self.servers {
            server.receive();
        }
    }

    pub(super) async fn round(&mut self) {
        self.clock.advance(Duration::from_secs(1));
        self.life.driver.round(vec![rollout()]).await;
    }

    pub(super) fn node(&self, number: u128) -> Arc<Node> {
        self.life.registry.by_id(id(number)).expect("known")
    }

    pub(super) fn server(&mut self, number: usize) -> &mut Server {
        &mut self.servers[number - 1]
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        self.life.maintenance.snapshot()
    }

    pub(super) fn running(&self) -> Vec<NodeId> {
        let running = self.servers.iter().filter(|s| s.running.is_some());
        running.map(|s| s.id).collect()
    }

    pub(super) fn events(&self, reason: &str) -> Vec<(Severity, String)> {
        let all = self.life.feed.waiting().into_iter();
        let of = all.filter(|e| e.reason == reason);
        of.map(|e| (e.severity, e.message)).collect()
    }

    pub(super) fn state(&self) -> Option<RolloutState> {
        let report = self.snapshot().report.clone()?;
        report.rollouts.values().next().map(|r| r.state)
    }

    pub(super) async fn audited(&self) -> Vec<String> {
        let log = AuditLog::start(Arc::clone(&self.inner))
            .await
            .expect("starts");
        let entries = log.read(0, 100).await.expect("read");
        entries.into_iter().map(|e| e.request).collect()
    }
}

pub(super) fn kinds(node: &Node) -> Vec<(h8lio_model::section::SectionKind, Digest)> {
    let all = h8lio_model::section::SectionKind::ALL.into_iter();
    all.filter_map(|kind| Some((kind, node.digest(kind)?)))
        .collect()
}

pub(super) async fn live(fragile: &Arc<Fragile>, clock: &Arc<ManualClock>, epoch: u64) -> Life {
    let as_clock = || Arc::clone(clock) as Arc<dyn Clock>;
    let watched = WatchedStore::new(Arc::clone(fragile) as _, as_clock());
    let health = watched.health();
    let store: Arc<dyn Store> = Arc::new(watched);
    let registry = Registry::load(Arc::clone(&store), clock.now()).await;
    let registry = Arc::new(registry.expect("loads"));
    let plans = Plans::load(Arc::clone(&store), clock.now()).await;
    let plans = plans.expect("whole");
    let orders = Records::new(Arc::clone(&store)).all().await.expect("read");
    let rollouts = Rollouts::load(Arc::clone(&store)).await.expect("read");
    let policy = Arc::new(Policy::default());
    let first = Snapshot::first(clock.now(), plans.current().clone(), policy);
    let maintenance = Arc::new(Maintenance::new(rollouts, first));
    let table = Arc::new(SessionTable::default());
    let feed = Feed::new(as_clock());
    let audit = AuditLog::start(Arc::clone(&store)).await.expect("starts");
    let recovery = crate::recovery::Recovery::load(Arc::clone(&store))
        .await
        .expect("read");
    let parts = Parts {
        recovery: Arc::new(recovery),
        store,
        health,
        registry: Arc::clone(&registry),
        table: Arc::clone(&table),
        audit: Arc::new(audit),
        feed: Arc::clone(&feed),
        clock: as_clock(),
        maintenance: Arc::clone(&maintenance),
        rules: rules(),
        term: Term {
            epoch: Epoch(epoch),
            incarnation: Incarnation(Uuid::from_u128(42)),
        },
    };
    Life {
        driver: Driver::new(parts, plans, orders),
        registry,
        table,
        feed,
        maintenance,
    }
}
