//! The whole bench, in its order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::cli::{Options, Part, Scale};
use super::coordinator::Fleet;
use super::etcd::{self, Certificates, Etcd};
use super::kinds::{self, Kind};
use super::load::orders::Order;
use super::machine::Machine;
use super::measure::helper::Helper;
use super::measure::readmission::{Readmission, readmission};
use super::measure::{detection, planner, rest, sessions, store};
use super::process::Process;
use super::report::{Figure, Report, median};

/// Measures what is asked for.
///
/// # Errors
/// When a program of ours fails; what was measured before is lost.
pub async fn run(options: &Options, say: fn(&str)) -> anyhow::Result<Report> {
    let work = options.out.with_file_name("work");
    if work.exists() {
        std::fs::remove_dir_all(&work)
            .with_context(|| format!("cannot empty {}", work.display()))?;
    }
    std::fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
    let work = work.canonicalize().context("the work folder is gone")?;
    let scale = options.scale();
    let report = Report {
        machine: Machine::look(&work).await,
        nodes: scale.nodes,
        quick: options.quick,
        figures: Vec::new(),
        details: BTreeMap::new(),
    };
    let programs = match options.wants_programs() {
        false => options.programs.clone(),
        true => options.programs.canonicalize().with_context(|| {
            format!(
                "{} is not there; build with --profile dist first",
                options.programs.display()
            )
        })?,
    };
    let mut bench = Bench {
        programs,
        work,
        scale,
        report,
        say,
        etcd: None,
    };
    if Path::new(etcd::PROGRAM).exists() {
        bench.etcd = Some(Certificates::make(&bench.work.join("etcd-pki"))?);
    }
    let (with_sessions, with_store) = (options.wants(Part::Sessions), options.wants(Part::Store));
    if with_sessions || with_store {
        bench.servers(with_sessions, with_store).await?;
    }
    if options.wants(Part::Agent) {
        bench.rest(options.quick).await?;
    }
    if options.wants(Part::Planner) {
        bench.planner(&options.simulator).await?;
    }
    Ok(bench.report)
}

struct Bench {
    programs: PathBuf,
    work: PathBuf,
    scale: Scale,
    report: Report,
    say: fn(&str),
    /// `None`: not installed.
    etcd: Option<Certificates>,
}

/// What the repeats give, one entry each.
#[derive(Default)]
struct Repeats {
    memory: Vec<f64>,
    memory_after: Vec<f64>,
    beats: Vec<sessions::Window>,
    readmissions: Vec<Readmission>,
    store: Vec<store::Written>,
    etcd_memory: Vec<f64>,
    etcd_beats: Vec<sessions::Window>,
    etcd_store: Vec<store::Written>,
}

/// A fleet that has joined, and the load that plays it.
struct Joined {
    fleet: Fleet,
    load: Helper,
    /// Memory of a coordinator that knows no node, bytes.
    empty: u64,
}

impl Bench {
    fn say(&self, what: &str) {
        (self.say)(what);
    }

    /// Coordinator and etcd in turn, as often as wanted.
    async fn servers(&mut self, with_sessions: bool, with_store: bool) -> anyhow::Result<()> {
        let mut seen = Repeats::default();
        let mut joined = match with_sessions {
            true => Some(self.join().await?),
            false => None,
        };
        for repeat in 1..=self.scale.repeats {
            self.say(&format!("repeat {repeat} of {}", self.scale.repeats));
            if let Some(joined) = &mut joined {
                let last = repeat == self.scale.repeats;
                self.fleet(joined, &mut seen, repeat, last).await?;
            }
            if with_store {
                self.say("durable transitions");
                seen.store
                    .push(store::ours(&self.work, repeat, &self.scale).await?);
            }
            if self.etcd.is_some() {
                self.peer(&mut seen, repeat, with_sessions, with_store)
                    .await?;
            }
        }
        drop(joined);
        if with_sessions {
            self.note_sessions(&seen);
        }
        if with_store {
            self.note_store(&seen);
        }
        Ok(())
    }

    /// Sets a fleet up and has all nodes join.
    async fn join(&mut self) -> anyhow::Result<Joined> {
        let fleet = Fleet::init(&self.programs, &self.work.join("fleet")).await?;
        let coordinator = fleet.start().await?;
        let mut load = Helper::start(&self.work.join("load.log"))?;
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let empty = coordinator.pss()?;
        self.say(&format!("{} nodes join", self.scale.nodes));
        let start = super::clock::now();
        let before = coordinator.cpu()?;
        let (token, prefix) = (fleet.token().await?, "node".to_owned());
        load.tell(Order::Enroll {
            token,
            prefix,
            count: self.scale.nodes,
        })
        .await?;
        self.report
            .detail("joinSeconds", start.elapsed().as_secs_f64());
        self.report
            .detail("joinCpuSeconds", coordinator.cpu()? - before);
        self.report
            .detail("inventoryBytes", load.inventory_bytes().await?);
        self.report.detail("emptyCoordinatorBytes", empty);
        coordinator.stop().await?;
        Ok(Joined { fleet, load, empty })
    }

    /// One repeat with the coordinator.
    async fn fleet(
        &mut self,
        joined: &mut Joined,
        seen: &mut Repeats,
        repeat: usize,
        last: bool,
    ) -> anyhow::Result<()> {
        let nodes = self.scale.nodes;
        let Joined { fleet, load, empty } = joined;
        let coordinator = fleet.start().await?;
        self.say("coordinator: sessions and reports");
        let memory = sessions::memory(&coordinator, *empty, load, repeat as u64, nodes).await?;
        seen.memory.push(memory / 1024.0);
        self.say("coordinator: beats");
        seen.beats
            .push(sessions::beats(fleet, &coordinator, load, &self.scale).await?);
        self.say("coordinator: SIGKILL and re-admission");
        let (coordinator, measured) = readmission(fleet, coordinator, nodes).await?;
        seen.readmissions.push(measured);
        let after = coordinator.pss()?.saturating_sub(*empty) as f64 / nodes as f64;
        seen.memory_after.push(after / 1024.0);
        if last {
            self.detection(fleet).await?;
        }
        self.end(load, coordinator).await
    }

    async fn end(&self, load: &mut Helper, server: Process) -> anyhow::Result<()> {
        load.tell(Order::Close).await?;
        server.stop().await
    }

    /// How soon stopped and killed agents are noticed, while all other sessions are open.
    async fn detection(&mut self, fleet: &Fleet) -> anyhow::Result<()> {
        self.say("agents stopped and killed");
        let found = detection::detection(fleet, &self.work, self.scale.victims).await?;
        let longest = |all: &[f64]| all.iter().copied().reduce(f64::max).into_iter().collect();
        let middle = |all: &[f64]| median(all).into_iter().collect();
        let death: Vec<f64> = found
            .killed_to_suspect
            .iter()
            .map(|s| s * 1_000.0)
            .collect();
        self.figure(&kinds::DEATH, middle(&death), Vec::new());
        self.figure(&kinds::DEATH_MAX, longest(&death), Vec::new());
        self.figure(
            &kinds::SUSPECT,
            middle(&found.stopped_to_suspect),
            Vec::new(),
        );
        self.figure(
            &kinds::SILENCE,
            middle(&found.stopped_to_unreachable),
            Vec::new(),
        );
        self.figure(
            &kinds::SILENCE_MAX,
            longest(&found.stopped_to_unreachable),
            Vec::new(),
        );
        self.report.detail("detection", &found);
        Ok(())
    }

    /// One repeat with etcd.
    async fn peer(
        &self,
        seen: &mut Repeats,
        repeat: usize,
        with_sessions: bool,
        with_store: bool,
    ) -> anyhow::Result<()> {
        let Some(certificates) = &self.etcd else {
            return Ok(());
        };
        let data = self.work.join(format!("etcd-{repeat}"));
        let etcd = Etcd::start(&data, certificates).await?;
        let mut load = Helper::start(&self.work.join("load.log"))?;
        if with_sessions {
            self.say("etcd: lease clients");
            let (memory, beats) = sessions::leases(&etcd, &mut load, &self.scale).await?;
            seen.etcd_memory.push(memory / 1024.0);
            seen.etcd_beats.push(beats);
            load.tell(Order::Close).await?;
        }
        if with_store {
            self.say("etcd: puts");
            seen.etcd_store
                .push(store::theirs(&etcd, &mut load, &self.scale).await?);
        }
        drop(load);
        etcd.process.stop().await
    }

    fn note_sessions(&mut self, seen: &Repeats) {
        let rate = |all: &[sessions::Window]| all.iter().map(|w| w.per_core_second).collect();
        let of = |pick: fn(&Readmission) -> f64| seen.readmissions.iter().map(pick).collect();
        let nodes = self.scale.nodes as f64;
        self.figure(&kinds::BEATS, rate(&seen.beats), rate(&seen.etcd_beats));
        self.figure(
            &kinds::MEMORY,
            seen.memory.clone(),
            seen.etcd_memory.clone(),
        );
        self.figure(
            &kinds::MEMORY_AFTER_RESTART,
            seen.memory_after.clone(),
            Vec::new(),
        );
        self.figure(&kinds::READMISSION, of(|r| r.seconds), Vec::new());
        let cpu = seen
            .readmissions
            .iter()
            .map(|r| r.cpu_seconds * 1_000.0 / nodes)
            .collect();
        self.figure(&kinds::READMISSION_CPU, cpu, Vec::new());
        self.figure(
            &kinds::FALSE_VERDICTS,
            of(|r| r.false_verdicts as f64),
            Vec::new(),
        );
        self.figure(
            &kinds::RESUMED,
            of(|r| 100.0 * r.resumed / r.handshakes),
            Vec::new(),
        );
        self.report.detail("beats", &seen.beats);
        self.report.detail("etcdKeepalives", &seen.etcd_beats);
        self.report.detail("readmissions", &seen.readmissions);
    }

    fn note_store(&mut self, seen: &Repeats) {
        let rate = |all: &[store::Written]| all.iter().map(|w| w.puts.per_second).collect();
        let p99 = |all: &[store::Written]| all.iter().map(|w| w.puts.p99_ms).collect();
        self.figure(&kinds::PUTS, rate(&seen.store), rate(&seen.etcd_store));
        self.figure(&kinds::PUTS_P99, p99(&seen.store), p99(&seen.etcd_store));
        self.report.detail("store", &seen.store);
        self.report.detail("etcdStore", &seen.etcd_store);
    }

    /// The agent and node_exporter.
    async fn rest(&mut self, quick: bool) -> anyhow::Result<()> {
        self.say("agent and node_exporter at rest");
        let (ours, theirs) = rest::rest(&self.programs, &self.work, &self.scale, quick).await?;
        self.figure(&kinds::REST_PSS, ours.pss_mib, theirs.pss_mib);
        self.figure(
            &kinds::REST_CPU,
            ours.cpu_seconds_a_minute,
            theirs.cpu_seconds_a_minute,
        );
        Ok(())
    }

    /// Rollouts over large fleets, and the simulator's pace.
    async fn planner(&mut self, simulator: &Path) -> anyhow::Result<()> {
        self.say("rollouts over large fleets, played by the planner");
        for (kind, repeats) in planner::rollouts(&mut self.report, self.scale.repeats).await? {
            self.figure(&kind, repeats, Vec::new());
        }
        self.say("the fleet simulator");
        let (mut steps, mut events) = (Vec::new(), Vec::new());
        for _ in 0..self.scale.repeats {
            let pace = planner::simulator(simulator, self.scale.simulated).await?;
            steps.push(pace.steps_per_core_second);
            events.push(pace.events_per_core_second);
        }
        self.figure(&kinds::SIM_STEPS, steps, Vec::new());
        self.figure(&kinds::SIM_EVENTS, events, Vec::new());
        Ok(())
    }

    fn figure(&mut self, kind: &Kind, ours: Vec<f64>, theirs: Vec<f64>) {
        self.report.figures.push(Figure::new(kind, ours, theirs));
    }
}
