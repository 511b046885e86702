//! What a simulated server boots.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::scenario::BootOn;
use super::server::SimHost;
use super::state::State;
use crate::host::boot::custom::Lines;
use crate::host::boot::{
    Backing, BootError, BootHost, Exception, RawBoot, RawEsp, RawKexec, Restart, WayBack,
};
use crate::host::patching::MayAct;

impl BootHost for SimHost {
    fn boot(&self) -> RawBoot {
        let state = self.read("packages");
        let set = Set::by(&self.acts());
        let os = &state.server.os;
        RawBoot {
            menu: Some(menu(&state)),
            environment: Some(environment(&set)),
            backing: Some(match os.boot_on {
                BootOn::Partition => Backing::Plain,
                BootOn::Raid => Backing::Raid,
                BootOn::Lvm => Backing::Mapper,
            }),
            custom: set.lines.clone(),
            firmware: os.esp.then(|| firmware(&set)),
            esp: os.esp.then(esp),
            kexec: Some(RawKexec {
                has_tool: os.kexec,
                is_switched_off: Some(false),
                lockdown: None,
                is_loaded: set.loaded,
            }),
            problems: Vec::new(),
        }
    }

    fn pin(&self, entry: Option<&str>, _: &[String], _: MayAct) -> Result<(), BootError> {
        match entry {
            Some(entry) => self.note(&format!("boot.default {}", kernel(entry))),
            None => Ok(()),
        }
    }

    fn arm(&self, way: &WayBack, _: MayAct) -> Result<String, BootError> {
        let (old, new) = ends(way);
        self.note(&format!("boot.default {old}"))?;
        match way {
            WayBack::Grub { .. } => self.note(&format!("boot.once {new}"))?,
            WayBack::BootNext { fallback, .. } => {
                self.note(&format!("# falls back to {fallback}"))?;
                self.note(&format!("boot.next {new}"))?;
            }
            WayBack::Kexec { .. } => self.note(&format!("boot.load {new}"))?,
        }
        Ok(String::new())
    }

    fn disarm(&self, exception: Exception) -> Result<(), BootError> {
        self.note(match exception {
            Exception::Grub => "boot.once-not",
            Exception::BootNext => "boot.next-not",
            Exception::Kexec => "boot.load-not",
        })
    }

    fn restore(&self, entry: Option<&str>, _: MayAct) -> Result<(), BootError> {
        match entry {
            Some(entry) => self.note(&format!("boot.default {}", kernel(entry)))?,
            None => self.note("boot.default-not")?,
        }
        self.note("boot.once-not")
    }

    fn commit(&self, entry: &str, _: MayAct) -> Result<(), BootError> {
        self.note(&format!("boot.default {}", kernel(entry)))
    }

    fn reboot(&self, how: Restart, _: MayAct) -> Result<(), BootError> {
        if how == Restart::Kexec {
            self.note("boot.kexec")?;
        }
        self.note("reboot 2s")
    }
}

impl SimHost {
    fn note(&self, line: &str) -> Result<(), BootError> {
        self.act(line).map_err(|source| BootError::Write {
            file: "the simulated server's boot state",
            source,
        })
    }
}

/// The old kernel and the new one.
fn ends(way: &WayBack) -> (&str, &str) {
    match way {
        WayBack::Grub { old, new, .. }
        | WayBack::BootNext { old, new, .. }
        | WayBack::Kexec { old, new, .. } => (kernel(old), kernel(new)),
    }
}

/// What boots as the acts so far leave it: a file that is written is read with what was written, also
/// before the next look at what happens.
#[derive(Default)]
struct Set {
    saved: Option<String>,
    once: Option<String>,
    /// By the firmware.
    next: Option<String>,
    /// The firmware's entry for it, which stays when it was started.
    entry: Option<String>,
    loaded: bool,
    fallback: usize,
    lines: String,
}

impl Set {
    fn by(acts: &str) -> Self {
        let mut set = Self::default();
        for line in acts.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["boot.default", kernel] => set.saved = Some(kernel.to_owned()),
                ["boot.default-not"] => set.saved = None,
                ["boot.once", kernel] => set.once = Some(kernel.to_owned()),
                ["boot.once-not"] => set.once = None,
                ["#", "falls", "back", "to", n] => set.fallback = n.parse().unwrap_or_default(),
                ["boot.next", kernel] => {
                    let once = id(kernel);
                    let lines = Lines {
                        fallback: set.fallback,
                        once: Some(&once),
                    };
                    set.lines = lines.text();
                    set.next = Some(kernel.to_owned());
                    set.entry.clone_from(&set.next);
                }
                ["boot.next-not"] => {
                    (set.next, set.entry, set.lines) = (None, None, String::new());
                }
                ["boot.load", _] => set.loaded = true,
                ["boot.load-not"] => set.loaded = false,
                // GRUB and the firmware use it up, and what is loaded goes with the power.
                ["reboot", ..] => (set.once, set.next, set.loaded) = (None, None, false),
                _ => {}
            }
        }
        set
    }
}

fn environment(set: &Set) -> Vec<u8> {
    let line = |name: &str, kernel: &Option<String>| match kernel {
        Some(kernel) => format!("{name}={}\n", id(kernel)),
        None => String::new(),
    };
    let (saved, next) = (
        line("saved_entry", &set.saved),
        line("next_entry", &set.once),
    );
    let mut block = format!("# GRUB Environment Block\n{saved}{next}").into_bytes();
    block.resize(1024, b'#');
    block
}

/// As `efibootmgr -v` says it.
fn firmware(set: &Set) -> String {
    let order = "BootCurrent: 0001\nBootOrder: 0001\n\
                 Boot0001* debian\tHD(2,GPT,51)/File(\\EFI\\debian\\grubx64.efi)\n";
    let next = set.next.as_ref().map_or("", |_| "BootNext: 0007\n");
    match &set.entry {
        Some(kernel) => format!(
            "{next}{order}Boot0007* h8lio {kernel}\tHD(2,GPT,51)/File(\\EFI\\h8lio\\grubx64.efi)\n"
        ),
        None => order.to_owned(),
    }
}

fn esp() -> RawEsp {
    RawEsp {
        mount: "/boot/efi".to_owned(),
        disk: "/dev/sda".to_owned(),
        partition: 2,
        free_bytes: 60 << 20,
        files: BTreeMap::from([("EFI/debian/grubx64.efi".to_owned(), 2 << 20)]),
    }
}

fn id(kernel: &str) -> String {
    format!("gnulinux-{kernel}-advanced-sim")
}

/// The kernel in an id of [`menu`].
fn kernel(id: &str) -> &str {
    let id = id.strip_prefix("gnulinux-").unwrap_or(id);
    id.strip_suffix("-advanced-sim").unwrap_or(id)
}

/// `grub.cfg`, the newest kernel on top.
fn menu(state: &State) -> String {
    let mut text = "if [ \"${next_entry}\" ] ; then\n set default=\"${next_entry}\"\nelse\n \
                    set default=\"${saved_entry}\"\nfi\n"
        .to_owned();
    for kernel in state.changes_made.menu(&state.server) {
        let _ = write!(
            text,
            "menuentry 'Simulated, with Linux {kernel}' --id '{}' {{\n\
             \tlinux /boot/vmlinuz-{kernel} root=/dev/sda1 ro panic=5\n\
             \tinitrd /boot/initrd.img-{kernel}\n}}\n",
            id(kernel.as_str())
        );
    }
    text + "if [ -f ${config_directory}/custom.cfg ]; then\n source ${config_directory}/custom.cfg\nfi\n"
}
