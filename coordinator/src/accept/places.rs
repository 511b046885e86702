//! Who holds the open connections: no address and no identity may hold them all.
//!
//! A full holder gives up a connection of its own, an unused one first: what a peer left behind
//! when its network broke must not keep out the same peer that dials anew. When strangers hold all
//! places that there are for them, the address that has the most gives one up.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use h8lio_model::ids::{NodeId, OperatorName};
use tokio::sync::oneshot;

use super::Reason;
use super::calls::Calls;
use crate::pki::caller::Caller;

/// Connections of one node: one is in use, one replaces it at a renewal, and some may be dead and
/// not known to be.
const PER_NODE: usize = 8;
/// Connections of one operator: each `h8lctl` that runs has one.
const PER_OPERATOR: usize = 64;

/// A connection that made no call for this long after it was opened is not about to make one.
const UNUSED: Duration = Duration::from_secs(1);

/// For whom a connection counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Holder {
    /// No certificate: the address; of IPv6 the network of one site (RFC 6177).
    Stranger(IpAddr),
    Node(NodeId),
    Operator(OperatorName),
}

impl Holder {
    pub(super) fn of(caller: &Caller, source: IpAddr) -> Self {
        match caller {
            Caller::Anonymous => Self::Stranger(network(source)),
            Caller::Node { id, .. } => Self::Node(*id),
            Caller::Operator { name, .. } => Self::Operator(name.clone()),
        }
    }
}

/// One host can have all addresses of its /64.
fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// The limits for connections without a certificate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caps {
    pub(super) strangers: usize,
    pub(super) strangers_per_source: usize,
}

/// The table.
#[derive(Debug)]
pub(super) struct Places {
    caps: Caps,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    held: HashMap<Holder, Vec<Entry>>,
    strangers: usize,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    since: Duration,
    calls: Arc<Calls>,
    cut: oneshot::Sender<()>,
}

/// A place in the table; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    holder: Holder,
    id: u64,
}

impl Places {
    pub(super) fn new(caps: Caps) -> Arc<Self> {
        Arc::new(Self {
            caps,
            table: Mutex::default(),
        })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection that was opened at `now` (monotonic), and what tells it that it
    /// has lost the place to another one.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn take(
        self: &Arc<Self>,
        holder: Holder,
        calls: &Arc<Calls>,
        now: Duration,
    ) -> Result<(Place, oneshot::Receiver<()>), Reason> {
        let (cut, lost) = oneshot::channel();
        let mut table = self.table();
        self.make_room(&mut table, &holder, now)?;
        let id = table.next;
        table.next += 1;
        if matches!(holder, Holder::Stranger(_)) {
            table.strangers += 1;
        }
        table.held.entry(holder.clone()).or_default().push(Entry {
            id,
            since: now,
            calls: Arc::clone(calls),
            cut,
        });
        drop(table);
        let places = Arc::clone(self);
        Ok((Place { places, holder, id }, lost))
    }

    fn make_room(&self, table: &mut Table, holder: &Holder, now: Duration) -> Result<(), Reason> {
        let own = table.held.get(holder).map_or(0, Vec::len);
        match holder {
            Holder::Node(_) if own >= PER_NODE => {
                // Young or not: the one that carries its session must be the last to go.
                let victim = table
                    .idle(holder, Duration::ZERO, now)
                    .or_else(|| table.oldest(holder));
                table.evict(holder, victim);
            }
            Holder::Operator(_) if own >= PER_OPERATOR => {
                let victim = table
                    .idle(holder, UNUSED, now)
                    .ok_or(Reason::IdentityFull)?;
                table.evict(holder, Some(victim));
            }
            Holder::Stranger(_) if own >= self.caps.strangers_per_source => {
                let victim = table
                    .idle(holder, UNUSED, now)
                    .ok_or(Reason::AnonymousSourceFull)?;
                table.evict(holder, Some(victim));
            }
            Holder::Stranger(_) if table.strangers >= self.caps.strangers => {
                let fullest = table.fullest_source().filter(|(_, n)| *n > own + 1);
                let (fullest, _) = fullest.ok_or(Reason::AnonymousFull)?;
                let victim = table
                    .idle(&fullest, UNUSED, now)
                    .or_else(|| table.oldest(&fullest));
                table.evict(&fullest, victim);
            }
            Holder::Node(_) | Holder::Operator(_) | Holder::Stranger(_) => {}
        }
        Ok(())
    }
}

impl Table {
    /// The oldest connection of a holder that has no call under way and is at least of this age.
    fn idle(&self, holder: &Holder, age: Duration, now: Duration) -> Option<u64> {
        let idle = |e: &&Entry| e.calls.is_idle() && now.saturating_sub(e.since) >= age;
        self.held.get(holder)?.iter().find(idle).map(|e| e.id)
    }

    fn oldest(&self, holder: &Holder) -> Option<u64> {
        self.held.get(holder)?.first().map(|e| e.id)
    }

    fn fullest_source(&self) -> Option<(Holder, usize)> {
        let strangers = self.held.iter().filter_map(|(holder, held)| {
            matches!(holder, Holder::Stranger(_)).then_some((holder, held.len()))
        });
        let (holder, most) = strangers.max_by_key(|(_, n)| *n)?;
        Some((holder.clone(), most))
    }

    fn evict(&mut self, holder: &Holder, victim: Option<u64>) {
        if let Some(entry) = victim.and_then(|id| self.leave(holder, id)) {
            // Its connection may have ended just now.
            let _ = entry.cut.send(());
        }
    }

    fn leave(&mut self, holder: &Holder, id: u64) -> Option<Entry> {
        let held = self.held.get_mut(holder)?;
        let at = held.iter().position(|e| e.id == id)?;
        let entry = held.remove(at);
        if held.is_empty() {
            self.held.remove(holder);
        }
        if matches!(holder, Holder::Stranger(_)) {
            self.strangers -= 1;
        }
        Some(entry)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.table().leave(&self.holder, self.id);
    }
}

#[cfg(test)]
#[path = "places_tests.rs"]
mod tests;
