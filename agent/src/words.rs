//! Names from outside made fit for one line that a person reads.

/// The longest name shown, in characters.
const LONGEST: usize = 100;

/// `name` with control characters escaped and its length bounded, so that a hostile name cannot
/// break a line or colour a terminal.
pub fn plain(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars().take(LONGEST) {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    if name.chars().nth(LONGEST).is_some() {
        out.push('…');
    }
    out
}

/// The first `most` names, and how many more there are.
pub fn list<S: AsRef<str>>(names: &[S], most: usize) -> String {
    let mut shown: Vec<_> = names.iter().take(most).map(|n| plain(n.as_ref())).collect();
    if names.len() > most {
        shown.push(format!("{} more", names.len() - most));
    }
    shown.join(", ")
}

/// The first line of a tool's complaint, made plain.
pub fn first_line(text: &str) -> String {
    plain(
        text.lines()
            .map(str::trim)
            .find(|l| !l.is_empty())
            .unwrap_or("no message"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_stays_one_line_of_bounded_length() {
        assert_eq!(
            plain("eth0\n\u{1b}[31m$(reboot)"),
            "eth0\\n\\u{1b}[31m$(reboot)"
        );
        assert_eq!(plain(&"x".repeat(5000)).chars().count(), LONGEST + 1);
    }

    #[test]
    fn a_long_list_says_how_much_it_leaves_out() {
        assert_eq!(list(&["a", "b", "c"], 2), "a, b, 1 more");
        assert_eq!(list(&["a"], 2), "a");
    }
}
