//! How long the store is waited for.

use std::future::Future;
use std::time::Duration;

use crate::store::StoreError;

/// What one call of the store may take: a healthy one answers within milliseconds. Given up is only
/// the waiting; whether it was done has to be looked for.
const PATIENCE: Duration = Duration::from_secs(5);

/// `call`, or an error that says that nobody answered.
pub(super) async fn patiently<T>(
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let answer = tokio::time::timeout(PATIENCE, call).await;
    answer.unwrap_or_else(|_| Err(silence()))
}

/// The error of a call that was given up.
fn silence() -> StoreError {
    StoreError::Unavailable {
        store: "of the coordinator".to_owned(),
        detail: format!("nothing within {} s", PATIENCE.as_secs()),
    }
}
