//! Which way back there is, decided before the way forward is taken. Without one, no kernel goes in.

use super::efi::Firmware;
use super::menu::{Entry, Menu};
use crate::words::plain;

/// Labels of the firmware entries that the agent makes: each loads one kernel directly.
pub const LABEL: &str = "h8lio ";

/// What is known about booting this server; `None` where it could not be found out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Boot {
    pub menu: Option<Menu>,
    /// GRUB can write its environment, and so clear the one-shot: a file on a plain partition, and
    /// none of GRUB's tools warned.
    pub environment: Option<Writable>,
    /// `None`: started without UEFI, or its variables cannot be asked.
    pub firmware: Option<Firmware>,
}

/// Whether GRUB itself can write its environment at boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writable {
    Yes,
    /// What stands in the way, for example `/boot is on md RAID`.
    No(String),
}

/// The way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WayBack {
    /// The old kernel is the default, the new one is booted once.
    Grub {
        set_default: String,
        boot_once: String,
        /// For a kernel file that is missing: GRUB would wait in its menu for ever. It is counted
        /// anew each time, because a kernel that is added moves it.
        fallback: usize,
    },
    /// The firmware boots the new kernel once, and the old one by its order.
    BootNext { once: u16, order: Vec<u16> },
}

/// Why there is none. The kernel is not installed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoWayBack {
    #[error("the boot menu could not be read")]
    NoMenu,
    #[error("kernel {0} has no entry in the boot menu; run update-grub")]
    NoEntry(String),
    #[error(
        "the entry of kernel {0} has no id or stands in a submenu; set GRUB_DISABLE_SUBMENU=y in /etc/default/grub and run update-grub"
    )]
    NotAtTop(String),
    #[error(
        "the default boot entry is written into the menu; set GRUB_DEFAULT=saved in /etc/default/grub and run update-grub"
    )]
    DefaultFixed,
    #[error(
        "kernel {0} would wait for ever after a panic; add panic=5 to GRUB_CMDLINE_LINUX in /etc/default/grub and run update-grub"
    )]
    NoPanic(String),
    #[error(
        "GRUB cannot write its environment ({0}), and the firmware has no entry that boots {1} by itself"
    )]
    NotWritable(String, String),
    #[error("the running kernel {0} is the one that is to be booted")]
    SameKernel(String),
}

/// Chooses the way back from `new` to `old`.
///
/// # Errors
/// [`NoWayBack`].
pub fn way_back(boot: &Boot, old: &str, new: &str) -> Result<WayBack, NoWayBack> {
    if old == new {
        return Err(NoWayBack::SameKernel(plain(old)));
    }
    let menu = boot.menu.as_ref().ok_or(NoWayBack::NoMenu)?;
    let (before, after) = (entry(menu, old)?, entry(menu, new)?);
    for (entry, release) in [(before, old), (after, new)] {
        if entry.panic_seconds().is_none() {
            return Err(NoWayBack::NoPanic(plain(release)));
        }
    }
    match &boot.environment {
        Some(Writable::Yes) => by_grub(menu, (before, old), (after, new)),
        Some(Writable::No(why)) => by_firmware(boot, old, new, why),
        None => by_firmware(boot, old, new, "it could not be found out"),
    }
}

/// The entry that brings this kernel into service.
fn entry<'a>(menu: &'a Menu, release: &str) -> Result<&'a Entry, NoWayBack> {
    let fits = |e: &&Entry| e.kernel.as_deref() == Some(release) && !e.is_rescue();
    // A distribution's `Debian GNU/Linux` entry above the submenu loads the newest kernel too, and
    // is another kernel's after the next update: the kernel's own entry is the one with its id.
    let own = |e: &&Entry| e.id.as_deref().is_some_and(|id| id.contains(release));
    let mut all = menu.entries.iter().filter(fits);
    let found = menu.entries.iter().filter(fits).find(own).or(all.next());
    found.ok_or_else(|| NoWayBack::NoEntry(plain(release)))
}

fn by_grub(
    menu: &Menu,
    (before, old): (&Entry, &str),
    (after, new): (&Entry, &str),
) -> Result<WayBack, NoWayBack> {
    if !menu.default_is_saved || !menu.obeys_next {
        return Err(NoWayBack::DefaultFixed);
    }
    let at_top = |e: &Entry, release: &str| {
        let name = e
            .name()
            .ok_or_else(|| NoWayBack::NotAtTop(plain(release)))?;
        let number = e
            .number()
            .ok_or_else(|| NoWayBack::NotAtTop(plain(release)))?;
        Ok((name, number))
    };
    let (set_default, fallback) = at_top(before, old)?;
    let (boot_once, _) = at_top(after, new)?;
    Ok(WayBack::Grub {
        set_default,
        boot_once,
        fallback,
    })
}

fn by_firmware(boot: &Boot, old: &str, new: &str, why: &str) -> Result<WayBack, NoWayBack> {
    let none = |release: &str| NoWayBack::NotWritable(plain(why), plain(release));
    let firmware = boot.firmware.as_ref().ok_or_else(|| none(new))?;
    let by_label = |release: &str| firmware.labelled(&format!("{LABEL}{release}"));
    let once = by_label(new).ok_or_else(|| none(new))?;
    let old_entry = by_label(old).ok_or_else(|| none(old))?;
    let mut order = vec![old_entry];
    // The new one is never reached by the order, only by BootNext.
    order.extend(
        firmware
            .order
            .iter()
            .filter(|n| **n != old_entry && **n != once),
    );
    Ok(WayBack::BootNext { once, order })
}

/// Packages that must survive autoremove as long as the way back leads over them.
pub fn protected(old: &str, installed: &[String]) -> Vec<String> {
    let own = |name: &&String| {
        let base = name.split(':').next().unwrap_or(name);
        base.starts_with("linux-") && base.ends_with(&format!("-{old}"))
    };
    installed.iter().filter(own).cloned().collect()
}
