//! Keys, ranges of keys, and what is stored under them.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A position in the history of the store.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Revision(pub u64);

impl Revision {
    /// The revision after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Name of a lease, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LeaseId(pub u64);

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A key with its value and history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    pub key: String,
    pub value: Bytes,
    /// When the key came into being; it starts anew after a deletion.
    pub create_revision: Revision,
    /// When it was written last.
    pub mod_revision: Revision,
    /// How often it was written since it came into being, from 1.
    pub version: u64,
    /// The lease that it ends with.
    pub lease: Option<LeaseId>,
}

/// Keys from `start` up to but not including `end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    start: String,
    /// Open when `None`.
    end: Option<String>,
}

impl KeyRange {
    /// Every key.
    pub const fn all() -> Self {
        Self {
            start: String::new(),
            end: None,
        }
    }

    /// Exactly this key.
    pub fn key(key: impl Into<String>) -> Self {
        let start = key.into();
        let end = Some(format!("{start}\0"));
        Self { start, end }
    }

    /// Every key that starts with `prefix`.
    pub fn prefix(prefix: impl Into<String>) -> Self {
        let start = prefix.into();
        let end = after_prefix(&start);
        Self { start, end }
    }

    /// Keys from `start` up to but not including `end`; empty unless `start < end`.
    pub fn span(start: impl Into<String>, end: impl Into<String>) -> Self {
        Self {
            start: start.into(),
            end: Some(end.into()),
        }
    }

    /// What is left of this range behind `key`.
    pub fn after(&self, key: &str) -> Self {
        let next = format!("{key}\0");
        Self {
            start: next.max(self.start.clone()),
            end: self.end.clone(),
        }
    }

    /// First key that may be in the range.
    pub fn start(&self) -> &str {
        &self.start
    }

    /// First key behind the range; `None` when it has no end.
    pub fn end(&self) -> Option<&str> {
        self.end.as_deref()
    }

    pub fn contains(&self, key: &str) -> bool {
        key >= self.start() && self.end().is_none_or(|end| key < end)
    }

    /// Whether some key can be in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        let before = |a: &Self, b: &Self| b.end().is_none_or(|end| a.start() < end);
        !self.is_empty() && !other.is_empty() && before(self, other) && before(other, self)
    }

    /// Whether no key can be in it.
    pub fn is_empty(&self) -> bool {
        self.end().is_some_and(|end| end <= self.start())
    }
}

/// The least string behind every string that starts with `prefix`. UTF-8 orders strings as their
/// characters do, so it is the prefix with its last character raised by one.
fn after_prefix(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_prefix_ends_where_its_last_character_would_be_one_higher() {
        assert_eq!(KeyRange::prefix("/a/").end(), Some("/a0"));
        assert_eq!(KeyRange::prefix("").end(), None);
        assert_eq!(KeyRange::prefix("a\u{10FFFF}").end(), Some("b"));
        assert_eq!(KeyRange::prefix("\u{D7FF}").end(), Some("\u{E000}"));
        assert_eq!(KeyRange::prefix("\u{10FFFF}").end(), None);
    }

    #[test]
    fn a_listing_goes_on_behind_the_last_key_and_stays_in_its_range() {
        let r = KeyRange::prefix("/a/");
        let rest = r.after("/a/k");
        assert!(!rest.contains("/a/k") && rest.contains("/a/k\0") && rest.contains("/a/l"));
        assert!(!rest.contains("/a0"));
        assert_eq!(r.after("/"), r, "never before the start");
    }

    #[test]
    fn an_inverted_range_holds_nothing() {
        assert!(KeyRange::span("b", "a").is_empty());
        assert!(!KeyRange::span("b", "a").contains("a"));
        assert!(!KeyRange::key("").is_empty());
    }

    #[test]
    fn ranges_overlap_when_a_key_can_be_in_both() {
        let a = KeyRange::span("b", "d");
        for (start, end, want) in [
            ("a", "b", false),
            ("a", "c", true),
            ("c", "c", false),
            ("d", "e", false),
            ("c", "z", true),
        ] {
            let b = KeyRange::span(start, end);
            assert_eq!((a.overlaps(&b), b.overlaps(&a)), (want, want), "{b:?}");
        }
        assert!(KeyRange::all().overlaps(&a) && a.overlaps(&KeyRange::all()));
        assert!(!KeyRange::prefix("e").overlaps(&a));
    }

    proptest! {
        #[test]
        fn a_prefix_range_holds_exactly_the_strings_with_the_prefix(
            prefix in "[ab\u{7f}\u{7ff}\u{D7FF}\u{FFFF}\u{10FFFF}]{0,3}",
            other in "[ab\u{7f}\u{80}\u{7ff}\u{800}\u{D7FF}\u{E000}\u{FFFF}\u{10000}\u{10FFFF}]{0,4}",
        ) {
            let r = KeyRange::prefix(prefix.as_str());
            prop_assert_eq!(r.contains(&other), other.starts_with(&prefix));
        }
    }
}
