use std::collections::HashMap;

use h8lio_model::ids::{FleetName, NodeId, Rotation};
use h8lio_model::operator::OperatorRole;
use h8lio_tls::bundle::TrustBundle;
use h8lio_tls::client::{self, ConnectOptions};
use h8lio_tls::identity::{self, Identity};
use h8lio_tls::verify::Trust;
use jiff::Timestamp;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_stream::StreamExt;

use super::*;
use crate::accept::counters::Snapshot;
use crate::accept::{http2, listen};
use crate::clock::ManualClock;
use crate::pki::authority::{Authority, Issued};
use crate::pki::csr::PublicKey;
use crate::pki::generation::Generation;

#[path = "resumption_tests.rs"]
mod resumption;

const DAY: Duration = Duration::from_secs(86_400);
/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn start() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().expect("valid")
}

fn fleet() -> FleetName {
    "prod".parse().expect("valid")
}

fn authority_of(fleet: &FleetName) -> Authority {
    Generation::make(fleet, 1, start())
        .expect("made")
        .into_authority()
        .expect("authority")
}

/// A coordinator's port on loopback, and what comes through it.
struct Port {
    address: SocketAddr,
    authority: Authority,
    tls: Arc<LiveTls>,
    clock: Arc<ManualClock>,
    counters: Arc<Counters>,
    incoming: Option<ReceiverStream<Result<Accepted, Infallible>>>,
}

fn open_port(change: impl FnOnce(&mut Limits)) -> Port {
    let authority = authority_of(&fleet());
    let clock = Arc::new(ManualClock::new(start()));
    let server = authority
        .issue_coordinator("c1", start(), DAY * 400)
        .expect("issued");
    let bundle = authority.bundle().clone();
    let secret = authority.ticket_secret();
    let tls = LiveTls::new(fleet(), &server, bundle, secret, Arc::clone(&clock) as _);
    let tls = Arc::new(tls.expect("made"));
    let listener = listen(([127, 0, 0, 1], 0).into()).expect("a free port");
    let address = listener.local_addr().expect("bound");
    let mut limits = Limits::default();
    change(&mut limits);
    let counters = Arc::new(Counters::default());
    let parts = AcceptorParts {
        listener,
        tls: Arc::clone(&tls),
        limits,
        counters: Arc::clone(&counters),
        clock: Arc::clone(&clock) as _,
    };
    let incoming = Some(Acceptor::new(parts).incoming());
    Port {
        address,
        authority,
        tls,
        clock,
        counters,
        incoming,
    }
}

impl Port {
    async fn next(&mut self) -> Accepted {
        let incoming = self.incoming.as_mut().expect("not served");
        let next = tokio::time::timeout(PATIENCE, incoming.next());
        next.await
            .expect("in time")
            .expect("open")
            .unwrap_or_else(|e| match e {})
    }

    async fn until(&self, holds: impl Fn(&Snapshot) -> bool) -> Snapshot {
        let wait = async {
            loop {
                let now = self.counters.snapshot();
                if holds(&now) {
                    return now;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, wait).await;
        waited.unwrap_or_else(|_| panic!("never came: {:?}", self.counters.snapshot()))
    }

    async fn refused(&self, reason: Reason) {
        let now = self.until(|s| s.refused.iter().any(|(_, n)| *n > 0)).await;
        let counted: HashMap<&str, u64> = now
            .refused
            .iter()
            .filter(|(_, n)| *n > 0)
            .map(|(r, n)| (r.as_str(), *n))
            .collect();
        assert_eq!(counted, HashMap::from([(reason.as_str(), 1)]));
        assert_eq!(now.accepted, 0);
    }

    async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connected")
    }

    fn client(&self, identity: Option<&Identity>) -> Arc<ClientConfig> {
        client_of(self.authority.bundle(), identity, &self.clock)
    }

    /// A TLS handshake as a client, and the first answer: with TLS 1.3 a refusal of the client's
    /// certificate arrives after the client believes that it is done.
    async fn dial(
        &self,
        config: Arc<ClientConfig>,
    ) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let name = ServerName::try_from("coordinator.h8lio").expect("a name");
        TlsConnector::from(config)
            .connect(name, self.tcp().await)
            .await
    }
}

fn client_of(
    bundle: &TrustBundle,
    identity: Option<&Identity>,
    clock: &Arc<ManualClock>,
) -> Arc<ClientConfig> {
    let trust = Trust::Fleet {
        fleet: fleet(),
        bundle: bundle.clone(),
    };
    let time = Arc::new(ClockTime(Arc::clone(clock) as _));
    client::config_at(trust, identity, time).expect("made")
}

fn with_key(issue: impl FnOnce(&PublicKey) -> Issued) -> Identity {
    let pair = identity::generate_key().expect("key");
    let issued = issue(&PublicKey::of_pair(&pair).expect("P-256"));
    Identity::new(issued.chain, identity::key_to_der(&pair)).expect("an identity")
}

fn node(a: &Authority, number: u128) -> Identity {
    let id = NodeId::new(uuid::Uuid::from_u128(number));
    with_key(|key| {
        a.issue_node(key, id, Rotation(1), start(), DAY)
            .expect("issued")
    })
}

fn operator(a: &Authority) -> Identity {
    let name = "ada".parse().expect("valid");
    with_key(|key| {
        a.issue_operator(key, &name, OperatorRole::Approver, start(), DAY)
            .expect("issued")
    })
}

#[tokio::test]
async fn a_node_an_operator_and_a_stranger_are_told_apart() {
    let mut port = open_port(|_| {});
    let _stranger = port.dial(port.client(None)).await.expect("connected");
    assert_eq!(*port.next().await.caller(), Caller::Anonymous);
    let node = node(&port.authority, 7);
    let _node = port
        .dial(port.client(Some(&node)))
        .await
        .expect("connected");
    let first = port.next().await;
    let Caller::Node {
        id,
        serial,
        expired,
        ..
    } = first.caller()
    else {
        panic!("{:?}", first.caller())
    };
    assert_eq!(
        (id.as_uuid().as_u128(), *serial, *expired),
        (7, node.serial(), false)
    );
    let _ada = port
        .dial(port.client(Some(&operator(&port.authority))))
        .await
        .expect("connected");
    let accepted = port.next().await;
    assert!(
        matches!(
            accepted.caller(),
            Caller::Operator {
                role: OperatorRole::Approver,
                ..
            }
        ),
        "{:?}",
        accepted.caller()
    );
    assert_eq!(port.counters.snapshot().accepted, 3);
    assert_eq!(port.counters.snapshot().open, 2);
    drop((first, accepted));
    assert_eq!(port.counters.snapshot().open, 0);
}

/// scenario: 41 (integration)
#[tokio::test]
async fn tls_1_2_is_refused_with_the_alert_that_says_so() {
    let port = open_port(|_| {});
    let mut tcp = port.tcp().await;
    // ClientHello of TLS 1.2: one cipher suite, P-256, ecdsa_secp256r1_sha256.
    let extensions = [0, 10, 0, 4, 0, 2, 0, 23, 0, 13, 0, 4, 0, 2, 4, 3];
    let mut hello = vec![3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0xc0, 0x2b, 1, 0, 0, extensions.len() as u8]);
    hello.extend(extensions);
    let mut record = vec![
        22,
        3,
        1,
        0,
        hello.len() as u8 + 4,
        1,
        0,
        0,
        hello.len() as u8,
    ];
    record.extend(hello);
    tcp.write_all(&record).await.expect("sent");
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).await.expect("closed in order");
    // alert(21), version, length 2, fatal(2), protocol_version(70)
    assert_eq!(
        (answer.first(), &answer[answer.len() - 2..]),
        (Some(&21), &[2, 70][..])
    );
    port.refused(Reason::OldTls).await;
}

/// scenario: 41 (integration)
#[tokio::test]
async fn plaintext_http_is_refused() {
    let port = open_port(|_| {});
    let mut tcp = port.tcp().await;
    tcp.write_all(b"GET / HTTP/1.1\r\nHost: coordinator\r\n\r\n")
        .await
        .expect("sent");
    let mut answer = Vec::new();
    // Closed with an alert, or hard because unread bytes are left.
    let _ = tcp.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    port.refused(Reason::NotTls).await;
}

/// scenario: 41 (integration)
#[tokio::test]
async fn junk_is_refused() {
    let port = open_port(|_| {});
    let mut tcp = port.tcp().await;
    tcp.write_all(&[0xde; 4096]).await.expect("sent");
    let _ = tcp.read_to_end(&mut Vec::new()).await;
    port.refused(Reason::NotTls).await;
}

/// Reads until the coordinator closes the connection, and says how it did.
async fn refused(tls: &mut tokio_rustls::client::TlsStream<TcpStream>) -> io::Error {
    let read = tokio::time::timeout(PATIENCE, tls.read_u8());
    read.await.expect("in time").expect_err("refused")
}

/// A client that is refused learns why with its first read.
async fn refused_alert(port: &Port, identity: &Identity) -> String {
    let error = match port.dial(port.client(Some(identity))).await {
        Err(e) => e,
        Ok(mut tls) => refused(&mut tls).await,
    };
    h8lio_tls::cause::explain(&error)
}

/// scenario: 41 (integration)
#[tokio::test]
async fn a_coordinators_certificate_is_refused_as_a_clients() {
    let port = open_port(|_| {});
    let server = port
        .authority
        .issue_coordinator("c2", start(), DAY)
        .expect("issued");
    refused_alert(&port, &server).await;
    port.refused(Reason::Certificate).await;
}

/// scenario: 41 (integration)
#[tokio::test]
async fn a_foreign_authoritys_certificate_is_refused_and_its_owner_is_told() {
    let port = open_port(|_| {});
    let told = refused_alert(&port, &node(&authority_of(&fleet()), 7)).await;
    assert!(told.contains("does not know the CA"), "{told}");
    port.refused(Reason::Certificate).await;
}

/// scenario: 41 (integration)
#[tokio::test]
async fn an_operator_whose_certificate_ended_is_refused_and_told() {
    let port = open_port(|_| {});
    let operator = operator(&port.authority);
    port.clock.advance(DAY * 2);
    let told = refused_alert(&port, &operator).await;
    assert!(told.contains("has expired"), "{told}");
    port.refused(Reason::Certificate).await;
}

/// scenario: 36 (integration)
#[tokio::test]
async fn a_node_that_was_off_for_months_gets_in_marked_as_expired() {
    let mut port = open_port(|_| {});
    let node = node(&port.authority, 7);
    port.clock.advance(DAY * 200);
    let _node = port
        .dial(port.client(Some(&node)))
        .await
        .expect("connected");
    let accepted = port.next().await;
    assert!(matches!(
        accepted.caller(),
        Caller::Node { expired: true, .. }
    ));
    assert!(accepted.caller().is_expired(port.clock.now()));
}

/// scenario: 42 (integration)
#[tokio::test]
async fn two_hundred_half_open_connections_do_not_stop_a_good_one() {
    let mut port = open_port(|l| {
        l.pending_handshakes = 64;
        l.pending_handshakes_per_source = 32;
        l.handshake_timeout = Duration::from_secs(120);
    });
    let mut half_open = Vec::new();
    for _ in 0..200 {
        half_open.push(port.tcp().await);
    }
    let node = node(&port.authority, 7);
    let full = port
        .until(|s| s.pending == 32 && s.refused.iter().any(|(_, n)| *n == 168))
        .await;
    assert_eq!(full.accepted, 0);
    // All come from one address here, so the good one has to wait until the slow ones are slow.
    port.dial(port.client(Some(&node)))
        .await
        .expect_err("its own address is full of young ones");
    port.clock.advance(super::super::pending::SLOW);
    let _node = port
        .dial(port.client(Some(&node)))
        .await
        .expect("connected");
    assert!(matches!(port.next().await.caller(), Caller::Node { .. }));
    assert_eq!(port.counters.refused(Reason::Evicted), 1);
    assert_eq!(port.counters.refused(Reason::SourceFull), 169);
    drop(half_open);
    port.until(|s| s.pending == 0).await;
}

/// scenario: 42 (integration)
#[tokio::test]
async fn a_slow_handshake_is_cut_at_its_deadline() {
    let port = open_port(|l| l.handshake_timeout = Duration::from_millis(200));
    let mut tcp = port.tcp().await;
    tcp.write_all(&[22, 3, 1]).await.expect("sent");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, tcp.read_to_end(&mut answer));
    let _ = read.await.expect("closed by the coordinator");
    port.refused(Reason::Timeout).await;
}

/// scenario: 42 (integration)
#[tokio::test]
async fn who_finishes_tls_and_then_says_nothing_is_cut_too() {
    let mut port = open_port(|l| l.handshake_timeout = Duration::from_millis(300));
    let mut tls = port.dial(port.client(None)).await.expect("connected");
    let mut accepted = port.next().await;
    tls.write_all(b"PRI * HTTP/2").await.expect("sent");
    let mut buffer = [0; 64];
    assert_eq!(
        accepted.read(&mut buffer).await.expect("half a preface"),
        12
    );
    let cut = tokio::time::timeout(PATIENCE, accepted.read(&mut buffer))
        .await
        .expect("cut");
    assert_eq!(cut.expect_err("cut").kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_node_that_spoke_http2_may_be_silent_afterwards() {
    let mut port = open_port(|l| l.handshake_timeout = Duration::from_millis(200));
    let node = node(&port.authority, 7);
    let mut tls = port
        .dial(port.client(Some(&node)))
        .await
        .expect("connected");
    let mut accepted = port.next().await;
    tls.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .expect("sent");
    let mut buffer = [0; 64];
    assert_eq!(accepted.read(&mut buffer).await.expect("the preface"), 24);
    let silent = tokio::time::timeout(Duration::from_millis(500), accepted.read(&mut buffer));
    silent
        .await
        .expect_err("still open after the deadline of the preface");
    tls.write_all(b"x").await.expect("sent");
    assert_eq!(accepted.read(&mut buffer).await.expect("alive"), 1);
}

#[tokio::test]
async fn strangers_cannot_use_up_the_places_of_nodes() {
    let mut port = open_port(|l| l.anonymous_connections = 2);
    let mut strangers = Vec::new();
    for _ in 0..2 {
        strangers.push((
            port.dial(port.client(None)).await.expect("connected"),
            port.next().await,
        ));
    }
    let mut third = port.dial(port.client(None)).await.expect("TLS is done");
    refused(&mut third).await;
    assert_eq!(port.counters.refused(Reason::AnonymousFull), 1);
    let node = node(&port.authority, 7);
    let _node = port
        .dial(port.client(Some(&node)))
        .await
        .expect("connected");
    assert!(matches!(port.next().await.caller(), Caller::Node { .. }));
    strangers.pop();
    let _stranger = port.dial(port.client(None)).await.expect("connected");
    assert_eq!(*port.next().await.caller(), Caller::Anonymous);
}

#[tokio::test]
async fn an_address_that_dials_once_too_often_loses_what_it_does_not_use() {
    let mut port = open_port(|l| l.anonymous_connections_per_source = 2);
    let mut strangers = Vec::new();
    for _ in 0..2 {
        strangers.push((
            port.dial(port.client(None)).await.expect("connected"),
            port.next().await,
        ));
    }
    let mut third = port.dial(port.client(None)).await.expect("TLS is done");
    refused(&mut third).await;
    assert_eq!(port.counters.refused(Reason::AnonymousSourceFull), 1);
    port.clock.advance(Duration::from_secs(2));
    let _third = port.dial(port.client(None)).await.expect("connected");
    let _newest = port.next().await;
    let (_, first) = &mut strangers[0];
    let cut = tokio::time::timeout(PATIENCE, first.read_u8()).await;
    let error = cut.expect("woken").expect_err("cut");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_stranger_that_makes_no_call_is_cut_and_a_node_is_not() {
    let mut port = open_port(|_| {});
    let mut dialled = port.dial(port.client(None)).await.expect("connected");
    let mut stranger = port.next().await;
    let node = node(&port.authority, 7);
    let client = port.client(Some(&node));
    let mut agent = port.dial(client).await.expect("connected");
    let mut node = port.next().await;
    // Past the limit for the preface, which is another one.
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut buffer = [0; 64];
    for (here, there) in [(&mut dialled, &mut stranger), (&mut agent, &mut node)] {
        here.write_all(preface).await.expect("sent");
        assert_eq!(there.read(&mut buffer).await.expect("read"), 24);
    }
    tokio::time::pause();
    let cut = tokio::time::timeout(Duration::from_secs(60), stranger.read(&mut buffer)).await;
    cut.expect("in time").expect_err("cut");
    let silent = tokio::time::timeout(Duration::from_secs(60), node.read(&mut buffer)).await;
    silent.expect_err("a node may be silent");
}

/// scenario: 42 (unit)
#[tokio::test]
async fn a_stranger_that_takes_no_answers_is_cut_as_well() {
    let mut port = open_port(|_| {});
    let mut dialled = port.dial(port.client(None)).await.expect("connected");
    let mut stranger = port.next().await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    dialled.write_all(preface).await.expect("sent");
    let mut buffer = [0; 64];
    assert_eq!(stranger.read(&mut buffer).await.expect("read"), 24);
    tokio::time::pause();
    // More than the kernel keeps for somebody who does not read.
    let answers = vec![0; 64 << 20];
    let written = stranger.write_all(&answers);
    let cut = tokio::time::timeout(Duration::from_secs(60), written).await;
    let error = cut.expect("in time").expect_err("cut");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    drop(dialled);
}

#[tokio::test]
async fn the_limit_of_connections_holds_and_frees_with_them() {
    let mut port = open_port(|l| l.connections = 1);
    let first = port.dial(port.client(None)).await.expect("connected");
    let held = port.next().await;
    port.dial(port.client(None)).await.expect_err("full");
    assert_eq!(port.counters.refused(Reason::Full), 1);
    drop((first, held));
    let _second = port.dial(port.client(None)).await.expect("connected");
    port.next().await;
}

#[tokio::test]
async fn the_caller_reaches_every_call_through_tonic() {
    let mut port = open_port(|_| {});
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter
        .set_service_status("up", tonic_health::ServingStatus::Serving)
        .await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&seen);
    let spy = move |request: tonic::Request<()>| {
        let peer = Peer::of(&request).expect("a peer").clone();
        record.lock().expect("lock").push(peer.caller.to_string());
        Ok(request)
    };
    let service = tonic::service::interceptor::InterceptedService::new(health, spy);
    let incoming = port.incoming.take().expect("once");
    let server = http2::server(&Limits::default()).add_service(service);
    let server = tokio::spawn(server.serve_with_incoming(incoming));
    for identity in [
        None,
        Some(node(&port.authority, 7)),
        Some(operator(&port.authority)),
    ] {
        let config = port.client(identity.as_ref());
        let address = port.address.to_string();
        let channel = client::connect(&address, config, ConnectOptions::default()).await;
        let mut health =
            tonic_health::pb::health_client::HealthClient::new(channel.expect("connected"));
        let request = tonic_health::pb::HealthCheckRequest {
            service: "up".into(),
        };
        health.check(request).await.expect("answered");
    }
    server.abort();
    let seen = seen.lock().expect("lock").clone();
    let node = "node/00000000-0000-0000-0000-000000000007";
    assert_eq!(seen, ["anonymous", node, "operator/ada"]);
}
