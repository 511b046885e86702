//! How long others wait while somebody attacks: less than twice as long as at rest.

use std::sync::Arc;
use std::time::{Duration, Instant};

use h8lio_coordinator::registry::Node;
use h8lio_proto::v1;
use h8lio_proto::v1::node_service_client::NodeServiceClient;
use h8lio_tests::harness::{Session, soon};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tonic::transport::Channel;

use super::abuse::{CONNECT, END_HEADERS, RENEW, Stage, frame, headers, request, stage};

/// Calls, and beats, in one measurement.
const SAMPLES: usize = 120;
/// Nodes that beat in turn, each below the pace that one may have.
const NODES: usize = 12;
/// On top of twice the time: attacker, coordinator and others share the cores of a machine that
/// has other work as well. Whoever is starved by an attack waits for seconds.
const GRACE: Duration = Duration::from_millis(250);
/// A machine may be busy with something else in one measurement, and is not in all of them.
const ROUNDS: usize = 3;
/// Between two strokes of an attack: it is not the attacker's own work that is measured.
const PAUSE: Duration = Duration::from_millis(2);

/// Those who have nothing to do with the attack.
struct Others {
    calls: NodeServiceClient<Channel>,
    nodes: Vec<(Arc<Node>, Session)>,
}

/// The 99th percentiles.
#[derive(Debug, Clone, Copy)]
struct Waits {
    call: Duration,
    beat: Duration,
}

fn p99(mut samples: Vec<Duration>) -> Duration {
    samples.sort_unstable();
    samples[samples.len() * 99 / 100]
}

#[expect(
    clippy::disallowed_methods,
    reason = "the time of this machine is measured"
)]
fn now() -> Instant {
    Instant::now()
}

impl Others {
    async fn new(stage: &Stage) -> Self {
        let mut nodes = Vec::new();
        for n in 0..NODES {
            let name = format!("other-{n}");
            let server = stage.fleet.enrolled(&name).await;
            let registry = &stage.fleet.running().services.registry;
            let node = registry.find(&name).expect("a node");
            nodes.push((node, server.session().await.expect("a session")));
        }
        Self {
            calls: stage.fleet.admin.nodes().await,
            nodes,
        }
    }

    /// How long an operator waits for an answer, and a beat until it counts.
    async fn wait(&mut self) -> Waits {
        let (mut calls, mut beats) = (Vec::new(), Vec::new());
        for n in 0..SAMPLES {
            let request = v1::GetNodeRequest {
                node: "honest".to_owned(),
            };
            let asked = now();
            let answer = soon("an answer", self.calls.get_node(request)).await;
            answer.expect("a node");
            calls.push(asked.elapsed());
            beats.push(soon("a beat", self.beat(n % NODES)).await);
        }
        Waits {
            call: p99(calls),
            beat: p99(beats),
        }
    }

    async fn beat(&mut self, n: usize) -> Duration {
        let (node, session) = &mut self.nodes[n];
        let before = node.live.last_heard();
        let sent = now();
        session.beat().await;
        while node.live.last_heard() == before {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        sent.elapsed()
    }
}

/// Measures at rest, under attack, and at rest again.
async fn others_wait_less_than_twice_as_long(stage: &Stage, attack: impl AsyncFn(&Stage)) {
    let mut others = Others::new(stage).await;
    let mut seen = Vec::new();
    for _ in 0..ROUNDS {
        let before = others.wait().await;
        let under_attack = tokio::select! {
            () = endless(stage, &attack) => unreachable!("it does not end"),
            waits = others.wait() => waits,
        };
        let after = others.wait().await;
        let allowed = Waits {
            call: GRACE + 2 * before.call.max(after.call),
            beat: GRACE + 2 * before.beat.max(after.beat),
        };
        if under_attack.call < allowed.call && under_attack.beat < allowed.beat {
            return;
        }
        seen.push((before, under_attack, after));
    }
    panic!("others waited too long: {seen:?}");
}

async fn endless(stage: &Stage, attack: &impl AsyncFn(&Stage)) {
    loop {
        attack(stage).await;
        tokio::time::sleep(PAUSE).await;
    }
}

/// scenario: 42 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_peers_slow_nobody_down() {
    let attack = async |stage: &Stage| {
        let mut slow = Vec::new();
        for _ in 0..100 {
            let to = stage.fleet.dial.address;
            let mut tcp = TcpStream::connect(to).await.expect("connected");
            // The beginning of a TLS record, and then nothing.
            let _ = tcp.write_all(&[22, 3, 1, 2]).await;
            slow.push(tcp);
            tokio::time::sleep(PAUSE).await;
        }
    };
    others_wait_less_than_twice_as_long(&stage().await, attack).await;
}

/// scenario: 42 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn announced_gibibytes_slow_nobody_down() {
    let attack = async |stage: &Stage| {
        let (send, connection) = stage.http2().await;
        for path in [CONNECT, RENEW].into_iter().cycle().take(60) {
            let Ok(mut open) = send.clone().ready().await else {
                break;
            };
            let head = request(path).body(()).expect("a request");
            let Ok((_, mut body)) = open.send_request(head, false) else {
                break;
            };
            let mut announced = vec![0];
            announced.extend_from_slice(&(1u32 << 30).to_be_bytes());
            announced.extend_from_slice(&[0; 1_024]);
            let _ = body.send_data(announced.into(), false);
            tokio::time::sleep(PAUSE).await;
        }
        connection.abort();
    };
    others_wait_less_than_twice_as_long(&stage().await, attack).await;
}

/// scenario: 42 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rapid_resets_slow_nobody_down() {
    let attack = async |stage: &Stage| {
        let (mut send, connection) = stage.http2().await;
        for n in 0..1_000 {
            let Ok(mut open) = send.clone().ready().await else {
                break;
            };
            let head = request(CONNECT).body(()).expect("a request");
            let Ok((_, mut stream)) = open.send_request(head, false) else {
                break;
            };
            stream.send_reset(h2::Reason::CANCEL);
            send = open;
            if n % 20 == 0 {
                tokio::time::sleep(PAUSE).await;
            }
        }
        connection.abort();
    };
    others_wait_less_than_twice_as_long(&stage().await, attack).await;
}

/// scenario: 42 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bombs_of_headers_slow_nobody_down() {
    let attack = async |stage: &Stage| {
        let (mut send, connection) = stage.http2().await;
        let mut head = request("/h8lio.v1.FleetService/GetStatus");
        for n in 0..64 {
            head = head.header(format!("x-bomb-{n}"), "b".repeat(4 << 10));
        }
        if let Ok((answer, _)) = send.send_request(head.body(()).expect("a request"), true) {
            let _ = answer.await;
        }
        connection.abort();
        // To write a quarter of a mebibyte of headers is the attacker's own work.
        tokio::time::sleep(10 * PAUSE).await;
    };
    others_wait_less_than_twice_as_long(&stage().await, attack).await;
}

/// scenario: 42 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_streams_slow_nobody_down() {
    let attack = async |stage: &Stage| {
        let mut tls = stage.tls().await;
        let mut all = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        all.extend(frame(4, 0, 0, &[]));
        for n in 0..1_000 {
            all.extend(frame(1, END_HEADERS, 2 * n + 1, &headers(RENEW)));
        }
        let _ = tls.write_all(&all).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    others_wait_less_than_twice_as_long(&stage().await, attack).await;
}
