//! Keeps strangers from filling the log: at most one line for one address and minute.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

/// One line for one address in this time.
const WINDOW: Duration = Duration::from_secs(60);

/// Addresses remembered. When more speak up in one window, the others stay unlogged (they are
/// counted): a flood from a whole network must cost neither memory nor disk.
const MAX_SOURCES: usize = 4096;

/// Who was written about when, and how much was kept back since.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    sources: HashMap<IpAddr, Entry>,
}

#[derive(Debug)]
struct Entry {
    logged_at: Duration,
    kept_back: u64,
}

impl Quiet {
    /// Whether to write about `source` at the monotonic time `now`: `Some` with how many lines
    /// about it were kept back since the last one.
    pub(super) fn ask(&mut self, source: IpAddr, now: Duration) -> Option<u64> {
        // An IPv4 peer of a dual-stack socket is the same source.
        let source = source.to_canonical();
        if let Some(e) = self.sources.get_mut(&source) {
            if now.saturating_sub(e.logged_at) < WINDOW {
                e.kept_back += 1;
                return None;
            }
            let kept_back = e.kept_back;
            *e = Entry {
                logged_at: now,
                kept_back: 0,
            };
            return Some(kept_back);
        }
        if self.sources.len() >= MAX_SOURCES {
            self.sources
                .retain(|_, e| now.saturating_sub(e.logged_at) < WINDOW);
        }
        if self.sources.len() >= MAX_SOURCES {
            return None;
        }
        self.sources.insert(
            source,
            Entry {
                logged_at: now,
                kept_back: 0,
            },
        );
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    #[test]
    fn one_source_is_written_about_once_a_minute_with_what_was_kept_back() {
        let mut q = Quiet::default();
        let at = |s| Duration::from_secs(s);
        assert_eq!(q.ask(A, at(0)), Some(0));
        assert_eq!(q.ask(A, at(1)), None);
        assert_eq!(
            q.ask("::ffff:10.0.0.1".parse().expect("valid"), at(59)),
            None
        );
        assert_eq!(q.ask("10.0.0.2".parse().expect("valid"), at(59)), Some(0));
        assert_eq!(q.ask(A, at(60)), Some(2));
    }

    #[test]
    fn a_flood_from_many_sources_neither_grows_nor_blocks_for_ever() {
        let mut q = Quiet::default();
        let source = |i: u32| IpAddr::from(std::net::Ipv4Addr::from(i));
        let lines = (0..10_000)
            .filter(|i| q.ask(source(*i), Duration::ZERO).is_some())
            .count();
        assert_eq!((lines, q.sources.len()), (MAX_SOURCES, MAX_SOURCES));
        assert_eq!(q.ask(source(20_000), WINDOW), Some(0));
        assert_eq!(q.sources.len(), 1);
    }
}
