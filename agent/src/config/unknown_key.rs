//! Turns the TOML reader's messages into one line with a suggestion.

/// Rewrites ``unknown field `x`, expected one of `a`, `b` `` as "unknown key x; did you mean a?";
/// any other message keeps its words, on one line. Only where `may_act`, `act` is a word to offer.
pub(super) fn explain(message: &str, may_act: bool) -> String {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let what = if line.starts_with("unknown field `") {
        "key"
    } else if line.starts_with("unknown variant `") {
        "value"
    } else {
        return line;
    };
    let mut quoted = line.split('`').skip(1).step_by(2);
    let Some(wrong) = quoted.next() else {
        return line;
    };
    let known: Vec<&str> = quoted.filter(|k| may_act || *k != "act").collect();
    let nearest = known
        .iter()
        .map(|k| (distance(wrong, k), k))
        .filter(|(d, k)| *d * 2 <= k.len().max(2))
        .min();
    match nearest {
        Some((_, k)) => format!("unknown {what} {wrong}; did you mean {k}?"),
        None => format!("unknown {what} {wrong}; known here: {}", known.join(", ")),
    }
}

/// Edits (insert, remove, replace) between two words; Levenshtein.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let replace = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (a, b, n) in [
            ("", "abc", 3),
            ("disk", "disks", 1),
            ("same", "same", 0),
            ("ab", "ba", 2),
        ] {
            assert_eq!(distance(a, b), n, "{a} {b}");
        }
    }

    #[test]
    fn other_messages_keep_their_words_on_one_line() {
        assert_eq!(
            explain("invalid string\nexpected `\"`", false),
            "invalid string expected `\"`"
        );
    }
}
