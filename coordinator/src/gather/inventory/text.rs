//! Texts from servers, made safe to show: a disk's model or a service's name may be anything.

use std::fmt::Write;

/// Longest name or value taken into a message, bytes before quoting.
const VALUE_MAX: usize = 80;
/// Longest sentence taken into a message, bytes.
const PHRASE_MAX: usize = 240;

/// `text` without characters that a terminal or a log would obey, at most `max` bytes. What is
/// escaped reads `\u{1b}`; what is cut ends in `…`.
pub(crate) fn clean(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max));
    for c in text.chars() {
        let before = out.len();
        if obeyed(c) {
            let _ = write!(out, "{}", c.escape_unicode());
        } else {
            out.push(c);
        }
        if out.len() > max {
            out.truncate(before);
            return cut(out, max);
        }
    }
    out
}

/// Makes room for the mark that something was cut, and sets it.
fn cut(mut out: String, max: usize) -> String {
    const MARK: char = '…';
    while out.len() + MARK.len_utf8() > max && out.pop().is_some() {}
    if out.len() + MARK.len_utf8() <= max {
        out.push(MARK);
    }
    out
}

/// Control characters, line separators, and those that turn or hide text.
const fn obeyed(c: char) -> bool {
    matches!(c,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A name or value from a server as a message shows it: plain where it is a plain word, quoted
/// where it could be taken for part of the sentence; cut after 80 bytes.
pub(crate) fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._:/@+~=-%".contains(c);
    if !value.is_empty() && value.len() <= VALUE_MAX && value.chars().all(plain) {
        return value.to_owned();
    }
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", clean(&escaped, VALUE_MAX))
}

/// A sentence from a server at the end of a message, cut after 240 bytes.
pub(crate) fn phrase(text: &str) -> String {
    clean(text.trim(), PHRASE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_cannot_speak_to_the_terminal_or_end_its_quotes() {
        assert_eq!(quoted("0x5000c500a1b2c3d4"), "0x5000c500a1b2c3d4");
        assert_eq!(quoted(""), "\"\"");
        assert_eq!(
            quoted("sda\" vanished\n\u{1b}[2J"),
            "\"sda\\\" vanished\\u{a}\\u{1b}[2J\""
        );
        assert_eq!(clean("a\u{202e}b", 80), "a\\u{202e}b");
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(clean("abcdef", 5), "ab…");
        assert_eq!(clean("abcde", 5), "abcde");
        assert!(quoted(&"x".repeat(5000)).ends_with("…\""));
    }

    proptest! {
        #[test]
        fn clean_text_is_bounded_and_obeys_nothing(text in "(?s).{0,200}", max in 3usize..120) {
            let out = clean(&text, max);
            prop_assert!(out.len() <= max);
            prop_assert!(!out.chars().any(obeyed), "{out:?}");
            prop_assert_eq!(clean(&out, max), out);
        }
    }
}
