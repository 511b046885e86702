//! The loop: accept, bound, shake hands, find out who it is, hand over.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::HandshakeKind;
use rustls::time_provider::TimeProvider as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;

use super::Reason;
use super::calls::Calls;
use super::counters::Counters;
use super::pending::{Caps, Pending, Room};
use super::places::{self, Holder, Places};
use super::quiet::Quiet;
use super::stream::{Accepted, Ends, Peer};
use super::tls::{ClockTime, LiveTls};
use crate::clock::Clock;
use crate::config::Limits;
use crate::pki::caller::Caller;
use crate::pki::verifier::with_verdict;

/// Calls under way on a connection without a certificate: presenting a token is one.
const ANONYMOUS_CALLS: usize = 4;

/// Pause when the process has no file descriptor left for another connection.
const OUT_OF_DESCRIPTORS_PAUSE: Duration = Duration::from_millis(100);

/// Accepted connections waiting for tonic to take them.
const HAND_OVER: usize = 64;

/// Accepts connections on a listener.
#[derive(Debug)]
pub struct Acceptor {
    shared: Arc<Shared>,
    listener: TcpListener,
    connections: Arc<Semaphore>,
}

/// What an [`Acceptor`] is made of.
#[derive(Debug)]
pub struct AcceptorParts {
    pub listener: TcpListener,
    pub tls: Arc<LiveTls>,
    pub limits: Limits,
    pub counters: Arc<Counters>,
    pub clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Shared {
    tls: Arc<LiveTls>,
    limits: Limits,
    counters: Arc<Counters>,
    clock: Arc<dyn Clock>,
    pending: Mutex<Pending>,
    /// A handshake ended.
    left: Notify,
    places: Arc<Places>,
    quiet: Mutex<Quiet>,
}

impl Acceptor {
    /// Puts the parts together; nothing is accepted yet.
    pub fn new(parts: AcceptorParts) -> Self {
        let AcceptorParts {
            listener,
            tls,
            limits,
            counters,
            clock,
        } = parts;
        let caps = Caps {
            total: limits.pending_handshakes,
            per_source: limits.pending_handshakes_per_source,
        };
        let shared = Shared {
            tls,
            limits,
            counters,
            clock,
            pending: Mutex::new(Pending::new(caps)),
            left: Notify::new(),
            places: Places::new(places::Caps {
                strangers: limits.anonymous_connections,
                strangers_per_source: limits.anonymous_connections_per_source,
            }),
            quiet: Mutex::new(Quiet::default()),
        };
        Self {
            shared: Arc::new(shared),
            listener,
            connections: Arc::new(Semaphore::new(limits.connections)),
        }
    }

    /// Starts to accept. The stream is for `serve_with_incoming`; when it is dropped, accepting
    /// ends and the port is closed.
    pub fn incoming(self) -> ReceiverStream<Result<Accepted, Infallible>> {
        let (sender, receiver) = mpsc::channel(HAND_OVER);
        tokio::spawn(self.run(sender));
        ReceiverStream::new(receiver)
    }

    async fn run(self, sender: mpsc::Sender<Result<Accepted, Infallible>>) {
        loop {
            // Cancel-safe: `accept` hands out a connection or nothing, `closed` has no effect.
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = sender.closed() => return,
            };
            match accepted {
                Ok((tcp, address)) => self.start(tcp, address, &sender).await,
                Err(e) => self.shared.cannot_accept(&e).await,
            }
        }
    }

    /// Starts a handshake if there is room for it.
    async fn start(
        &self,
        tcp: TcpStream,
        address: SocketAddr,
        sender: &mpsc::Sender<Result<Accepted, Infallible>>,
    ) {
        let Ok(place) = Arc::clone(&self.connections).try_acquire_owned() else {
            self.shared.note(address, Reason::Full, None);
            return;
        };
        let Some(id) = self.shared.enter(address).await else {
            self.shared.note(address, Reason::SourceFull, None);
            return;
        };
        let (shared, sender) = (Arc::clone(&self.shared), sender.clone());
        let task = tokio::spawn(async move {
            let guard = Leave {
                shared: &shared,
                id,
            };
            let accepted = shared.admit(tcp, address, place).await;
            drop(guard);
            if let Some(accepted) = accepted {
                // Fails only when the server is shutting down.
                let _ = sender.send(Ok(accepted)).await;
            }
        });
        self.shared.pending().set_task(id, task.abort_handle());
    }
}

/// Takes a handshake out of the table, also when its task is aborted.
struct Leave<'a> {
    shared: &'a Shared,
    id: u64,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        let mut pending = self.shared.pending();
        pending.leave(self.id);
        self.shared.counters.set_pending(pending.len());
        drop(pending);
        self.shared.left.notify_one();
    }
}

impl Shared {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters the table of handshakes; `None` when the address has too many.
    async fn enter(&self, address: SocketAddr) -> Option<u64> {
        loop {
            let wait = {
                let mut pending = self.pending();
                let now = self.clock.mono();
                match pending.room(address.ip(), now) {
                    Room::Free => {
                        let id = pending.enter(address.ip(), now);
                        self.counters.set_pending(pending.len());
                        return Some(id);
                    }
                    Room::Evict(oldest) => {
                        // Its task may just have ended; then there is room all the same.
                        if let Some(task) = pending.leave(oldest) {
                            task.abort();
                            self.counters.count_refused(Reason::Evicted);
                        }
                        continue;
                    }
                    Room::SourceFull => return None,
                    Room::Wait(time) => time,
                }
            };
            // Meanwhile newcomers wait in the kernel's queue.
            let _ = tokio::time::timeout(wait, self.left.notified()).await;
        }
    }

    /// One handshake, to its end.
    async fn admit(
        &self,
        tcp: TcpStream,
        address: SocketAddr,
        place: OwnedSemaphorePermit,
    ) -> Option<Accepted> {
        // Fails only on a dead connection, which the handshake notices, too.
        let _ = tcp.set_nodelay(true);
        let acceptor = TlsAcceptor::from(self.tls.config());
        let handshake = with_verdict(acceptor.accept(tcp));
        let timed = tokio::time::timeout(self.limits.handshake_timeout, handshake);
        let (result, verdict) = match timed.await {
            Ok(done) => done,
            Err(_) => return self.refuse(address, Reason::Timeout, None),
        };
        let refusal = verdict
            .as_ref()
            .and_then(|v| v.as_ref().err())
            .map(ToString::to_string);
        let io = match result {
            Ok(io) => io,
            Err(e) => {
                let reason = Reason::of_handshake(&e);
                let cause = refusal.or_else(|| reason.wants_detail().then(|| e.to_string()));
                return self.refuse(address, reason, cause.as_deref());
            }
        };
        let resumed = io.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        let caller = match verdict {
            Some(Ok(caller)) => caller,
            Some(Err(_)) | None => match self.who(&io) {
                Ok(caller) => caller,
                Err(cause) => return self.refuse(address, Reason::Certificate, Some(&cause)),
            },
        };
        self.hand_over(io, address, caller, place, resumed)
    }

    /// Who it is when the verifier was not asked: nobody, or a session resumed. The chain of the
    /// first handshake is judged again, as roots may have gone and certificates may have ended.
    fn who(&self, io: &TlsStream<TcpStream>) -> Result<Caller, String> {
        let Some([leaf, rest @ ..]) = io.get_ref().1.peer_certificates() else {
            return Ok(Caller::Anonymous);
        };
        let now = ClockTime(Arc::clone(&self.clock)).current_time();
        let now = now.ok_or("this machine's clock is before 1970")?;
        self.tls
            .verifier()
            .judge(leaf, rest, now)
            .map_err(|e| e.to_string())
    }

    fn hand_over(
        &self,
        io: TlsStream<TcpStream>,
        address: SocketAddr,
        caller: Caller,
        place: OwnedSemaphorePermit,
        resumed: bool,
    ) -> Option<Accepted> {
        let anonymous = caller == Caller::Anonymous;
        let calls = Calls::new(if anonymous {
            ANONYMOUS_CALLS
        } else {
            self.limits.streams_per_connection as usize
        });
        let holder = Holder::of(&caller, address.ip());
        let (held, lost) = match self.places.take(holder, &calls, self.clock.mono()) {
            Ok(taken) => taken,
            Err(reason) => return self.refuse(address, reason, None),
        };
        let ends = Ends::new(lost, self.limits.handshake_timeout, anonymous);
        self.counters.count_accepted(resumed);
        self.counters.opened();
        Some(Accepted {
            io,
            peer: Peer {
                address,
                caller: Arc::new(caller),
                calls,
            },
            ends,
            counters: Arc::clone(&self.counters),
            _place: held,
            _permit: place,
        })
    }

    fn refuse(&self, address: SocketAddr, reason: Reason, cause: Option<&str>) -> Option<Accepted> {
        self.note(address, reason, cause);
        None
    }

    /// Counts a refusal and, unless its address was written about just now, logs it.
    fn note(&self, address: SocketAddr, reason: Reason, cause: Option<&str>) {
        self.counters.count_refused(reason);
        if let Some(kept_back) = self.may_log(address.ip()) {
            tracing::info!(
                peer = %address,
                reason = reason.as_str(),
                kept_back,
                "connection refused: {}",
                cause.unwrap_or(reason.explain()),
            );
        }
    }

    fn may_log(&self, source: IpAddr) -> Option<u64> {
        let mut quiet = self.quiet.lock().unwrap_or_else(PoisonError::into_inner);
        quiet.ask(source, self.clock.mono())
    }

    async fn cannot_accept(&self, e: &io::Error) {
        match e.raw_os_error().map(nix::errno::Errno::from_raw) {
            // The peer was faster: nothing to do (accept(2)).
            Some(nix::errno::Errno::ECONNABORTED | nix::errno::Errno::EPROTO) => {}
            _ => {
                if self.may_log(Ipv4Addr::UNSPECIFIED.into()).is_some() {
                    tracing::error!(
                        "cannot accept connections: {e}; if descriptors ran out, raise LimitNOFILE above limits.connections"
                    );
                }
                tokio::time::sleep(OUT_OF_DESCRIPTORS_PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
#[path = "handshake_tests.rs"]
mod tests;
