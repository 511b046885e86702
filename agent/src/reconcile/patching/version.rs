//! Debian's order of versions (deb-version(7)).

use std::cmp::Ordering;

/// Compares whole versions: epoch, then upstream version, then revision.
pub(super) fn compare_whole(a: &str, b: &str) -> Ordering {
    let ((ea, ua, ra), (eb, ub, rb)) = (split(a), split(b));
    compare_number(ea.as_bytes(), eb.as_bytes())
        .then_with(|| compare(ua, ub))
        .then_with(|| compare(ra, rb))
}

/// `[EPOCH:]UPSTREAM[-REVISION]`; what is absent counts as zero.
fn split(version: &str) -> (&str, &str, &str) {
    let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
    (epoch, upstream, revision)
}

/// Compares one part of a version: runs of non-digits by Debian's order of characters and runs of digits as numbers.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while !a.is_empty() || !b.is_empty() {
        let text = |s: &[u8]| s.iter().take_while(|c| !c.is_ascii_digit()).count();
        let (ta, tb) = (text(a), text(b));
        let by_text = compare_text(&a[..ta], &b[..tb]);
        (a, b) = (&a[ta..], &b[tb..]);
        let digits = |s: &[u8]| s.iter().take_while(|c| c.is_ascii_digit()).count();
        let (da, db) = (digits(a), digits(b));
        let by_number = || compare_number(&a[..da], &b[..db]);
        let order = by_text.then_with(by_number);
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (&a[da..], &b[db..]);
    }
    Ordering::Equal
}

fn compare_text(a: &[u8], b: &[u8]) -> Ordering {
    let longest = a.len().max(b.len());
    (0..longest)
        .map(|i| rank(a.get(i)).cmp(&rank(b.get(i))))
        .find(|o| *o != Ordering::Equal)
        .unwrap_or(Ordering::Equal)
}

/// A tilde comes before the end, letters before everything else.
fn rank(c: Option<&u8>) -> i32 {
    match c {
        None => 0,
        Some(b'~') => -1,
        Some(c) if c.is_ascii_alphabetic() => i32::from(*c),
        Some(c) => i32::from(*c) + 256,
    }
}

fn compare_number(a: &[u8], b: &[u8]) -> Ordering {
    let strip = |s: &[u8]| {
        s.iter()
            .skip_while(|c| **c == b'0')
            .copied()
            .collect::<Vec<_>>()
    };
    let (a, b) = (strip(a), strip(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_deb_version_hold() {
        let sorted = ["~~", "~~a", "~", "", "a"];
        for pair in sorted.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(compare(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
        assert_eq!(compare("1.2.10", "1.2.9"), Ordering::Greater);
        assert_eq!(compare("1.02", "1.2"), Ordering::Equal);
        assert_eq!(compare("6.1.0-9", "6.1.0-56"), Ordering::Less);
        assert_eq!(compare("1.0~rc1", "1.0"), Ordering::Less);
        assert_eq!(compare("1.0+b1", "1.0"), Ordering::Greater);
    }

    #[test]
    fn an_epoch_outweighs_everything_and_a_revision_only_decides_between_equals() {
        let less = [
            ("9.9-9", "1:0.1-1"),
            ("1:1.0-2", "1:1.0-10"),
            ("1.0-1", "1.0-1+deb12u1"),
            ("1.0-1~bpo12+1", "1.0-1"),
            ("1.0", "1.0-1"),
            ("2.0-1-1", "2.0-1-2"),
        ];
        for (a, b) in less {
            assert_eq!(compare_whole(a, b), Ordering::Less, "{a} {b}");
            assert_eq!(compare_whole(b, a), Ordering::Greater, "{b} {a}");
        }
        for (a, b) in [("0:1.0-1", "1.0-1"), ("1.0", "1.0-0")] {
            assert_eq!(compare_whole(a, b), Ordering::Equal, "{a} {b}");
        }
    }
}
