//! What a seed's fleet is, what it is asked to do, and what goes wrong in it.

use std::str::FromStr;

use h8lio_model::ids::{NodeId, RolloutName};
use h8lio_model::rollout::{Lane, RolloutSpec, WaveSize, WindowSpec};
use h8lio_planner::calendar::Stretch;
use h8lio_planner::constraints::{Declared, Level, Members, Rule};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::chance::Chance;

/// Faults of a run, each as how often it happens where it may, of a thousand.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    pub agent_dies: u32,
    pub coordinator_dies: u32,
    pub lost: u32,
    pub doubled: u32,
    /// The longest delay of a message, milliseconds. More than a few seconds reorders them.
    pub delay: u64,
    pub store_stalls: u32,
    pub store_refuses: u32,
    pub pauses: u32,
    pub power: u32,
    /// A package transaction that does nothing, half, or is cut off.
    pub packages: u32,
    /// The new kernel panics, by node.
    pub kernels: u32,
    pub links: u32,
    pub ledgers: u32,
    /// An operator cancels the rollout on the way.
    pub cancels: u32,
    /// A transaction is written down, and its unit is not started.
    pub unstarted: u32,
    /// A tool gives no answer.
    pub silence: u32,
    /// An agent is stopped in the middle of a step.
    pub stops: u32,
    /// A server that is without power, or an agent that stands still, for up to an hour.
    pub outages: u32,
}

/// A fault's rate, as it is given on the command line: `ledgers=300`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    name: String,
    permille: u32,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let (name, permille) = s.split_once('=').ok_or("write NAME=N, N of a thousand")?;
        let permille = permille
            .parse()
            .map_err(|_| "N is a number of a thousand")?;
        let rate = Self {
            name: name.to_owned(),
            permille,
        };
        match Faults::default().place(&rate.name) {
            Some(_) => Ok(rate),
            None => Err(format!(
                "there is no fault {name:?}; there are: {}",
                Faults::NAMES.join(" ")
            )),
        }
    }
}

impl Faults {
    const NAMES: [&'static str; 17] = [
        "agent-dies",
        "coordinator-dies",
        "lost",
        "doubled",
        "store-stalls",
        "store-refuses",
        "pauses",
        "power",
        "packages",
        "kernels",
        "links",
        "ledgers",
        "cancels",
        "unstarted",
        "silence",
        "stops",
        "outages",
    ];

    fn place(&mut self, name: &str) -> Option<&mut u32> {
        Some(match name {
            "agent-dies" => &mut self.agent_dies,
            "coordinator-dies" => &mut self.coordinator_dies,
            "lost" => &mut self.lost,
            "doubled" => &mut self.doubled,
            "store-stalls" => &mut self.store_stalls,
            "store-refuses" => &mut self.store_refuses,
            "pauses" => &mut self.pauses,
            "power" => &mut self.power,
            "packages" => &mut self.packages,
            "kernels" => &mut self.kernels,
            "links" => &mut self.links,
            "ledgers" => &mut self.ledgers,
            "cancels" => &mut self.cancels,
            "unstarted" => &mut self.unstarted,
            "silence" => &mut self.silence,
            "stops" => &mut self.stops,
            "outages" => &mut self.outages,
            _ => return None,
        })
    }

    /// Has a fault come so often, whatever was drawn.
    pub fn set(&mut self, rate: &Rate) {
        if let Some(place) = self.place(&rate.name) {
            *place = rate.permille;
        }
    }

    /// Whether something may come over a server because of which an attempt must fail.
    pub const fn spoil(&self) -> bool {
        let gone = self.power + self.outages + self.ledgers;
        gone + self.packages + self.kernels + self.links + self.cancels > 0
    }

    /// Each kind is there or not.
    fn drawn(chance: &mut Chance) -> Self {
        let mut some = |most: u32| match chance.below(2) {
            0 => 0,
            _ => chance.between(1, most),
        };
        Self {
            agent_dies: some(60),
            coordinator_dies: some(40),
            lost: some(250),
            doubled: some(200),
            delay: u64::from(some(60_000)),
            store_stalls: some(30),
            store_refuses: some(100),
            pauses: some(10),
            power: some(6),
            packages: some(300),
            kernels: some(400),
            links: some(10),
            ledgers: some(6),
            cancels: some(2),
            unstarted: some(200),
            silence: some(150),
            stops: some(100),
            outages: some(6),
        }
    }
}

/// Who may be away together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    Nodes(u32),
    Racks(u32),
    PerRack(u32),
}

/// A fleet and its task.
#[derive(Debug, Clone)]
pub struct Shape {
    pub nodes: u32,
    pub racks: u32,
    pub budget: Budget,
    pub quorum: u32,
    pub kernel: bool,
    pub canary: u32,
    pub wave: Option<u32>,
    pub threshold: u32,
    pub faults: Faults,
    /// In so many minutes of each hour nodes may be begun; `None`: always.
    pub window: Option<u32>,
}

/// How long a node takes, as the planner is told.
pub const ESTIMATE: SignedDuration = SignedDuration::from_mins(10);

impl Shape {
    /// Three servers, one rollout, and nothing goes wrong.
    pub fn plain() -> Self {
        Self {
            nodes: 3,
            racks: 3,
            budget: Budget::Racks(1),
            quorum: 0,
            kernel: false,
            canary: 0,
            wave: None,
            threshold: 1,
            faults: Faults::default(),
            window: None,
        }
    }

    /// What a seed draws, with these faults at other rates.
    pub fn of_seed(seed: u64, rates: &[Rate]) -> Self {
        let mut shape = Self::drawn(&mut Chance::new(seed));
        for rate in rates {
            shape.faults.set(rate);
        }
        shape
    }

    /// What is drawn.
    pub fn drawn(chance: &mut Chance) -> Self {
        let nodes = chance.between(2, 7);
        let racks = chance.between(1, 4);
        let most = chance.between(1, 3);
        let budget = match chance.below(3) {
            0 => Budget::Nodes(most),
            1 => Budget::Racks(most),
            _ => Budget::PerRack(most),
        };
        Self {
            nodes,
            racks,
            budget,
            quorum: [0, 0, nodes.min(3)][chance.below(3) as usize],
            kernel: chance.below(2) == 1,
            canary: chance.below(2),
            wave: Some(chance.between(1, 3)).filter(|_| chance.permille(500)),
            threshold: [1, 3, 100][chance.below(3) as usize],
            faults: Faults::drawn(chance),
            window: Some(chance.between(15, 45)).filter(|_| chance.permille(400)),
        }
    }

    /// The first minutes of each hour.
    pub fn windows(&self, now: Timestamp) -> Vec<Stretch> {
        let compile = |minutes: u32| {
            let spec = WindowSpec {
                cron: "0 * * * *".to_owned(),
                lasts: SignedDuration::from_mins(i64::from(minutes)),
                zone: "UTC".to_owned(),
            };
            Stretch::compile(&spec, jiff::tz::db(), now).expect("a window")
        };
        self.window.into_iter().map(compile).collect()
    }

    /// The id of the node with this number.
    pub fn id(&self, n: u32) -> NodeId {
        NodeId::new(Uuid::from_u128(u128::from(n) + 1))
    }

    pub const fn rack(&self, n: u32) -> u32 {
        n % self.racks
    }

    /// For the planner.
    pub fn constraints(&self) -> Vec<Declared> {
        let rule = match self.budget {
            Budget::Nodes(most) => Rule::Nodes(most),
            Budget::Racks(most) => Rule::Domains {
                level: Level::Rack,
                most,
            },
            Budget::PerRack(most) => Rule::PerDomain {
                level: Level::Rack,
                most,
            },
        };
        let all = Members::Selected("all".parse().expect("a selector"));
        let mut sets = vec![declared("all", all, rule)];
        if self.quorum > 0 {
            let members = (0..self.quorum).map(|n| self.id(n)).collect();
            sets.push(declared("etcd", Members::These(members), Rule::Quorum));
        }
        sets
    }

    pub fn rollout() -> RolloutName {
        "march".parse().expect("a name")
    }

    pub fn spec(&self) -> RolloutSpec {
        RolloutSpec {
            name: Self::rollout(),
            target: "security".parse().expect("a target"),
            selector: "all".parse().expect("a selector"),
            lane: Lane::Normal,
            windows: Vec::new(),
            canary: self.canary,
            waves: self.wave.map(WaveSize::Nodes).into_iter().collect(),
            soak: SignedDuration::from_secs(60),
            failure_threshold: self.threshold,
            deadline: None,
            health_checks: Vec::new(),
        }
    }
}

fn declared(name: &str, members: Members, rule: Rule) -> Declared {
    Declared {
        name: name.to_owned(),
        members,
        rule,
        after: Vec::new(),
    }
}
