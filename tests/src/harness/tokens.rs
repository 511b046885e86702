//! Join tokens in an operator's words.

use std::time::Duration;

use h8lio_proto::convert::duration;
use h8lio_proto::v1;
use h8lio_tls::token::JoinToken;

use super::operator::{Operator, change};

/// Where tokens begin.
#[derive(Debug)]
pub struct Tokens<'a>(pub(super) &'a Operator);

/// A token that is being described.
#[derive(Debug)]
pub struct TokenBuilder<'a> {
    by: &'a Operator,
    request: v1::CreateTokenRequest,
}

impl<'a> Tokens<'a> {
    /// One use, an hour, nothing expected: a person decides.
    pub fn expecting_nothing(self) -> TokenBuilder<'a> {
        let ttl = duration(Duration::from_secs(3_600));
        let request = v1::CreateTokenRequest {
            ttl: Some(ttl),
            max_uses: 1,
            change: change("a new server"),
            ..Default::default()
        };
        TokenBuilder {
            by: self.0,
            request,
        }
    }

    /// One use, an hour, for the server with this serial number.
    pub fn expecting_serial(self, serial: &str) -> TokenBuilder<'a> {
        let mut token = self.expecting_nothing();
        let expect = token.request.expect.get_or_insert_default();
        expect.serial = serial.to_owned();
        token
    }

    /// One use, an hour, anybody is let in at once.
    pub fn for_anybody(self) -> TokenBuilder<'a> {
        let mut token = self.expecting_nothing();
        token.request.auto_approve = true;
        token
    }
}

impl TokenBuilder<'_> {
    /// What the server is called, whatever it calls itself.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.request.node_name = name.to_owned();
        self
    }

    /// How often it may be used.
    #[must_use]
    pub const fn uses(mut self, n: u32) -> Self {
        self.request.max_uses = n;
        self
    }

    /// How long it lives.
    #[must_use]
    pub fn living(mut self, ttl: Duration) -> Self {
        self.request.ttl = Some(duration(ttl));
        self
    }

    /// Makes it.
    ///
    /// # Panics
    /// When the coordinator refuses.
    pub async fn create(self) -> JoinToken {
        let mut fleet = self.by.fleet().await;
        let made = fleet.create_token(self.request).await.expect("a token");
        made.into_inner().text.parse().expect("a join token")
    }
}
