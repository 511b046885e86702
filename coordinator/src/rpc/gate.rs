//! Before a call is looked at: may this caller call that service at all, and how much of its
//! request is waited for, for how long. Nothing of a body is read for somebody who may not call.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h8lio_proto::v1::enrollment_service_server::EnrollmentServiceServer;
use h8lio_proto::v1::fleet_service_server::FleetServiceServer;
use h8lio_proto::v1::node_service_server::NodeServiceServer;
use h8lio_proto::v1::rollout_service_server::RolloutServiceServer;
use h8lio_proto::v1::session_service_server::SessionServiceServer;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Sleep;
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic_health::pb::health_server::HealthServer;
use tonic_reflection::pb::v1::server_reflection_server::ServerReflectionServer;
use tower::{Layer, Service};

use super::authz;
use crate::accept::{Call, Peer};
use crate::pki::caller::Caller;

const HEALTH: &str = HealthServer::<()>::NAME;
const REFLECTION: &str = ServerReflectionServer::<()>::NAME;

/// Largest request about health or reflection: a name.
pub const SMALL_REQUEST_BYTES: usize = 64 << 10;
/// Largest request of an operator. The largest honest one has some labels and a reason.
pub const OPERATOR_REQUEST_BYTES: usize = 256 << 10;

/// How long the one message of a call may take to arrive.
const REQUEST_WITHIN: Duration = Duration::from_secs(10);

/// Puts a [`Gate`] before the services.
#[derive(Debug, Clone, Copy, Default)]
pub struct GateLayer;

impl<S> Layer<S> for GateLayer {
    type Service = Gate<S>;

    fn layer(&self, services: S) -> Gate<S> {
        Gate(services)
    }
}

/// All services, behind the question who may call them.
#[derive(Debug, Clone)]
pub struct Gate<S>(S);

impl<S> Service<http::Request<Body>> for Gate<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let call = match admit(&request) {
            Ok(call) => call,
            Err(status) => return Box::pin(std::future::ready(Ok(status.into_http()))),
        };
        let endless = is_stream(service(request.uri().path()));
        let request = request.map(|body| if endless { body } else { hurry(body) });
        let work = self.0.call(request);
        Box::pin(async move {
            let answer = work.await?;
            Ok(answer.map(|body| match call {
                Some(call) => Body::new(UnderWay { body, _call: call }),
                None => body,
            }))
        })
    }
}

/// Begins the call, if its caller may make it. `None`: a call that came through no connection
/// of the acceptor, which is a test's.
fn admit(request: &http::Request<Body>) -> Result<Option<Call>, Status> {
    let peer = request.extensions().get::<Peer>();
    let caller = peer.map_or(&Caller::Anonymous, |p| &p.caller);
    may_call(caller, service(request.uri().path()))?;
    let Some(peer) = peer else { return Ok(None) };
    let call = peer.calls.begin().ok_or_else(|| {
        Status::resource_exhausted(format!(
            "this connection has {} calls under way, and may not have more",
            peer.calls.most()
        ))
    })?;
    Ok(Some(call))
}

fn service(path: &str) -> &str {
    path.trim_start_matches('/').split('/').next().unwrap_or("")
}

/// Whether the request may go on for as long as the caller likes.
fn is_stream(service: &str) -> bool {
    service == SessionServiceServer::<()>::NAME || service == REFLECTION
}

/// Whom a service is for.
#[derive(Debug, Clone, Copy)]
enum For {
    Anybody,
    Nodes,
    Operators,
}

fn offered_to(service: &str) -> Option<For> {
    let all = [
        (HEALTH, For::Anybody),
        (EnrollmentServiceServer::<()>::NAME, For::Anybody),
        (SessionServiceServer::<()>::NAME, For::Nodes),
        (NodeServiceServer::<()>::NAME, For::Operators),
        (FleetServiceServer::<()>::NAME, For::Operators),
        (RolloutServiceServer::<()>::NAME, For::Operators),
        (REFLECTION, For::Operators),
    ];
    all.into_iter()
        .find_map(|(s, who)| (s == service).then_some(who))
}

/// Who may call which service. What a caller may do there is asked again by each call, which
/// knows more: this is only about whom to listen to.
fn may_call(caller: &Caller, service: &str) -> Result<(), Status> {
    match (offered_to(service), caller) {
        (Some(For::Anybody), _)
        | (Some(For::Nodes), Caller::Node { .. })
        | (Some(For::Operators), Caller::Operator { .. }) => Ok(()),
        (Some(For::Nodes), _) => Err(authz::not_a_node()),
        (Some(For::Operators), _) | (None, Caller::Anonymous) => Err(authz::not_an_operator()),
        // What nobody offers is refused by the router, which looks at no body either.
        (None, _) => Ok(()),
    }
}

fn hurry(body: Body) -> Body {
    Body::new(Hurried { body, by: None })
}

/// A request that has to arrive in time.
struct Hurried {
    body: Body,
    by: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for Hurried {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        // Most requests arrive in one piece and need no timer.
        let by = self
            .by
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(REQUEST_WITHIN)));
        by.as_mut().poll(cx).map(|()| {
            Some(Err(Status::deadline_exceeded(format!(
                "the request did not arrive within {} s",
                REQUEST_WITHIN.as_secs()
            ))))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer; with its end the call is over.
struct UnderWay {
    body: Body,
    _call: Call,
}

impl HttpBody for UnderWay {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
