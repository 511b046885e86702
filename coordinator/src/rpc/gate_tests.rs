use std::sync::Arc;

use h8lio_model::ids::{NodeId, Rotation};
use h8lio_model::operator::OperatorRole;
use h8lio_tls::pin::SpkiPin;
use h8lio_tls::serial::Serial;
use jiff::Timestamp;
use tonic::Code;
use tower::ServiceExt as _;

use super::*;
use crate::accept::Calls;

fn node() -> Caller {
    Caller::Node {
        id: NodeId::new(uuid::Uuid::from_u128(1)),
        serial: Serial::new([1; 8], Rotation(1)),
        rotation: Rotation(1),
        authority: 1,
        expired: false,
        not_after: Timestamp::MAX,
        spki_hash: SpkiPin([0; 32]),
    }
}

fn operator() -> Caller {
    Caller::Operator {
        name: "ada".parse().expect("valid"),
        role: OperatorRole::Viewer,
        serial: Serial::new([1; 8], Rotation(1)),
        not_after: Timestamp::MAX,
    }
}

fn peer(caller: Caller, most: usize) -> Peer {
    Peer {
        address: ([127, 0, 0, 1], 1).into(),
        caller: Arc::new(caller),
        calls: Calls::new(most),
    }
}

fn request(peer: &Peer, service: &str, body: Body) -> http::Request<Body> {
    let mut request = http::Request::new(body);
    *request.uri_mut() = format!("/{service}/Method").parse().expect("a path");
    request.extensions_mut().insert(peer.clone());
    request
}

/// A request that is never complete, and must not be read to be refused.
struct Endless;

impl HttpBody for Endless {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Poll::Pending
    }
}

/// Reads the whole request, as a call with one message does, and answers what came of it.
async fn reads(request: http::Request<Body>) -> Result<http::Response<Body>, Infallible> {
    let mut body = request.into_body();
    loop {
        let next = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        match next {
            Some(Ok(_)) => {}
            Some(Err(status)) => return Ok(status.into_http()),
            None => return Ok(http::Response::new(Body::new("an answer".to_owned()))),
        }
    }
}

async fn code(peer: &Peer, service: &str, body: Body) -> Code {
    let gate = GateLayer.layer(tower::service_fn(reads));
    let answer = gate.oneshot(request(peer, service, body)).await;
    let answer = answer.unwrap_or_else(|e| match e {});
    Status::from_header_map(answer.headers()).map_or(Code::Ok, |s| s.code())
}

#[tokio::test]
async fn who_may_call_what_is_asked_before_anything_of_a_request_is_read() {
    let session = SessionServiceServer::<()>::NAME;
    let enrollment = EnrollmentServiceServer::<()>::NAME;
    let for_operators = [
        NodeServiceServer::<()>::NAME,
        FleetServiceServer::<()>::NAME,
        RolloutServiceServer::<()>::NAME,
        REFLECTION,
    ];
    let (stranger, node, operator) = (Caller::Anonymous, node(), operator());
    let mut refused = vec![(&stranger, session), (&operator, session)];
    refused.extend(
        for_operators
            .iter()
            .flat_map(|s| [(&stranger, *s), (&node, *s)]),
    );
    refused.push((&stranger, "h8lio.v9.NotOffered"));
    for (caller, service) in refused {
        let code = code(&peer(caller.clone(), 1), service, Body::new(Endless)).await;
        assert_eq!(code, Code::Unauthenticated, "{caller} {service}");
    }
    let mut taken = vec![(&node, session)];
    taken.extend(for_operators.iter().map(|s| (&operator, *s)));
    for service in [HEALTH, enrollment] {
        taken.extend([&stranger, &node, &operator].map(|c| (c, service)));
    }
    for (caller, service) in taken {
        let code = code(&peer(caller.clone(), 1), service, Body::empty()).await;
        assert_eq!(code, Code::Ok, "{caller} {service}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_does_not_arrive_is_not_waited_for() {
    let stranger = peer(Caller::Anonymous, 1);
    let code = code(&stranger, HEALTH, Body::new(Endless)).await;
    assert_eq!(code, Code::DeadlineExceeded);
}

#[tokio::test(start_paused = true)]
async fn a_session_may_be_silent_for_longer_than_a_request_may_take() {
    let agent = peer(node(), 1);
    let session = code(&agent, SessionServiceServer::<()>::NAME, Body::new(Endless));
    let waited = tokio::time::timeout(REQUEST_WITHIN * 10, session).await;
    assert!(waited.is_err(), "{waited:?}");
}

#[tokio::test]
async fn a_connection_has_no_more_calls_under_way_than_it_may() {
    let stranger = peer(Caller::Anonymous, 1);
    let gate = GateLayer.layer(tower::service_fn(reads));
    let ask = || {
        gate.clone()
            .oneshot(request(&stranger, HEALTH, Body::empty()))
    };
    let first = ask().await.unwrap_or_else(|e| match e {});
    let more = code(&stranger, HEALTH, Body::empty()).await;
    assert_eq!(
        more,
        Code::ResourceExhausted,
        "the first answer is not read"
    );
    drop(first);
    assert_eq!(code(&stranger, HEALTH, Body::empty()).await, Code::Ok);
}
