//! Callers without a certificate: what they can make the coordinator hold, and whom they can keep
//! out.

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use h8lio_proto::v1;
use h8lio_tests::harness::{Fleet, change, soon, until};
use http::Response;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::Code;

/// TLS without a certificate, with nothing said yet.
async fn tls(fleet: &Fleet) -> TlsStream<TcpStream> {
    let name = h8lio_tests::harness::FLEET.parse().expect("a name");
    let config = h8lio_tls::client::config(&name, &fleet.dial.bundle, None);
    let tcp = TcpStream::connect(fleet.dial.address)
        .await
        .expect("connected");
    let name = ServerName::try_from("coordinator.h8lio").expect("a name");
    TlsConnector::from(config.expect("a configuration"))
        .connect(name, tcp)
        .await
        .expect("TLS")
}

/// HTTP/2 without a certificate.
async fn http2(fleet: &Fleet) -> SendRequest<Bytes> {
    let connected = h2::client::handshake(tls(fleet).await).await;
    let (send, connection) = connected.expect("HTTP/2");
    tokio::spawn(connection);
    send
}

/// A call whose message is announced as `bytes` long.
async fn call(
    send: &SendRequest<Bytes>,
    path: &str,
    bytes: u32,
) -> (ResponseFuture, SendStream<Bytes>) {
    let head = http::Request::post(format!("http://coordinator{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    let head = head.body(()).expect("a request");
    let ready = send.clone().ready().await;
    let (answer, mut body) = ready
        .expect("room for a stream")
        .send_request(head, false)
        .expect("sent");
    let mut announced = vec![0];
    announced.extend_from_slice(&bytes.to_be_bytes());
    // The refusal may have come already.
    let _ = body.send_data(announced.into(), false);
    (answer, body)
}

/// Sends up to `bytes` as fast as the coordinator takes them.
async fn pour(body: &mut SendStream<Bytes>, bytes: usize) {
    let mut left = bytes;
    while left > 0 {
        body.reserve_capacity(left.min(16 << 10));
        let Some(Ok(room)) = std::future::poll_fn(|cx| body.poll_capacity(cx)).await else {
            return;
        };
        let sent = room.min(left);
        if body.send_data(vec![b'x'; sent].into(), false).is_err() {
            return;
        }
        left -= sent;
    }
}

/// Sends all of a message but its last byte; the answer, if one comes instead.
async fn one_byte_short(
    send: SendRequest<Bytes>,
    path: &str,
    bytes: u32,
) -> Option<Response<RecvStream>> {
    let (answer, mut body) = call(&send, path, bytes).await;
    // Cancel-safe: both go on where they were, and the stream ends with this task.
    tokio::select! {
        answer = answer => answer.ok(),
        () = async {
            pour(&mut body, bytes as usize - 1).await;
            std::future::pending::<()>().await;
        } => None,
    }
}

/// How many of 64 such calls on one connection are answered in the end, all others being waited
/// for by the coordinator.
async fn answered(fleet: &Fleet, path: &'static str, bytes: u32, expected: usize) {
    let send = http2(fleet).await;
    let mut calls = JoinSet::new();
    for _ in 0..64 {
        let send = send.clone();
        calls.spawn(async move { one_byte_short(send, path, bytes).await });
    }
    for n in 0..expected {
        let what = format!("answer {n} of {expected} to {path}");
        let answer = soon(&what, calls.join_next()).await.expect("a call");
        let answer = answer.expect("ran").expect("a refusal");
        assert!(answer.headers().contains_key("grpc-status"), "{answer:?}");
    }
}

/// scenario: 42 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_cannot_have_long_messages_kept() {
    let fleet = Fleet::start().await;
    let long = (4 << 20) - 1;
    // None is waited for: so none is kept.
    for path in [
        "/h8lio.v1.NodeService/ListNodes",
        "/h8lio.v1.FleetService/GetStatus",
        "/h8lio.v1.SessionService/Connect",
        "/h8lio.v1.EnrollmentService/Enroll",
        "/grpc.health.v1.Health/Check",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    ] {
        answered(&fleet, path, long, 64).await;
    }
    // What he may say is short, and four of them are waited for at once.
    answered(&fleet, "/h8lio.v1.EnrollmentService/Enroll", 64 << 10, 60).await;
    answered(&fleet, "/grpc.health.v1.Health/Check", 64 << 10, 60).await;
}

/// scenario: 42 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_never_arrives_is_given_up() {
    let fleet = Fleet::start().await;
    let send = http2(&fleet).await;
    let path = "/h8lio.v1.EnrollmentService/Enroll";
    let answer = soon("the end of patience", one_byte_short(send, path, 1_000)).await;
    let answer = answer.expect("an answer");
    let code = i32::from(tonic::Code::DeadlineExceeded).to_string();
    let said = answer.headers().get("grpc-status").map(|v| v.as_bytes());
    assert_eq!(said, Some(code.as_bytes()), "{answer:?}");
}

/// scenario: 42 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_full_of_strangers_keeps_no_server_from_joining() {
    let fleet = Fleet::start().await;
    let share = fleet.settings().limits.anonymous_connections_per_source;
    let mut held = Vec::new();
    for _ in 0..share {
        held.push(http2(&fleet).await);
    }
    let token = fleet.token().expecting_serial("S1").create().await;
    // Young connections are not given up: the server dials again, as its agent does.
    until("a place", || async {
        let mut server = fleet.server("s1");
        let channel = server.strangers_channel(&token).await.ok()?;
        let request = server.request(&token);
        server.ask(channel, request).await.ok()
    })
    .await
    .issued();
}

/// scenario: 42 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_cannot_have_long_messages_read_either() {
    let fleet = Fleet::start().await;
    let reason = "x".repeat(300 << 10);
    let ban = v1::BanNodeRequest {
        node: "s1".to_owned(),
        change: change(&reason),
    };
    let refused = fleet.admin.nodes().await.ban_node(ban).await;
    assert_eq!(refused.expect_err("too long").code(), Code::OutOfRange);
    let revoke = v1::RevokeOperatorRequest {
        name: "nobody".to_owned(),
        change: change(&reason),
    };
    let refused = fleet.admin.fleet().await.revoke_operator(revoke).await;
    assert_eq!(refused.expect_err("too long").code(), Code::OutOfRange);
}
