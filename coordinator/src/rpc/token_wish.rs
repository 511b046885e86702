//! What an operator wishes of a join token, checked.

use std::time::Duration;

use h8lio_model::ids::{NodeName, TokenId};
use h8lio_model::role::Role;
use h8lio_model::token::{Expectation, Token};
use h8lio_model::topology::Topology;
use h8lio_proto::convert::{non_empty, read_duration, read_roles};
use h8lio_proto::v1;
use jiff::Timestamp;
use tonic::Status;

use super::act::Act;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// A checked [`v1::CreateTokenRequest`].
#[derive(Debug)]
pub(super) struct TokenWish {
    pub(super) id: TokenId,
    pub(super) ttl: Duration,
    pub(super) max_uses: u32,
    pub(super) roles: Vec<Role>,
    pub(super) topology: Option<Topology>,
    pub(super) node_name: Option<NodeName>,
    pub(super) expect: Expectation,
    pub(super) auto_approve: bool,
}

/// Reads what is wished, and gives it an id.
///
/// # Errors
/// When it cannot mean a token.
pub(super) fn read(r: &v1::CreateTokenRequest) -> Result<TokenWish, Status> {
    let ttl = read_duration("ttl", r.ttl)?;
    if !(MINUTE..=30 * DAY).contains(&ttl) {
        return Err(Status::invalid_argument(
            "field ttl: a token lives 1 minute to 30 days",
        ));
    }
    if !(1..=10_000).contains(&r.max_uses) {
        return Err(Status::invalid_argument(
            "field max_uses: a token has 1 to 10,000 uses",
        ));
    }
    let node_name = non_empty(r.node_name.clone())
        .map(|n| {
            n.parse()
                .map_err(|e| Status::invalid_argument(format!("{e}")))
        })
        .transpose()?;
    if node_name.is_some() && r.max_uses != 1 {
        return Err(Status::invalid_argument(
            "field node_name: a token that names its node has exactly one use",
        ));
    }
    let mut random = [0; 5];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| no_randomness())?;
    Ok(TokenWish {
        // Ten hexadecimal digits are a valid token id.
        id: hex::encode(random).parse().map_err(|_| no_randomness())?,
        ttl,
        max_uses: r.max_uses,
        roles: read_roles(&r.roles)?,
        topology: r.topology.clone().map(TryInto::try_into).transpose()?,
        node_name,
        expect: r.expect.clone().map(Into::into).unwrap_or_default(),
        auto_approve: r.auto_approve,
    })
}

impl TokenWish {
    /// The token, made by `act` at `now`.
    ///
    /// # Errors
    /// When it would end after the end of time.
    pub(super) fn token(self, act: &Act, now: Timestamp) -> Result<Token, Status> {
        let expires_at = now
            .checked_add(self.ttl)
            .map_err(|_| Status::invalid_argument("field ttl: ends after the end of time"))?;
        Ok(Token {
            id: self.id,
            created_at: now,
            created_by: act.caller.name.to_string(),
            expires_at,
            max_uses: self.max_uses,
            used_by: Vec::new(),
            roles: self.roles,
            topology: self.topology,
            node_name: self.node_name,
            expect: self.expect,
            auto_approve: self.auto_approve,
            revoked_at: None,
        })
    }
}

/// A secret that nobody can guess.
///
/// # Errors
/// When the operating system has no randomness.
pub(super) fn random_secret() -> Result<Vec<u8>, Status> {
    let mut secret = vec![0; 32];
    aws_lc_rs::rand::fill(&mut secret).map_err(|_| no_randomness())?;
    Ok(secret)
}

fn no_randomness() -> Status {
    Status::internal("the operating system gives no randomness; look at the kernel's log")
}
