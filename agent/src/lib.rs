//! The h8lio agent: one privileged daemon on every physical server.
//!
//! `host/` holds narrow traits, `linux/` the real effects behind them, `sim/` a scripted server,
//! `reconcile/` the pure logic per domain. `reconcile`, `linux` and `sim` import `host`; only
//! `app.rs` names `linux`.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod entropy;
pub mod host;
pub mod identity;
pub mod ledger;
pub mod linux;
pub mod logging;
mod notify;
pub mod orders;
pub mod pages;
pub mod reconcile;
pub mod report;
pub mod session;
pub mod sim;
mod token_source;
pub mod walk;
pub mod words;

/// Runs `work`, which may block, away from the thread that beats.
///
/// # Panics
/// When `work` panics.
pub(crate) async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(e) if e.is_panic() => std::panic::resume_unwind(e.into_panic()),
        // Only a runtime that shuts down cancels blocking work; whoever waits goes with it.
        Err(_) => std::future::pending().await,
    }
}

/// An error with its sources, on one line.
pub(crate) fn chain(e: &dyn std::error::Error) -> String {
    let mut text = e.to_string();
    let mut next = e.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}
