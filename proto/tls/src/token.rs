//! The text of a join token: `h8lio1.<payload>.<check>`.
//!
//! The payload is base64url of JSON; the check is the first four bytes of its SHA-256, so that a
//! token cut by a terminal is told from a foreign one.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use h8lio_model::ids::TokenId;
use h8lio_model::section::Digest;
use secrecy::{ExposeSecret, SecretBox};
use serde::{Deserialize, Serialize};

use crate::pin::SpkiPin;

const PREFIX: &str = "h8lio1";

/// Everything that a new server needs to find and trust its coordinator.
#[derive(Debug)]
pub struct JoinToken {
    pub id: TokenId,
    /// 32 random bytes.
    pub secret: SecretBox<Vec<u8>>,
    /// Pin of the fleet's root.
    pub pin: SpkiPin,
    /// `host:port` of the coordinators, in the order to try them.
    pub addresses: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    i: TokenId,
    s: String,
    p: String,
    a: Vec<String>,
}

/// Why a text is not a join token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAToken {
    #[error(
        "not a join token: it must begin with \"h8lio1.\"; copy the whole line that `h8lctl token create` printed"
    )]
    Foreign,
    #[error(
        "the join token is cut or mistyped (its check digits do not match); copy the whole line that `h8lctl token create` printed"
    )]
    Damaged,
}

impl JoinToken {
    /// SHA-256 of the secret: what the coordinator stores.
    pub fn secret_hash(&self) -> Digest {
        Digest::of(self.secret.expose_secret())
    }

    /// The text form. It contains the secret: print it once, to the person who asked.
    pub fn expose(&self) -> String {
        let payload = Payload {
            i: self.id.clone(),
            s: hex::encode(self.secret.expose_secret()),
            p: self.pin.to_string(),
            a: self.addresses.clone(),
        };
        // Strings only: this form always exists.
        let json = serde_json::to_vec(&payload).unwrap_or_default();
        format!(
            "{PREFIX}.{}.{}",
            URL_SAFE_NO_PAD.encode(&json),
            check(&json)
        )
    }
}

fn check(json: &[u8]) -> String {
    hex::encode(&Digest::of(json).0[..4])
}

impl FromStr for JoinToken {
    type Err = NotAToken;

    fn from_str(s: &str) -> Result<Self, NotAToken> {
        let rest = s
            .trim()
            .strip_prefix(PREFIX)
            .and_then(|r| r.strip_prefix('.'))
            .ok_or(NotAToken::Foreign)?;
        let (payload, digits) = rest.split_once('.').ok_or(NotAToken::Damaged)?;
        let json = URL_SAFE_NO_PAD
            .decode(payload)
            .map_err(|_| NotAToken::Damaged)?;
        if check(&json) != digits {
            return Err(NotAToken::Damaged);
        }
        let p: Payload = serde_json::from_slice(&json).map_err(|_| NotAToken::Damaged)?;
        let secret = hex::decode(&p.s).map_err(|_| NotAToken::Damaged)?;
        if secret.len() != 32 {
            return Err(NotAToken::Damaged);
        }
        Ok(Self {
            id: p.i,
            secret: SecretBox::new(Box::new(secret)),
            pin: p.p.parse().map_err(|_| NotAToken::Damaged)?,
            addresses: p.a,
        })
    }
}

impl fmt::Display for JoinToken {
    /// The public half only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "join token {}", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> JoinToken {
        JoinToken {
            id: "t1".parse().expect("valid"),
            secret: SecretBox::new(Box::new(vec![7; 32])),
            pin: SpkiPin([9; 32]),
            addresses: vec!["10.0.0.1:7443".into(), "[::1]:7443".into()],
        }
    }

    #[test]
    fn a_token_reads_back_as_it_prints() {
        let text = token().expose();
        let back: JoinToken = format!(" {text}\n").parse().expect("valid");
        assert_eq!(back.secret_hash(), token().secret_hash());
        assert_eq!((back.id, back.pin), (token().id, token().pin));
        assert_eq!(back.addresses, token().addresses);
    }

    #[test]
    fn every_cut_and_every_changed_character_is_noticed() {
        let text = token().expose();
        for n in 0..text.len() {
            text[..n].parse::<JoinToken>().expect_err("cut");
            let mut wrong = text.clone().into_bytes();
            wrong[n] = if wrong[n] == b'A' { b'B' } else { b'A' };
            let wrong = String::from_utf8(wrong).expect("ASCII");
            wrong.parse::<JoinToken>().expect_err("changed");
        }
    }

    #[test]
    fn neither_debug_nor_display_shows_the_secret() {
        let t = token();
        let secret = hex::encode([7u8; 32]);
        assert!(!format!("{t:?}{t}").contains(&secret));
        assert!(!format!("{t:?}").contains("7, 7, 7"));
    }
}
