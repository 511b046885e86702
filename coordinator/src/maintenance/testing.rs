//! A store that can be cut off anywhere, and servers that follow orders as an agent does.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use h8lio_model::ids::{AgentInstance, BootId, NodeId, Rotation};
use h8lio_model::inventory::{
    DomainMode, ManagerFacts, OsFacts, OsdFacts, PackageFacts, RuntimeFacts, WayBack,
};
use h8lio_model::lifecycle::Availability;
use h8lio_model::order::{
    AttemptId, AttemptReport, LedgerId, NodeOrder, OrderMark, OrderReport, Outcome, Running,
    SafePoint, Verdict, weigh,
};
use h8lio_model::section::{Section, SectionKind};
use h8lio_proto::v1::connect_response::Message;
use serde::Serialize;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::clock::{Clock as _, ManualClock};
use crate::registry::records::{self, section_key};
use crate::registry::{self, Node, StoredSection};
use crate::session::admit::Claim;
use crate::session::table::{Down, Open, SessionTable};
use crate::store::{
    KeyRange, KeyValue, Lease, LeaseId, Op, RangePage, Revision, Store, StoreError, Txn, TxnResult,
    WatchStream,
};

/// How writes end from a point on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// That write and all after it are not done: the process died before it.
    Before,
    /// That write is done and nobody hears of it; none after it is done.
    After,
    /// That write is done and its answer is lost; those after it go well.
    Unheard,
    /// All are refused.
    Full,
    /// None is answered.
    Stalls,
}

/// A store whose writes are cut off after so many.
#[derive(Debug)]
pub(crate) struct Fragile {
    inner: Arc<dyn Store>,
    fuse: Mutex<Option<(u32, Cut)>>,
}

impl Fragile {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Arc<Self> {
        let fuse = Mutex::new(None);
        Arc::new(Self { inner, fuse })
    }

    /// `None`: all goes well.
    pub(crate) fn set(&self, fuse: Option<(u32, Cut)>) {
        *self.fuse.lock().unwrap_or_else(PoisonError::into_inner) = fuse;
    }

    /// Whether the cut has been reached.
    pub(crate) fn is_cut(&self) -> bool {
        let fuse = self.fuse.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(*fuse, Some((0, _)))
    }

    /// Counts a write; answers how it ends.
    fn count(&self) -> Option<(Cut, bool)> {
        let mut fuse = self.fuse.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, cut) = (*fuse)?;
        match left {
            0 => Some((cut, false)),
            1 => {
                *fuse = (cut != Cut::Unheard).then_some((0, cut));
                Some((cut, true))
            }
            _ => {
                *fuse = Some((left - 1, cut));
                None
            }
        }
    }
}

fn lost() -> StoreError {
    StoreError::Io {
        store: "a test's store".to_owned(),
        detail: "cut off".to_owned(),
    }
}

#[async_trait]
impl Store for Fragile {
    async fn revision(&self) -> Result<Revision, StoreError> {
        self.inner.revision().await
    }

    async fn get(&self, key: &str) -> Result<Option<KeyValue>, StoreError> {
        self.inner.get(key).await
    }

    async fn range(&self, range: KeyRange, limit: usize) -> Result<RangePage, StoreError> {
        self.inner.range(range, limit).await
    }

    async fn txn(&self, txn: Txn) -> Result<TxnResult, StoreError> {
        match self.count() {
            None => self.inner.txn(txn).await,
            Some((Cut::After | Cut::Unheard, true)) => {
                self.inner.txn(txn).await?;
                Err(lost())
            }
            Some((Cut::Stalls, _)) => std::future::pending().await,
            Some((Cut::Full, _)) => Err(StoreError::Full {
                store: "a test's store".to_owned(),
            }),
            Some(_) => Err(lost()),
        }
    }

    async fn watch(&self, range: KeyRange, from: Revision) -> Result<WatchStream, StoreError> {
        self.inner.watch(range, from).await
    }

    async fn compact(&self, upto: Revision) -> Result<(), StoreError> {
        self.inner.compact(upto).await
    }

    async fn lease_grant(&self, ttl: Duration) -> Result<Lease, StoreError> {
        self.inner.lease_grant(ttl).await
    }

    async fn lease_keep_alive(&self, id: LeaseId) -> Result<Duration, StoreError> {
        self.inner.lease_keep_alive(id).await
    }

    async fn lease_revoke(&self, id: LeaseId) -> Result<(), StoreError> {
        self.inner.lease_revoke(id).await
    }

    async fn tick(&self) -> Result<(), StoreError> {
        self.inner.tick().await
    }
}

/// A server whose agent keeps a ledger by the rule, and whose attempts end when the test says so.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) id: NodeId,
    pub(crate) boot: BootId,
    pub(crate) ledger: LedgerId,
    /// The highest order that was accepted.
    pub(crate) accepted: Option<OrderMark>,
    pub(crate) running: Option<AttemptId>,
    pub(crate) ends: Vec<AttemptReport>,
    /// Attempts that were ever begun here.
    pub(crate) begun: BTreeSet<AttemptId>,
    /// How many orders came, repeats among them.
    pub(crate) received: usize,
    session: Option<(Arc<Open>, mpsc::Receiver<Down>)>,
}

impl Server {
    pub(crate) fn new(number: u128) -> Self {
        Self {
            id: id(number),
            boot: BootId(Uuid::from_u128(number + 1_000)),
            ledger: LedgerId(Uuid::from_u128(number + 2_000)),
            accepted: None,
            running: None,
            ends: Vec::new(),
            begun: BTreeSet::new(),
            received: 0,
            session: None,
        }
    }

    /// A new session. Its ledger was not heard in it yet.
    pub(crate) fn connect(&mut self, table: &SessionTable) {
        self.disconnect(table);
        let (send, receive) = mpsc::channel(64);
        let claim = Claim {
            boot_id: self.boot,
            instance: AgentInstance(Uuid::from_u128(7)),
            rotation: Rotation(1),
        };
        let (open, _cut) = Open::new(claim, 0, send);
        table.put(self.id, None, Arc::clone(&open)).expect("free");
        table.welcome(&open, || Message::Welcome(Default::default()));
        self.session = Some((open, receive));
    }

    pub(crate) fn disconnect(&mut self, table: &SessionTable) {
        if let Some((open, _)) = self.session.take() {
            table.remove(self.id, &open);
        }
    }

    /// Reports what its ledger says.
    pub(crate) fn say(&self, node: &Node, clock: &ManualClock) {
        let Some((open, _)) = &self.session else {
            return;
        };
        let report = OrderReport {
            ledger: self.ledger,
            effective: self.accepted,
            pending: None,
            running: self.running.map(|attempt| Running {
                attempt,
                step: "apply".to_owned(),
                safe_point: SafePoint::Finish,
                since: clock.now(),
                doing: None,
            }),
            attempts: self.ends.clone(),
            last_ended: self.ends.last().map(|e| e.attempt),
            holds: Vec::new(),
            refused: None,
        };
        let section = Section::encode(SectionKind::Orders, &report).expect("encodes");
        node.set_volatile(SectionKind::Orders, section.body.into());
        node.set_digest(SectionKind::Orders, section.digest, clock.now());
        open.told(SectionKind::Orders);
    }

    /// Takes the orders that came, and begins what they give leave for.
    pub(crate) fn receive(&mut self) {
        while let Some(order) = self.next_order() {
            self.received += 1;
            let verdict = weigh(self.id, self.ledger, self.accepted.as_ref(), &order);
            match verdict {
                Ok(Verdict::Newer) => self.accepted = Some(order.mark()),
                Ok(Verdict::Repeat) => continue,
                Err(refusal) => panic!("{} refused an order: {refusal}", self.id),
            }
            for ticket in &order.content.tickets {
                let is_new = !self.ends.iter().any(|end| end.attempt == ticket.attempt);
                if is_new && self.running != Some(ticket.attempt) {
                    assert!(self.begun.insert(ticket.attempt), "begun twice");
                    self.running = Some(ticket.attempt);
                }
            }
        }
    }

    fn next_order(&mut self) -> Option<NodeOrder> {
        let (_, receive) = self.session.as_mut()?;
        loop {
            let said = receive.try_recv().ok()?.expect("no end of the session");
            if let Some(Message::Order(order)) = said.message {
                return Some(serde_json::from_slice(&order.body).expect("an order"));
            }
        }
    }

    /// What runs comes to its end.
    pub(crate) fn finish(&mut self, outcome: Outcome) {
        let Some(attempt) = self.running.take() else {
            return;
        };
        if outcome == Outcome::Done {
            self.boot = BootId(Uuid::from_u128(self.boot.0.as_u128() + 10_000));
        }
        self.ends.push(end(attempt, outcome));
    }
}

pub(crate) fn end(attempt: AttemptId, outcome: Outcome) -> AttemptReport {
    AttemptReport {
        attempt,
        outcome,
        as_before: false,
        reason: "Tested".to_owned(),
        message: "the test said so".to_owned(),
        at: jiff::Timestamp::UNIX_EPOCH,
    }
}

pub(crate) fn id(number: u128) -> NodeId {
    NodeId::new(Uuid::from_u128(number))
}

/// Puts one enrolled server into the store: in rack `rack`, with nothing to say against a reboot.
pub(crate) async fn enroll(store: &dyn Store, number: u128, rack: &str, boot: BootId) {
    let mut record = registry::testing::record(number, &format!("s{number}"));
    record.topology = Some(format!("eu/par1/a/{rack}").parse().expect("a place"));
    registry::testing::put(store, &record).await;
    for (kind, body) in well(boot) {
        write_section(store, record.id, kind, body).await;
    }
}

/// Sections of a server that is ready for everything.
fn well(boot: BootId) -> Vec<(SectionKind, Section)> {
    let modes = [("patching".to_owned(), DomainMode::Act)];
    vec![
        section(SectionKind::Os, &os(boot)),
        section(SectionKind::Packages, &packages(boot, None)),
        section(SectionKind::Osds, &OsdFacts::default()),
        section(SectionKind::Runtime, &RuntimeFacts::default()),
        section(
            SectionKind::Managers,
            &ManagerFacts {
                modes: modes.into(),
                ..ManagerFacts::default()
            },
        ),
    ]
}

/// Nothing is offered, as read in this boot and after this attempt.
pub(crate) fn packages(boot: BootId, after: Option<AttemptId>) -> PackageFacts {
    PackageFacts {
        upgradable: Some(Vec::new()),
        interrupted: Some(false),
        boot_id: Some(boot),
        after,
        ..PackageFacts::default()
    }
}

pub(crate) fn os(boot: BootId) -> OsFacts {
    OsFacts {
        id: "debian".to_owned(),
        version: Some("12".to_owned()),
        boot_id: Some(boot),
        daemons: Some(BTreeSet::new()),
        way_back: Some(WayBack::Firmware),
        ..OsFacts::default()
    }
}

pub(crate) fn section<T: Serialize>(kind: SectionKind, facts: &T) -> (SectionKind, Section) {
    (kind, Section::encode(kind, facts).expect("encodes"))
}

pub(crate) async fn write_section(
    store: &dyn Store,
    node: NodeId,
    kind: SectionKind,
    section: Section,
) {
    let text = String::from_utf8(section.body).expect("UTF-8");
    let stored = StoredSection {
        digest: section.digest,
        at: jiff::Timestamp::UNIX_EPOCH,
        body: serde_json::value::RawValue::from_string(text).expect("JSON"),
    };
    let put = Op::put(section_key(node, kind), records::write(&stored));
    store
        .txn(Txn::default().then([put]))
        .await
        .expect("written");
}

/// The verdict about a node.
pub(crate) fn judge(node: &Node, availability: Availability) {
    let mut verdict = node.verdict();
    verdict.availability = availability;
    node.set_verdict(verdict);
}
