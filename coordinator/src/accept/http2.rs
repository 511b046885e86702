//! How HTTP/2 is spoken: what one connection may ask of the coordinator.

use std::time::Duration;

use tonic::transport::Server;

use crate::config::Limits;

/// Frames of 16 KiB, the least that HTTP/2 allows: a larger one only buys a peer more memory.
pub const MAX_FRAME_BYTES: u32 = 16 * 1024;

/// All headers of one call together. gRPC calls of agents and `h8lctl` have less than 1 KiB; an
/// endless stream of headers ends here.
pub const MAX_HEADER_BYTES: u32 = 16 * 1024;

/// Streams that a client opened and reset before they were looked at. The rapid-reset attack
/// (CVE-2023-44487) lives from a large number; honest clients cancel a few.
pub const MAX_PENDING_RESETS: usize = 20;

/// Streams reset by this side because of the client's errors, before the connection is closed.
pub const MAX_ERROR_RESETS: usize = 64;

/// Flow-control window of one stream: what an agent may send before it is read. No frame is larger,
/// so it bounds what each connection keeps for reading: a frame fits into the 8 KiB with which `h2`
/// starts, and a stream's decoder soon gives back what a first report took (`h8lio_proto::codec`).
/// That report takes some round trips more, once.
pub const STREAM_WINDOW_BYTES: u32 = 2 * 1024;
/// What one connection may have in flight unread: the 64 KiB with which HTTP/2 starts.
pub const CONNECTION_WINDOW_BYTES: u32 = 64 * 1024;

/// After this much silence the peer is asked whether it is there, so that a peer that vanished
/// without a word does not hold its place.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// How long it may take to answer.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long calls may go on after a connection reached its age.
pub const AGE_GRACE: Duration = Duration::from_secs(30);

/// A tonic server with these limits. Message sizes are set on each service:
/// `.max_decoding_message_size(limits.message_bytes)`.
pub fn server(limits: &Limits) -> Server {
    Server::builder()
        .max_concurrent_streams(limits.streams_per_connection)
        .concurrency_limit_per_connection(limits.streams_per_connection as usize)
        .max_frame_size(MAX_FRAME_BYTES)
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        .http2_max_pending_accept_reset_streams(Some(MAX_PENDING_RESETS))
        .http2_max_local_error_reset_streams(Some(MAX_ERROR_RESETS))
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .max_connection_age(limits.connection_age)
        .max_connection_age_grace(AGE_GRACE)
        .accept_http1(false)
}
