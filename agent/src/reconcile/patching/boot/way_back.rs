//! Which way back there is, decided before the way forward is taken. Without one, no kernel goes in.

use super::efi::{self, Firmware};
use super::environment;
use super::menu::{self, Entry, Menu};
use crate::host::boot::{Backing, RawBoot, WayBack};
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

impl Boot {
    /// From raw readings; what is not understood is not known.
    pub fn read(raw: &RawBoot) -> Self {
        let menu = raw.menu.as_deref().map(menu::read);
        let environment = raw.environment.as_deref().map(environment::block);
        Self {
            menu: menu.and_then(Result::ok),
            environment: match (environment, raw.backing) {
                (Some(Ok(_)), Some(backing)) => Some(writable(backing)),
                (Some(Err(e)), _) => Some(Writable::No(e.to_string())),
                _ => None,
            },
            firmware: raw.firmware.as_deref().and_then(|f| efi::read(f).ok()),
        }
    }
}

fn writable(backing: Backing) -> Writable {
    match backing {
        Backing::Plain => Writable::Yes,
        Backing::Raid => Writable::No("/boot is on md RAID".to_owned()),
        Backing::Mapper => Writable::No("/boot is on LVM or another mapped device".to_owned()),
        Backing::Pool => Writable::No("/boot is on a file system over several devices".to_owned()),
    }
}

/// What has to be done before another kernel goes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pin {
    /// This entry is the default from now on.
    Entry(String),
    /// The firmware's order leads to the old kernel already.
    Order,
}

/// Whether there will be a way back to `old`, asked before the new kernel is installed.
///
/// # Errors
/// [`NoWayBack`].
pub fn can_lead_back(boot: &Boot, old: &str) -> Result<Pin, NoWayBack> {
    let menu = boot.menu.as_ref().ok_or(NoWayBack::NoMenu)?;
    let before = entry(menu, old)?;
    panics_boot(before, old)?;
    match &boot.environment {
        Some(Writable::Yes) => {
            obeys_environment(menu)?;
            at_top(before, old).map(|(name, _)| Pin::Entry(name))
        }
        other => {
            let why = reason(other.as_ref());
            let none = || NoWayBack::NotWritable(plain(why), plain(old));
            let firmware = boot.firmware.as_ref().ok_or_else(none)?;
            let own = firmware
                .labelled(&format!("{LABEL}{old}"))
                .ok_or_else(none)?;
            match firmware.order.first() {
                Some(first) if *first == own => Ok(Pin::Order),
                _ => Err(none()),
            }
        }
    }
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
    panics_boot(before, old)?;
    panics_boot(after, new)?;
    match &boot.environment {
        Some(Writable::Yes) => by_grub(menu, (before, old), (after, new)),
        other => by_firmware(boot, old, new, reason(other.as_ref())),
    }
}

fn reason(environment: Option<&Writable>) -> &str {
    match environment {
        Some(Writable::No(why)) => why,
        _ => "it could not be found out",
    }
}

fn panics_boot(entry: &Entry, release: &str) -> Result<(), NoWayBack> {
    match entry.panic_seconds() {
        Some(_) => Ok(()),
        None => Err(NoWayBack::NoPanic(plain(release))),
    }
}

fn obeys_environment(menu: &Menu) -> Result<(), NoWayBack> {
    match menu.default_is_saved && menu.obeys_next {
        true => Ok(()),
        false => Err(NoWayBack::DefaultFixed),
    }
}

/// Name and number.
fn at_top(entry: &Entry, release: &str) -> Result<(String, usize), NoWayBack> {
    let both = entry.name().zip(entry.number());
    both.ok_or_else(|| NoWayBack::NotAtTop(plain(release)))
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
    obeys_environment(menu)?;
    let (old, fallback) = at_top(before, old)?;
    let (new, _) = at_top(after, new)?;
    Ok(WayBack::Grub { old, new, fallback })
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
