//! Accepts connections: TCP, TLS, and who is calling, before anything else sees a byte.
//!
//! The port is open to everybody who can reach it, so this room is about bounds: how long a
//! handshake may take, how many may be in progress (in all and for one address), how many
//! connections there may be, and how much is written to the log about strangers. What gets
//! through is an [`Accepted`] connection with its [`Peer`], which tonic hands to every call.

mod calls;
pub mod counters;
mod handshake;
pub mod http2;
mod listen;
mod pending;
mod places;
mod quiet;
mod reason;
mod stream;
mod tickets;
pub mod tls;

pub use calls::{Call, Calls};
pub use handshake::{Acceptor, AcceptorParts};
pub use listen::{ListenError, listen};
pub use reason::Reason;
pub use stream::{Accepted, Peer};
