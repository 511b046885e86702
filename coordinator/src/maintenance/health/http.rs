//! A check over HTTP: one GET on a connection of its own.

use std::pin::pin;

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::{Request, Uri};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Well is any answer of 200 to 299. Its body is not read.
pub(super) async fn get(uri: &Uri) -> Result<(), String> {
    let authority = uri.authority().ok_or("the address names no server")?;
    let host = authority.host().trim_matches(['[', ']']);
    let port = authority.port_u16().unwrap_or(80);
    let stream = TcpStream::connect((host, port))
        .await
        .map_err(|e| format!("cannot connect to {authority}: {e}"))?;
    let broken = |e: hyper::Error| format!("{authority} does not answer: {e}");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(HOST, authority.as_str())
        .header(USER_AGENT, "h8lio-coordinator")
        .body(Empty::<Bytes>::new())
        .map_err(|e| e.to_string())?;
    let (mut answer, mut connection) = (pin!(sender.send_request(request)), pin!(connection));
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        // The connection is over; what came before is still to be told.
        _ = &mut connection => answer.await,
    };
    let status = answer.map_err(broken)?.status();
    match status.is_success() {
        true => Ok(()),
        false => Err(format!("{authority} answers {status}")),
    }
}
