//! What the services share.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use h8lio_model::ids::{FleetName, Incarnation};
use h8lio_model::operator::OperatorRole;
use jiff::Timestamp;
use tokio::sync::watch;
use tonic::{Request, Status};

use super::authz::{self, OperatorCaller};
use crate::audit::AuditLog;
use crate::bans::BanFile;
use crate::clock::Clock;
use crate::events::EventLog;
use crate::feed::Feed;
use crate::maintenance::Maintenance;
use crate::operators::Operators;
use crate::outage::Outages;
use crate::pki::AuthorityCell;
use crate::quarantine::Quarantine;
use crate::registry::Registry;
use crate::session::table::SessionTable;
use crate::store::Store;
use crate::store::health::StoreHealth;

/// Handles to the coordinator's parts.
#[derive(Debug)]
pub struct Services {
    pub store: Arc<dyn Store>,
    pub health: Arc<StoreHealth>,
    pub registry: Arc<Registry>,
    pub operators: Arc<Operators>,
    pub audit: Arc<AuditLog>,
    pub bans: Arc<BanFile>,
    pub events: EventLog,
    pub feed: Arc<Feed>,
    pub table: Arc<SessionTable>,
    pub quarantine: Arc<Quarantine>,
    pub authority: AuthorityCell,
    pub clock: Arc<dyn Clock>,
    pub outages: Arc<Outages>,
    pub maintenance: Arc<Maintenance>,
    /// Becomes true when the coordinator stops: endless answers end.
    pub stopping: watch::Receiver<bool>,
    pub facts: Facts,
}

impl Services {
    /// The operator behind a call that only reads.
    ///
    /// # Errors
    /// When the caller is not an operator.
    pub fn viewer<T>(&self, request: &Request<T>) -> Result<OperatorCaller, Status> {
        authz::operator(
            request,
            &self.operators,
            OperatorRole::Viewer,
            self.clock.now(),
        )
    }
}

/// What does not change while the coordinator runs.
#[derive(Debug, Clone)]
pub struct Facts {
    pub fleet: FleetName,
    pub coordinator: String,
    pub advertise: Vec<String>,
    pub incarnation: Incarnation,
    pub epoch: u64,
    pub started_at: Timestamp,
    pub node_certificate: Duration,
    pub recovery_limit: Duration,
    pub warm_up: Duration,
    pub beat: Duration,
    /// Names of the health checks that rollouts may ask for.
    pub health_checks: BTreeSet<String>,
}
