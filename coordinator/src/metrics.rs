//! Prometheus metrics, and the counters behind them.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use h8lio_model::lifecycle::{Admission, Availability};
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry as Metrics, Unit};

use tokio::net::TcpListener;

use crate::accept::counters::{Counters as AcceptCounters, Snapshot};
use crate::gather::ingest::Ingest;
use crate::rpc::services::Services;
use crate::session::counters::Counters;

/// Everything that is asked when somebody scrapes.
#[derive(Debug, Clone)]
pub struct Sources {
    pub services: Arc<Services>,
    pub counters: Arc<Counters>,
    pub accept: Arc<AcceptCounters>,
    pub ingest: Arc<Ingest>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AvailabilityLabel {
    availability: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AdmissionLabel {
    admission: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: Word,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Word(&'static str);

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        encoder.write_str(self.0)
    }
}

/// All metrics as text, read at this moment.
///
/// # Errors
/// When formatting fails.
pub fn render(sources: &Sources) -> Result<String, std::fmt::Error> {
    let s = &sources.services;
    let mut metrics = Metrics::with_prefix("h8lio");
    let available = Family::<AvailabilityLabel, Gauge>::default();
    let admitted = Family::<AdmissionLabel, Gauge>::default();
    for a in Availability::ALL {
        available
            .get_or_create(&AvailabilityLabel {
                availability: Word(a.as_str()),
            })
            .set(0);
    }
    for a in Admission::ALL {
        admitted
            .get_or_create(&AdmissionLabel {
                admission: Word(a.as_str()),
            })
            .set(0);
    }
    for node in s.registry.all() {
        let admission = node.record().value.admission;
        admitted
            .get_or_create(&AdmissionLabel {
                admission: Word(admission.as_str()),
            })
            .inc();
        if admission == Admission::Enrolled {
            let word = Word(node.verdict().availability.as_str());
            available
                .get_or_create(&AvailabilityLabel { availability: word })
                .inc();
        }
    }
    metrics.register("nodes", "Nodes by admission", admitted);
    metrics.register(
        "nodes_available",
        "Enrolled nodes by availability",
        available,
    );
    gauge(
        &mut metrics,
        "sessions",
        "Open sessions of agents",
        s.table.len() as i64,
    );
    let backlog = sources.ingest.backlog() as i64;
    gauge(
        &mut metrics,
        "sections_waiting",
        "Nodes whose sections wait for the store",
        backlog,
    );
    let stalled = s.health.stalled_for(s.clock.mono()).as_secs_f64();
    let stall = Gauge::<f64, std::sync::atomic::AtomicU64>::default();
    stall.set(stalled);
    metrics.register_with_unit(
        "store_stalled",
        "How long writes have been waiting or failing",
        Unit::Seconds,
        stall,
    );
    let (transactions, failures) = s.health.counts();
    counter(
        &mut metrics,
        "beats",
        "Beats received",
        sources.counters.beats.load(Ordering::Relaxed),
    );
    counter(
        &mut metrics,
        "store_transactions",
        "Transactions answered",
        transactions,
    );
    counter(
        &mut metrics,
        "store_failures",
        "Transactions answered with an error",
        failures,
    );
    counter(
        &mut metrics,
        "audit_entries",
        "Entries of the audit log",
        s.audit.heads().borrow().seq,
    );
    connections(&mut metrics, &sources.accept.snapshot());
    let mut text = String::new();
    encode(&mut text, &metrics)?;
    Ok(text)
}

fn connections(metrics: &mut Metrics, seen: &Snapshot) {
    counter(
        metrics,
        "connections_accepted",
        "Connections that became callers",
        seen.accepted,
    );
    counter(
        metrics,
        "connections_resumed",
        "Of them, TLS sessions resumed",
        seen.resumed,
    );
    gauge(
        metrics,
        "connections_open",
        "Connections open",
        seen.open as i64,
    );
    gauge(
        metrics,
        "handshakes_pending",
        "Handshakes in progress",
        seen.pending as i64,
    );
    let refused = Family::<ReasonLabel, Counter>::default();
    for (reason, count) in &seen.refused {
        let label = ReasonLabel {
            reason: Word(reason.as_str()),
        };
        refused.get_or_create(&label).inc_by(*count);
    }
    metrics.register(
        "connections_refused",
        "Connections that did not become callers",
        refused,
    );
}

fn gauge(metrics: &mut Metrics, name: &str, help: &str, value: i64) {
    let g: Gauge = Gauge::default();
    g.set(value);
    metrics.register(name, help, g);
}

fn counter(metrics: &mut Metrics, name: &str, help: &str, value: u64) {
    metrics.register(name, help, ConstCounter::new(value));
}

/// Serves `/metrics` and `/healthz` until the future is dropped.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(listener: TcpListener, sources: Sources) -> std::io::Result<()> {
    let app = Router::new()
        .route("/metrics", get(scrape))
        .route("/healthz", get(|| async { "ok\n" }))
        .with_state(sources);
    axum::serve(listener, app).await
}

async fn scrape(State(sources): State<Sources>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match render(&sources) {
        Ok(text) => (StatusCode::OK, [(header::CONTENT_TYPE, kind)], text),
        Err(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            [(header::CONTENT_TYPE, "text/plain")],
            "metrics cannot be written\n".to_owned(),
        ),
    }
}
