//! Identities for tests: credentials of a small authority, and disks and chances made to order.

use h8lio_tls::bundle::certificates_to_pem;
use h8lio_tls::identity::{csr, generate_key, key_to_pem};
use jiff::Timestamp;

use super::authority::Issued;
use super::document::{Credential, Document};
use crate::entropy::Entropy;

#[allow(
    dead_code,
    unreachable_pub,
    reason = "a part of the integration tests, which use the rest of it"
)]
#[path = "../../tests/session/authority.rs"]
mod ca;

pub(crate) use ca::{NODE, TestCa};

/// Always the same bits: `u128::MIN` draws the least of a span, `u128::MAX` all of it.
#[derive(Debug)]
pub(crate) struct Bits(pub(crate) u128);

impl Entropy for Bits {
    fn bits(&self) -> u128 {
        self.0
    }
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

/// A fresh key with a certificate that holds within these seconds of the epoch.
pub(crate) fn credential(ca: &TestCa, life: (i64, i64)) -> Credential {
    let key = generate_key().expect("a key");
    let request = csr(&key).expect("a request");
    let certificate = ca.node(&request, (at(life.0), at(life.1)));
    Credential {
        chain: certificates_to_pem(&[certificate]),
        key: key_to_pem(&key).to_string(),
    }
}

pub(crate) fn issued(ca: &TestCa) -> Issued {
    Issued {
        credential: credential(ca, (0, 1000)),
        bundle: ca.bundle(),
    }
}

/// A member whose certificate holds from second 100 to second 300.
pub(crate) fn document(ca: &TestCa) -> Document {
    Document {
        format: 1,
        fleet: ca.fleet.clone(),
        node_id: NODE,
        node_name: "s1".parse().expect("a name"),
        coordinators: vec!["c1:7443".into(), "c2:7443".into()],
        trust: ca.bundle().to_pem(),
        current: credential(ca, (100, 300)),
        next: None,
    }
}
