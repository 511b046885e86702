//! HTTPS connections: shaken hands with side by side, so that one silent client delays nobody.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::serve::Listener;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::{task, time};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::bmc::log::log;
use crate::bmc::mode::{Mode, ModeFile};

/// A client that has not shaken hands by then is left.
const HANDSHAKE: Duration = Duration::from_secs(30);

type Shaken = (TlsStream<TcpStream>, SocketAddr);

/// Serves for ever.
pub async fn serve(
    tcp: TcpListener,
    tls: TlsAcceptor,
    modes: Arc<ModeFile>,
    routes: Router,
) -> anyhow::Result<()> {
    let address = tcp.local_addr()?;
    let (shaken, ready) = mpsc::channel(16);
    let accepting = accept(tcp, tls, modes, shaken);
    let serving = axum::serve(Connections { ready, address }, routes);
    tokio::select! {
        ended = accepting => ended,
        ended = serving.into_future() => ended.context("the Redfish server ended"),
    }
}

async fn accept(
    tcp: TcpListener,
    tls: TlsAcceptor,
    modes: Arc<ModeFile>,
    shaken: mpsc::Sender<Shaken>,
) -> anyhow::Result<()> {
    loop {
        let (stream, client) = tcp
            .accept()
            .await
            .context("cannot accept Redfish clients")?;
        if modes.current() == Mode::Dead {
            task::spawn(ignore(stream));
            continue;
        }
        let (tls, shaken) = (tls.clone(), shaken.clone());
        task::spawn(async move {
            match time::timeout(HANDSHAKE, tls.accept(stream)).await {
                // The receiver lives as long as the server.
                Ok(Ok(stream)) => drop(shaken.send((stream, client)).await),
                Ok(Err(e)) => log(&format!("redfish: {client} did not shake hands: {e}")),
                Err(_) => log(&format!("redfish: {client} did not shake hands in time")),
            }
        });
    }
}

/// Holds a connection and says nothing, until the client has had enough.
async fn ignore(mut stream: TcpStream) {
    let mut unread = [0; 1024];
    while let Ok(1..) = stream.read(&mut unread).await {}
}

/// Hands finished handshakes to the server.
struct Connections {
    ready: mpsc::Receiver<Shaken>,
    address: SocketAddr,
}

impl Listener for Connections {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Shaken {
        match self.ready.recv().await {
            Some(shaken) => shaken,
            // Nobody accepts any more; the process is about to end.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
