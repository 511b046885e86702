//! Records for tests.

use h8lio_model::ids::{NodeId, Rotation};
use h8lio_model::lifecycle::{Admission, Scheduling};
use h8lio_model::section::Digest;
use h8lio_model::token::Claims;
use jiff::Timestamp;

use super::Registry;
use super::records::{IssuedRecord, NodeRecord};
use crate::store::{Store, Txn};

/// An enrolled node that has used no certificate yet.
pub(crate) fn record(id: u128, name: &str) -> NodeRecord {
    NodeRecord {
        id: NodeId::new(uuid::Uuid::from_u128(id)),
        name: name.parse().expect("a name"),
        admission: Admission::Enrolled,
        scheduling: Scheduling::Active,
        banned: None,
        quarantined: None,
        roles: Vec::new(),
        topology: None,
        labels: Default::default(),
        created_at: Timestamp::UNIX_EPOCH,
        token: "0123456789".parse().expect("a token id"),
        enrolled_key: Digest::of(&id.to_be_bytes()),
        claims: Claims::default(),
        pending_reason: String::new(),
        current: None,
        pending: None,
        recovery_until: None,
    }
}

/// A certificate of this rotation.
pub(crate) fn issued(rotation: u64) -> IssuedRecord {
    IssuedRecord {
        serial: format!("{rotation:032x}"),
        rotation: Rotation(rotation),
        not_after: Timestamp::UNIX_EPOCH,
        authority: 1,
    }
}

/// Stores a new record.
pub(crate) async fn put(store: &dyn Store, record: &NodeRecord) {
    let (compares, ops) = Registry::create_ops(record);
    let done = store.txn(Txn::when(compares).then(ops)).await;
    assert!(done.expect("stored").succeeded);
}
