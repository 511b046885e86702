//! `Version` and `Status` of the container runtime interface.

use std::error::Error;
use std::io;
use std::path::Path;

use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::messages::{StatusRequest, StatusResponse, VersionRequest, VersionResponse};
use crate::host::runtime::{CriAnswer, CriAnswerCondition, CriFault};
use crate::words::plain;

/// API versions, newest first.
const APIS: [&str; 2] = ["v1", "v1alpha2"];

/// An answer beyond this is refused: 256 KiB. Without details asked for they are far smaller.
const ANSWER_CAP: usize = 256 << 10;

/// Asks the runtime at `socket`, in the newest API that it speaks. Waits without limit; the
/// caller sets the deadline.
pub(super) async fn ask(socket: &Path) -> Result<CriAnswer, CriFault> {
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|e| connect_fault(&e))?;
    let mut once = Some(TokioIo::new(stream));
    // The address is never looked up: the connection is there.
    let channel = Endpoint::from_static("http://localhost")
        .connect_with_connector(tower::service_fn(move |_| {
            let stream = once.take();
            async move { stream.ok_or_else(|| io::Error::other("the connection was closed")) }
        }))
        .await
        .map_err(|e| not_cri(&e))?;
    let mut client = Grpc::new(channel).max_decoding_message_size(ANSWER_CAP);
    for api in APIS {
        match version(&mut client, api).await {
            Ok(answer) => return complete(&mut client, api, answer).await,
            Err(e) if e.code() == Code::Unimplemented => {}
            Err(e) => return Err(fault(&e)),
        }
    }
    Err(CriFault::NotCri {
        detail: "it implements neither runtime.v1 nor runtime.v1alpha2".to_owned(),
    })
}

async fn version(client: &mut Grpc<Channel>, api: &str) -> Result<VersionResponse, Status> {
    let request = VersionRequest {
        version: api.to_owned(),
    };
    call(client, api, "Version", request).await
}

async fn complete(
    client: &mut Grpc<Channel>,
    api: &str,
    version: VersionResponse,
) -> Result<CriAnswer, CriFault> {
    let status: StatusResponse = call(client, api, "Status", StatusRequest {})
        .await
        .map_err(|e| fault(&e))?;
    let status = status.status.ok_or_else(|| CriFault::NotCri {
        detail: "its Status answer holds no status".to_owned(),
    })?;
    Ok(CriAnswer {
        api: api.to_owned(),
        runtime: version.runtime_name,
        version: version.runtime_version,
        conditions: status
            .conditions
            .into_iter()
            .map(|c| CriAnswerCondition {
                kind: c.kind,
                status: c.status,
                reason: c.reason,
                message: c.message,
            })
            .collect(),
    })
}

async fn call<Q, A>(
    client: &mut Grpc<Channel>,
    api: &str,
    method: &str,
    question: Q,
) -> Result<A, Status>
where
    Q: prost::Message + Send + Sync + 'static,
    A: prost::Message + Default + Send + Sync + 'static,
{
    let path = format!("/runtime.{api}.RuntimeService/{method}");
    let path = PathAndQuery::try_from(path).map_err(|e| Status::internal(e.to_string()))?;
    client
        .ready()
        .await
        .map_err(|e| Status::from_error(e.into()))?;
    let codec = ProstCodec::<Q, A>::default();
    let answer = client.unary(Request::new(question), path, codec).await?;
    Ok(answer.into_inner())
}

/// Why the socket could not be opened.
pub(super) fn connect_fault(e: &io::Error) -> CriFault {
    match e.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => CriFault::Refused,
        io::ErrorKind::PermissionDenied => CriFault::NotPermitted,
        _ => CriFault::Failed {
            detail: plain(&e.to_string()),
        },
    }
}

/// A status with a cause was made on this side, from a connection that does not speak gRPC; one
/// without came from the runtime.
fn fault(status: &Status) -> CriFault {
    match status.source() {
        Some(cause) => not_cri(cause),
        None => CriFault::Failed {
            detail: plain(status.message()),
        },
    }
}

fn not_cri(error: &dyn Error) -> CriFault {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    CriFault::NotCri {
        detail: plain(&cause.to_string()),
    }
}
