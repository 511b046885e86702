//! The coordinator as a service: signals, systemd, logs.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::app::{self, Running};
use crate::audit::HEAD_TARGET;
use crate::clock::{Clock, SystemClock};
use crate::config::{Log, LogFormat, Settings};

/// Runs a coordinator until SIGTERM or SIGINT. SIGHUP reads the authority again.
///
/// # Errors
/// When it cannot start, or a part ends by itself.
pub fn run(settings: Settings, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    set_up_logs(&settings.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let result = runtime.block_on(serve(settings, clock));
    runtime.shutdown_timeout(Duration::from_secs(2));
    result
}

async fn serve(settings: Settings, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch SIGINT")?;
    let mut hangup = signal(SignalKind::hangup()).context("cannot watch SIGHUP")?;
    let mut running = app::start(settings.clone(), clock).await?;
    notify(&[NotifyState::Ready]);
    let mut alive = tokio::time::interval(watchdog_interval());
    loop {
        // Cancel-safe: no arm but `failed` owns anything, and that one keeps it in `running`.
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => reload(&running),
            _ = alive.tick() => notify(&[NotifyState::Watchdog]),
            () = running.again() => {
                // Who asked for it hears the answer first: the end waits for calls under way.
                running.stop().await;
                tracing::info!("the coordinator starts again, in a new life of its data");
                running = again(&settings).await?;
            }
            e = running.failed() => return Err(e),
        }
    }
    notify(&[NotifyState::Stopping]);
    tracing::info!("the coordinator stops");
    running.stop().await;
    Ok(())
}

/// Between two tries to start again, and how many there are.
const RETRY: Duration = Duration::from_millis(250);
const TRIES: u32 = 120;

/// Starts where one was stopped a moment ago, whose last tasks may still hold the store or the port.
///
/// With a clock of its own: how long it runs decides how much grace servers get.
async fn again(settings: &Settings) -> anyhow::Result<Running> {
    let mut tries = 0;
    loop {
        notify(&[NotifyState::Watchdog]);
        let clock = Arc::new(SystemClock::new());
        match app::start(settings.clone(), clock).await {
            Err(error) if tries == TRIES => return Err(error),
            Err(error) => tracing::debug!("not yet: {error:#}"),
            running => return running,
        }
        tries += 1;
        tokio::time::sleep(RETRY).await;
    }
}

fn reload(running: &Running) {
    if let Err(e) = running.reload() {
        tracing::error!("the authority was not read again, everything stays as it was: {e:#}");
    }
}

/// Half of what systemd allows; an hour when it does not watch.
fn watchdog_interval() -> Duration {
    sd_notify::watchdog_enabled().map_or(Duration::from_secs(3600), |d| d / 2)
}

fn notify(states: &[NotifyState<'_>]) {
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(states);
}

/// What is logged: as configured, and always the head of the audit log.
fn filter(level: &str) -> anyhow::Result<EnvFilter> {
    let head = format!("{HEAD_TARGET}=info").parse()?;
    let filter = EnvFilter::try_new(level);
    let filter = filter.with_context(|| format!("log.level {level:?} is not a filter"))?;
    Ok(filter.add_directive(head))
}

fn set_up_logs(log: &Log) -> anyhow::Result<()> {
    let filter = filter(&log.level)?;
    let journal = match log.format {
        LogFormat::Journal => true,
        // systemd sets it when stderr goes to the journal.
        LogFormat::Auto => std::env::var_os("JOURNAL_STREAM").is_some(),
        LogFormat::Text | LogFormat::Json => false,
    };
    let base = tracing_subscriber::registry().with(filter);
    if journal && let Ok(layer) = tracing_journald::layer() {
        base.with(layer).try_init()?;
        return Ok(());
    }
    let text = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match log.format {
        LogFormat::Json => base.with(text.json()).try_init()?,
        _ => base.with(text.with_ansi(false)).try_init()?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Mutex, PoisonError};

    use super::*;

    #[derive(Debug, Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: &str) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let text = tracing_subscriber::fmt::layer().with_writer(move || writer.clone());
        let base = tracing_subscriber::registry().with(filter(level).expect("a filter"));
        tracing::subscriber::with_default(base.with(text), || {
            tracing::info!(target: HEAD_TARGET, seq = 7, "audit head");
            tracing::info!("what is nobody's evidence");
        });
        let bytes = lines.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[test]
    fn the_audit_head_is_logged_at_every_level() {
        for level in ["warn", "error", "off", "h8lio_coordinator=error"] {
            let text = logged(level);
            assert!(text.contains("audit head"), "{level}: {text}");
            assert!(!text.contains("evidence"), "{level}: {text}");
        }
        assert!(logged("info").contains("evidence"));
    }
}
