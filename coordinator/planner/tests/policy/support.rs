//! A fleet in words, and a planner whose every plan is linted and planned again.

use std::collections::{BTreeMap, BTreeSet};

use h8lio_model::ids::{BootId, Incarnation, NodeId, RolloutName};
use h8lio_model::inventory::{
    DomainMode, KernelFacts, ManagerFacts, NewPackage, PackageFacts, UpgradablePackage,
};
use h8lio_model::lifecycle::{Admission, Availability, Scheduling};
use h8lio_model::order::{
    AttemptReport, Epoch, LedgerId, NodeOrder, OrderMark, OrderReport, Outcome, Running, SafePoint,
};
use h8lio_model::plan::{NodeState, Plan, PlanReport, SlotPhase, WaitingOn};
use h8lio_model::rollout::{Lane, RolloutSpec};
use h8lio_planner::constraints::{Constraints, Declared, Level, Members, Rule};
use h8lio_planner::inventory::{Fact, Inventory, NodeFacts};
use h8lio_planner::policy::Policy;
use h8lio_planner::{Control, Oracles, PlanningInput, Rollout, Wish, plan};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

pub(crate) const NODE_TIME: SignedDuration = SignedDuration::from_mins(10);

pub(crate) fn t0() -> Timestamp {
    "2026-03-02T10:00:00Z".parse().expect("a time")
}

pub(crate) fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

pub(crate) fn id(n: u32) -> NodeId {
    NodeId::new(Uuid::from_u128(u128::from(n) + 1))
}

pub(crate) fn name(text: &str) -> RolloutName {
    text.parse().expect("a rollout name")
}

pub(crate) fn update(package: &str, to: &str) -> UpgradablePackage {
    UpgradablePackage {
        name: package.into(),
        architecture: "amd64".into(),
        installed: "1.0".into(),
        candidate: to.into(),
        security: true,
        origin: "Debian-Security:12/stable-security".into(),
    }
}

/// The kernel that every server runs.
pub(crate) const KERNEL: &str = "6.1.0-29-amd64";

/// A package that comes with an update.
pub(crate) fn arrival(package: &str, version: &str) -> NewPackage {
    NewPackage {
        name: package.into(),
        architecture: "amd64".into(),
        version: version.into(),
        security: true,
        origin: "Debian-Security:12/stable-security".into(),
    }
}

/// A healthy server with one security update, in this rack.
pub(crate) fn server(n: u32, rack: &str) -> NodeFacts {
    let patching = BTreeMap::from([("patching".to_owned(), DomainMode::Act)]);
    let packages = PackageFacts {
        manager: Some("apt".into()),
        upgradable: Some(vec![update("openssl", "3.0.2")]),
        arriving: Some(Vec::new()),
        kernel: Some(KernelFacts {
            running: KERNEL.into(),
            newest: Some(KERNEL.into()),
        }),
        interrupted: Some(false),
        index_updated_at: Some(t0()),
        boot_id: Some(BootId(Uuid::from_u128(u128::from(n)))),
        ..PackageFacts::default()
    };
    NodeFacts {
        name: format!("s{n}").parse().expect("a name"),
        admission: Admission::Enrolled,
        restricted: None,
        wanted: Scheduling::Active,
        wanted_by: None,
        availability: Availability::Online,
        availability_since: t0(),
        roles: Vec::new(),
        topology: Some(format!("eu/par1/par1-a/{rack}").parse().expect("a place")),
        labels: BTreeMap::new(),
        estimate: NODE_TIME,
        boot: Some(Fact::new(BootId(Uuid::from_u128(u128::from(n))), t0())),
        release: Some(Fact::new("debian/12".into(), t0())),
        packages: Some(Fact::new(packages, t0())),
        tenants: Some(Fact::new(BTreeSet::new(), t0())),
        managers: Some(Fact::new(
            ManagerFacts {
                modes: patching,
                ..ManagerFacts::default()
            },
            t0(),
        )),
        way_back: Some(Fact::new(Ok(()), t0())),
        orders: Some(Fact::new(no_orders(n), t0())),
        agent: None,
    }
}

pub(crate) fn no_orders(n: u32) -> OrderReport {
    OrderReport {
        ledger: LedgerId(Uuid::from_u128(u128::from(n))),
        effective: None,
        pending: None,
        running: None,
        attempts: Vec::new(),
        last_ended: None,
        holds: Vec::new(),
        refused: None,
    }
}

pub(crate) fn racks(most: u32) -> Declared {
    declared(
        "racks",
        Rule::Domains {
            level: Level::Rack,
            most,
        },
    )
}

/// A set of all nodes.
pub(crate) fn declared(name: &str, rule: Rule) -> Declared {
    Declared {
        name: name.into(),
        members: Members::Selected("all".parse().expect("a selector")),
        rule,
        after: Vec::new(),
    }
}

/// A set of these nodes.
pub(crate) fn set_of(name: &str, rule: Rule, members: &[u32]) -> Declared {
    Declared {
        members: Members::These(members.iter().map(|n| id(*n)).collect()),
        ..declared(name, rule)
    }
}

pub(crate) fn spec(rollout: &str) -> RolloutSpec {
    RolloutSpec {
        name: name(rollout),
        target: "security".parse().expect("a target"),
        selector: "all".parse().expect("a selector"),
        lane: Lane::Normal,
        windows: Vec::new(),
        canary: 0,
        waves: Vec::new(),
        soak: SignedDuration::ZERO,
        failure_threshold: 1,
        deadline: None,
        health_checks: Vec::new(),
    }
}

pub(crate) struct Scene {
    pub(crate) now: Timestamp,
    pub(crate) inventory: Inventory,
    pub(crate) policy: Policy,
    pub(crate) declared: Vec<Declared>,
    pub(crate) rollouts: Vec<Rollout>,
    pub(crate) health: BTreeMap<String, Fact<Result<(), String>>>,
    pub(crate) oracles: Oracles,
    pub(crate) frozen: Option<String>,
    pub(crate) plan: Plan,
    pub(crate) report: Option<PlanReport>,
    /// These take their orders and do not begin: they are silent, or their agents are busy.
    pub(crate) idle: BTreeSet<NodeId>,
}

impl Scene {
    /// Servers s0, s1, … in these racks.
    pub(crate) fn new(racks: &[&str]) -> Self {
        let nodes = (0..).zip(racks).map(|(n, rack)| (id(n), server(n, rack)));
        Self {
            now: t0(),
            inventory: Inventory {
                nodes: nodes.collect(),
            },
            policy: Policy::default(),
            declared: Vec::new(),
            rollouts: Vec::new(),
            health: BTreeMap::new(),
            oracles: Oracles::default(),
            frozen: None,
            plan: Plan::root(t0()),
            report: None,
            idle: BTreeSet::new(),
        }
    }

    pub(crate) fn with(mut self, declared: Declared) -> Self {
        self.declared.push(declared);
        self
    }

    pub(crate) fn rollout(mut self, spec: RolloutSpec) -> Self {
        self.rollouts.push(Rollout {
            spec,
            created_at: self.now,
            windows: Vec::new(),
            control: Control::default(),
        });
        self
    }

    pub(crate) fn node(&mut self, n: u32) -> &mut NodeFacts {
        self.inventory.nodes.get_mut(&id(n)).expect("a node")
    }

    pub(crate) fn constraints(&self) -> Constraints {
        Constraints::resolve(&self.declared, &self.inventory).expect("constraints")
    }

    pub(crate) fn input<'a>(&'a self, constraints: &'a Constraints) -> PlanningInput<'a> {
        PlanningInput {
            now: self.now,
            parent: &self.plan,
            previous: self.report.as_ref(),
            inventory: &self.inventory,
            policy: &self.policy,
            constraints,
            rollouts: &self.rollouts,
            health: &self.health,
            oracles: &self.oracles,
            frozen: self.frozen.as_deref(),
        }
    }

    /// Plans, lints the plan, plans again and finds nothing new.
    pub(crate) fn plan(&mut self) {
        let constraints = self.constraints();
        let (made, report) = plan(&self.input(&constraints));
        let again = plan(&self.input(&constraints));
        assert!(again == (made.clone(), report.clone()), "not deterministic");
        let flaws =
            h8lio_planner::check::check(&self.plan, &made, &report, &self.inventory, &constraints);
        assert_eq!(flaws, []);
        self.plan = made;
        self.report = Some(report);
        let (again, same) = plan(&self.input(&constraints));
        assert!(again == self.plan, "planning again changed the plan");
        assert!(
            Some(same) == self.report,
            "planning again changed the report"
        );
        self.begin();
    }

    /// Agents begin at once what they were ordered.
    fn begin(&mut self) {
        let slots: Vec<_> = self.plan.content().slots.clone().into_iter().collect();
        for (id, slot) in slots {
            let is_there = self
                .inventory
                .get(id)
                .is_some_and(|n| n.availability == Availability::Online);
            if slot.phase == SlotPhase::Ordered && is_there && !self.idle.contains(&id) {
                self.begins(u32::try_from(id.as_uuid().as_u128() - 1).expect("a number"));
            }
        }
    }

    /// The agent begins the attempt in its slot, unless it has ended it.
    pub(crate) fn begins(&mut self, n: u32) {
        let attempt = self.plan.content().slots[&id(n)].attempt;
        let since = self.now;
        let Some(orders) = &self.node(n).orders else {
            return;
        };
        if orders.value.attempt(attempt).is_some() || orders.value.running.is_some() {
            return;
        }
        self.follows(n);
        let orders = self.node(n).orders.as_mut().expect("orders");
        orders.value.running = Some(Running {
            attempt,
            step: "apply".into(),
            safe_point: SafePoint::Finish,
            since,
            doing: None,
        });
    }

    /// Time passes; agents and checks go on confirming what they said.
    pub(crate) fn pass(&mut self, time: SignedDuration) {
        self.now = self.now.checked_add(time).expect("in range");
        let now = self.now;
        for node in self.inventory.nodes.values_mut() {
            macro_rules! confirm {
                ($($field:ident),*) => {$(
                    if let Some(fact) = &mut node.$field {
                        fact.observed_at = now;
                    }
                )*};
            }
            if let Some(packages) = &mut node.packages {
                packages.value.index_updated_at = Some(now);
            }
            confirm!(boot, release, packages, tenants, managers, way_back, orders);
        }
        for fact in self.health.values_mut() {
            fact.observed_at = now;
        }
    }

    /// Names of nodes whose order has a ticket.
    pub(crate) fn ordered(&self) -> Vec<String> {
        let slots = self.plan.content().slots.iter();
        let ordered = slots.filter(|(_, slot)| slot.phase == SlotPhase::Ordered);
        ordered
            .map(|(id, _)| self.inventory.name(*id).to_string())
            .collect()
    }

    pub(crate) fn phase(&self, n: u32) -> Option<SlotPhase> {
        self.plan.content().slots.get(&id(n)).map(|slot| slot.phase)
    }

    pub(crate) fn state(&self, rollout: &str, n: u32) -> NodeState {
        self.plan.content().rollouts[&name(rollout)].nodes[&id(n)].state
    }

    /// The agent follows its order and reports this end of the attempt in its slot.
    pub(crate) fn ends(&mut self, n: u32, outcome: Outcome) {
        self.ends_as(n, outcome, false, "");
    }

    pub(crate) fn ends_as(&mut self, n: u32, outcome: Outcome, as_before: bool, reason: &str) {
        let slot = self.plan.content().slots[&id(n)].clone();
        self.follows(n);
        let now = self.now;
        let node = self.node(n);
        let report = &mut node.orders.as_mut().expect("orders").value;
        report.running = None;
        report.attempts.retain(|a| a.attempt != slot.attempt);
        report.attempts.push(AttemptReport {
            attempt: slot.attempt,
            outcome,
            as_before,
            reason: reason.into(),
            message: String::new(),
            at: now,
        });
        report.last_ended = Some(slot.attempt);
        if let Some(packages) = &mut node.packages {
            packages.value.after = Some(slot.attempt);
        }
        if outcome == Outcome::Done {
            let boot = BootId(Uuid::from_u128(1_000_000 + u128::from(n)));
            node.boot = Some(Fact::new(boot, now));
            let packages = &mut node.packages.as_mut().expect("packages").value;
            packages.boot_id = Some(boot);
            packages.upgradable = Some(Vec::new());
            packages.reboot_required.required = Some(false);
        }
    }

    /// The agent took its present order.
    pub(crate) fn follows(&mut self, n: u32) {
        let planned = self.plan.content().orders[&id(n)].clone();
        let order = NodeOrder {
            node: id(n),
            ledger: LedgerId(Uuid::from_u128(u128::from(n))),
            epoch: Epoch(1),
            generation: planned.generation,
            incarnation: Incarnation(Uuid::from_u128(5)),
            plan: self.plan.id(),
            content: planned.content,
        };
        let mark: OrderMark = order.mark();
        let orders = self.node(n).orders.as_mut().expect("orders");
        orders.value.effective = Some(mark);
    }

    /// Everybody in a slot is done after the time that a node takes.
    pub(crate) fn all_done(&mut self) {
        self.pass(NODE_TIME);
        let ids: Vec<NodeId> = self.plan.content().slots.keys().copied().collect();
        for id in ids {
            let n = u32::try_from(id.as_uuid().as_u128() - 1).expect("a number");
            self.ends(n, Outcome::Done);
        }
    }

    /// What holds a node in a rollout.
    pub(crate) fn why(&self, rollout: &str, n: u32) -> Vec<WaitingOn> {
        let report = self.report.as_ref().expect("planned");
        let part = &report.nodes[&id(n)].parts[&name(rollout)];
        part.waiting.iter().map(|w| w.on.clone()).collect()
    }

    /// What holds a rollout.
    pub(crate) fn holds(&self, rollout: &str) -> Vec<WaitingOn> {
        let report = self.report.as_ref().expect("planned");
        let waiting = &report.rollouts[&name(rollout)].waiting;
        waiting.iter().map(|w| w.on.clone()).collect()
    }

    pub(crate) fn told(&self, rollout: &str) -> &h8lio_model::plan::RolloutReport {
        &self.report.as_ref().expect("planned").rollouts[&name(rollout)]
    }

    pub(crate) fn wishes(&mut self, wish: Wish) {
        self.rollouts[0].control.wish = wish;
    }
}
