//! Peers that send too much, too slowly, or nonsense. Each test holds two things: the offender is
//! cut, and an honest node and an operator get on meanwhile.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use h8lio_model::section::{Digest, SectionKind};
use h8lio_proto::v1;
use h8lio_proto::v1::Availability;
use h8lio_proto::v1::connect_request::Message as Up;
use h8lio_tests::harness::{Beating, Fleet, Refused as _, Server, says, section, soon};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::Code;

const BEAT: Duration = Duration::from_millis(200);

/// A fleet with an honest node, which beats, and an attacker that is enrolled.
pub(super) struct Stage {
    pub(super) fleet: Fleet,
    honest: Beating,
    attacker: Server,
}

pub(super) async fn stage() -> Stage {
    let fleet = Fleet::builder()
        .with(|s| s.limits.handshake_timeout = Duration::from_secs(2))
        .start()
        .await;
    let server = fleet.enrolled("honest").await;
    let honest = server.session().await.expect("a session").beating(BEAT);
    fleet
        .admin
        .sees_availability("honest", Availability::Online)
        .await;
    let attacker = fleet.enrolled("attacker").await;
    Stage {
        fleet,
        honest,
        attacker,
    }
}

impl Stage {
    /// The honest node is heard, was never doubted, and operators are answered.
    async fn others_get_on(&self) {
        let before = self
            .fleet
            .admin
            .node("honest")
            .await
            .last_seen
            .expect("heard");
        let later = |n: &v1::Node| {
            n.last_seen
                .is_some_and(|t| (t.seconds, t.nanos) > (before.seconds, before.nanos))
        };
        self.fleet
            .admin
            .sees("honest", "heard meanwhile", later)
            .await;
        assert!(self.honest.is_open());
        assert_eq!(
            self.fleet.admin.events_of("honest", "NodeSuspect").await,
            []
        );
        self.fleet
            .admin
            .label("honest", "a", "b")
            .await
            .expect("a change gets through");
    }

    /// TLS as the attacker, with nothing said yet.
    pub(super) async fn tls(&self) -> TlsStream<TcpStream> {
        let fleet = h8lio_tests::harness::FLEET.parse().expect("a name");
        let config = h8lio_tls::client::config(
            &fleet,
            &self.fleet.dial.bundle,
            Some(self.attacker.identity()),
        );
        let tcp = TcpStream::connect(self.fleet.dial.address)
            .await
            .expect("connected");
        let name = ServerName::try_from("coordinator.h8lio").expect("a name");
        TlsConnector::from(config.expect("a configuration"))
            .connect(name, tcp)
            .await
            .expect("TLS")
    }

    /// HTTP/2 as the attacker, without any of gRPC's manners.
    pub(super) async fn http2(
        &self,
    ) -> (
        h2::client::SendRequest<Bytes>,
        tokio::task::JoinHandle<Result<(), h2::Error>>,
    ) {
        let mut builder = h2::client::Builder::new();
        // The client's own care must not stand in the way.
        builder
            .max_header_list_size(64 << 20)
            .initial_max_send_streams(100_000);
        let (send, connection) = builder.handshake(self.tls().await).await.expect("HTTP/2");
        (send, tokio::spawn(connection))
    }
}

pub(super) fn request(path: &str) -> http::request::Builder {
    http::Request::post(format!("http://coordinator{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
}

pub(super) const CONNECT: &str = "/h8lio.v1.SessionService/Connect";
pub(super) const RENEW: &str = "/h8lio.v1.EnrollmentService/Renew";

/// scenario: 42 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_peers_are_cut_and_keep_nobody_out() {
    let stage = stage().await;
    let mut slow = Vec::new();
    for n in 0..100 {
        let mut tcp = TcpStream::connect(stage.fleet.dial.address)
            .await
            .expect("connected");
        if n % 2 == 0 {
            // The beginning of a TLS record, and then nothing.
            tcp.write_all(&[22, 3, 1, 2]).await.expect("sent");
        }
        slow.push(tcp);
    }
    let mut silent = stage.tls().await;
    silent
        .write_all(b"PRI * HTTP/2")
        .await
        .expect("half a preface");
    stage.others_get_on().await;
    for tcp in &mut slow {
        let _ = soon("the cut of a slow peer", tcp.read(&mut [0; 64])).await;
    }
    let _ = soon(
        "the cut of a silent peer",
        silent.read_to_end(&mut Vec::new()),
    )
    .await;
    stage.others_get_on().await;
}

/// scenario: 42 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_announces_a_gibibyte_is_refused_before_it_comes() {
    let stage = stage().await;
    let (mut send, connection) = stage.http2().await;
    let head = request(CONNECT).body(()).expect("a request");
    let (answer, mut body) = send.send_request(head, false).expect("sent");
    let mut announced = vec![0];
    announced.extend_from_slice(&(1u32 << 30).to_be_bytes());
    announced.extend_from_slice(&[0; 64]);
    body.send_data(announced.into(), false).expect("sent");
    let mut answer = soon("the answer", answer)
        .await
        .expect("answered")
        .into_body();
    let trailers = soon("the end of the stream", async {
        while let Some(data) = answer.data().await {
            data.expect("nothing but the end");
        }
        answer.trailers().await.expect("an end").expect("a status")
    })
    .await;
    let code = i32::from(Code::OutOfRange).to_string();
    assert_eq!(
        trailers.get("grpc-status").and_then(|v| v.to_str().ok()),
        Some(code.as_str())
    );
    stage.others_get_on().await;
    connection.abort();
}

/// scenario: 42 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_larger_than_allowed_ends_the_session_with_the_reason() {
    let stage = stage().await;
    let mut session = stage.attacker.session().await.expect("a session");
    let body = vec![b' '; 5 << 20];
    session.report(SectionKind::Conditions, &body).await;
    let end = session.end().await;
    assert_eq!(end.code(), Code::OutOfRange, "{end}");
    says(
        end.message(),
        &["4194304 bytes", "limits.message_bytes", "session is closed"],
    );
    stage.others_get_on().await;
}

/// scenario: 42 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_larger_than_allowed_is_refused_and_the_session_goes_on() {
    let stage = stage().await;
    let mut session = stage.attacker.session().await.expect("a session");
    let body = vec![b' '; 3 << 20];
    session.report(SectionKind::Conditions, &body).await;
    let receipt = session.receipt().await;
    assert_eq!((receipt.received.len(), receipt.refused.len()), (0, 1));
    says(
        &receipt.refused[0].why,
        &["2097152 are taken", "send it in parts"],
    );
    session.report(SectionKind::Conditions, b"[]").await;
    assert_eq!(session.receipt().await.received.len(), 1);
}

/// scenario: 42 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn junk_in_reports_is_refused_section_by_section() {
    let stage = stage().await;
    let mut session = stage.attacker.session().await.expect("a session");
    let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    let junk: [&[u8]; 6] = [
        b"",
        b"\xff\xfe\x00",
        b"{",
        b"null",
        b"[{\"type\":\"NoSuchThing\"}]",
        &deep,
    ];
    for body in junk {
        session.report(SectionKind::Conditions, body).await;
        let receipt = session.receipt().await;
        assert_eq!(
            (receipt.received.len(), receipt.refused.len()),
            (0, 1),
            "{receipt:?}"
        );
    }
    let mut lie = section(SectionKind::Conditions, b"[]");
    lie.digest = Digest::of(b"another").0.to_vec();
    let strange = v1::Section {
        kind: 99,
        ..section(SectionKind::Conditions, b"[]")
    };
    let sections = vec![lie, strange];
    session
        .say(Up::Report(v1::Report {
            sections,
            confirmed: Vec::new(),
        }))
        .await;
    let receipt = session.receipt().await;
    let why: Vec<&str> = receipt.refused.iter().map(|r| r.why.as_str()).collect();
    assert_eq!(why.len(), 2, "{why:?}");
    says(why[0], &["does not match the body"]);
    says(why[1], &["section kind 99 is not known"]);
    assert_eq!(stage.fleet.admin.node("attacker").await.conditions, []);
    stage.others_get_on().await;
}

/// scenario: 42 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_beats_ends_the_floods_own_session() {
    let stage = stage().await;
    let mut session = stage.attacker.session().await.expect("a session");
    let flood = async {
        for _ in 0..2_000 {
            session.beat().await;
        }
        session.end().await
    };
    let end = soon("the end of the flood", flood).await;
    assert_eq!(end.code(), Code::ResourceExhausted, "{end}");
    says(
        end.message(),
        &["more messages than the 20 a second", "session is closed"],
    );
    stage.others_get_on().await;
}

/// scenario: 42 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_bytes_ends_the_floods_own_session() {
    let stage = stage().await;
    let mut session = stage.attacker.session().await.expect("a session");
    let body = vec![b' '; 1 << 20];
    let flood = async {
        for _ in 0..40 {
            session.report(SectionKind::Conditions, &body).await;
        }
        session.end().await
    };
    let end = soon("the end of the flood", flood).await;
    assert_eq!(end.code(), Code::ResourceExhausted, "{end}");
    says(
        end.message(),
        &["16 MiB of reports a minute", "session is closed"],
    );
    stage.others_get_on().await;
}

/// scenario: 42 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_a_session_is_told_so() {
    let stage = stage().await;
    let first_words = [
        (Up::Beat(v1::Beat::default()), "must be Hello"),
        (Up::Hello(v1::Hello::default()), "hello.boot_id"),
    ];
    for (message, expected) in first_words {
        let mut stream = stage.attacker.stream().await.expect("a stream");
        stream.say(message).await;
        let end = stream.end().await;
        assert_eq!(end.code(), Code::InvalidArgument, "{end}");
        says(end.message(), &[expected]);
    }
    let mut session = stage.attacker.session().await.expect("a session");
    session.say(Up::Hello(stage.attacker.hello())).await;
    let end = session.end().await;
    says(end.message(), &["Hello comes once"]);
    stage.others_get_on().await;
}

/// scenario: 42 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bomb_of_headers_is_refused() {
    let stage = stage().await;
    let (mut send, connection) = stage.http2().await;
    let mut head = request("/h8lio.v1.FleetService/GetStatus");
    for n in 0..64 {
        head = head.header(format!("x-bomb-{n}"), "b".repeat(4 << 10));
    }
    let (answer, _) = send
        .send_request(head.body(()).expect("a request"), true)
        .expect("sent");
    let answer = soon("the answer", answer).await;
    let refused = match &answer {
        Err(_) => true,
        Ok(response) => response.status() == http::StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    };
    assert!(refused, "{answer:?}");
    stage.others_get_on().await;
    connection.abort();
}

/// scenario: 42 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_opens_and_resets_streams_without_end_loses_the_connection() {
    let stage = stage().await;
    let (mut send, connection) = stage.http2().await;
    let attack = async {
        for _ in 0..100_000u32 {
            let ready = send.clone().ready().await;
            let Ok(mut open) = ready else { return };
            let head = request(CONNECT).body(()).expect("a request");
            let Ok((_, mut stream)) = open.send_request(head, false) else {
                return;
            };
            stream.send_reset(h2::Reason::CANCEL);
            send = open;
        }
        panic!("100,000 resets were taken");
    };
    soon("the end of the attack", attack).await;
    let error = soon("the end of the connection", connection)
        .await
        .expect("ran");
    let error = error.expect_err("closed by the coordinator");
    // The coordinator's word may be lost behind the attacker's own unread writes.
    let told = error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM);
    assert!(told || error.is_io(), "{error}");
    stage.others_get_on().await;
}

pub(super) const END_HEADERS: u8 = 4;

/// A frame of HTTP/2 (RFC 9113 section 4.1).
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The headers of a call, without compression (RFC 7541 section 6.2.2).
pub(super) fn headers(path: &str) -> Vec<u8> {
    // :method POST, :scheme http, and then by the number or the text of their names.
    let mut block = vec![0x83, 0x86];
    let named: [(&[u8], &str); 4] = [
        (&[0x04], path),
        (&[0x01], "coordinator"),
        (&[0x0f, 31 - 15], "application/grpc"),
        (b"\x00\x02te", "trailers"),
    ];
    for (name, value) in named {
        block.extend(name);
        block.push(u8::try_from(value.len()).expect("short"));
        block.extend(value.as_bytes());
    }
    block
}

/// How many streams got an answer and not only a reset, once all `streams` are done with or the
/// connection is closed.
async fn answered_streams(tls: &mut TlsStream<TcpStream>, streams: usize) -> usize {
    const HEADERS: u8 = 1;
    const RESET: u8 = 3;
    const GO_AWAY: u8 = 7;
    let (mut answered, mut done) = (HashSet::new(), HashSet::new());
    loop {
        let mut head = [0; 9];
        if tls.read_exact(&mut head).await.is_err() || head[3] == GO_AWAY {
            return answered.len();
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut payload = vec![0; length as usize];
        if tls.read_exact(&mut payload).await.is_err() {
            return answered.len();
        }
        if head[3] == HEADERS {
            answered.insert(stream);
        }
        if matches!(head[3], HEADERS | RESET) && done.insert(stream) && done.len() == streams {
            return answered.len();
        }
    }
}

/// scenario: 42 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_streams_are_not_open_at_once() {
    let stage = stage().await;
    let mut tls = stage.tls().await;
    // Frame by frame, since an honest client keeps to the limit that it is told.
    let mut first = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    first.extend(frame(4, 0, 0, &[]));
    first.extend(frame(1, END_HEADERS, 1, &headers(CONNECT)));
    tls.write_all(&first).await.expect("sent");
    let answered = soon("the first answer", answered_streams(&mut tls, 1)).await;
    assert_eq!(answered, 1, "one stream is a call like any other");
    // Calls whose request is waited for: what is open at once is answered when patience ends. Few
    // enough to be refused one by one; more errors end the connection, and with it the count.
    let some = 1..100;
    let attack: Vec<u8> = some
        .flat_map(|n| frame(1, END_HEADERS, 2 * n + 1, &headers(RENEW)))
        .collect();
    tls.write_all(&attack).await.expect("sent");
    let answered = soon("the answers", answered_streams(&mut tls, 99)).await;
    assert!(answered > 0, "they were open until then");
    assert!(answered < 64, "{answered} more streams were open at once");
    let rest: Vec<u8> = (100..1_000)
        .flat_map(|n| frame(1, END_HEADERS, 2 * n + 1, &headers(RENEW)))
        .collect();
    // The connection may be gone before all is written.
    let _ = soon("room for the attack", tls.write_all(&rest)).await;
    let answered = soon("the end", answered_streams(&mut tls, 900)).await;
    assert!(answered < 64, "{answered} of the rest were open at once");
    stage.others_get_on().await;
    drop(tls);
    // The attacker's own honest session works afterwards.
    stage.attacker.session().await.expect("a session");
}

/// scenario: 42 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn junk_in_calls_of_operators_is_one_line() {
    let stage = stage().await;
    let mut calls = stage.fleet.admin.fleet().await;
    let mut nodes = stage.fleet.admin.nodes().await;
    let long = "x".repeat(100_000);
    let get = v1::GetNodeRequest { node: long.clone() };
    let update = v1::UpdateNodeRequest {
        node: "honest".to_owned(),
        set_labels: [(long.clone(), long.clone())].into(),
        change: h8lio_tests::harness::change("x"),
        ..Default::default()
    };
    let revoke = v1::RevokeTokenRequest {
        id: long,
        change: h8lio_tests::harness::change("x"),
    };
    for refused in [
        nodes.get_node(get).await.refused(),
        nodes.update_node(update).await.refused(),
        calls
            .create_token(v1::CreateTokenRequest::default())
            .await
            .refused(),
        calls.revoke_token(revoke).await.refused(),
        calls
            .create_operator(v1::CreateOperatorRequest::default())
            .await
            .refused(),
    ] {
        says(refused.message(), &[]);
        assert!(
            refused.message().len() < 1_000,
            "{} bytes",
            refused.message().len()
        );
        let expected = matches!(refused.code(), Code::InvalidArgument | Code::NotFound);
        assert!(expected, "{refused}");
    }
}
