//! What a simulated server boots.

use std::fmt::Write as _;

use super::scenario::BootOn;
use super::server::SimHost;
use super::state::State;
use crate::host::boot::{Backing, BootError, BootHost, RawBoot, WayBack};
use crate::host::patching::MayAct;

impl BootHost for SimHost {
    fn boot(&self) -> RawBoot {
        let state = self.read("packages");
        let id = |kernel: &String| format!("gnulinux-{kernel}-advanced-sim");
        let set = environment(&self.acts());
        let set = ["saved_entry", "next_entry"].into_iter().zip(&set);
        let set = set.map(|(name, kernel)| match kernel {
            Some(kernel) => format!("{name}={}\n", id(kernel)),
            None => String::new(),
        });
        let set: String = set.collect();
        let mut block = format!("# GRUB Environment Block\n{set}").into_bytes();
        block.resize(1024, b'#');
        RawBoot {
            menu: Some(menu(&state)),
            environment: Some(block),
            backing: Some(match state.server.os.boot_on {
                BootOn::Partition => Backing::Plain,
                BootOn::Raid => Backing::Raid,
                BootOn::Lvm => Backing::Mapper,
            }),
            firmware: None,
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
        if let WayBack::Grub { old, new, .. } = way {
            self.note(&format!("boot.default {}", kernel(old)))?;
            self.note(&format!("boot.once {}", kernel(new)))?;
        }
        Ok(String::new())
    }

    fn disarm(&self, _: &WayBack) -> Result<(), BootError> {
        self.note("boot.once-not")
    }

    fn restore(&self, entry: Option<&str>, _: MayAct) -> Result<(), BootError> {
        match entry {
            Some(entry) => self.note(&format!("boot.default {}", kernel(entry)))?,
            None => self.note("boot.default-not")?,
        }
        self.note("boot.once-not")
    }

    fn commit(&self, way: &WayBack, _: MayAct) -> Result<(), BootError> {
        match way {
            WayBack::Grub { new, .. } => self.note(&format!("boot.default {}", kernel(new))),
            WayBack::BootNext { .. } => Ok(()),
        }
    }

    fn reboot(&self, _: MayAct) -> Result<(), BootError> {
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

/// The default and the one-shot as the acts so far leave them: a file that is written is read with
/// what was written, also before the next look at what happens.
fn environment(acts: &str) -> [Option<String>; 2] {
    let (mut saved, mut next) = (None, None);
    for line in acts.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["boot.default", kernel] => saved = Some(kernel.to_owned()),
            ["boot.default-not"] => saved = None,
            ["boot.once", kernel] => next = Some(kernel.to_owned()),
            // GRUB uses it up.
            ["boot.once-not"] | ["reboot", ..] => next = None,
            _ => {}
        }
    }
    [saved, next]
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
            "menuentry 'Simulated, with Linux {kernel}' --id 'gnulinux-{kernel}-advanced-sim' {{\n\
             \tlinux /boot/vmlinuz-{kernel} root=/dev/sda1 ro panic=5\n}}\n"
        );
    }
    text
}
