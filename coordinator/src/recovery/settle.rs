//! The first start over a store that was put back, before anybody is let in: join tokens of the
//! time before are void, and bans of the time since are in force.

use h8lio_model::ids::NodeId;
use h8lio_model::lifecycle::Ban;

use super::{RESTORED, Restored};
use crate::audit::{AuditDraft, AuditError, AuditLog};
use crate::bans::{BanFile, BanFileError};
use crate::clock::Clock;
use crate::registry::RegistryError;
use crate::registry::records::{self, NODES, NodeRecord, TOKENS, TokenRecord};
use crate::store::{self, Compare, KeyRange, Op, Store, StoreError, Txn};

/// Changes in one transaction.
const BATCH: usize = 64;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Settled {
    pub voided_tokens: usize,
    pub renewed_bans: usize,
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

/// Settles a store that was put back, once; `None` when there is nothing to settle. Also brings bans
/// that only the store has into the file.
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
    let settled = Settled {
        voided_tokens: void_tokens(store, clock).await?,
        renewed_bans: renew_bans(store, bans).await?,
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

async fn renew_bans(store: &dyn Store, bans: &BanFile) -> Result<usize, SettleError> {
    let banned = bans.banned()?;
    let mut ops = Vec::new();
    for (key, mut record) in nodes(store).await? {
        if let (None, Some(ban)) = (&record.banned, banned.get(&record.id)) {
            record.banned = Some(ban.clone());
            ops.push(Op::put(key, records::write(&record)));
        }
    }
    write(store, ops).await
}

/// A store of an earlier release has bans that no file has.
async fn keep_bans(store: &dyn Store, bans: &BanFile) -> Result<(), SettleError> {
    let known = bans.banned()?;
    for (_, record) in nodes(store).await? {
        let missing = |ban: &Ban, id: NodeId| known.get(&id) != Some(ban);
        if let Some(ban) = record.banned.as_ref().filter(|ban| missing(ban, record.id)) {
            bans.ban(record.id, &record.name, ban)?;
        }
    }
    Ok(())
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
