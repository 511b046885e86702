//! Who is calling, as their certificate says. Nothing in a message can change it.

use std::fmt;

use h8lio_model::ids::{NodeId, OperatorName, Rotation};
use h8lio_model::operator::OperatorRole;
use h8lio_tls::pin::SpkiPin;
use h8lio_tls::serial::Serial;
use jiff::Timestamp;

/// The identity behind a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// No certificate: may only present a join token.
    Anonymous,
    /// An agent with a certificate of this fleet.
    Node {
        id: NodeId,
        serial: Serial,
        rotation: Rotation,
        /// The certificate had ended when the connection was made: good for proving possession
        /// of its key to `Reattest`, for nothing else. See [`Caller::is_expired`] for later.
        expired: bool,
        not_after: Timestamp,
        /// Pin of the certificate's public key.
        spki_hash: SpkiPin,
        /// The generation of the authority that issued the certificate: one before the current
        /// one has to be renewed before a rotation can end.
        authority: u64,
    },
    /// A person with a certificate that had not ended.
    Operator {
        name: OperatorName,
        role: OperatorRole,
        serial: Serial,
        not_after: Timestamp,
    },
}

impl Caller {
    /// Whether the certificate has ended at `now`: a connection may outlive it.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        match self {
            Self::Anonymous => false,
            Self::Node {
                expired, not_after, ..
            } => *expired || now > *not_after,
            Self::Operator { not_after, .. } => now > *not_after,
        }
    }

    /// The serial number of the certificate.
    pub const fn serial(&self) -> Option<Serial> {
        match self {
            Self::Anonymous => None,
            Self::Node { serial, .. } | Self::Operator { serial, .. } => Some(*serial),
        }
    }
}

impl fmt::Display for Caller {
    /// As the audit log names actors: `node/<uuid>`, `operator/<name>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::Node { id, .. } => write!(f, "node/{id}"),
            Self::Operator { name, .. } => write!(f, "operator/{name}"),
        }
    }
}
