//! Which of the old things are which of the new ones.

use std::collections::BTreeMap;

/// Two lists, matched by key, each part in the order of the keys.
pub(super) struct Pairs<'a, T> {
    pub(super) appeared: Vec<&'a T>,
    pub(super) vanished: Vec<&'a T>,
    pub(super) kept: Vec<(&'a T, &'a T)>,
}

/// Matches by key. Of several things with one key in one list the first counts.
pub(super) fn pair<'a, T, K: Ord>(
    old: impl IntoIterator<Item = &'a T>,
    new: impl IntoIterator<Item = &'a T>,
    key: impl Fn(&'a T) -> K,
) -> Pairs<'a, T> {
    let mut before = index(old, &key);
    let mut pairs = Pairs {
        appeared: Vec::new(),
        vanished: Vec::new(),
        kept: Vec::new(),
    };
    for (key, new) in index(new, &key) {
        match before.remove(&key) {
            Some(old) => pairs.kept.push((old, new)),
            None => pairs.appeared.push(new),
        }
    }
    pairs.vanished = before.into_values().collect();
    pairs
}

fn index<'a, T, K: Ord>(
    list: impl IntoIterator<Item = &'a T>,
    key: impl Fn(&'a T) -> K,
) -> BTreeMap<K, &'a T> {
    let mut map = BTreeMap::new();
    for item in list {
        map.entry(key(item)).or_insert(item);
    }
    map
}
