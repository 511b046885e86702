//! The coordinator's certificate authority, as the agent asks it.

use std::time::Duration;

use async_trait::async_trait;
use h8lio_model::ids::{FleetName, NodeId, NodeName};
use h8lio_model::token::Claims;
use h8lio_proto::convert::{Invalid, read_duration};
use h8lio_proto::v1;
use h8lio_proto::v1::enrollment_service_client::EnrollmentServiceClient;
use h8lio_tls::bundle::{TrustBundle, certificates_to_pem};
use h8lio_tls::identity::{IdentityError, csr, key_to_pem};
use h8lio_tls::token::JoinToken;
use rcgen::KeyPair;
use secrecy::ExposeSecret;
use tonic::transport::Channel;

use super::document::Credential;

/// Nothing that the authority does takes longer.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// A credential and the roots that came with it.
#[derive(Debug)]
pub struct Issued {
    pub credential: Credential,
    pub bundle: TrustBundle,
}

/// The answer to a join token.
#[derive(Debug)]
pub enum Enrolled {
    Issued {
        fleet: FleetName,
        node_id: NodeId,
        node_name: NodeName,
        issued: Issued,
    },
    /// A person must approve.
    Pending {
        node_name: String,
        explanation: String,
        retry_after: Duration,
    },
}

/// Why the authority gave no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("the coordinator refused: {why}")]
    Refused { why: String, code: tonic::Code },
    /// Nobody answered.
    #[error("no answer from the coordinator: {cause}")]
    Unreached { cause: String },
    /// Somebody answered and no conversation came of it: a TLS failure that may pass, such as a
    /// clock that is not set yet.
    #[error("{cause}")]
    NotTrusted { cause: String },
    /// The coordinator answered that it cannot do it now.
    #[error("the coordinator cannot do it now: {why}")]
    Busy { why: String },
    /// Whoever answers at each address has another CA than the join token names.
    #[error("at {addresses}: {why}; make a new join token on the coordinator that answers there")]
    WrongPin { addresses: String, why: String },
    #[error("the coordinator's answer makes no sense")]
    Answer(#[from] Invalid),
    #[error("cannot make a certificate request")]
    Request(#[source] IdentityError),
}

impl AuthorityError {
    /// Whether asking the same again may help.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Refused { code, .. } => {
                matches!(code, tonic::Code::ResourceExhausted | tonic::Code::Internal)
            }
            Self::Unreached { .. } | Self::NotTrusted { .. } | Self::Busy { .. } => true,
            Self::WrongPin { .. } | Self::Answer(_) | Self::Request(_) => false,
        }
    }
}

/// Issues certificates.
#[async_trait]
pub trait Authority: Send + Sync {
    /// Shows a join token.
    async fn enroll(
        &self,
        token: &JoinToken,
        key: &KeyPair,
        claims: &Claims,
    ) -> Result<Enrolled, AuthorityError>;

    /// Replaces the certificate of the connection.
    async fn renew(&self, key: &KeyPair) -> Result<Issued, AuthorityError>;

    /// Regains a certificate with an expired one.
    async fn reattest(&self, key: &KeyPair, claims: &Claims) -> Result<Issued, AuthorityError>;
}

/// The authority at the other end of a connection.
#[derive(Debug, Clone)]
pub struct RemoteAuthority {
    channel: Channel,
}

impl RemoteAuthority {
    /// Asks over `channel`.
    pub const fn new(channel: Channel) -> Self {
        Self { channel }
    }

    fn client(&self) -> EnrollmentServiceClient<Channel> {
        EnrollmentServiceClient::new(self.channel.clone()).max_decoding_message_size(256 << 10)
    }
}

#[async_trait]
impl Authority for RemoteAuthority {
    async fn enroll(
        &self,
        token: &JoinToken,
        key: &KeyPair,
        claims: &Claims,
    ) -> Result<Enrolled, AuthorityError> {
        let request = v1::EnrollRequest {
            token_id: token.id.to_string(),
            token_secret: token.secret.expose_secret().clone(),
            csr: csr(key).map_err(AuthorityError::Request)?,
            claims: Some(claims.clone().into()),
        };
        let mut client = self.client();
        let answer = within(client.enroll(request)).await?;
        read_enrolled(answer, key)
    }

    async fn renew(&self, key: &KeyPair) -> Result<Issued, AuthorityError> {
        let csr = csr(key).map_err(AuthorityError::Request)?;
        let mut client = self.client();
        let answer = within(client.renew(v1::RenewRequest { csr })).await?;
        read_issued(answer.issued, key)
    }

    async fn reattest(&self, key: &KeyPair, claims: &Claims) -> Result<Issued, AuthorityError> {
        let request = v1::ReattestRequest {
            csr: csr(key).map_err(AuthorityError::Request)?,
            claims: Some(claims.clone().into()),
        };
        let mut client = self.client();
        let answer = within(client.reattest(request)).await?;
        read_issued(answer.issued, key)
    }
}

async fn within<T>(
    call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
) -> Result<T, AuthorityError> {
    match tokio::time::timeout(ANSWER_WITHIN, call).await {
        Ok(Ok(answer)) => Ok(answer.into_inner()),
        Ok(Err(status)) => Err(status_error(&status)),
        Err(_) => Err(AuthorityError::Unreached {
            cause: format!("none within {} s", ANSWER_WITHIN.as_secs()),
        }),
    }
}

fn status_error(status: &tonic::Status) -> AuthorityError {
    use tonic::Code::{Cancelled, DeadlineExceeded, Unavailable, Unknown};
    // A status that the transport made up has its cause below it; the coordinator's own has words.
    let said = std::error::Error::source(status).is_none() && !status.message().is_empty();
    match status.code() {
        Unavailable | Unknown | Cancelled | DeadlineExceeded if said => AuthorityError::Busy {
            why: status.message().to_owned(),
        },
        Unavailable | Unknown | Cancelled | DeadlineExceeded => AuthorityError::Unreached {
            cause: crate::session::cause(status),
        },
        code => AuthorityError::Refused {
            why: status.message().to_owned(),
            code,
        },
    }
}

fn read_enrolled(answer: v1::EnrollResponse, key: &KeyPair) -> Result<Enrolled, AuthorityError> {
    use v1::enroll_response::Outcome;
    match answer.outcome {
        Some(Outcome::Issued(issued)) => Ok(Enrolled::Issued {
            fleet: parse("fleet", &answer.fleet)?,
            node_id: parse("node_id", &answer.node_id)?,
            node_name: parse("node_name", &answer.node_name)?,
            issued: read_issued(Some(issued), key)?,
        }),
        Some(Outcome::Pending(p)) => Ok(Enrolled::Pending {
            node_name: answer.node_name,
            explanation: p.explanation,
            retry_after: read_duration("pending.retry_after", p.retry_after)?,
        }),
        None => Err(Invalid::new("outcome", "is missing").into()),
    }
}

fn read_issued(
    issued: Option<v1::IssuedCertificate>,
    key: &KeyPair,
) -> Result<Issued, AuthorityError> {
    let issued = issued.ok_or_else(|| Invalid::new("issued", "is missing"))?;
    let bundle = issued
        .trust_bundle
        .ok_or_else(|| Invalid::new("issued.trust_bundle", "is missing"))?;
    let chain: Vec<_> = issued.chain.into_iter().map(Into::into).collect();
    let credential = Credential {
        chain: certificates_to_pem(&chain),
        key: key_to_pem(key).to_string(),
    };
    credential
        .identity()
        .map_err(|e| Invalid::new("issued.chain", e))?;
    let roots = bundle.roots.into_iter().map(Into::into).collect();
    let bundle = TrustBundle::new(roots).map_err(|e| Invalid::new("issued.trust_bundle", e))?;
    Ok(Issued { credential, bundle })
}

fn parse<T: std::str::FromStr<Err: ToString>>(
    field: &'static str,
    text: &str,
) -> Result<T, Invalid> {
    text.parse().map_err(|e: T::Err| Invalid::new(field, e))
}

#[cfg(test)]
mod tests {
    use tonic::{Code, Status};

    use super::*;

    const PASSING: [Code; 4] = [
        Code::Unavailable,
        Code::Unknown,
        Code::Cancelled,
        Code::DeadlineExceeded,
    ];

    #[test]
    fn what_a_coordinator_says_itself_is_told_from_what_a_connection_made_up() {
        for code in PASSING {
            let busy = status_error(&Status::new(code, "the store is full"));
            assert!(
                matches!(&busy, AuthorityError::Busy { why } if why == "the store is full"),
                "{busy:?}"
            );
            let silent = status_error(&Status::new(code, ""));
            assert!(
                matches!(&silent, AuthorityError::Unreached { cause } if !cause.is_empty()),
                "{silent:?}"
            );
        }
        let broken = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        let broken = status_error(&Status::from_error(Box::new(broken)));
        let AuthorityError::Unreached { cause } = broken else {
            panic!("{broken:?}");
        };
        assert_eq!(cause, "the coordinator closed the connection");
    }

    #[test]
    fn a_refusal_is_final_unless_the_coordinator_may_think_better_of_it() {
        for (code, again) in [
            (Code::PermissionDenied, false),
            (Code::Unauthenticated, false),
            (Code::InvalidArgument, false),
            (Code::NotFound, false),
            (Code::ResourceExhausted, true),
            (Code::Internal, true),
        ] {
            let refused = status_error(&Status::new(code, "no"));
            assert!(
                matches!(&refused, AuthorityError::Refused { why, .. } if why == "no"),
                "{refused:?}"
            );
            assert_eq!(refused.is_retryable(), again, "{code:?}");
        }
        for code in PASSING {
            assert!(status_error(&Status::new(code, "no")).is_retryable());
        }
        let wrong = AuthorityError::WrongPin {
            addresses: "c1:1".into(),
            why: "w".into(),
        };
        assert!(!wrong.is_retryable());
    }
}
