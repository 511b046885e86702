//! Operator-set labels: Kubernetes' rules for keys and values.

use std::collections::BTreeMap;

use crate::ids::InvalidId;

/// Labels of a node.
pub type Labels = BTreeMap<String, String>;

fn edges_ok(s: &str) -> bool {
    let b = s.as_bytes();
    !b.is_empty() && b[0].is_ascii_alphanumeric() && b[b.len() - 1].is_ascii_alphanumeric()
}

fn word_ok(s: &str) -> bool {
    s.len() <= 63
        && edges_ok(s)
        && s.bytes()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
}

/// Checks one label.
///
/// # Errors
/// [`InvalidId`] when the key or value is not what Kubernetes would accept as a label.
pub fn check(key: &str, value: &str) -> Result<(), InvalidId> {
    let (prefix, name) = match key.split_once('/') {
        Some((p, n)) => (Some(p), n),
        None => (None, key),
    };
    if let Some(p) = prefix {
        let ok = p.len() <= 253
            && p.split('.').all(|l| {
                edges_ok(l)
                    && l.bytes()
                        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
            });
        if !ok {
            return Err(InvalidId::new(
                "label key",
                key,
                "the prefix must be a DNS name",
            ));
        }
    }
    if !word_ok(name) {
        return Err(InvalidId::new(
            "label key",
            key,
            "1 to 63 of a-z, A-Z, 0-9, '-', '_', '.'",
        ));
    }
    if !value.is_empty() && !word_ok(value) {
        return Err(InvalidId::new(
            "label value",
            value,
            "up to 63 of a-z, A-Z, 0-9, '-', '_', '.'",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn hostile_labels_are_refused() {
        for (k, v) in [
            ("", "x"),
            ("a b", "x"),
            ("a", "$(reboot)"),
            ("/a", "x"),
            ("a/b/c", "x"),
            ("a", "x\n"),
        ] {
            check(k, v).expect_err(k);
        }
        check("example.com/tier", "gold").expect("valid");
        check("tier", "").expect("an empty value is valid");
    }
}
