//! Logs go to standard error, or to the journal with its fields when systemd reads them.

use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

/// Starts logging. `filter` is a level or a list of targets with levels.
///
/// # Errors
/// When `filter` is neither.
pub fn start(filter: &str) -> anyhow::Result<()> {
    let filter: Targets = filter.parse().map_err(|_| {
        anyhow::anyhow!("--log {filter:?}: write a level (info) or targets (h8lio_agent=debug)")
    })?;
    let journal = if stderr_is_the_journal() {
        tracing_journald::layer().ok()
    } else {
        None
    };
    let plain = journal.is_none().then(|| {
        tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_target(false)
            .with_ansi(std::io::stderr().is_terminal())
    });
    tracing_subscriber::registry()
        .with(filter)
        .with(journal)
        .with(plain)
        .try_init()?;
    Ok(())
}

/// systemd says in `JOURNAL_STREAM` which device and inode its stream has; a redirected stderr
/// differs.
fn stderr_is_the_journal() -> bool {
    let Some(said) = std::env::var("JOURNAL_STREAM").ok() else {
        return false;
    };
    std::fs::metadata("/dev/stderr").is_ok_and(|m| said == format!("{}:{}", m.dev(), m.ino()))
}
