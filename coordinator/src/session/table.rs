//! The open sessions, one an identity.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use h8lio_model::audit::AuditHead;
use h8lio_model::ids::NodeId;
use h8lio_model::order::NodeOrder;
use h8lio_model::section::{Digest, SectionKind};
use h8lio_proto::convert::section_digest;
use h8lio_proto::v1;
use h8lio_proto::v1::ConnectResponse;
use h8lio_proto::v1::connect_response::Message;
use h8lio_tls::bundle::TrustBundle;
use tokio::sync::{mpsc, watch};
use tonic::Status;

use super::admit::Claim;
use crate::rpc::authz::bundle_to_wire;

/// What goes down to an agent; an error ends the stream with that status. Boxed: a queue has room
/// for 32 of them from its first message on, and they are large and rare.
pub type Down = Box<Result<ConnectResponse, Status>>;

/// Wraps a message for the way down.
pub fn down(message: Message) -> Down {
    Box::new(Ok(ConnectResponse {
        message: Some(message),
    }))
}

/// Why a session is ended by the coordinator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// A newer session of the same server took over.
    Replaced,
    /// The identity was banned or decommissioned; the text names who and why.
    Barred(String),
    /// The coordinator stops.
    Stopping,
}

/// One open session, as others see it.
#[derive(Debug)]
pub struct Open {
    pub claim: Claim,
    /// The agent's wall clock when it greeted, milliseconds.
    pub greeted_ms: i64,
    /// Beats of *this* session; tells a clone's old session from a rebooted server's.
    pub beats: std::sync::atomic::AtomicU64,
    /// Messages to the agent; bounded, and full only when the agent does not read.
    pub down: mpsc::Sender<Down>,
    /// The agent was greeted: before that it takes anything else for a mistake and leaves.
    welcomed: AtomicBool,
    /// What its ledger says was told or confirmed in *this* session.
    told_orders: AtomicBool,
    cut: watch::Sender<Option<Cut>>,
}

impl Open {
    /// A session and the receiver that tells it to end.
    pub fn new(
        claim: Claim,
        greeted_ms: i64,
        down: mpsc::Sender<Down>,
    ) -> (Arc<Self>, watch::Receiver<Option<Cut>>) {
        let (cut, cut_here) = watch::channel(None);
        let open = Self {
            claim,
            greeted_ms,
            beats: std::sync::atomic::AtomicU64::new(0),
            down,
            welcomed: AtomicBool::new(false),
            told_orders: AtomicBool::new(false),
            cut,
        };
        (Arc::new(open), cut_here)
    }

    /// Tells the agent what became of its sections. An agent that does not read misses it and
    /// sends again.
    pub fn receipt(&self, received: &[(SectionKind, Digest)], refused: Vec<(SectionKind, String)>) {
        let refused = refused.into_iter().map(|(kind, why)| v1::receipt::Refused {
            kind: kind as i32,
            why,
        });
        self.tell(Message::Receipt(v1::Receipt {
            received: received
                .iter()
                .map(|(k, d)| section_digest(*k, *d))
                .collect(),
            refused: refused.collect(),
        }));
    }

    /// Tells the agent that its identity may do nothing new, and why; or, with `None`, that it
    /// may again.
    pub fn restrict(&self, why: Option<String>) {
        let lifted = why.is_none();
        let explanation = why.unwrap_or_default();
        self.tell(Message::Restricted(v1::Restricted {
            explanation,
            lifted,
        }));
    }

    /// Sends the agent an order; `false` when it was not greeted yet or does not read. Whether it
    /// arrives is told by the agent's next report alone.
    pub fn order(&self, order: &NodeOrder) -> bool {
        // Texts, numbers, lists and maps with text keys: this form always exists.
        let body = serde_json::to_vec(order).unwrap_or_default();
        self.tell(Message::Order(v1::Order { body }))
    }

    /// Notes that a section of this kind was told, or found to be held here already.
    pub fn told(&self, kind: SectionKind) {
        if kind == SectionKind::Orders {
            self.told_orders.store(true, Ordering::Release);
        }
    }

    /// Whether what is held of its ledger is what this session says. What an earlier one said may
    /// be about a ledger that was lost since.
    pub fn has_told_orders(&self) -> bool {
        self.told_orders.load(Ordering::Acquire)
    }

    fn tell(&self, message: Message) -> bool {
        // A full queue means an agent that does not read: its keepalive ends it.
        self.welcomed.load(Ordering::Relaxed) && self.down.try_send(down(message)).is_ok()
    }

    /// Ends the session; the first reason stands.
    pub fn cut(&self, why: Cut) {
        self.cut.send_if_modified(|slot| {
            let first = slot.is_none();
            if first {
                *slot = Some(why);
            }
            first
        });
    }
}

/// All open sessions.
#[derive(Debug, Default)]
pub struct SessionTable {
    open: Mutex<HashMap<NodeId, Arc<Open>>>,
}

impl SessionTable {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<NodeId, Arc<Open>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The open session of a node.
    pub fn get(&self, node: NodeId) -> Option<Arc<Open>> {
        self.lock().get(&node).cloned()
    }

    /// Puts `new` in place if the present session is still `expected`; answers what is there
    /// otherwise.
    pub fn put(
        &self,
        node: NodeId,
        expected: Option<&Arc<Open>>,
        new: Arc<Open>,
    ) -> Result<(), Option<Arc<Open>>> {
        let mut open = self.lock();
        let present = open.get(&node);
        let same = match (present, expected) {
            (None, _) => true,
            (Some(p), Some(e)) => Arc::ptr_eq(p, e),
            (Some(_), None) => false,
        };
        if !same {
            return Err(present.cloned());
        }
        open.insert(node, new);
        Ok(())
    }

    /// Takes a session out; `false` when another has taken its place.
    pub fn remove(&self, node: NodeId, session: &Arc<Open>) -> bool {
        let mut open = self.lock();
        let ours = open.get(&node).is_some_and(|o| Arc::ptr_eq(o, session));
        if ours {
            open.remove(&node);
        }
        ours
    }

    /// Ends the session of a node, if one is open.
    pub fn cut(&self, node: NodeId, why: Cut) {
        if let Some(open) = self.get(node) {
            open.cut(why);
        }
    }

    /// Ends all sessions.
    pub fn cut_all(&self, why: &Cut) {
        for open in self.lock().values() {
            open.cut(why.clone());
        }
    }

    /// Greets the agent of a session. `greeting` is made while nobody else speaks: what is told to
    /// all is either in it or comes after it.
    pub fn welcome(&self, open: &Open, greeting: impl FnOnce() -> Message) {
        let _quiet = self.lock();
        let _ = open.down.try_send(down(greeting()));
        open.welcomed.store(true, Ordering::Relaxed);
    }

    /// As [`Open::restrict`], for the agent of a node; its greeting says the same.
    pub fn restrict(&self, node: NodeId, why: Option<String>) {
        if let Some(open) = self.lock().get(&node) {
            open.restrict(why);
        }
    }

    /// Sends `message` to every agent that was greeted and reads.
    pub fn broadcast(&self, message: &Message) {
        for open in self.lock().values() {
            open.tell(message.clone());
        }
    }

    /// Shows all agents a new head of the audit log: they are its witnesses.
    pub fn tell_head(&self, head: AuditHead) {
        self.broadcast(&Message::AuditHead(head.into()));
    }

    /// Sends all agents the new roots, and asks them to fetch certificates of the new authority.
    pub fn tell_bundle(&self, bundle: &TrustBundle) {
        self.broadcast(&Message::TrustBundle(bundle_to_wire(bundle)));
        self.broadcast(&Message::RenewNow(v1::RenewNow {}));
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use h8lio_model::ids::{AgentInstance, BootId, Rotation};
    use h8lio_proto::v1;
    use uuid::Uuid;

    #[test]
    fn nothing_is_told_to_an_agent_before_its_welcome() {
        let (send, mut receive) = mpsc::channel(4);
        let claim = Claim {
            boot_id: BootId(Uuid::from_u128(1)),
            instance: AgentInstance(Uuid::from_u128(1)),
            rotation: Rotation(1),
        };
        let (open, _cut) = Open::new(claim, 0, send);
        let table = SessionTable::default();
        let node = NodeId::new(Uuid::from_u128(1));
        table.put(node, None, Arc::clone(&open)).expect("free");
        let renew = Message::RenewNow(v1::RenewNow {});
        table.broadcast(&renew);
        table.restrict(node, None);
        table.welcome(&open, || Message::Welcome(v1::Welcome::default()));
        table.broadcast(&renew);
        let mut said = || receive.try_recv().ok()?.ok()?.message;
        assert!(matches!(said(), Some(Message::Welcome(_))));
        assert!(matches!(said(), Some(Message::RenewNow(_))));
        assert_eq!(said(), None);
    }
}
