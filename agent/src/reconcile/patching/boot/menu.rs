//! GRUB's menu, as far as a kernel is chosen by it (`grub.cfg`).

/// The menu.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Menu {
    /// In the menu's order, submenus flattened.
    pub entries: Vec<Entry>,
    /// The default is what the environment says (`GRUB_DEFAULT=saved`): a default that is written
    /// into the menu cannot be changed for one boot and back.
    pub default_is_saved: bool,
    /// The default that is written into it: a number, a path of numbers, an id or a title.
    pub fixed: Option<String>,
    /// The menu obeys `next_entry`.
    pub obeys_next: bool,
    /// The number that GRUB falls back to when an entry cannot be loaded.
    pub fallback: Option<String>,
    /// It reads `custom.cfg`.
    pub reads_custom: bool,
}

/// One entry that boots something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub title: String,
    /// `--id`; without it GRUB knows the entry by its title.
    pub id: Option<String>,
    /// Its place: one number at the top, `1>0` and so on below a submenu.
    pub path: Vec<usize>,
    /// Release of the kernel that it loads, where the entry loads one.
    pub kernel: Option<String>,
    /// The kernel's arguments.
    pub arguments: Vec<String>,
    /// Paths of its initial RAM disks, as GRUB knows them.
    pub initrds: Vec<String>,
    /// Ids of the submenus that it stands in, outermost first.
    pub below: Vec<String>,
}

impl Entry {
    /// What `grub-set-default` and `grub-reboot` are told: ids, joined by `>` below submenus.
    pub fn name(&self) -> Option<String> {
        let id = self.id.as_deref()?;
        let parts = self.below.iter().map(String::as_str).chain([id]);
        Some(parts.collect::<Vec<_>>().join(">"))
    }

    /// The number to write as `fallback`, which must be one: an id there does nothing (GRUB 2.06).
    /// An entry in a submenu has none.
    pub fn number(&self) -> Option<usize> {
        match self.path.as_slice() {
            [number] => Some(*number),
            _ => None,
        }
    }

    /// It boots into a rescue shell and not into service.
    pub fn is_rescue(&self) -> bool {
        let single =
            |a: &String| matches!(a.as_str(), "single" | "recovery" | "emergency" | "rescue");
        self.arguments.iter().any(single)
            || self.id.as_deref().is_some_and(|i| i.contains("-recovery-"))
    }

    /// Seconds after which a panic boots again; `None`: it waits for ever.
    pub fn panic_seconds(&self) -> Option<u32> {
        let mut values = self.arguments.iter().rev();
        let last = values.find_map(|a| a.strip_prefix("panic="))?;
        last.parse().ok().filter(|s| *s > 0)
    }
}

/// Why a menu is no menu.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the boot menu is not understood: {0}")]
pub struct NoMenu(String);

/// Reads `grub.cfg`.
///
/// # Errors
/// [`NoMenu`] when it has no entry, a block does not end, or an entry's head cannot be read.
pub fn read(text: &str) -> Result<Menu, NoMenu> {
    let mut menu = Menu::default();
    let mut open: Vec<Open> = Vec::new();
    let mut next_number = vec![0_usize];
    for line in text.lines() {
        let words = words(line);
        let first = words.first().map_or("", String::as_str);
        let opens = words.last().is_some_and(|w| w == "{");
        match first {
            "menuentry" | "submenu" if opens => {
                let depth = next_number.len() - 1;
                let at = next_number[depth];
                next_number[depth] += 1;
                let head = head(&words)
                    .ok_or_else(|| NoMenu(format!("line `{}`", crate::words::plain(line))))?;
                if first == "submenu" {
                    open.push(Open::Submenu {
                        number: at,
                        name: head.id.unwrap_or(head.title),
                    });
                    next_number.push(0);
                } else {
                    open.push(Open::Entry(entry(head, at, &open)));
                }
            }
            _ if opens => open.push(Open::Other),
            "}" => match open.pop() {
                Some(Open::Entry(entry)) => menu.entries.push(entry),
                Some(Open::Submenu { .. }) => {
                    next_number.pop();
                }
                Some(Open::Other) => {}
                None => return Err(NoMenu("a block ends that did not begin".to_owned())),
            },
            "linux" | "linuxefi" | "linux16" => {
                if let Some(Open::Entry(entry)) = open.last_mut() {
                    entry.kernel = words.get(1).and_then(|p| release(p));
                    entry.arguments = words[2.min(words.len())..].to_vec();
                }
            }
            "initrd" | "initrdefi" | "initrd16" => {
                if let Some(Open::Entry(entry)) = open.last_mut() {
                    entry.initrds = words[1..].to_vec();
                }
            }
            "source" | "." => {
                menu.reads_custom |= words.iter().any(|w| w.ends_with("/custom.cfg"));
            }
            "set" => setting(&words, &mut menu),
            _ => {}
        }
    }
    match (open.is_empty(), menu.entries.is_empty()) {
        (false, _) => Err(NoMenu("it is cut off in a block".to_owned())),
        (_, true) => Err(NoMenu("it has no entry".to_owned())),
        _ => Ok(menu),
    }
}

enum Open {
    Entry(Entry),
    Submenu { number: usize, name: String },
    Other,
}

fn entry(head: Head, at: usize, open: &[Open]) -> Entry {
    let submenus = || {
        open.iter().filter_map(|o| match o {
            Open::Submenu { number, name } => Some((*number, name.clone())),
            _ => None,
        })
    };
    Entry {
        title: head.title,
        id: head.id,
        path: submenus().map(|(n, _)| n).chain([at]).collect(),
        kernel: None,
        arguments: Vec::new(),
        initrds: Vec::new(),
        below: submenus().map(|(_, name)| name).collect(),
    }
}

struct Head {
    title: String,
    id: Option<String>,
}

/// `menuentry 'TITLE' --class X $menuentry_id_option 'ID' {`
fn head(words: &[String]) -> Option<Head> {
    let title = words.get(1).filter(|t| *t != "{")?.clone();
    let marks = ["--id", "$menuentry_id_option", "${menuentry_id_option}"];
    let at = words.iter().position(|w| marks.contains(&w.as_str()));
    let id = match at {
        Some(at) => Some(words.get(at + 1).filter(|w| *w != "{")?.clone()),
        None => None,
    };
    Some(Head { title, id })
}

fn setting(words: &[String], menu: &mut Menu) {
    let Some((name, value)) = words.get(1).and_then(|w| w.split_once('=')) else {
        return;
    };
    match (name, value) {
        // The last one wins, and the one for `next_entry` stands beside it in an `if`.
        ("default", "${saved_entry}" | "$saved_entry") => menu.default_is_saved = true,
        ("default", "${next_entry}" | "$next_entry") => menu.obeys_next = true,
        ("default", value) => {
            menu.default_is_saved = false;
            menu.fixed = Some(value.to_owned());
        }
        ("fallback", value) => menu.fallback = Some(value.to_owned()),
        _ => {}
    }
}

/// The release in the path of a kernel, for example `/boot/vmlinuz-6.1.0-50-amd64`.
fn release(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    let release = file
        .strip_prefix("vmlinuz-")
        .or(file.strip_prefix("vmlinux-"))?;
    release
        .starts_with(|c: char| c.is_ascii_digit())
        .then(|| release.to_owned())
}

/// Words of a line as GRUB's script has them: split at blanks, quotes taken off, from `#` a comment.
fn words(line: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some('\''), c) => word.get_or_insert_default().push(c),
            (_, '\\') => word.get_or_insert_default().extend(chars.next()),
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, c) if c.is_whitespace() || c == ';' => all.extend(word.take()),
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    all.extend(word);
    all
}
