//! Why a connection did not become a caller.

use std::io;

use h8lio_tls::cause::find_tls;
use rustls::{Error, PeerIncompatible};

/// One label each in metrics; the order is the index of its counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The bytes are not TLS: plaintext HTTP, a port scan, junk.
    NotTls,
    /// TLS 1.2 or older.
    OldTls,
    /// TLS 1.3, but nothing in common otherwise, or broken in some other way.
    BadTls,
    /// A client certificate that is refused.
    Certificate,
    /// The client did not like the coordinator's certificate, or gave up for another reason.
    ClientAlert,
    /// The handshake took too long.
    Timeout,
    /// Closed to make room: the oldest of too many handshakes.
    Evicted,
    /// Too many handshakes from one address.
    SourceFull,
    /// Too many connections.
    Full,
    /// Too many connections without a certificate.
    AnonymousFull,
    /// Too many connections without a certificate from one address.
    AnonymousSourceFull,
    /// Too many connections of one operator, all in use.
    IdentityFull,
    /// The peer went away during the handshake.
    Gone,
}

impl Reason {
    /// All of them, in the order of their index.
    pub const ALL: [Self; 13] = [
        Self::NotTls,
        Self::OldTls,
        Self::BadTls,
        Self::Certificate,
        Self::ClientAlert,
        Self::Timeout,
        Self::Evicted,
        Self::SourceFull,
        Self::Full,
        Self::AnonymousFull,
        Self::AnonymousSourceFull,
        Self::IdentityFull,
        Self::Gone,
    ];

    /// The value of the label `reason` in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotTls => "not_tls",
            Self::OldTls => "old_tls",
            Self::BadTls => "bad_tls",
            Self::Certificate => "certificate",
            Self::ClientAlert => "client_alert",
            Self::Timeout => "timeout",
            Self::Evicted => "evicted",
            Self::SourceFull => "source_full",
            Self::Full => "full",
            Self::AnonymousFull => "anonymous_full",
            Self::AnonymousSourceFull => "anonymous_source_full",
            Self::IdentityFull => "identity_full",
            Self::Gone => "gone",
        }
    }

    /// From the error of a handshake.
    pub fn of_handshake(error: &io::Error) -> Self {
        match find_tls(error) {
            None => Self::Gone,
            Some(Error::InvalidMessage(_)) => Self::NotTls,
            Some(Error::InvalidCertificate(_) | Error::NoCertificatesPresented) => {
                Self::Certificate
            }
            Some(Error::AlertReceived(_)) => Self::ClientAlert,
            Some(Error::PeerIncompatible(
                PeerIncompatible::SupportedVersionsExtensionRequired
                | PeerIncompatible::Tls12NotOfferedOrEnabled
                | PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
            )) => Self::OldTls,
            Some(_) => Self::BadTls,
        }
    }

    /// Whether the error itself says more than [`Reason::explain`].
    pub(super) const fn wants_detail(self) -> bool {
        matches!(self, Self::BadTls | Self::Certificate | Self::ClientAlert)
    }

    /// What happened, for the log.
    pub const fn explain(self) -> &'static str {
        match self {
            Self::NotTls => "what it sent is not TLS",
            Self::OldTls => "it does not speak TLS 1.3",
            Self::BadTls => "its TLS handshake is not acceptable",
            Self::Certificate => "its certificate is refused",
            Self::ClientAlert => {
                "it ended the handshake: it does not trust this coordinator's certificate, or gave up"
            }
            Self::Timeout => "it did not finish the TLS handshake in time",
            Self::Evicted => "its unfinished handshake was closed to make room for others",
            Self::SourceFull => "too many handshakes from its address are in progress",
            Self::Full => "the limit of connections (limits.connections) is reached",
            Self::AnonymousFull => {
                "the limit of connections without a certificate (limits.anonymous_connections) is reached"
            }
            Self::AnonymousSourceFull => {
                "its address has as many connections without a certificate as it may (limits.anonymous_connections_per_source)"
            }
            Self::IdentityFull => "its operator has as many connections as one may, all in use",
            Self::Gone => "it went away during the TLS handshake",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_index_and_label() {
        let mut labels: Vec<&str> = Reason::ALL.iter().map(|r| r.as_str()).collect();
        for (index, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), Reason::ALL.len());
    }
}
