//! The running coordinator: its parts, put together and taken apart.

mod chores;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use h8lio_executor::Term;
use h8lio_model::event::Severity;
use h8lio_model::operator::Operator;
use h8lio_model::order::Epoch;
use h8lio_proto::FILE_DESCRIPTOR_SET;
use h8lio_proto::v1::backup_service_server::BackupServiceServer;
use h8lio_proto::v1::enrollment_service_server::EnrollmentServiceServer;
use h8lio_proto::v1::fleet_service_server::FleetServiceServer;
use h8lio_proto::v1::node_service_server::NodeServiceServer;
use h8lio_proto::v1::rollout_service_server::RolloutServiceServer;
use h8lio_proto::v1::session_service_server::SessionServiceServer;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::accept::counters::Counters as AcceptCounters;
use crate::accept::{Acceptor, AcceptorParts, http2, listen};
use crate::audit::patrol::Patrol;
use crate::audit::{AuditDraft, AuditLog};
use crate::bans::BanFile;
use crate::clock::Clock;
use crate::config::{Metrics, Settings};
use crate::events::EventLog;
use crate::feed::Feed;
use crate::gather::ingest::Ingest;
use crate::init::BOOTSTRAP_OPERATOR;
use crate::life;
use crate::local_operator::Notes;
use crate::maintenance::driver::{Driver, Parts};
use crate::maintenance::plans::Plans;
use crate::maintenance::records::Records as OrderRecords;
use crate::maintenance::{Maintenance, Rollouts, Snapshot};
use crate::metrics;
use crate::observe::Observer;
use crate::operators::{self, Operators};
use crate::outage::Outages;
use crate::pki::acknowledge;
use crate::pki::live::LivePki;
use crate::quarantine::Quarantine;
use crate::recovery::{self, Recovery};
use crate::registry::{Registry, records};
use crate::rpc::backup::BackupServer;
use crate::rpc::enrollment::EnrollmentServer;
use crate::rpc::fleet::FleetServer;
use crate::rpc::nodes::NodeServer;
use crate::rpc::rollouts::RolloutServer;
use crate::rpc::services::{Facts, Services};
use crate::rpc::to_the_end::ToTheEnd;
use crate::rpc::{gate, health};
use crate::session::counters::Counters;
use crate::session::service::{SessionServer, SessionSettings, Sessions};
use crate::session::table::{Cut, SessionTable};
use crate::session::witness::Witnesses;
use crate::store::health::WatchedStore;
use crate::store::sqlite::{SqliteOptions, SqliteStore, backup};
use crate::store::{Compare, Op, Store, StoreError};

/// Events kept in the store.
const KEEP_EVENTS: u64 = 100_000;

/// A coordinator that runs until it is told to stop.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub address: std::net::SocketAddr,
    pub services: Arc<Services>,
    live: Arc<LivePki>,
    stop: watch::Sender<bool>,
    again: watch::Receiver<bool>,
    tasks: JoinSet<anyhow::Result<()>>,
    /// Ends the observer: who stops listening must not judge those it hears no more.
    observing: tokio::task::AbortHandle,
    /// Ends the driver: nothing new is begun by a coordinator that stops.
    driving: tokio::task::AbortHandle,
}

/// Starts a coordinator over the SQLite store of its settings.
///
/// # Errors
/// When a part cannot be started; the error names it.
pub async fn start(settings: Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Running> {
    let path = settings.store.clone();
    let for_store = Arc::clone(&clock);
    let store = tokio::task::spawn_blocking(move || {
        let store = SqliteStore::open(&path, SqliteOptions::default(), for_store)?;
        // A draft that stays takes room and nothing else.
        if let Err(e) = backup::sweep(&path) {
            tracing::warn!("a draft of a backup may be left: {e}");
        }
        Ok::<_, StoreError>(store)
    })
    .await??;
    start_on(settings, clock, Arc::new(store)).await
}

/// As [`start`], over a store that is open already.
///
/// # Errors
/// As [`start`].
pub async fn start_on(
    settings: Settings,
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
) -> anyhow::Result<Running> {
    // The port first: nothing is written when another coordinator has it.
    let listener = listen(settings.listen)?;
    let address = listener.local_addr().context("cannot ask for the port")?;
    let metrics_listener = match settings.metrics {
        Metrics::Off => None,
        Metrics::Listen(to) => {
            Some(listen(to).context("the metrics' port: change `metrics` or set it to \"off\"")?)
        }
    };
    let watched = WatchedStore::new(store, Arc::clone(&clock));
    let health = watched.health();
    let store: Arc<dyn Store> = Arc::new(watched);
    let now = clock.now();
    let live = LivePki::open(&settings, Arc::clone(&clock))?;
    let life = life::begin(store.as_ref(), &settings.fleet).await?;
    let audit = Arc::new(AuditLog::start(Arc::clone(&store)).await?);
    import_first_operator(&settings, &store, &audit, clock.as_ref()).await?;
    let bans = Arc::new(BanFile::beside(&settings.store));
    let settled = recovery::settle(store.as_ref(), &audit, &bans, clock.as_ref()).await?;
    let recovery = Arc::new(Recovery::load(Arc::clone(&store)).await?);
    let timing = settings.session.timing();
    let registry = Arc::new(Registry::load(Arc::clone(&store), now).await?);
    let feed = Feed::new(Arc::clone(&clock));
    let notes = Notes::of(
        &settings,
        Arc::clone(&store),
        Arc::clone(&audit),
        Arc::clone(&feed),
    );
    notes.take_over().await;
    let table = Arc::new(SessionTable::default());
    let quarantine = Arc::new(Quarantine {
        registry: Arc::clone(&registry),
        table: Arc::clone(&table),
        feed: Arc::clone(&feed),
        clock: Arc::clone(&clock),
        audit: Arc::clone(&audit),
        bans: Arc::clone(&bans),
    });
    let rules = settings.maintenance.rules()?;
    let plans = Plans::load(Arc::clone(&store), now).await?;
    let orders = OrderRecords::new(Arc::clone(&store)).all().await?;
    let rollouts = Rollouts::load(Arc::clone(&store)).await?;
    let policy = Arc::new(rules.policy.clone());
    let first = Snapshot::first(now, plans.current().clone(), policy);
    let maintenance = Arc::new(Maintenance::new(rollouts, first));
    let (stop, stopping) = watch::channel(false);
    let services = Arc::new(Services {
        stopping: stopping.clone(),
        operators: Arc::new(Operators::load(Arc::clone(&store)).await?),
        events: EventLog::new(Arc::clone(&store), KEEP_EVENTS),
        authority: live.cell(),
        outages: Arc::new(Outages::start(Arc::clone(&store), Arc::clone(&clock)).await?),
        facts: Facts {
            fleet: settings.fleet.clone(),
            coordinator: settings.name.to_string(),
            advertise: advertised(&settings, address),
            incarnation: life.incarnation,
            epoch: life.epoch,
            started_at: now,
            node_certificate: settings.certificates.node,
            recovery_limit: settings.certificates.recovery_limit,
            warm_up: timing.warm_up,
            beat: timing.beat,
            health_checks: rules.health.keys().cloned().collect(),
        },
        maintenance: Arc::clone(&maintenance),
        store,
        health: Arc::clone(&health),
        registry: Arc::clone(&registry),
        audit,
        bans,
        feed: Arc::clone(&feed),
        table,
        quarantine,
        clock: Arc::clone(&clock),
    });
    let (observer, notifier) = Observer::new(
        Arc::clone(&registry),
        Arc::clone(&feed),
        Arc::clone(&clock),
        Arc::clone(&health),
        timing,
    );
    let ingest = Ingest::new(
        Arc::clone(&registry),
        Arc::clone(&feed),
        Arc::clone(&clock),
        Arc::clone(&maintenance),
    );
    let parts = Parts {
        store: Arc::clone(&services.store),
        health,
        registry,
        table: Arc::clone(&services.table),
        audit: Arc::clone(&services.audit),
        feed: Arc::clone(&feed),
        clock: Arc::clone(&clock),
        maintenance,
        recovery: Arc::clone(&recovery),
        rules,
        term: Term {
            epoch: Epoch(life.epoch),
            incarnation: life.incarnation,
        },
    };
    let driver = Driver::new(parts, plans, orders);
    let counters = Arc::new(Counters::default());
    let sessions = Arc::new(Sessions {
        registry: Arc::clone(&services.registry),
        table: Arc::clone(&services.table),
        ingest: Arc::clone(&ingest),
        feed: Arc::clone(&feed),
        quarantine: Arc::clone(&services.quarantine),
        audit: Arc::clone(&services.audit),
        authority: Arc::clone(&services.authority),
        clock: Arc::clone(&clock),
        notifier,
        counters: Arc::clone(&counters),
        witnesses: Arc::new(Witnesses::new(
            Arc::clone(&services.audit),
            Arc::clone(&feed),
        )),
        settings: SessionSettings {
            coordinator: settings.name.to_string(),
            incarnation: life.incarnation,
            epoch: life.epoch,
            beat: timing.beat,
            report: settings.session.report,
            max_report: settings.limits.report_bytes,
            max_message: settings.limits.message_bytes,
        },
    });
    let accept = Arc::new(AcceptCounters::default());
    let acceptor = Acceptor::new(AcceptorParts {
        listener,
        tls: live.tls(),
        limits: settings.limits,
        counters: Arc::clone(&accept),
        clock: Arc::clone(&clock),
    });
    let mut tasks = JoinSet::new();
    let (again, asked_again) = watch::channel(false);
    let backups = BackupServer {
        services: Arc::clone(&services),
        recovery,
        file: settings.store.clone(),
        again,
    };
    tasks.spawn(serve(
        settings.clone(),
        acceptor,
        backups,
        sessions,
        stopping,
    ));
    let observing = tasks.spawn(endless(observer.run()));
    let driving = tasks.spawn(endless(driver.run(timing.warm_up)));
    tasks.spawn(endless(Arc::clone(&feed).run(services.events.clone())));
    tasks.spawn(endless(Arc::clone(&ingest).run()));
    tasks.spawn(endless(chores::beat_store(Arc::clone(&services))));
    let patrol = Patrol {
        audit: Arc::clone(&services.audit),
        registry: Arc::clone(&services.registry),
        feed: Arc::clone(&feed),
        clock: Arc::clone(&clock),
    };
    tasks.spawn(endless(patrol.run()));
    tasks.spawn(endless(chores::probe_store(Arc::clone(&services))));
    tasks.spawn(endless(chores::publish_heads(Arc::clone(&services))));
    tasks.spawn(endless(chores::take_notes(Arc::clone(&services), notes)));
    tasks.spawn(endless(chores::publish_bundles(
        Arc::clone(&services),
        live.subscribe_bundle(),
    )));
    tasks.spawn(endless(Arc::clone(&live).run()));
    let report = acknowledge::Acknowledgements::path(&settings);
    tasks.spawn(endless(chores::report_rotation(
        Arc::clone(&services),
        Arc::clone(&live),
        report,
    )));
    if let Some(listener) = metrics_listener {
        let sources = metrics::Sources {
            services: Arc::clone(&services),
            counters,
            accept,
            ingest,
        };
        tasks.spawn(async move {
            metrics::serve(listener, sources)
                .await
                .context("serving metrics failed")
        });
    }
    if let Some(settled) = settled {
        let message = format!(
            "the store was put back from a copy: {} join tokens are void; {} servers that were banned, \
             quarantined or decommissioned since are out again, and {} operators; nothing is decided until an admin accepts the loss (h8lctl backup recovery)",
            settled.voided_tokens, settled.renewed_bans, settled.renewed_revocations
        );
        feed.fleet(Severity::Alert, "StoreRestored", message);
    }
    feed.fleet(
        Severity::Info,
        "CoordinatorStarted",
        format!(
            "coordinator {} started, epoch {}",
            settings.name, life.epoch
        ),
    );
    tracing::info!(%address, fleet = %settings.fleet, epoch = life.epoch, "the coordinator listens");
    Ok(Running {
        address,
        services,
        live,
        stop,
        again: asked_again,
        tasks,
        observing,
        driving,
    })
}

async fn endless(work: impl Future<Output = ()> + Send) -> anyhow::Result<()> {
    work.await;
    Ok(())
}

/// Addresses for tokens; a port chosen by the kernel is filled in.
fn advertised(settings: &Settings, bound: std::net::SocketAddr) -> Vec<String> {
    if settings.advertise.is_empty() {
        return vec![bound.to_string()];
    }
    settings.addresses()
}

/// Takes over the operator that `init` made, once.
async fn import_first_operator(
    settings: &Settings,
    store: &Arc<dyn Store>,
    audit: &AuditLog,
    clock: &dyn Clock,
) -> anyhow::Result<()> {
    let folder = settings.store.parent().unwrap_or(Path::new("."));
    let path = folder.join(BOOTSTRAP_OPERATOR);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e).with_context(|| format!("cannot read {}", path.display())),
    };
    let operator: Operator = serde_json::from_slice(&text)
        .with_context(|| format!("{} is not what init wrote", path.display()))?;
    let key = operators::key(&operator.name);
    if store.get(&key).await?.is_some() {
        return Ok(());
    }
    let draft = AuditDraft {
        at: clock.now(),
        actor: "coordinator".to_owned(),
        action: "operator.bootstrap".to_owned(),
        target: format!("operator/{}", operator.name),
        reason: "first start after init".to_owned(),
        ticket: None,
        request_id: String::new(),
        request: serde_json::json!({ "name": operator.name, "role": operator.role }).to_string(),
    };
    let effect = vec![Op::put(key.clone(), records::write(&operator))];
    audit
        .append(draft, effect, vec![Compare::absent(key)])
        .await?;
    Ok(())
}

/// Serves gRPC until told to stop.
async fn serve(
    settings: Settings,
    acceptor: Acceptor,
    backups: BackupServer,
    sessions: Arc<Sessions>,
    mut stopping: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let (reporter, health_service) = tonic_health::server::health_reporter();
    tokio::spawn(health::report(reporter, stopping.clone()));
    let small = gate::SMALL_REQUEST_BYTES;
    let health_service = health_service.max_decoding_message_size(small);
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .context("cannot set up reflection")?
        .max_decoding_message_size(small);
    let most = settings.limits.message_bytes;
    let of_operators = gate::OPERATOR_REQUEST_BYTES;
    let services = Arc::clone(&backups.services);
    let backups = BackupServiceServer::new(backups).max_decoding_message_size(of_operators);
    let nodes = NodeServiceServer::new(NodeServer(Arc::clone(&services)))
        .max_decoding_message_size(of_operators);
    let fleet = FleetServiceServer::new(FleetServer(Arc::clone(&services)))
        .max_decoding_message_size(of_operators);
    let rollouts = RolloutServiceServer::new(RolloutServer(Arc::clone(&services)))
        .max_decoding_message_size(of_operators);
    http2::server(&settings.limits)
        .layer(gate::GateLayer)
        .add_service(
            SessionServiceServer::new(SessionServer(sessions)).max_decoding_message_size(most),
        )
        .add_service(
            EnrollmentServiceServer::new(EnrollmentServer::new(services))
                // A CSR and some claims.
                .max_decoding_message_size(64 << 10),
        )
        .add_service(ToTheEnd(nodes))
        .add_service(ToTheEnd(fleet))
        .add_service(ToTheEnd(rollouts))
        .add_service(ToTheEnd(backups))
        .add_service(health_service)
        .add_service(reflection)
        .serve_with_incoming_shutdown(acceptor.incoming(), async move {
            // An error means that the sender is gone: stop as well.
            let _ = stopping.wait_for(|stop| *stop).await;
        })
        .await
        .context("serving gRPC failed")
}

impl Running {
    /// Reads the authority again after `ca rotate`, at once instead of within seconds.
    ///
    /// # Errors
    /// When the files are not whole; everything stays as it was.
    pub fn reload(&self) -> anyhow::Result<()> {
        self.live.reload()?;
        Ok(())
    }

    /// Renews the coordinator's own certificate if half its life is over; it does so by itself
    /// within seconds, too.
    ///
    /// # Errors
    /// When it cannot be issued; the old one stays.
    pub fn renew_own(&self) -> anyhow::Result<()> {
        self.live.renew_own()?;
        Ok(())
    }

    /// Waits until it is to be stopped and started again: its data begin a new life.
    pub fn again(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut again = self.again.clone();
        async move {
            if again.wait_for(|again| *again).await.is_err() {
                // Nobody is left who could ask.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits until a part ends by itself, which none should.
    pub async fn failed(&mut self) -> anyhow::Error {
        match self.tasks.join_next().await {
            Some(Ok(Err(e))) => e,
            Some(Err(e)) => anyhow::Error::new(e).context("a part of the coordinator panicked"),
            Some(Ok(Ok(()))) | None => anyhow::anyhow!("a part of the coordinator ended"),
        }
    }

    /// Stops: verdicts end first, agents are told, what was accepted is written, the store is
    /// closed.
    pub async fn stop(mut self) {
        self.driving.abort();
        self.observing.abort();
        self.services.table.cut_all(&Cut::Stopping);
        let _ = self.stop.send(true);
        let name = &self.services.facts.coordinator;
        let message = format!("coordinator {name} stops; servers go on as they are");
        self.services
            .feed
            .fleet(Severity::Info, "CoordinatorStopped", message);
        let served = async {
            // The driver's end and the observer's come first, the server's next.
            while let Some(ended) = self.tasks.join_next().await {
                if matches!(ended, Ok(Ok(()))) {
                    return;
                }
            }
        };
        if tokio::time::timeout(Duration::from_secs(5), served)
            .await
            .is_err()
        {
            tracing::warn!("some calls did not end within 5 s; stopping all the same");
        }
        if !self.services.feed.flushed(Duration::from_secs(2)).await {
            tracing::warn!("the last events could not be written within 2 s");
        }
        self.tasks.shutdown().await;
    }
}
