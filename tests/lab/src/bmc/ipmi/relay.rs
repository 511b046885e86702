//! The BMC's IPMI address: datagrams between clients and `ipmi_sim`, late or not at all.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::UdpSocket;
use tokio::{task, time};

use crate::bmc::log::log;
use crate::bmc::mode::{Mode, ModeFile};

/// IPMI messages are far smaller.
const LARGEST: usize = 4096;

/// A client that said nothing for this long has ended its session.
const IDLE: Duration = Duration::from_secs(120);

/// Each client's own socket towards `ipmi_sim`, which tells sessions apart by where they come from.
type Clients = Arc<Mutex<HashMap<SocketAddr, Arc<UdpSocket>>>>;

/// Relays for ever.
pub async fn relay(
    outside: UdpSocket,
    inside: SocketAddr,
    modes: Arc<ModeFile>,
) -> anyhow::Result<()> {
    let relay = Arc::new(Relay {
        outside,
        inside,
        modes,
        clients: Clients::default(),
    });
    let mut buffer = [0; LARGEST];
    loop {
        let (length, client) = relay
            .outside
            .recv_from(&mut buffer)
            .await
            .context("cannot read IPMI datagrams")?;
        let datagram = buffer[..length].to_vec();
        match relay.modes.current() {
            Mode::Dead => {}
            Mode::Slow(delay) => drop(task::spawn({
                let relay = Arc::clone(&relay);
                async move {
                    time::sleep(delay).await;
                    relay.inwards(client, &datagram).await;
                }
            })),
            Mode::Normal | Mode::Lying | Mode::Deaf => relay.inwards(client, &datagram).await,
        }
    }
}

struct Relay {
    outside: UdpSocket,
    inside: SocketAddr,
    modes: Arc<ModeFile>,
    clients: Clients,
}

impl Relay {
    async fn inwards(self: &Arc<Self>, client: SocketAddr, datagram: &[u8]) {
        let sent = match self.socket_of(client).await {
            Ok(socket) => socket.send(datagram).await.map(|_| ()),
            Err(e) => Err(e),
        };
        if let Err(e) = sent {
            log(&format!(
                "cannot hand a datagram of {client} to ipmi_sim: {e}"
            ));
        }
    }

    async fn socket_of(self: &Arc<Self>, client: SocketAddr) -> io::Result<Arc<UdpSocket>> {
        if let Some(socket) = self.known(client) {
            return Ok(socket);
        }
        let socket = UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        socket.connect(self.inside).await?;
        let socket = Arc::new(socket);
        // Another datagram of the same client may have been quicker; the first socket stays.
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(socket) = clients.get(&client) {
            return Ok(Arc::clone(socket));
        }
        clients.insert(client, Arc::clone(&socket));
        drop(clients);
        task::spawn(Arc::clone(self).outwards(client, Arc::clone(&socket)));
        Ok(socket)
    }

    fn known(&self, client: SocketAddr) -> Option<Arc<UdpSocket>> {
        let clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.get(&client).map(Arc::clone)
    }

    /// Answers of `ipmi_sim` to one client, until it has been idle for long.
    async fn outwards(self: Arc<Self>, client: SocketAddr, socket: Arc<UdpSocket>) {
        let mut buffer = [0; LARGEST];
        while let Ok(read) = time::timeout(IDLE, socket.recv(&mut buffer)).await {
            let sent = match read {
                Ok(_) if self.modes.current() == Mode::Dead => continue,
                Ok(length) => self.outside.send_to(&buffer[..length], client).await,
                Err(e) => Err(e),
            };
            if let Err(e) = sent {
                log(&format!("an IPMI answer to {client} is lost: {e}"));
            }
        }
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.remove(&client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    /// Far above what loopback takes.
    const LIMIT: Duration = Duration::from_secs(10);

    struct Bench {
        client: UdpSocket,
        sim: UdpSocket,
        mode: std::path::PathBuf,
        _folder: tempfile::TempDir,
    }

    async fn local() -> UdpSocket {
        UdpSocket::bind("127.0.0.1:0").await.expect("a socket")
    }

    async fn bench() -> Bench {
        let folder = tempfile::tempdir().expect("folder");
        let mode = folder.path().join("mode");
        let (client, sim, outside) = (local().await, local().await, local().await);
        client
            .connect(outside.local_addr().expect("address"))
            .await
            .expect("connected");
        let inside = sim.local_addr().expect("address");
        task::spawn(relay(
            outside,
            inside,
            Arc::new(ModeFile::new(mode.clone())),
        ));
        Bench {
            client,
            sim,
            mode,
            _folder: folder,
        }
    }

    impl Bench {
        fn becomes(&self, mode: Mode) {
            ModeFile::write(&self.mode, mode).expect("mode");
        }

        async fn ask(&self, text: &str) {
            self.client.send(text.as_bytes()).await.expect("sent");
        }

        /// What reaches the simulator, which answers it.
        async fn heard(&self) -> String {
            let mut buffer = [0; 64];
            let read = timeout(LIMIT, self.sim.recv_from(&mut buffer)).await;
            let (length, from) = read.expect("in time").expect("a datagram");
            self.sim
                .send_to(&buffer[..length], from)
                .await
                .expect("answered");
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        }

        async fn told(&self) -> String {
            let mut buffer = [0; 64];
            let read = timeout(LIMIT, self.client.recv(&mut buffer)).await;
            let length = read.expect("in time").expect("a datagram");
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        }
    }

    #[tokio::test]
    async fn a_question_and_its_answer_pass() {
        let bench = bench().await;
        bench.ask("one").await;
        assert_eq!(bench.heard().await, "one");
        assert_eq!(bench.told().await, "one");
    }

    #[tokio::test]
    async fn a_dead_bmc_drops_questions_instead_of_keeping_them_for_later() {
        let bench = bench().await;
        bench.becomes(Mode::Dead);
        bench.ask("dropped").await;
        // The relay reads its socket in order: once it has dropped the second, the first is gone.
        bench.ask("dropped too").await;
        let nothing = timeout(Duration::from_millis(300), bench.sim.recv(&mut [0; 64])).await;
        assert!(nothing.is_err(), "a dead BMC heard something");
        bench.becomes(Mode::Normal);
        bench.ask("alive").await;
        assert_eq!(bench.heard().await, "alive");
    }

    #[tokio::test]
    async fn an_answer_is_lost_when_the_bmc_dies_before_it() {
        let bench = bench().await;
        bench.ask("first").await;
        let mut buffer = [0; 64];
        let (_, relay) = bench.sim.recv_from(&mut buffer).await.expect("a datagram");
        bench.becomes(Mode::Dead);
        bench.sim.send_to(b"late", relay).await.expect("sent");
        let nothing = timeout(Duration::from_millis(300), bench.client.recv(&mut buffer)).await;
        assert!(nothing.is_err(), "a dead BMC answered");
    }

    #[tokio::test]
    async fn a_slow_bmc_hears_late() {
        let bench = bench().await;
        bench.becomes(Mode::Slow(Duration::from_millis(700)));
        bench.ask("late").await;
        let nothing = timeout(Duration::from_millis(300), bench.sim.recv(&mut [0; 64])).await;
        assert!(nothing.is_err(), "a slow BMC was quick");
        assert_eq!(bench.heard().await, "late");
        assert_eq!(bench.told().await, "late");
    }
}
