//! One server and its agent: the real ledger and walk, over a simulated server.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use h8lio_agent::clock::Moment;
use h8lio_agent::host::patching::MayAct;
use h8lio_agent::ledger::book::Accepted;
use h8lio_agent::ledger::{FILE, Ledger};
use h8lio_agent::reconcile::patching::boot::timer;
use h8lio_agent::reconcile::patching::facts;
use h8lio_agent::reconcile::patching::transaction::judge::Held;
use h8lio_agent::report::CoordinatorNow;
use h8lio_agent::sim::SimServer;
use h8lio_agent::sim::changes::Boot;
use h8lio_agent::walk::{Between, Patience, Server, Walked, Walker};
use h8lio_model::ids::{BootId, NodeId};
use h8lio_model::inventory::{DomainMode, PackageFacts};
use h8lio_model::order::{AttemptId, Epoch, LedgerId, NodeOrder, OrderReport};

use jiff::Timestamp;

use crate::act::Acts;
use crate::chance::Chance;
use crate::fuse::Fuse;
use crate::hosts::{Acting, Files, Written};
use crate::sabotage::Sabotage;
use crate::tools::Tools;

/// The kernel that an order brings.
pub const NEW_KERNEL: &str = "6.1.0-41-amd64";

/// What a node says of itself.
#[derive(Debug, Clone)]
pub struct Says {
    pub node: NodeId,
    pub boot: BootId,
    pub packages: PackageFacts,
    pub report: OrderReport,
}

#[derive(Debug)]
struct Life {
    ledger: Ledger,
    walker: Walker,
}

/// The server.
#[derive(Debug)]
pub struct Node {
    pub id: NodeId,
    dir: PathBuf,
    scenario: PathBuf,
    files: Files,
    pub fuse: Arc<Fuse>,
    pub tools: Arc<Tools>,
    pub acts: Acts,
    server: SimServer,
    pub boot: BootId,
    life: Option<Life>,
    /// Power is on.
    pub is_on: bool,
    /// When power went; `None` while it is on.
    pub off_since: Option<Duration>,
    sabotage: Option<Sabotage>,
}

impl Node {
    /// A server that is up, without an agent yet.
    ///
    /// # Errors
    /// When its folder cannot be used.
    pub fn new(
        root: &Path,
        id: NodeId,
        name: &str,
        kernel: bool,
        chance: &mut Chance,
        at: Moment,
        sabotage: Option<Sabotage>,
    ) -> anyhow::Result<Self> {
        let dir = root.join(name);
        std::fs::create_dir(&dir).context("cannot make a server's folder")?;
        let scenario = dir.join("server.toml");
        std::fs::write(&scenario, text(name, kernel)).context("cannot write a scenario")?;
        let boot = BootId(chance.uuid());
        let server = load(&scenario, &dir, boot, at)?;
        Ok(Self {
            id,
            dir,
            scenario,
            files: Files::default(),
            fuse: Arc::default(),
            tools: Arc::default(),
            acts: Acts::default(),
            server,
            boot,
            life: None,
            is_on: true,
            off_since: None,
            sabotage,
        })
    }

    /// Begins a life of the agent. It may die in it at once.
    pub fn start(&mut self, chance: &mut Chance) {
        self.fuse.renew();
        let written = Written {
            files: self.files.clone(),
            fuse: Arc::clone(&self.fuse),
            forgetful: self.sabotage == Some(Sabotage::NoStepLog),
        };
        let fresh = match self.sabotage {
            Some(Sabotage::LedgerForgetsAttempts) => LedgerId(*self.id.as_uuid()),
            _ => LedgerId(chance.uuid()),
        };
        let opened = Ledger::open(Arc::new(written.clone()), self.id, fresh);
        self.life = opened.ok().map(|(ledger, _)| Life {
            ledger,
            walker: self.walker(written),
        });
    }

    fn walker(&self, written: Written) -> Walker {
        let hosts = self.server.hosts();
        let acting = Arc::new(Acting {
            patch: self.server.patching(),
            boot: self.server.booting(),
            bmc: Arc::clone(&hosts.bmc),
            services: self.server.services(),
            fuse: Arc::clone(&self.fuse),
            tools: Arc::clone(&self.tools),
            acts: self.acts.clone(),
            sabotage: self.sabotage,
        });
        let server = Server {
            patch: Arc::clone(&acting) as _,
            boot: Arc::clone(&acting) as _,
            bmc: Arc::clone(&acting) as _,
            managers: Arc::clone(&hosts.managers),
            services: acting,
            os: Arc::clone(&hosts.os),
            packages: Arc::clone(&hosts.packages),
            gates: Arc::new(hosts),
        };
        let leave = MayAct::by(DomainMode::Act).expect("the owner gives leave");
        let patience = Patience::default();
        Walker::logging_to(Arc::new(written), server, leave, Held::Refuse, patience)
    }

    pub const fn is_alive(&self) -> bool {
        self.life.is_some()
    }

    /// Ends the agent's process.
    pub fn kill(&mut self) {
        self.life = None;
    }

    /// The ledger's file is gone, as after the repair of a file system.
    pub fn lose_ledger(&mut self) {
        self.life = None;
        self.files.lose(FILE);
    }

    /// What the agent's ledger holds, while it lives.
    pub fn ledger(&self) -> Option<&Ledger> {
        self.life.as_ref().map(|life| &life.ledger)
    }

    /// The attempt that a look would go on with.
    pub fn subject(&self) -> Option<AttemptId> {
        let book = self.ledger()?.book();
        let running = book.running().map(|(ticket, _)| ticket.attempt);
        running.or_else(|| book.due().map(|t| t.attempt))
    }

    /// Takes an order; `None`: nobody is there to take it.
    pub fn accept(&mut self, order: &NodeOrder, at: Moment) -> Option<Result<Accepted, String>> {
        let life = self.life.as_mut()?;
        let answer = life.ledger.accept(order, at.wall);
        let answer = answer.map_err(|e| e.to_string());
        self.bury();
        Some(answer)
    }

    /// One look at what is to be done.
    pub fn look(&mut self, at: Moment) -> Option<Result<Walked, String>> {
        let life = self.life.as_mut()?;
        let mut between = Moments {
            at,
            epoch: epoch(&life.ledger),
            stopping: None,
            whenever: self.sabotage == Some(Sabotage::BeginsWhenever),
        };
        let walked = life.walker.walk_between(&mut life.ledger, &mut between);
        let walked = walked.map_err(|e| e.to_string());
        self.bury();
        Some(walked)
    }

    /// As [`Node::look`], in a life that somebody ends meanwhile.
    pub fn look_and_stop(&mut self, at: Moment) -> Option<Result<Walked, String>> {
        let life = self.life.as_mut()?;
        let hears = self.sabotage != Some(Sabotage::StopsUnheard);
        let mut leaving = Moments {
            at,
            epoch: epoch(&life.ledger),
            stopping: hears.then(|| Arc::clone(&self.tools)),
            whenever: self.sabotage == Some(Sabotage::BeginsWhenever),
        };
        let walked = life.walker.walk_between(&mut life.ledger, &mut leaving);
        self.life = None;
        Some(walked.map_err(|e| e.to_string()))
    }

    /// Who died at an effect is dead.
    fn bury(&mut self) {
        if self.fuse.is_blown() {
            self.life = None;
        }
    }

    /// What it says.
    pub fn says(&self) -> Option<Says> {
        let report = self.ledger()?.report();
        Some(Says {
            node: self.id,
            boot: self.boot,
            packages: PackageFacts {
                boot_id: Some(self.boot),
                after: report.last_ended,
                ..self.packages()
            },
            report,
        })
    }

    /// The server's packages, as its agent understands them.
    pub fn packages(&self) -> PackageFacts {
        facts(&self.server.hosts().packages.packages())
    }

    /// What was set going on the server happens; power goes when a boot was asked for.
    pub fn move_on(&mut self, at: Moment) {
        if self.server.carry_out_fresh() {
            self.is_on = false;
            self.off_since = Some(at.steady);
            self.life = None;
        }
    }

    /// How its last boot went.
    pub fn last_boot(&self) -> Boot {
        self.server.last_boot()
    }

    /// Its BMC will reset it, and its agent is not about to have it booted.
    pub fn will_be_reset(&self) -> bool {
        let said = self.server.hosts().bmc.timer();
        let timer = said.ok().and_then(|said| timer::read(&said).ok());
        self.is_on && self.is_alive() && timer.is_some_and(|timer| timer.is_ours())
    }

    /// Something happens to the server.
    pub fn suffers(&self, fault: &str) {
        self.server
            .write(fault)
            .expect("the simulated server's folder");
    }

    /// A person repairs what no tool could.
    pub fn mend(&self) {
        for update in ["bash", "zsh", "linux-image-amd64"] {
            self.suffers(&format!("package.repair {update}"));
        }
    }

    /// It comes up with another boot id, and without its agent yet.
    pub fn boot_up(&mut self, chance: &mut Chance, at: Moment) {
        if self.last_boot() == Boot::Hangs {
            // Somebody has switched it off and on.
            self.suffers("reboot 1s");
        }
        self.boot = BootId(chance.uuid());
        let loaded = load(&self.scenario, &self.dir, self.boot, at);
        self.server = loaded.expect("the simulated server's folder");
        self.is_on = true;
        self.off_since = None;
    }
}

/// The moment of a look, of an agent that may be about to be stopped. No order comes within it, and the
/// server's clock is the coordinator's.
struct Moments {
    at: Moment,
    /// That of the order that is followed, so that nothing but its age stands in its way.
    epoch: Epoch,
    /// What tells whether it is; nothing tells an agent that is not about to be, or is deaf.
    stopping: Option<Arc<Tools>>,
    /// The agent does not know how late it is.
    whenever: bool,
}

impl Between for Moments {
    fn moment(&mut self) -> Moment {
        self.at
    }

    fn coordinator(&mut self) -> Option<CoordinatorNow> {
        let time = match self.whenever {
            true => Timestamp::UNIX_EPOCH,
            false => self.at.wall,
        };
        Some(CoordinatorNow {
            time,
            epoch: self.epoch,
        })
    }

    fn take(&mut self, _: &mut Ledger) {}

    fn is_stopping(&self) -> bool {
        self.stopping.as_ref().is_some_and(|t| t.is_stopping())
    }
}

fn epoch(ledger: &Ledger) -> Epoch {
    let order = ledger.book().effective();
    order.map(|order| order.epoch).unwrap_or_default()
}

fn load(scenario: &Path, dir: &Path, boot: BootId, at: Moment) -> anyhow::Result<SimServer> {
    SimServer::choose_boot(dir, boot, at.wall)?;
    SimServer::load(scenario, dir)
}

/// A small server, with updates of bash and, where asked for, of the kernel.
fn text(name: &str, kernel: bool) -> String {
    let mut text = format!(
        "hostname = \"{name}\"\n[[nic]]\nname = \"eno1\"\nmac = \"02:00:00:00:00:01\"\n\
         [packages]\ninstalled = 8\n[[packages.upgrade]]\nname = \"bash\"\ninstalled = \"1.0\"\ncandidate = \"2.0\"\n\
         security = true\n[[packages.upgrade]]\nname = \"zsh\"\ninstalled = \"1.0\"\n\
         candidate = \"2.0\"\nsecurity = true\n"
    );
    if kernel {
        text += &format!(
            "[[packages.upgrade]]\nname = \"linux-image-amd64\"\ninstalled = \"1.0\"\n\
             candidate = \"1.1\"\nsecurity = true\nbrings = \"{NEW_KERNEL}\"\n"
        );
    }
    text
}
