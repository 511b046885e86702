//! Puts the agent together: settings, a server (real or simulated), identity, session, reports.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use h8lio_model::ids::{AgentInstance, BootId, NodeId};
use h8lio_model::inventory::Domain;
use h8lio_model::token::Claims;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::cli::{Command, Enroll, Server};
use crate::clock::{SharedClock, SystemClock};
use crate::config::Settings;
use crate::entropy::{SharedEntropy, SystemEntropy};
use crate::host::patching::MayAct;
use crate::identity::dial::TokenAuthority;
use crate::identity::document::Document;
use crate::identity::enroll::{self, Enrollment, Membership, Progress};
use crate::identity::vault::{Member, Vault};
use crate::identity::{Disk, PrivateFolder, claims, state_dir};
use crate::report::board::Board;
use crate::report::reporter::Reporter;
use crate::report::{Hosts, Shared, collectors};
use crate::session::keeper::Keeper;
use crate::session::machine::Goodbye;
use crate::session::outbox::Sections;
use crate::session::{self, Context, supervisor};
use crate::sim::{self, SimServer};
use crate::{linux, notify, orders, reconcile, token_source, walk};

/// Reading who the server is may take this long at start; then it goes on with less.
const CLAIMS_WITHIN: Duration = Duration::from_secs(10);

/// One server with all that differs between a real and a simulated one.
struct Machine {
    hosts: Hosts,
    /// The server, as somebody whom the owner may let change it.
    server: walk::Server,
    disk: Arc<dyn Disk>,
    clock: SharedClock,
    frozen: watch::Receiver<bool>,
    sim: Option<SimServer>,
}

impl Machine {
    fn new(settings: &Settings, server: &Server) -> anyhow::Result<Self> {
        if let Some(file) = &server.sim {
            let sim = SimServer::load(file, &settings.state_dir)?;
            let hosts = sim.hosts();
            return Ok(Self {
                server: walk::Server::of(&hosts, sim.patching(), sim.services()),
                hosts,
                disk: sim.disk(),
                clock: sim.clock(),
                frozen: sim.frozen(),
                sim: Some(sim),
            });
        }
        let hosts = linux_hosts(&settings.state_dir);
        let patching = Arc::new(linux::patching::LinuxPatching::new(&settings.state_dir));
        let services = Arc::new(linux::services::LinuxServices);
        Ok(Self {
            server: walk::Server::of(&hosts, patching, services),
            hosts,
            disk: Arc::new(PrivateFolder::new(&settings.state_dir)),
            clock: Arc::new(SystemClock::new()),
            frozen: watch::channel(false).1,
            sim: None,
        })
    }
}

fn linux_hosts(state_dir: &Path) -> Hosts {
    let root = linux::root::Root::default();
    Hosts {
        hardware: Arc::new(linux::hardware::LinuxHardware::new(root.clone())),
        os: Arc::new(linux::os::LinuxOs::new(root.clone())),
        vitals: Arc::new(linux::vitals::LinuxVitals::new(
            root.clone(),
            state_dir.to_owned(),
        )),
        disks: Arc::new(linux::disks::LinuxDisks::new(root.clone())),
        osds: Arc::new(linux::osds::LinuxOsds::new(root.clone())),
        network: Arc::new(linux::network::LinuxNetwork::new()),
        packages: Arc::new(linux::packages::LinuxPackages::new()),
        runtime: Arc::new(linux::runtime::LinuxRuntime::new()),
        managers: Arc::new(linux::managers::LinuxManagers::new()),
        bmc: Arc::new(linux::bmc::LinuxBmcTimer::new(root.clone())),
        boot: Arc::new(linux::boot::LinuxBoot::new(root, state_dir)),
    }
}

/// Does what takes the lock: `enroll` and `run`.
///
/// # Errors
/// Whatever kept it from being done, in one line with causes.
pub async fn work(settings: &Settings, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Enroll(e) => enroll_command(settings, &e).await,
        Command::Run(r) => {
            // From the first moment: a signal during enrollment or start must end the agent too.
            let mut stop = Stop::listen()?;
            while let Exit::Rebooted(down) = run(settings, &r.server, &mut stop).await? {
                tokio::select! {
                    () = tokio::time::sleep(down) => {}
                    () = stop.asked() => break,
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

async fn enroll_command(settings: &Settings, e: &Enroll) -> anyhow::Result<()> {
    let token = token_source::read(e.token_file.as_deref())?;
    let folder = PrivateFolder::new(&settings.state_dir);
    // Asked without the lock first, so that enrolling again is no error while the agent runs.
    if let Ok(Some(already)) = enroll::membership(&folder, &token)
        && !e.replace
    {
        return say(&enrolled(&already));
    }
    let _lock = state_dir::open(&settings.state_dir)?;
    let machine = Machine::new(settings, &e.server)?;
    let (who, _) = identify(&machine).await;
    let what = Enrollment {
        token: &token,
        claims: &who,
        replace: e.replace,
        patience: Some(e.wait.0),
    };
    let m = enroll_with(settings, &machine, &what).await?;
    say(&enrolled(&m))
}

fn enrolled(m: &Membership) -> String {
    let word = if m.already { "is already" } else { "is now" };
    format!(
        "this server {word} node {} of fleet {} ({})",
        m.node_name, m.fleet, m.node_id
    )
}

async fn enroll_with(
    settings: &Settings,
    machine: &Machine,
    what: &Enrollment<'_>,
) -> anyhow::Result<Membership> {
    let authority = TokenAuthority {
        addresses: settings.coordinators.clone(),
    };
    let mut told = None;
    let tell = |p: Progress| {
        if told.as_ref() != Some(&p) {
            match &p {
                Progress::Pending {
                    node_name,
                    explanation,
                } => {
                    notify::status(&format!("waiting for approval as {node_name}"));
                    tracing::info!("waiting for approval as {node_name}: {explanation}");
                }
                Progress::Trying { cause } => {
                    notify::status(&format!("not enrolled yet: {cause}"));
                    tracing::warn!("{cause}; trying again");
                }
            }
            told = Some(p);
        }
    };
    let disk = machine.disk.as_ref();
    Ok(enroll::enroll(disk, &authority, what, &SystemEntropy, tell).await?)
}

/// Claims and boot id, read away from this thread, for at most [`CLAIMS_WITHIN`].
async fn identify(machine: &Machine) -> (Claims, Option<BootId>) {
    let hosts = machine.hosts.clone();
    let now = machine.clock.now().wall;
    let reading = crate::off_thread(move || {
        let raw = hosts.os.os();
        let clock = reconcile::system::clock::assess(&Default::default(), now);
        let os = reconcile::system::os::assess(&raw, clock);
        let hardware = reconcile::system::hardware::assess(&hosts.hardware.hardware());
        let network = reconcile::network::facts(&hosts.network.network(), None);
        let claims = claims::claims(&os.hostname, &hardware, &network);
        (claims, os.boot_id)
    });
    match tokio::time::timeout(CLAIMS_WITHIN, reading).await {
        Ok(read) => read,
        Err(_) => {
            let seconds = CLAIMS_WITHIN.as_secs();
            tracing::warn!("reading who this server is takes longer than {seconds} s; going on");
            Default::default()
        }
    }
}

enum Exit {
    Stopped,
    /// The simulated server goes down and comes back after this time.
    Rebooted(Duration),
}

async fn run(settings: &Settings, server: &Server, stop: &mut Stop) -> anyhow::Result<Exit> {
    let _lock = state_dir::open(&settings.state_dir)?;
    let machine = Machine::new(settings, server)?;
    let (who, boot_id) = identify(&machine).await;
    let vault = tokio::select! {
        vault = open_vault(settings, &machine, &who) => Arc::new(vault?),
        () = stop.asked() => return Ok(Exit::Stopped),
    };
    let entropy: SharedEntropy = Arc::new(SystemEntropy);
    let boot_id = boot_id.unwrap_or_else(|| {
        tracing::warn!("the boot id cannot be read; every start of the agent counts as a boot");
        BootId(entropy.uuid())
    });
    let board = Arc::new(Board::default());
    let shared = Arc::new(Shared::default());
    let (publish, sections) = watch::channel(Sections::default());
    let reporter = Reporter::new(
        Arc::clone(&machine.clock),
        Arc::clone(&board),
        Arc::clone(&shared),
        settings.report_every,
        publish.clone(),
    );
    let (keeper, keeping) = Keeper::new(
        Arc::clone(&machine.disk),
        Arc::clone(&vault),
        Arc::clone(&board),
        Arc::clone(&machine.clock),
    );
    let context = Arc::new(Context {
        vault: Arc::clone(&vault),
        keeper,
        clock: Arc::clone(&machine.clock),
        entropy: Arc::clone(&entropy),
        board,
        shared: Arc::clone(&shared),
        sections,
        coordinators: settings.coordinators.clone(),
        boot_id,
        instance: AgentInstance(entropy.uuid()),
        claims: who,
        frozen: machine.frozen.clone(),
        status: session::Status::default(),
    });
    let member = vault.member();
    tracing::info!(
        "h8lio-agent {} is node {} of fleet {}",
        env!("CARGO_PKG_VERSION"),
        member.name,
        member.fleet
    );
    let collectors = collectors(&machine.hosts, &settings.modes, &shared);
    let mut following = follow_orders(settings, &machine, &context, member.id, publish);
    let (leave, left) = watch::channel(None);
    let session = tokio::spawn(supervisor::run(Arc::clone(&context), left));
    notify::ready();
    let exit = tokio::select! {
        () = stop.asked() => Exit::Stopped,
        // systemd starts the agent anew; what was at work is observed in its next life.
        () = following.died() => anyhow::bail!(
            "following orders failed inside the agent; report the panic in its log"
        ),
        down = sim::faults(machine.sim.as_ref()) => Exit::Rebooted(down),
        () = reporter.run(collectors) => Exit::Stopped,
        () = keeping.run() => Exit::Stopped,
        () = notify::feed_watchdog() => Exit::Stopped,
        () = show_status(&context, &member) => Exit::Stopped,
    };
    match exit {
        // Power is cut without a goodbye. What was at work must not go on in the next boot.
        Exit::Rebooted(_) => {
            session.abort();
            following.settle().await;
        }
        Exit::Stopped => {
            notify::stopping();
            let simulated = machine.sim.is_some();
            let down = !simulated && crate::off_thread(linux::power::is_going_down).await;
            let why = if down {
                Goodbye::Shutdown
            } else {
                Goodbye::Restart
            };
            leave.send_replace(Some(why));
            let (session, ()) = tokio::join!(session, following.stop());
            session.context("the session failed")?;
        }
    }
    Ok(exit)
}

/// Starts to follow orders, before the first one can come.
fn follow_orders(
    settings: &Settings,
    machine: &Machine,
    context: &Context,
    node: NodeId,
    publish: watch::Sender<Sections>,
) -> orders::Following {
    let mode = settings.modes.get(&Domain::Patching).copied();
    let setup = orders::Setup {
        disk: Arc::clone(&machine.disk),
        state_dir: settings.state_dir.clone(),
        node,
        mode: mode.unwrap_or_default(),
        patience: settings.patience,
        server: machine.server.clone(),
        clock: Arc::clone(&machine.clock),
        entropy: Arc::clone(&context.entropy),
        board: Arc::clone(&context.board),
        shared: Arc::clone(&context.shared),
        publish,
    };
    let signals = orders::Signals {
        order: context.status.order.subscribe(),
        coordinator: context.status.coordinator.subscribe(),
        restricted: context.status.restricted.subscribe(),
        frozen: machine.frozen.clone(),
    };
    orders::start(setup, signals)
}

/// The identity, or one gained right now with a token that systemd hands over.
async fn open_vault(settings: &Settings, machine: &Machine, who: &Claims) -> anyhow::Result<Vault> {
    if let Some(vault) = Vault::open(Arc::clone(&machine.disk))? {
        return Ok(vault);
    }
    let credential = token_source::credential().with_context(|| {
        format!(
            "this server is not enrolled ({} holds no identity): run h8lio-agent enroll --token-file FILE",
            settings.state_dir.display()
        )
    })?;
    let token = token_source::read(Some(&credential))?;
    // A person's approval may take days, and neither a boot nor an installation waits for it.
    notify::ready();
    notify::status("not enrolled yet; asking with the join token that systemd handed over");
    // Nobody would run a command again: as long as the daemon lives, it tries.
    let what = Enrollment {
        token: &token,
        claims: who,
        replace: false,
        patience: None,
    };
    tokio::select! {
        joined = enroll_with(settings, machine, &what) => joined?,
        () = notify::feed_watchdog() => return std::future::pending().await,
    };
    Vault::open(Arc::clone(&machine.disk))?.context("the identity vanished after enrollment")
}

/// SIGTERM or SIGINT.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Keeps `systemctl status` right.
async fn show_status(context: &Context, member: &Member) {
    let mut coordinator = context.status.coordinator.subscribe();
    let mut restricted = context.status.restricted.subscribe();
    loop {
        let session = match coordinator.borrow_and_update().as_deref() {
            Some(name) => format!("session with {name}"),
            None => "no session".to_owned(),
        };
        let limit = match restricted.borrow_and_update().as_deref() {
            Some(why) => format!(", restricted: {why}"),
            None => String::new(),
        };
        notify::status(&format!("node {}: {session}{limit}", member.name));
        tokio::select! {
            Ok(()) = coordinator.changed() => {}
            Ok(()) = restricted.changed() => {}
            else => return std::future::pending().await,
        }
    }
}

/// `status`: what the state directory says.
///
/// # Errors
/// When it cannot be read or the server is not enrolled.
pub fn status(settings: &Settings) -> anyhow::Result<()> {
    let folder = PrivateFolder::new(&settings.state_dir);
    let Some(document) = Document::load(&folder)? else {
        anyhow::bail!(
            "this server is not enrolled ({} holds no identity)",
            settings.state_dir.display()
        );
    };
    let now = SystemClock::new();
    say(&document.describe(crate::clock::Clock::now(&now).wall)?)
}

/// `transaction`: what the transient unit runs.
///
/// # Errors
/// When the owner gives no leave, or the transaction cannot be carried out once and be accounted for.
pub fn transaction(settings: &Settings, attempt: uuid::Uuid) -> anyhow::Result<()> {
    let mode = settings.modes.get(&Domain::Patching).copied();
    MayAct::by(mode.unwrap_or_default())?;
    let written = linux::patching::worker::carry_out(&settings.state_dir, attempt)?;
    say(&format!(
        "transaction {attempt} has ended: {:?}",
        written.ended
    ))
}

/// Keeps the process small; called once, before any thread is started.
pub fn be_frugal() {
    linux::ioctl::share_one_heap();
}

/// Prints one text to standard output.
///
/// # Errors
/// When standard output is closed.
pub fn say(text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    Ok(writeln!(std::io::stdout(), "{text}")?)
}
