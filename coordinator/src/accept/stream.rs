//! A connection that passed: TLS is spoken, the caller is known.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::calls::Calls;
use super::counters::Counters;
use super::places::Place;
use crate::pki::caller::Caller;

/// Who is at the other end: `request.extensions().get::<Peer>()` in every call.
#[derive(Debug, Clone)]
pub struct Peer {
    pub address: SocketAddr,
    /// From the certificate alone.
    pub caller: Arc<Caller>,
    /// What the connection has under way.
    pub calls: Arc<Calls>,
}

impl Peer {
    /// The peer of a call; `None` when it did not come through an [`Accepted`] connection.
    pub fn of<T>(request: &tonic::Request<T>) -> Option<&Self> {
        request.extensions().get()
    }
}

/// The length of the HTTP/2 client preface (RFC 9113 section 3.4). HTTP/2 keepalive takes over
/// once it is there.
const PREFACE_BYTES: usize = 24;

/// How long a connection without a certificate may last: enough to present a join token many
/// times over, and the agent dials again while it waits for approval.
const ANONYMOUS_LIFE: Duration = Duration::from_secs(120);

/// How long a connection without a certificate may be without a call.
const ANONYMOUS_SILENCE: Duration = Duration::from_secs(10);

/// An accepted connection. Counts as open, and holds its place, until it is dropped.
#[derive(Debug)]
pub struct Accepted {
    pub(super) io: TlsStream<TcpStream>,
    pub(super) peer: Peer,
    pub(super) ends: Ends,
    pub(super) counters: Arc<Counters>,
    pub(super) _place: Place,
    pub(super) _permit: OwnedSemaphorePermit,
}

/// When to cut a connection whatever its peer does.
#[derive(Debug)]
pub(super) struct Ends {
    come: bool,
    /// Another connection got its place.
    lost: oneshot::Receiver<()>,
    /// Unless the HTTP/2 preface is complete by then.
    preface: Option<Preface>,
    stranger: Option<Stranger>,
}

#[derive(Debug)]
struct Preface {
    by: Pin<Box<Sleep>>,
    read: usize,
}

/// Nobody stays for long without a certificate, or without a use.
#[derive(Debug)]
struct Stranger {
    life: Pin<Box<Sleep>>,
    silence: Pin<Box<Sleep>>,
    /// Calls that had begun when the silence began.
    begun: u64,
}

impl Ends {
    pub(super) fn new(lost: oneshot::Receiver<()>, preface: Duration, anonymous: bool) -> Self {
        let after = |time| Box::pin(tokio::time::sleep(time));
        Self {
            come: false,
            lost,
            preface: Some(Preface {
                by: after(preface),
                read: 0,
            }),
            stranger: anonymous.then(|| Stranger {
                life: after(ANONYMOUS_LIFE),
                silence: after(ANONYMOUS_SILENCE),
                begun: 0,
            }),
        }
    }

    /// Whether the connection has to end now; its task is woken when it has to.
    fn have_come(&mut self, calls: &Calls, cx: &mut Context<'_>) -> bool {
        self.come = self.come || self.has_one_come(calls, cx);
        self.come
    }

    fn has_one_come(&mut self, calls: &Calls, cx: &mut Context<'_>) -> bool {
        // The sender goes only when the place does, and that is held here.
        let lost = Pin::new(&mut self.lost).poll(cx).is_ready();
        let preface = self.preface.as_mut();
        let slow = preface.is_some_and(|p| p.by.as_mut().poll(cx).is_ready());
        let stranger = self.stranger.as_mut();
        lost || slow || stranger.is_some_and(|s| s.is_over(calls, cx))
    }

    fn count_read(&mut self, bytes: usize) {
        if let Some(p) = &mut self.preface {
            p.read += bytes;
            if p.read >= PREFACE_BYTES {
                self.preface = None;
            }
        }
    }
}

impl Stranger {
    fn is_over(&mut self, calls: &Calls, cx: &mut Context<'_>) -> bool {
        while self.silence.as_mut().poll(cx).is_ready() {
            let begun = calls.begun();
            if calls.is_idle() && begun == self.begun {
                return true;
            }
            self.begun = begun;
            self.silence.set(tokio::time::sleep(ANONYMOUS_SILENCE));
        }
        self.life.as_mut().poll(cx).is_ready()
    }
}

impl Accepted {
    /// Who is calling.
    pub fn caller(&self) -> &Caller {
        &self.peer.caller
    }

    /// From where.
    pub fn address(&self) -> SocketAddr {
        self.peer.address
    }

    /// What was polled, unless that would wait and the connection has to end. Every way to wait
    /// goes through here: a peer that takes no answers keeps HTTP/2 from reading, so the writing
    /// side has to notice, too.
    fn unless_over<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_pending() && self.ends.have_come(&self.peer.calls, cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        polled
    }
}

impl Drop for Accepted {
    fn drop(&mut self) {
        self.counters.closed();
    }
}

impl Connected for Accepted {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Accepted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        self.ends.count_read(buf.filled().len() - before);
        self.unless_over(cx, polled)
    }
}

impl AsyncWrite for Accepted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, buf);
        self.unless_over(cx, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_flush(cx);
        self.unless_over(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_shutdown(cx);
        self.unless_over(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.unless_over(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
