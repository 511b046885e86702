//! The agent's lines in `custom.cfg`, which every menu of Debian's scripts reads last.

/// Lines of others in the same file stay as they are.
const BEGIN: &str = "# begin h8lio: falls back when a kernel cannot be loaded";
const END: &str = "# end h8lio";

/// What the menu is told until the new kernel has proved itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lines<'a> {
    /// Which entry comes next when the kernel of another cannot be loaded.
    pub fallback: usize,
    /// The default of a GRUB that was started from the agent's folder. Whatever else starts the menu
    /// finds the default that is saved.
    pub once: Option<&'a str>,
}

impl Lines<'_> {
    /// As they stand in the file.
    pub fn text(&self) -> String {
        let folder = super::FOLDER;
        let once = self.once.map(|entry| {
            format!(
                "insmod regexp\nif regexp '/{folder}/?$' \"$cmdpath\"; then\n  set default='{entry}'\nfi\n"
            )
        });
        let once = once.unwrap_or_default();
        format!("{BEGIN}\nset fallback={}\n{once}{END}\n", self.fallback)
    }
}

/// Whether an entry's id can stand between quotes.
pub fn is_plain(entry: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.:+~>".contains(&b);
    !entry.is_empty() && entry.bytes().all(fits)
}

/// The lines of others.
pub fn of_others(text: &str) -> String {
    let mut own = false;
    let mut out = String::new();
    for line in text.lines() {
        own |= line == BEGIN;
        if !own {
            out += line;
            out.push('\n');
        }
        own &= line != END;
    }
    out
}

/// Whether the agent's lines make the exception, for a GRUB that is started from its folder.
pub fn is_once(text: &str) -> bool {
    let own = text.lines().skip_while(|line| *line != BEGIN);
    let mut own = own.take_while(|line| *line != END);
    own.any(|line| line.trim_start().starts_with("set default="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_others_stay_and_own_ones_are_found_again() {
        let theirs = "set color=blue\n";
        let mine = Lines {
            fallback: 2,
            once: Some("gnulinux-6.1.0-57-amd64-advanced-1ab6"),
        };
        let both = format!("{theirs}{}", mine.text());
        assert_eq!(of_others(&both), theirs);
        assert!(is_once(&both) && !is_once("set default=1\n"));
        let fallback = Lines { once: None, ..mine };
        assert!(!is_once(&fallback.text()));
        assert!(both.contains("set fallback=2\n"), "{both}");
        assert!(
            both.contains("if regexp '/EFI/h8lio/?$' \"$cmdpath\"; then\n  set default='gnulinux-"),
            "{both}"
        );
        assert!(!is_plain("it's") && !is_plain("") && is_plain("a>b-6.1.0+1~2"));
    }
}
