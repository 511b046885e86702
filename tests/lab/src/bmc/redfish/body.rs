//! JSON bodies, in and out.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::fault::Fault;

/// An answer with a JSON body.
pub(super) fn json(status: StatusCode, value: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json;charset=utf-8")];
    (status, kind, value.to_string()).into_response()
}

/// A resource.
pub(super) fn found(value: &Value) -> Response {
    json(StatusCode::OK, value)
}

/// Reads a request's body, whatever content type it claims, as real BMCs do.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|e| Fault::malformed(&e))
}

/// What DSP0266 wants on every answer.
pub(super) async fn headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert("odata-version", HeaderValue::from_static("4.0"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
