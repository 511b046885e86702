//! Commands that go on until ctrl-c: polling with a bound, reconnecting, the end.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::Shared;

/// Between two looks at the coordinator.
pub const POLL: Duration = Duration::from_secs(2);

/// The operator's wish to stop. Nothing is installed before it is first waited for, so that
/// ctrl-c ends every other command at once.
#[derive(Clone)]
pub struct Interrupt(Shared<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl std::fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Interrupt")
    }
}

impl Interrupt {
    /// Ctrl-c.
    pub fn ctrl_c() -> Self {
        Self::when(async {
            // Where no handler can be installed, the signal ends the process by itself.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }

    /// When `future` is done.
    pub fn when(future: impl Future<Output = ()> + Send + 'static) -> Self {
        let boxed: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(future);
        Self(boxed.shared())
    }

    /// Carries out `work` unless the wish to stop comes first; `None` then. `work` is dropped
    /// at an await point: callers only read and draw in it.
    pub async fn or<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.0.clone() => None,
            done = work => Some(done),
        }
    }
}
