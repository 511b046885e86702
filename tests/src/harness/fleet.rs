//! The coordinator, started, stopped and started again over the same folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use h8lio_coordinator::app::{self, Running};
use h8lio_coordinator::clock::Clock as _;
use h8lio_coordinator::config::{self, Settings};
use h8lio_coordinator::init::{self, Init};
use h8lio_coordinator::local_operator;
use h8lio_coordinator::store::Store;
use h8lio_coordinator::store::sqlite::{SqliteOptions, SqliteStore};
use h8lio_tls::bundle::TrustBundle;
use h8lio_tls::identity::Identity;
use serde::Deserialize;
use tempfile::TempDir;

use super::client::Dial;
use super::clock::TestClock;
use super::operator::Operator;
use super::server::Server;
use super::store::FaultyStore;
use super::tokens::Tokens;

/// The fleet's name.
pub const FLEET: &str = "test";

/// What a test wants to be otherwise.
#[derive(Debug)]
pub struct FleetBuilder {
    change: Vec<fn(&mut Settings)>,
    options: SqliteOptions,
}

/// A coordinator and its first operator.
#[derive(Debug)]
pub struct Fleet {
    dir: TempDir,
    settings: Settings,
    options: SqliteOptions,
    pub clock: Arc<TestClock>,
    running: Option<Running>,
    /// In front of the SQLite store of the running coordinator.
    pub store: Arc<FaultyStore>,
    /// The operator that `init` made.
    pub admin: Operator,
    pub dial: Dial,
}

/// An operator's context file.
#[derive(Debug, Deserialize)]
struct Context {
    ca: String,
    certificate: String,
    key: String,
}

impl FleetBuilder {
    /// Changes a setting.
    #[must_use]
    pub fn with(mut self, change: fn(&mut Settings)) -> Self {
        self.change.push(change);
        self
    }

    /// The most bytes that the store may grow to.
    #[must_use]
    pub const fn store_limit(mut self, bytes: u64) -> Self {
        self.options.max_bytes = Some(bytes);
        self
    }

    /// Sets it up and starts it.
    ///
    /// # Panics
    /// When that does not work.
    pub async fn start(self) -> Fleet {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let clock = Arc::new(TestClock::default());
        let request = request(dir.path());
        let made = init::init(&request, clock.now()).expect("set up");
        let mut settings = config::load(&made.config).expect("a configuration");
        quick(&mut settings);
        for change in self.change {
            change(&mut settings);
        }
        let (identity, bundle) = read_context(&request.context_out);
        let (running, store) = begin(&settings, self.options, &clock)
            .await
            .expect("started");
        let dial = Dial {
            address: running.address,
            bundle,
            clock: Arc::clone(&clock),
        };
        let admin = Operator::new("admin", identity, dial.clone());
        let (options, running) = (self.options, Some(running));
        Fleet {
            dir,
            settings,
            options,
            clock,
            running,
            store,
            admin,
            dial,
        }
    }
}

fn read_context(path: &Path) -> (Arc<Identity>, TrustBundle) {
    let context = std::fs::read_to_string(path).expect("a context");
    let context: Context = toml::from_str(&context).expect("a context");
    let identity = Identity::from_pem(context.certificate.as_bytes(), context.key.as_bytes());
    let bundle = TrustBundle::from_pem(context.ca.as_bytes()).expect("roots");
    (Arc::new(identity.expect("the operator's identity")), bundle)
}

fn request(dir: &Path) -> Init {
    Init {
        dir: dir.join("coordinator"),
        fleet: FLEET.parse().expect("a fleet name"),
        listen: ([127, 0, 0, 1], 0).into(),
        // Nobody reads it: the port is not known yet.
        advertise: vec!["127.0.0.1:1".to_owned()],
        name: "c1".parse().expect("a name"),
        metrics: Some("off".to_owned()),
        operator: "admin".parse().expect("a name"),
        context_out: dir.join("admin.context"),
    }
}

/// Short, but long enough for a machine that is busy with other tests: what is shorter than half
/// of `suspect_after` must not look like a pause of the coordinator.
fn quick(s: &mut Settings) {
    s.advertise = Vec::new();
    // Time is skipped; the coordinator's own certificate is to outlive that.
    s.certificates.coordinator = Duration::from_secs(365 * 86_400);
    s.session.beat = Duration::from_millis(200);
    s.session.suspect_after = Some(Duration::from_millis(1_000));
    s.session.unreachable_after = Some(Duration::from_millis(2_500));
    s.session.stable_for = Some(Duration::from_millis(1_000));
    s.session.warm_up = Some(Duration::from_millis(3_000));
    s.session.report = Duration::from_millis(100);
}

/// Starts a coordinator. The one before lets go of the file when its last task has ended.
async fn begin(
    settings: &Settings,
    options: SqliteOptions,
    clock: &Arc<TestClock>,
) -> anyhow::Result<(Running, Arc<FaultyStore>)> {
    let path = settings.store.clone();
    let for_store = Arc::clone(clock) as Arc<_>;
    let open = move || SqliteStore::open(&path, options, for_store);
    let store = tokio::task::spawn_blocking(open).await??;
    let store = Arc::new(FaultyStore::new(Arc::new(store)));
    let watched = Arc::clone(&store) as Arc<dyn Store>;
    let running = app::start_on(settings.clone(), Arc::clone(clock) as Arc<_>, watched).await?;
    Ok((running, store))
}

impl Fleet {
    /// A coordinator with everything as usual.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// One with something changed.
    pub fn builder() -> FleetBuilder {
        FleetBuilder {
            change: Vec::new(),
            options: SqliteOptions::default(),
        }
    }

    /// Join tokens.
    pub fn token(&self) -> Tokens<'_> {
        Tokens(&self.admin)
    }

    /// A server that nobody knows yet. Its serial number is its name in capitals.
    pub fn server(&self, name: &str) -> Server {
        Server::new(name, self.dial.clone())
    }

    /// A server that is enrolled, by a token that expects it.
    ///
    /// # Panics
    /// When it is not admitted.
    pub async fn enrolled(&self, name: &str) -> Server {
        let mut server = self.server(name);
        let token = self
            .token()
            .expecting_serial(&name.to_uppercase())
            .create()
            .await;
        server.enroll(&token).await.expect("admitted").issued();
        server
    }

    /// The settings that the coordinator runs with.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The running coordinator.
    ///
    /// # Panics
    /// When it is stopped.
    pub fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs")
    }

    /// Where its SQLite file is.
    pub fn store_path(&self) -> PathBuf {
        self.settings.store.clone()
    }

    /// A folder for a test's own files.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// An admin made on the coordinator's own machine, who may not be known to it yet.
    ///
    /// # Panics
    /// When none is made.
    pub fn local_admin(&self, name: &str) -> Operator {
        let wish = local_operator::Wish {
            name: name.parse().expect("a name"),
            by: "root".to_owned(),
            reason: "no admin is left".to_owned(),
            context_out: self.dir().join(format!("{name}.context")),
        };
        local_operator::create(&self.settings, &wish, self.clock.now()).expect("made");
        let (identity, _) = read_context(&wish.context_out);
        Operator::new(name, identity, self.dial.clone())
    }

    /// Lets time pass that nobody saw.
    pub fn pass(&self, time: Duration) {
        self.clock.skip(time);
    }

    /// Stops the coordinator; its file is free afterwards.
    ///
    /// # Panics
    /// When the file is not let go of.
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
        self.store.close();
        let path = self.store_path();
        super::until("the store is closed", || async {
            let clock = Arc::clone(&self.clock) as Arc<_>;
            SqliteStore::open(&path, SqliteOptions::default(), clock).ok()
        })
        .await;
    }

    /// Starts it again, on another port.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_again(&mut self) {
        let (running, store) = begin(&self.settings, self.options, &self.clock)
            .await
            .expect("started");
        self.dial.address = running.address;
        self.admin.dial.address = running.address;
        self.store = store;
        self.running = Some(running);
    }

    /// Stops it and starts it on the same port, where agents look for it.
    ///
    /// # Panics
    /// As [`Fleet::start_again`]; also when somebody else took the port meanwhile.
    pub async fn restart_in_place(&mut self) {
        self.settings.listen = self.dial.address;
        self.restart().await;
    }

    /// Stops and starts it.
    pub async fn restart(&mut self) {
        self.stop().await;
        self.start_again().await;
    }
}
