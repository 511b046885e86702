//! Calls that are done to their end although the caller hangs up: a ban that is in the audit log
//! must also be in force, and a revoked operator must be revoked in memory, too.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;
use tower::Service;

/// A service whose calls run in tasks of their own. For services of operators: a stranger could
/// have any amount of work done by hanging up again and again.
#[derive(Debug, Clone)]
pub struct ToTheEnd<S>(pub S);

impl<S: NamedService> NamedService for ToTheEnd<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for ToTheEnd<S>
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
        let work = tokio::spawn(self.0.call(request));
        Box::pin(async move {
            match work.await {
                Ok(answer) => answer,
                Err(error) => {
                    tracing::error!(%error, "a call failed inside the coordinator");
                    let status = Status::internal(
                        "the call failed inside the coordinator; its log says where",
                    );
                    Ok(status.into_http())
                }
            }
        })
    }
}
