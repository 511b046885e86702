//! What the firmware boots, from `efibootmgr`.

/// The firmware's boot variables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Firmware {
    /// The entry that this boot came by.
    pub current: Option<u16>,
    /// The entry of the next boot, once; it clears itself.
    pub next: Option<u16>,
    /// What is tried, in this order.
    pub order: Vec<u16>,
    pub entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub number: u16,
    pub active: bool,
    pub label: String,
    /// The file that it starts, where it names one: `EFI/debian/shimx64.efi`.
    pub path: Option<String>,
}

/// Why the firmware's answer is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("efibootmgr's answer is not understood: {0}")]
pub struct NoFirmware(String);

/// Reads what `efibootmgr -v` prints.
///
/// # Errors
/// [`NoFirmware`] without a boot order, or for a number that is none.
pub fn read(text: &str) -> Result<Firmware, NoFirmware> {
    let mut out = Firmware::default();
    let mut ordered = false;
    for line in text.lines() {
        let odd = || NoFirmware(format!("line `{}`", crate::words::plain(line)));
        if let Some((name, value)) = line.split_once(": ") {
            match name {
                "BootCurrent" => out.current = Some(number(value).ok_or_else(odd)?),
                "BootNext" => out.next = Some(number(value).ok_or_else(odd)?),
                "BootOrder" => {
                    ordered = true;
                    let numbers = value.split(',').map(|v| number(v.trim()));
                    out.order = numbers.collect::<Option<_>>().ok_or_else(odd)?;
                }
                _ => {}
            }
        }
        out.entries.extend(entry(line));
    }
    match ordered {
        true => Ok(out),
        false => Err(NoFirmware("it has no BootOrder".to_owned())),
    }
}

/// `Boot0001* LABEL<TAB>DEVICE PATH`
fn entry(line: &str) -> Option<Entry> {
    let rest = line.strip_prefix("Boot")?;
    let number = number(rest.get(..4)?)?;
    let rest = rest.get(4..)?;
    let active = rest.starts_with('*');
    let label = rest.get(1..)?.strip_prefix(' ')?;
    let (label, device) = label.split_once('\t').unwrap_or((label, ""));
    Some(Entry {
        number,
        active,
        label: crate::words::plain(label.trim()),
        path: path(device),
    })
}

/// Of `HD(1,GPT,…)/File(\EFI\debian\shimx64.efi)`, which newer releases print without `File()`, and
/// which an entry's own data may follow without a gap.
fn path(device: &str) -> Option<String> {
    const SUFFIX: &str = ".efi";
    let rest = &device[device.find('\\')? + 1..];
    let end = rest.to_ascii_lowercase().find(SUFFIX)? + SUFFIX.len();
    let path = rest.get(..end)?;
    (!path.contains(char::is_control)).then(|| path.replace('\\', "/"))
}

fn number(text: &str) -> Option<u16> {
    let text = text.trim();
    (text.len() == 4).then(|| u16::from_str_radix(text, 16).ok())?
}

impl Firmware {
    /// The one active entry of this label; two of them are as good as none.
    pub fn labelled(&self, label: &str) -> Option<u16> {
        let mut fits = self.entries.iter().filter(|e| e.active && e.label == label);
        match (fits.next(), fits.next()) {
            (Some(one), None) => Some(one.number),
            _ => None,
        }
    }

    /// Entries whose label begins so.
    pub fn beginning(&self, label: &str) -> Vec<u16> {
        let own = self.entries.iter().filter(|e| e.label.starts_with(label));
        own.map(|e| e.number).collect()
    }
}
