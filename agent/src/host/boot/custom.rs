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

/// A line of others that decides what boots, or leads to a file that may: it comes after the menu's own
/// choice, and so before what is saved. What stands in an entry is only done once that was chosen.
pub fn decides(text: &str) -> Option<String> {
    let mut depth = 0_usize;
    for line in of_others(text).lines() {
        let line = line.trim();
        let count = |sign: char| line.chars().filter(|c| *c == sign).count();
        let is_entry = line.starts_with("menuentry") || line.starts_with("submenu");
        if depth > 0 || is_entry {
            depth = (depth + count('{')).saturating_sub(count('}'));
            continue;
        }
        let mut words = line.split(|c: char| c.is_whitespace() || c == ';');
        let is_choice = |word: &str| {
            matches!(word, "source" | "." | "configfile" | "normal")
                || word.starts_with("default=")
                || word.starts_with("next_entry=")
        };
        if !line.starts_with('#') && words.any(is_choice) {
            return Some(line.to_owned());
        }
    }
    None
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
    fn a_line_of_others_that_chooses_what_boots_is_found_and_an_entry_of_theirs_is_none() {
        for line in [
            "set default=2",
            "default=\"2\"",
            "if [ -n x ]; then set default=0; fi",
            "set next_entry=rescue",
            "source /boot/grub/more.cfg",
            "configfile /boot/grub/more.cfg",
        ] {
            let text = format!("set color=blue\n  {line}\n");
            assert_eq!(decides(&text).as_deref(), Some(line));
        }
        let entry = "# set default=1\nmenuentry 'Other' {\n  configfile (hd1)/grub.cfg\n}\n";
        assert_eq!(decides(entry), None);
        let after = format!("{entry}set default=1\n");
        assert_eq!(decides(&after).as_deref(), Some("set default=1"));
    }

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
        assert_eq!(decides(&both), None, "the agent's own do not count");
        assert!(!is_plain("it's") && !is_plain("") && is_plain("a>b-6.1.0+1~2"));
    }
}
