//! What goes on beside the calls, for as long as the coordinator runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use h8lio_tls::bundle::TrustBundle;
use tokio::sync::watch;

use crate::local_operator::{self, Notes};
use crate::outage::NOTE_EVERY;
use crate::pki::acknowledge;
use crate::pki::live::LivePki;
use crate::rpc::services::Services;

/// How often the report about a rotation under way is looked at.
const REPORT_ROTATION_EVERY: Duration = Duration::from_secs(5);

/// Ends leases, and notes every few minutes that a coordinator lived.
pub(super) async fn beat_store(services: Arc<Services>) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut noted = services.clock.mono();
    loop {
        tick.tick().await;
        if let Err(error) = services.store.tick().await {
            tracing::debug!(%error, "leases could not be ended; trying again");
        }
        let now = services.clock.mono();
        let failing = services.health.failure().is_some();
        if now.saturating_sub(noted) >= NOTE_EVERY || failing {
            // While writes fail this is also the probe that notices their return.
            noted = now;
            if let Err(error) = services.outages.note().await {
                tracing::warn!(%error, "the store takes no writes; reading goes on");
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        }
    }
}

/// Writes when the observer wants to know whether the store still does. One that stalls keeps this
/// write, which is how that is noticed.
pub(super) async fn probe_store(services: Arc<Services>) {
    loop {
        services.health.doubted().await;
        if let Err(error) = services.outages.note().await {
            tracing::debug!(%error, "the store was asked for a sign of life and gives none");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// Takes over operators that are made on this machine while the coordinator runs.
pub(super) async fn take_notes(services: Arc<Services>, notes: Notes) {
    loop {
        tokio::time::sleep(local_operator::LOOK_EVERY).await;
        if notes.take_over().await
            && let Err(error) = services.operators.reload().await
        {
            tracing::warn!(%error, "the operators cannot be read again");
        }
    }
}

/// Shows every new audit head to all agents, at most once a second: they are its witnesses.
pub(super) async fn publish_heads(services: Arc<Services>) {
    let mut heads = services.audit.heads();
    while heads.changed().await.is_ok() {
        let head = *heads.borrow_and_update();
        services.table.tell_head(head);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Sends every agent the new roots, and asks it to fetch a certificate of the new authority.
pub(super) async fn publish_bundles(
    services: Arc<Services>,
    mut bundles: watch::Receiver<Arc<TrustBundle>>,
) {
    while bundles.changed().await.is_ok() {
        let bundle = Arc::clone(&bundles.borrow_and_update());
        services.table.tell_bundle(&bundle);
    }
}

/// While the authority is being rotated, writes down who still needs the old root, for
/// `ca rotate finish`.
pub(super) async fn report_rotation(services: Arc<Services>, live: Arc<LivePki>, path: PathBuf) {
    let mut last = None;
    loop {
        tokio::time::sleep(REPORT_ROTATION_EVERY).await;
        let Some(under_way) = live.under_way() else {
            continue;
        };
        let nodes = services.registry.all();
        let operators = services.operators.list();
        let now = services.clock.now();
        let report = acknowledge::report(&live.authority(), under_way, &nodes, &operators, now);
        let said = Some((report.bundle, report.known, report.waiting.clone()));
        if said == last {
            continue;
        }
        match report.write(&path) {
            Ok(()) => last = said,
            Err(error) => {
                tracing::warn!(%error, "cannot write who is ready for the end of the rotation");
            }
        }
    }
}
