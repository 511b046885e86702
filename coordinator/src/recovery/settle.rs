//! The first start over a store that was put back, before anybody is let in: join tokens of the
//! time before are void, and whoever was thrown out since is out.

use h8lio_model::lifecycle::Admission;
use h8lio_model::operator::Operator;

use super::{RESTORED, Restored};
use crate::audit::{AuditDraft, AuditError, AuditLog};
use crate::bans::{BanFile, BanFileError, Out, Word};
use crate::clock::Clock;
use crate::registry::RegistryError;
use crate::registry::records::{self, NODES, NodeRecord, OPERATORS, TOKENS, TokenRecord};
use crate::store::{self, Compare, KeyRange, Op, Store, StoreError, Txn};

/// Changes in one transaction.
const BATCH: usize = 64;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Settled {
    pub voided_tokens: usize,
    /// Nodes that are banned, quarantined or decommissioned again.
    pub renewed_bans: usize,
    /// Operators that are revoked again.
    pub renewed_revocations: usize,
}

/// Why it was not done; the coordinator must not start then.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Record(#[from] RegistryError),
    #[error(transparent)]
    Bans(#[from] BanFileError),
    #[error(transparent)]
    Audit(#[from] AuditError),
}

/// Settles a store that was put back, once; `None` when there is nothing to settle. Also brings into
/// the file who is out by the store alone.
///
/// # Errors
/// [`SettleError`]; it goes on where it was at the next start.
pub async fn settle(
    store: &dyn Store,
    audit: &AuditLog,
    bans: &BanFile,
    clock: &dyn Clock,
) -> Result<Option<Settled>, SettleError> {
    let stored = match store.get(RESTORED).await? {
        Some(kv) => {
            let restored: Restored =
                records::read(RESTORED, &kv.value).map_err(RegistryError::from)?;
            (!restored.settled).then_some((restored, kv))
        }
        None => None,
    };
    let Some((mut restored, kv)) = stored else {
        keep_bans(store, bans).await?;
        return Ok(None);
    };
    let out = bans.read()?;
    let settled = Settled {
        voided_tokens: void_tokens(store, clock).await?,
        renewed_bans: renew_nodes(store, &out).await?,
        renewed_revocations: renew_operators(store, &out).await?,
    };
    keep_bans(store, bans).await?;
    restored.settled = true;
    let draft = AuditDraft {
        at: restored.at,
        actor: format!("local/{}", restored.by),
        action: "backup.restore".to_owned(),
        target: "coordinator/store".to_owned(),
        reason: restored.reason.clone(),
        ticket: None,
        request_id: String::new(),
        request: serde_json::json!({ "file": restored.file, "done": settled }).to_string(),
    };
    let effect = vec![Op::put(RESTORED, records::write(&restored))];
    let compares = vec![Compare::same(RESTORED, Some(&kv))];
    audit.append(draft, effect, compares).await?;
    Ok(Some(settled))
}

/// Tokens that were used or revoked after the copy was taken would be good again.
async fn void_tokens(store: &dyn Store, clock: &dyn Clock) -> Result<usize, SettleError> {
    let (all, _) = store::list(store, KeyRange::prefix(TOKENS)).await?;
    let mut ops = Vec::new();
    for kv in all {
        let mut record: TokenRecord =
            records::read(&kv.key, &kv.value).map_err(RegistryError::from)?;
        if record.token.revoked_at.is_none() {
            record.token.revoked_at = Some(clock.now());
            ops.push(Op::put(kv.key, records::write(&record)));
        }
    }
    write(store, ops).await
}

async fn renew_nodes(store: &dyn Store, out: &Out) -> Result<usize, SettleError> {
    let mut ops = Vec::new();
    for (key, before) in nodes(store).await? {
        let (id, mut record) = (before.id, before.clone());
        record.banned = record.banned.or_else(|| out.banned.get(&id).cloned());
        let apart = out.quarantined.get(&id).cloned();
        record.quarantined = record.quarantined.or(apart);
        if out.decommissioned.contains(&id) {
            record.admission = Admission::Decommissioned;
        }
        if record != before {
            ops.push(Op::put(key, records::write(&record)));
        }
    }
    write(store, ops).await
}

async fn renew_operators(store: &dyn Store, out: &Out) -> Result<usize, SettleError> {
    let mut ops = Vec::new();
    for (key, mut operator) in operators(store).await? {
        let revoked = out.revoked.get(&operator.certificate_serial);
        if let (None, Some(at)) = (operator.revoked_at, revoked) {
            operator.revoked_at = Some(*at);
            ops.push(Op::put(key, records::write(&operator)));
        }
    }
    write(store, ops).await
}

/// A store of an earlier release has thrown out whom no file names.
async fn keep_bans(store: &dyn Store, bans: &BanFile) -> Result<(), SettleError> {
    let known = bans.read()?;
    for (_, record) in nodes(store).await? {
        let (node, name) = (record.id, record.name);
        let at = record.created_at;
        if let Some(ban) = record
            .banned
            .filter(|ban| known.banned.get(&node) != Some(ban))
        {
            let name = name.clone();
            bans.note(&Word::Ban { node, name, ban })?;
        }
        let apart = record.quarantined;
        if let Some(quarantined) = apart.filter(|q| known.quarantined.get(&node) != Some(q)) {
            let name = name.clone();
            bans.note(&Word::Quarantine {
                node,
                name,
                quarantined,
            })?;
        }
        if record.admission == Admission::Decommissioned && !known.decommissioned.contains(&node) {
            bans.note(&Word::Decommission { node, name, at })?;
        }
    }
    for (_, operator) in operators(store).await? {
        let certificate_serial = operator.certificate_serial;
        if let Some(at) = operator.revoked_at
            && !known.revoked.contains_key(&certificate_serial)
        {
            bans.note(&Word::Revoke {
                operator: operator.name,
                certificate_serial,
                at,
            })?;
        }
    }
    Ok(())
}

async fn operators(store: &dyn Store) -> Result<Vec<(String, Operator)>, SettleError> {
    let (all, _) = store::list(store, KeyRange::prefix(OPERATORS)).await?;
    let read = |kv: store::KeyValue| {
        let record = records::read(&kv.key, &kv.value).map_err(RegistryError::from)?;
        Ok((kv.key, record))
    };
    all.into_iter().map(read).collect()
}

async fn nodes(store: &dyn Store) -> Result<Vec<(String, NodeRecord)>, SettleError> {
    let (all, _) = store::list(store, KeyRange::prefix(NODES)).await?;
    let read = |kv: store::KeyValue| {
        let record = records::read(&kv.key, &kv.value).map_err(RegistryError::from)?;
        Ok((kv.key, record))
    };
    all.into_iter().map(read).collect()
}

/// Nobody else writes yet. Each change may be made twice.
async fn write(store: &dyn Store, ops: Vec<Op>) -> Result<usize, SettleError> {
    for batch in ops.chunks(BATCH) {
        store.txn(Txn::when([]).then(batch.to_vec())).await?;
    }
    Ok(ops.len())
}
