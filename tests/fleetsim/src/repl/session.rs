//! What was said so far, and the world that came of it.

use std::time::Duration;

use crate::chance::Chance;
use crate::promises::Broken;
use crate::shape::{Rate, Shape};
use crate::world::World;
use crate::world::hand::Wished;

use super::HELP;
use super::words::{No, number, set, span};

const FLEET: [&str; 5] = ["nodes", "racks", "budget", "quorum", "kernel"];
const ROLLOUT: [&str; 4] = ["canary", "wave", "threshold", "window"];

/// The largest fleet: each server is a folder of files.
const MOST: u32 = 200;

/// Events of one `step`.
const STEPS: u64 = 1_000_000;

/// Answers to commands.
pub(super) struct Session {
    seed: u64,
    shape: Shape,
    world: Option<World>,
    broken: Option<Broken>,
    over: bool,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            seed: 0,
            shape: Shape::plain(),
            world: None,
            broken: None,
            over: false,
        }
    }
}

type Answer = Result<Vec<String>, No>;

impl Session {
    pub(super) const fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// Does what a line says. The outer error is the machine's, the inner one the line's.
    pub(super) fn command(&mut self, line: &str) -> anyhow::Result<Answer> {
        let words: Vec<&str> = line.split_whitespace().collect();
        Ok(match words[..] {
            ["create", ref keys @ ..] => return self.create(keys),
            ["help"] => Ok(vec![HELP.to_owned()]),
            ["seed", n] => self.before(|s| {
                s.seed = number("a seed", n, 0)?;
                Ok(())
            }),
            ["fleet", ref keys @ ..] => self.before(|s| s.fleet(keys)),
            ["rate", rate] => self.before(|s| {
                s.shape.faults.set(&rate.parse::<Rate>()?);
                Ok(())
            }),
            ["pause"] => self.wish(Wished::Pause, "it is paused or cancelled already"),
            ["resume"] => self.wish(Wished::Run, "it is not paused"),
            ["cancel"] => self.wish(Wished::Cancel, "it is cancelled already"),
            ["fault", "coordinator", "dies"] => self.world().map(|world| {
                world.kill_the_coordinator();
                Vec::new()
            }),
            ["fault", node, _, ..] => {
                let what = line.splitn(3, char::is_whitespace).nth(2);
                self.fault(node, what.unwrap_or_default().trim())
            }
            ["step"] => self.step(1),
            ["step", n] => number("step", n, 1)
                .and_then(|n| match n > STEPS {
                    true => Err(format!("{STEPS} steps are the most at a time")),
                    false => Ok(n),
                })
                .and_then(|n| self.step(n)),
            ["run"] => self.run(None),
            ["run", "for", word] => span(word).and_then(|span| {
                let until = self.world()?.now().saturating_add(span);
                self.run(Some(until))
            }),
            ["run", "until", word] => span(word).and_then(|until| self.run(Some(until))),
            ["plan"] => self.world().map(|world| world.plan_lines()),
            ["explain"] => self
                .world()
                .and_then(|w| w.explain_rollout())
                .map(|text| lines(&text)),
            ["explain", node] => self.explain(node),
            ["trace"] => self.trace(10),
            ["trace", n] => number("trace", n, 1).and_then(|n| self.trace(n)),
            ["hash"] => self.world().map(|w| {
                let (steps, hash) = (w.steps(), w.hash());
                vec![format!("{steps} events, trace {hash}")]
            }),
            _ => Err(format!("{line:?} is no command; `help` lists them")),
        })
    }

    fn world(&mut self) -> Result<&mut World, No> {
        let world = self.world.as_mut();
        world.ok_or_else(|| "there is no rollout yet; `create` makes one".to_owned())
    }

    /// What is settled when the rollout is created.
    fn before(&mut self, change: impl FnOnce(&mut Self) -> Result<(), No>) -> Answer {
        match self.world {
            Some(_) => Err("the rollout is created; fleet, seed and rates stand".to_owned()),
            None => change(self).map(|()| Vec::new()),
        }
    }

    /// All of a line is taken, or nothing.
    fn fleet(&mut self, keys: &[&str]) -> Result<(), No> {
        let mut shape = self.shape.clone();
        for word in keys {
            set(&mut shape, &FLEET, word)?;
        }
        let nodes = shape.nodes;
        if nodes > MOST {
            return Err(format!(
                "{nodes} nodes are too many; at most {MOST} are played"
            ));
        }
        if shape.quorum > nodes {
            let quorum = shape.quorum;
            return Err(format!(
                "a quorum of {quorum} has no place in {nodes} nodes"
            ));
        }
        self.shape = shape;
        Ok(())
    }

    fn create(&mut self, keys: &[&str]) -> anyhow::Result<Answer> {
        if self.world.is_some() {
            let no = "the rollout is created; one is played at a time".to_owned();
            return Ok(Err(no));
        }
        let mut shape = self.shape.clone();
        for word in keys {
            if let Err(no) = set(&mut shape, &ROLLOUT, word) {
                return Ok(Err(no));
            }
        }
        let quorum = match shape.quorum {
            0 => String::new(),
            n => format!(", {n} of them a quorum"),
        };
        let told = format!(
            "rollout {} over {} nodes in {} racks{quorum}, seed {}",
            Shape::rollout(),
            shape.nodes,
            shape.racks,
            self.seed
        );
        self.world = Some(World::new(shape, Chance::new(self.seed), None, true)?);
        Ok(Ok(vec![told]))
    }

    fn wish(&mut self, wished: Wished, already: &str) -> Answer {
        match self.world()?.wish(wished) {
            true => Ok(Vec::new()),
            false => Err(already.to_owned()),
        }
    }

    fn fault(&mut self, node: &str, what: &str) -> Answer {
        let world = self.world()?;
        let id = named(world, node)?;
        world.strike(id, what).map(|()| Vec::new())
    }

    fn explain(&mut self, node: &str) -> Answer {
        let world = self.world()?;
        let id = named(world, node)?;
        world.explain_node(id).map(|text| lines(&text))
    }

    fn trace(&mut self, count: usize) -> Answer {
        let trace = self.world()?.trace();
        let from = trace.len().saturating_sub(count);
        Ok(trace[from..].to_vec())
    }

    fn step(&mut self, count: u64) -> Answer {
        for _ in 0..count {
            if !self.goes_on()? {
                break;
            }
        }
        Ok(vec![self.stands()])
    }

    /// Until then, or until nothing more comes of itself.
    fn run(&mut self, until: Option<Duration>) -> Answer {
        let world = self.world()?;
        let (mut last, mut moved) = (world.now(), world.workflow());
        loop {
            let world = self.world()?;
            let is_there = match until {
                Some(until) => world.next_at().is_none_or(|at| at > until),
                None => world.is_quiet_since(last),
            };
            if is_there {
                break;
            }
            if world.workflow() != moved {
                (last, moved) = (world.now(), world.workflow());
            }
            if !self.goes_on()? {
                break;
            }
        }
        Ok(vec![self.stands()])
    }

    /// One event more; `false`: there is none.
    fn goes_on(&mut self) -> Result<bool, No> {
        if self.over || self.broken.is_some() {
            return Ok(false);
        }
        match self.world()?.step() {
            Ok(over) => self.over = over,
            Err(broken) => self.broken = Some(broken),
        }
        Ok(!self.over && self.broken.is_none())
    }

    /// When it is, and whether it goes on.
    fn stands(&self) -> String {
        let Some(world) = &self.world else {
            return String::new();
        };
        let at = world.now().as_secs();
        let at = format!("{}:{:02}:{:02}", at / 3_600, at / 60 % 60, at % 60);
        match (&self.broken, self.over) {
            (Some(broken), _) => format!("{at} BROKEN: {broken}"),
            (None, true) => format!("{at} all is over, and every promise was kept"),
            (None, false) => format!("{at} goes on"),
        }
    }
}

fn named(world: &World, name: &str) -> Result<h8lio_model::ids::NodeId, No> {
    let id = world.node_named(name);
    id.ok_or_else(|| format!("there is no node {name:?}; they are s0, s1, ..."))
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}
