//! The start of a session is stored: which certificate was used, which boot it is. Until then this
//! coordinator knows and the next one would not, so it is tried until it is done.

use std::sync::{Arc, Weak};
use std::time::Duration;

use h8lio_model::session::STORE_BEFORE_WELCOME;
use tokio::sync::oneshot;

use super::service::Sessions;
use crate::registry::Node;

/// First and longest pause between two attempts.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

impl Sessions {
    /// Stores the start of a session, and comes back after the first attempt: a store that fails
    /// or does not answer must not keep a server from beating.
    pub(super) async fn store_start(self: &Arc<Self>, node: &Arc<Node>) {
        let (tried, first) = oneshot::channel();
        tokio::spawn(store(Arc::downgrade(self), Arc::clone(node), tried));
        let first = tokio::time::timeout(STORE_BEFORE_WELCOME, first);
        if first.await.is_err() {
            tracing::warn!(node = %node.record().value.name, "the store is slow; the start of a session is not stored yet");
        }
    }
}

/// Tries until it is done, or the coordinator stops. One for each node goes on after a failure:
/// it stores whatever is the newest then.
async fn store(sessions: Weak<Sessions>, node: Arc<Node>, tried: oneshot::Sender<()>) {
    let Some(failure) = attempt(&sessions, &node).await else {
        let _ = tried.send(());
        return;
    };
    let _ = tried.send(());
    if !node.begin_storing() {
        return;
    }
    let name = node.record().value.name.clone();
    tracing::warn!(node = %name, error = %failure, "cannot store the start of a session; trying again");
    let mut pause = PAUSE.0;
    loop {
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE.1);
        if attempt(&sessions, &node).await.is_some() {
            continue;
        }
        node.end_storing();
        // Told after the attempt and before its end: nobody else tries.
        if !node.is_behind() || !node.begin_storing() {
            return;
        }
    }
}

/// What went wrong; `None`: it is stored, or nobody wants it any more.
async fn attempt(sessions: &Weak<Sessions>, node: &Node) -> Option<crate::registry::RegistryError> {
    let sessions = sessions.upgrade()?;
    let now = sessions.clock.now();
    sessions.registry.store_start(node, now).await.err()
}
