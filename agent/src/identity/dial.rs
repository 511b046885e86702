//! The authority as reached with a join token: any coordinator that it names, known by the pin.

use async_trait::async_trait;
use h8lio_model::token::Claims;
use h8lio_tls::cause::{find_tls, not_ours};
use h8lio_tls::client::{self, ConnectError, ConnectOptions};
use h8lio_tls::token::JoinToken;
use h8lio_tls::verify::NotOurs;
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
        let mut failed = Vec::new();
        for address in self.addresses.iter().chain(&token.addresses) {
            let tls =
                client::bootstrap_config(token.pin).map_err(|e| unreached(crate::chain(&e)))?;
            match client::connect(address, tls, ConnectOptions::default()).await {
                Ok(channel) => return Ok(RemoteAuthority::new(channel)),
                Err(e) => failed.push((address.as_str(), e)),
            }
        }
        Err(verdict(&failed))
    }
}

/// What it means that none of these addresses could be used. Another CA at *every* one is final;
/// while one of them is silent, the right coordinator may still be there.
fn verdict(failed: &[(&str, ConnectError)]) -> AuthorityError {
    let wrong_pin = |e| matches!(not_ours(e), Some(NotOurs::WrongPin { .. }));
    let causes = || {
        let each: Vec<_> = failed.iter().map(|(_, e)| e.to_string()).collect();
        each.join("; ")
    };
    match failed {
        [] => AuthorityError::Unreached {
            cause: "the join token names no coordinator".to_owned(),
        },
        [(_, first), ..] if failed.iter().all(|(_, e)| wrong_pin(e)) => {
            let addresses: Vec<_> = failed.iter().map(|(a, _)| *a).collect();
            AuthorityError::WrongPin {
                addresses: addresses.join(", "),
                why: not_ours(first).map(NotOurs::to_string).unwrap_or_default(),
            }
        }
        _ if failed.iter().any(|(_, e)| find_tls(e).is_some()) => {
            AuthorityError::NotTrusted { cause: causes() }
        }
        _ => AuthorityError::Unreached { cause: causes() },
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_everywhere_is_no_verdict_about_anybody() {
        let none = verdict(&[]).to_string();
        assert!(none.contains("names no coordinator"), "{none}");
        let silent = || ConnectError::TimedOut {
            address: "c1:1".into(),
            after: std::time::Duration::from_secs(5),
        };
        let all = verdict(&[("c1:1", silent()), ("c2:1", silent())]);
        let AuthorityError::Unreached { cause } = all else {
            panic!("{all:?}");
        };
        assert_eq!(cause.matches("no answer within 5 s").count(), 2, "{cause}");
    }
}
