//! Talks to systemd. Without systemd every call does nothing.

use std::time::Duration;

use sd_notify::NotifyState;

/// The agent runs.
pub(crate) fn ready() {
    send(&[NotifyState::Ready]);
}

/// The agent is about to end.
pub(crate) fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// One line for `systemctl status`.
pub(crate) fn status(text: &str) {
    send(&[NotifyState::Status(text)]);
}

/// Feeds the service watchdog at half of its time, from the thread that beats: if that thread
/// stands still, systemd restarts the agent.
pub(crate) async fn feed_watchdog() {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return std::future::pending().await;
    };
    let half = (limit / 2).max(Duration::from_millis(100));
    loop {
        send(&[NotifyState::Watchdog]);
        tokio::time::sleep(half).await;
    }
}

fn send(state: &[NotifyState<'_>]) {
    if let Err(e) = sd_notify::notify(state) {
        tracing::debug!("systemd was not notified: {e}");
    }
}
