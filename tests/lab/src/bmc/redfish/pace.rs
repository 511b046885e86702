//! Requests come late to a slow BMC, and never to a dead one.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::{task, time};

use crate::bmc::mode::{Mode, ModeFile};

/// Far above any request of a client.
const LARGEST: usize = 64 * 1024;

pub(super) async fn pace(
    State(modes): State<Arc<ModeFile>>,
    request: Request,
    next: Next,
) -> Response {
    match modes.current() {
        // Ends when the client hangs up.
        Mode::Dead => std::future::pending().await,
        Mode::Slow(delay) => {
            // Taken in at once, and served in a task of its own: a BMC that was told to switch the
            // power does so although its client has lost patience.
            let (parts, body) = request.into_parts();
            let Ok(body) = to_bytes(body, LARGEST).await else {
                return StatusCode::BAD_REQUEST.into_response();
            };
            let request = Request::from_parts(parts, Body::from(body));
            let late = task::spawn(async move {
                time::sleep(delay).await;
                next.run(request).await
            });
            late.await
                .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
        }
        Mode::Normal | Mode::Lying | Mode::Deaf => next.run(request).await,
    }
}
