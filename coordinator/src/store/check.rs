//! Limits that every backend keeps, so that what fits one fits all. They are etcd's, with room
//! for its framing.

use std::collections::BTreeSet;

use super::error::StoreError;
use super::key::KeyRange;
use super::txn::{Compare, Op, Target, Txn};

/// Comparisons, and operations of each branch (etcd: `--max-txn-ops`).
pub const MAX_OPS: usize = 128;
/// Bytes of one value: 1 MiB.
pub const MAX_VALUE_BYTES: usize = 1 << 20;
/// Bytes of one key.
pub const MAX_KEY_BYTES: usize = 1024;
/// Bytes of a transaction with both its branches (etcd: `--max-request-bytes`, 1.5 MiB).
pub const MAX_TXN_BYTES: usize = 1_500_000;
/// What a comparison or operation takes beside its key and value, rounded up.
const FRAMING: usize = 48;

/// Refuses a transaction that a backend might not take.
pub(super) fn txn(txn: &Txn) -> Result<(), StoreError> {
    for (what, count) in [
        ("comparisons", txn.compares.len()),
        ("operations", txn.success.len()),
        ("operations", txn.failure.len()),
    ] {
        if count > MAX_OPS {
            return Err(StoreError::TooManyOps { what, count });
        }
    }
    let mut bytes = 0;
    for c in &txn.compares {
        bytes += compare(c)?;
    }
    for o in txn.success.iter().chain(&txn.failure) {
        bytes += op(o)?;
    }
    if bytes > MAX_TXN_BYTES {
        return Err(StoreError::TxnTooLarge { bytes });
    }
    once(&txn.success)?;
    once(&txn.failure)
}

/// Bytes that `op` counts for, if it is within the limits.
fn op(op: &Op) -> Result<usize, StoreError> {
    Ok(FRAMING
        + match op {
            Op::Get { key } | Op::Delete { key } => check_key(key)?,
            Op::Put { key, value, .. } => check_key(key)? + check_value(key, value.len())?,
            Op::DeleteRange { range } => range.start().len() + range.end().map_or(0, str::len),
        })
}

fn compare(c: &Compare) -> Result<usize, StoreError> {
    let value = match &c.target {
        Target::Value(v) => check_value(&c.key, v.len())?,
        _ => 0,
    };
    Ok(FRAMING + check_key(&c.key)? + value)
}

pub(super) fn check_key(key: &str) -> Result<usize, StoreError> {
    let bytes = key.len();
    if bytes == 0 || bytes > MAX_KEY_BYTES {
        return Err(StoreError::BadKey { bytes });
    }
    Ok(bytes)
}

fn check_value(key: &str, bytes: usize) -> Result<usize, StoreError> {
    if bytes > MAX_VALUE_BYTES {
        let key = key.to_owned();
        return Err(StoreError::ValueTooLarge { key, bytes });
    }
    Ok(bytes)
}

/// No key put twice, none both put and deleted: the order within a revision would matter.
fn once(ops: &[Op]) -> Result<(), StoreError> {
    let mut put = BTreeSet::new();
    for o in ops {
        if let Op::Put { key, .. } = o
            && !put.insert(key.as_str())
        {
            return Err(StoreError::DuplicateKey { key: key.clone() });
        }
    }
    for o in ops {
        let range = match o {
            Op::Delete { key } => KeyRange::key(key.as_str()),
            Op::DeleteRange { range } => range.clone(),
            Op::Get { .. } | Op::Put { .. } => continue,
        };
        if let Some(key) = put.iter().find(|k| range.contains(k)) {
            let key = (*key).to_owned();
            return Err(StoreError::DuplicateKey { key });
        }
    }
    Ok(())
}
