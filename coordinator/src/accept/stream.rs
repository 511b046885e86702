//! A connection that passed: TLS is spoken, the caller is known.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::calls::Calls;
use super::counters::Counters;
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

/// An accepted connection. Counts as open, and holds its place, until it is dropped.
#[derive(Debug)]
pub struct Accepted {
    pub(super) io: TlsStream<TcpStream>,
    pub(super) peer: Peer,
    pub(super) end: End,
    pub(super) counters: Arc<Counters>,
    pub(super) _permits: Vec<OwnedSemaphorePermit>,
}

/// When to cut a connection whatever its peer does.
#[derive(Debug)]
pub(super) enum End {
    /// Unless the HTTP/2 preface is complete by then; then that limit holds.
    Preface {
        by: Pin<Box<Sleep>>,
        read: usize,
        then: Option<Pin<Box<Sleep>>>,
    },
    /// At that moment: nobody stays for long without a certificate.
    At(Pin<Box<Sleep>>),
    Never,
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

    /// Whether the connection has to end now.
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        let sleep = match &mut self.end {
            End::Preface { by, .. } | End::At(by) => by,
            End::Never => return false,
        };
        sleep.as_mut().poll(cx).is_ready()
    }

    fn count_read(&mut self, bytes: usize) {
        if let End::Preface { read, then, .. } = &mut self.end {
            *read += bytes;
            if *read >= PREFACE_BYTES {
                self.end = then.take().map_or(End::Never, End::At);
            }
        }
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
        match Pin::new(&mut self.io).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                let bytes = buf.filled().len() - before;
                self.count_read(bytes);
                Poll::Ready(Ok(()))
            }
            Poll::Pending if self.is_over(cx) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            other => other,
        }
    }
}

impl AsyncWrite for Accepted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
