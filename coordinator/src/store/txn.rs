//! Transactions: comparisons, operations, answers.

use std::cmp::Ordering;

use bytes::Bytes;

use super::key::{KeyRange, KeyValue, LeaseId, Revision};

/// What is compared with the key as it is. A missing key has revisions and version 0, no lease,
/// and no value: a comparison of values fails on it whatever the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    CreateRevision(Revision),
    ModRevision(Revision),
    Version(u64),
    /// Compared byte by byte.
    Value(Bytes),
    /// No lease counts as lease 0.
    Lease(Option<LeaseId>),
}

/// "the key's … is <op> the target".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareOp {
    Equal,
    NotEqual,
    Less,
    Greater,
}

/// One condition of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compare {
    pub key: String,
    pub op: CompareOp,
    pub target: Target,
}

impl Compare {
    pub fn new(key: impl Into<String>, op: CompareOp, target: Target) -> Self {
        Self {
            key: key.into(),
            op,
            target,
        }
    }

    /// The key does not exist.
    pub fn absent(key: impl Into<String>) -> Self {
        Self::new(key, CompareOp::Equal, Target::CreateRevision(Revision(0)))
    }

    /// The key exists.
    pub fn exists(key: impl Into<String>) -> Self {
        Self::new(key, CompareOp::Greater, Target::CreateRevision(Revision(0)))
    }

    /// The key was written last at `revision`; 0 when it does not exist.
    pub fn modified_at(key: impl Into<String>, revision: Revision) -> Self {
        Self::new(key, CompareOp::Equal, Target::ModRevision(revision))
    }

    /// The key is still as it was read.
    pub fn unchanged(seen: &KeyValue) -> Self {
        Self::modified_at(seen.key.clone(), seen.mod_revision)
    }

    /// The key is still as [`super::Store::get`] answered: absent, or not written since.
    pub fn same(key: impl Into<String>, seen: Option<&KeyValue>) -> Self {
        Self::modified_at(key, seen.map_or(Revision(0), |kv| kv.mod_revision))
    }

    /// Whether the condition holds for the key as it is.
    pub fn holds(&self, now: Option<&KeyValue>) -> bool {
        let (create, modified, version, lease) = now.map_or((0, 0, 0, 0), |kv| {
            let lease = kv.lease.map_or(0, |l| l.0);
            (kv.create_revision.0, kv.mod_revision.0, kv.version, lease)
        });
        let order = match &self.target {
            Target::CreateRevision(r) => create.cmp(&r.0),
            Target::ModRevision(r) => modified.cmp(&r.0),
            Target::Version(v) => version.cmp(v),
            Target::Lease(l) => lease.cmp(&l.map_or(0, |l| l.0)),
            Target::Value(v) => match now {
                Some(kv) => kv.value.cmp(v),
                None => return false,
            },
        };
        match self.op {
            CompareOp::Equal => order == Ordering::Equal,
            CompareOp::NotEqual => order != Ordering::Equal,
            CompareOp::Less => order == Ordering::Less,
            CompareOp::Greater => order == Ordering::Greater,
        }
    }
}

/// One operation of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    Get {
        key: String,
    },
    /// Without a lease the key is detached from the one it had.
    Put {
        key: String,
        value: Bytes,
        lease: Option<LeaseId>,
    },
    Delete {
        key: String,
    },
    DeleteRange {
        range: KeyRange,
    },
}

impl Op {
    pub fn get(key: impl Into<String>) -> Self {
        Self::Get { key: key.into() }
    }

    /// A put without a lease.
    pub fn put(key: impl Into<String>, value: impl Into<Bytes>) -> Self {
        Self::Put {
            key: key.into(),
            value: value.into(),
            lease: None,
        }
    }

    /// A put that ends with `lease`.
    pub fn put_leased(key: impl Into<String>, value: impl Into<Bytes>, lease: LeaseId) -> Self {
        Self::Put {
            key: key.into(),
            value: value.into(),
            lease: Some(lease),
        }
    }

    pub fn delete(key: impl Into<String>) -> Self {
        Self::Delete { key: key.into() }
    }

    pub const fn delete_range(range: KeyRange) -> Self {
        Self::DeleteRange { range }
    }
}

/// A transaction. At most [`super::MAX_OPS`] comparisons and as many operations in each branch;
/// a branch writes no key twice and deletes no key that it puts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Txn {
    pub compares: Vec<Compare>,
    pub success: Vec<Op>,
    pub failure: Vec<Op>,
}

impl Txn {
    /// `compares` must hold.
    pub fn when(compares: impl IntoIterator<Item = Compare>) -> Self {
        Self {
            compares: compares.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Adds operations for when all comparisons hold.
    #[must_use]
    pub fn then(mut self, ops: impl IntoIterator<Item = Op>) -> Self {
        self.success.extend(ops);
        self
    }

    /// Adds operations for when a comparison fails.
    #[must_use]
    pub fn otherwise(mut self, ops: impl IntoIterator<Item = Op>) -> Self {
        self.failure.extend(ops);
        self
    }
}

/// What one operation found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpResponse {
    Get(Option<KeyValue>),
    Put,
    /// Of `Delete` and `DeleteRange`: how many keys there were.
    Deleted(u64),
}

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxnResult {
    /// Whether all comparisons held.
    pub succeeded: bool,
    /// The store's revision after the transaction.
    pub revision: Revision,
    /// One per operation of the branch that was run.
    pub responses: Vec<OpResponse>,
}
