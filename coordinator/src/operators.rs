//! The operators: loaded at the start, checked on every call, changed through the audit log.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use h8lio_model::ids::OperatorName;
use h8lio_model::operator::{Operator, OperatorRole};
use jiff::Timestamp;

use crate::registry::records::{self, BadRecord, OPERATORS};
use crate::registry::{RegistryError, Versioned};
use crate::store::{self, KeyRange, Store};

/// Why an operator's certificate is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "operator {0} is not known to this coordinator; an admin can create it (h8lctl operator create)"
    )]
    Unknown(OperatorName),
    #[error("operator {0} was revoked; an admin can create it anew (h8lctl operator create)")]
    Revoked(OperatorName),
    #[error(
        "this certificate of operator {0} was replaced by a newer one; import the newer context"
    )]
    Replaced(OperatorName),
}

/// All operators.
#[derive(Debug)]
pub struct Operators {
    store: Arc<dyn Store>,
    all: RwLock<HashMap<OperatorName, Versioned<Operator>>>,
}

/// Key of an operator.
pub fn key(name: &OperatorName) -> String {
    format!("{OPERATORS}{name}")
}

impl Operators {
    /// Reads all operators.
    ///
    /// # Errors
    /// When the store cannot be read or understood.
    pub async fn load(store: Arc<dyn Store>) -> Result<Self, RegistryError> {
        let operators = Self {
            store,
            all: RwLock::default(),
        };
        operators.reload().await?;
        Ok(operators)
    }

    /// Reads all operators again, after one was changed.
    ///
    /// # Errors
    /// When the store cannot be read or understood.
    pub async fn reload(&self) -> Result<(), RegistryError> {
        let (items, _) = store::list(self.store.as_ref(), KeyRange::prefix(OPERATORS)).await?;
        let all = items
            .into_iter()
            .map(|kv| {
                let value: Operator = records::read(&kv.key, &kv.value)?;
                Ok((
                    value.name.clone(),
                    Versioned {
                        value,
                        revision: kv.mod_revision,
                    },
                ))
            })
            .collect::<Result<HashMap<_, _>, BadRecord>>()?;
        self.take(all);
        Ok(())
    }

    /// Takes over what was read. Two readings may overtake each other: the older one must not
    /// bring back an operator who was revoked meanwhile. Operators are never removed.
    fn take(&self, read: HashMap<OperatorName, Versioned<Operator>>) {
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        for (name, operator) in read {
            if all
                .get(&name)
                .is_none_or(|held| held.revision < operator.revision)
            {
                all.insert(name, operator);
            }
        }
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, HashMap<OperatorName, Versioned<Operator>>> {
        self.all.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the certificate with this serial still speaks for `name`.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn check(&self, name: &OperatorName, serial: &str) -> Result<(), Refusal> {
        let all = self.read();
        let known = all
            .get(name)
            .ok_or_else(|| Refusal::Unknown(name.clone()))?;
        if known.value.revoked_at.is_some() {
            return Err(Refusal::Revoked(name.clone()));
        }
        if known.value.certificate_serial != serial {
            return Err(Refusal::Replaced(name.clone()));
        }
        Ok(())
    }

    /// One operator with its revision.
    pub fn get(&self, name: &OperatorName) -> Option<Versioned<Operator>> {
        self.read().get(name).cloned()
    }

    /// All, in the order of their names.
    pub fn list(&self) -> Vec<Operator> {
        let mut all: Vec<Operator> = self.read().values().map(|v| v.value.clone()).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// An admin who can still act at `now`, but for `except`: of several the one who can for longest.
    pub fn other_admin(
        &self,
        except: &OperatorName,
        now: Timestamp,
    ) -> Option<Versioned<Operator>> {
        self.read()
            .values()
            .filter(|o| o.value.name != *except && is_live_admin(&o.value, now))
            .max_by(|a, b| {
                let of = |o: &Versioned<Operator>| (o.value.expires_at, o.value.name.clone());
                of(a).cmp(&of(b))
            })
            .cloned()
    }
}

fn is_live_admin(o: &Operator, now: Timestamp) -> bool {
    o.role == OperatorRole::Admin && o.revoked_at.is_none() && now <= o.expires_at
}

#[cfg(test)]
#[path = "operators_tests.rs"]
mod tests;
