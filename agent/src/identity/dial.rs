//! The authority as reached with a join token: any coordinator that it names, known by the pin.

use async_trait::async_trait;
use h8lio_model::token::Claims;
use h8lio_tls::client::{self, ConnectOptions};
use h8lio_tls::token::JoinToken;
use rcgen::KeyPair;

use super::authority::{Authority, AuthorityError, Enrolled, Issued, RemoteAuthority};

/// Dials the addresses of a token in turn, anew for each request.
#[derive(Debug)]
pub struct TokenAuthority {
    /// Tried before the token's own.
    pub addresses: Vec<String>,
}

impl TokenAuthority {
    async fn reach(&self, token: &JoinToken) -> Result<RemoteAuthority, AuthorityError> {
        let unreached = |cause| AuthorityError::Unreached { cause };
        let mut causes = Vec::new();
        let mut all_strangers = true;
        for address in self.addresses.iter().chain(&token.addresses) {
            let tls =
                client::bootstrap_config(token.pin).map_err(|e| unreached(crate::chain(&e)))?;
            match client::connect(address, tls, ConnectOptions::default()).await {
                Ok(channel) => return Ok(RemoteAuthority::new(channel)),
                Err(e) => {
                    all_strangers &= e.is_not_ours();
                    causes.push(e.to_string());
                }
            }
        }
        if causes.is_empty() {
            causes.push("the join token names no coordinator".to_owned());
        }
        let cause = causes.join("; ");
        if all_strangers {
            // Each was reached, and none is of the token's fleet: waiting changes nothing.
            let code = tonic::Code::FailedPrecondition;
            return Err(AuthorityError::Refused { why: cause, code });
        }
        Err(unreached(cause))
    }
}

#[async_trait]
impl Authority for TokenAuthority {
    async fn enroll(
        &self,
        token: &JoinToken,
        key: &KeyPair,
        claims: &Claims,
    ) -> Result<Enrolled, AuthorityError> {
        self.reach(token).await?.enroll(token, key, claims).await
    }

    async fn renew(&self, _: &KeyPair) -> Result<Issued, AuthorityError> {
        Err(not_a_member())
    }

    async fn reattest(&self, _: &KeyPair, _: &Claims) -> Result<Issued, AuthorityError> {
        Err(not_a_member())
    }
}

fn not_a_member() -> AuthorityError {
    AuthorityError::Refused {
        why: "a join token can only enroll".to_owned(),
        code: tonic::Code::FailedPrecondition,
    }
}
