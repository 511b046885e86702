//! Which way back there is, decided before the way forward is taken. Without one, no kernel goes in.
//!
//! In all of them the old kernel is GRUB's default, which GRUB reads wherever `/boot` lies. They differ
//! in what makes the one exception, the next boot: GRUB's environment where GRUB can write it, else
//! the firmware, else the running kernel.

use super::environment;
use super::esp::{self, NoOtherStart};
use super::kexec::{self, NoKexec};
use super::menu::{self, Entry, Menu};
use crate::host::boot::efi::{self, Firmware};
use crate::host::boot::{
    Backing, LABEL, Load, RawBoot, RawEsp, RawKexec, Through, WayBack, custom,
};
use crate::words::plain;

/// What is known about booting this server; `None` where it could not be found out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Boot {
    pub menu: Option<Menu>,
    /// GRUB can write its environment, and so clear the one-shot: a file on a plain partition, and
    /// none of GRUB's tools warned.
    pub environment: Option<Writable>,
    /// `None`: started without UEFI, or its variables cannot be asked.
    pub firmware: Option<Firmware>,
    /// `None`: none is mounted.
    pub esp: Option<RawEsp>,
    pub kexec: Option<RawKexec>,
    /// A line of others in `custom.cfg` that decides what boots.
    pub decided: Option<String>,
}

/// Whether GRUB itself can write its environment at boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writable {
    Yes,
    /// GRUB reads it and no more; what stands in the way, for example `/boot is on md RAID`.
    No(String),
    /// GRUB cannot read it either.
    Broken(String),
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
        "a line of /boot/grub/custom.cfg decides what boots, whatever is saved: `{0}`; take it away"
    )]
    DefaultInCustom(String),
    #[error(
        "kernel {0} would wait for ever after a panic; add panic=5 to GRUB_CMDLINE_LINUX in /etc/default/grub and run update-grub"
    )]
    NoPanic(String),
    #[error(
        "GRUB's environment cannot be used ({0}); make it anew with grub-editenv /boot/grub/grubenv create"
    )]
    NoEnvironment(String),
    #[error(
        "GRUB cannot write its environment ({why}); UEFI's BootNext would do instead, but {firmware}; kexec would do instead, but {kexec}"
    )]
    NotWritable {
        why: String,
        firmware: NoOtherStart,
        kexec: NoKexec,
    },
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
            environment: environment.map(|read| match read {
                Ok(_) => writable(raw.backing),
                Err(e) => Writable::Broken(e.to_string()),
            }),
            firmware: raw.firmware.as_deref().and_then(|f| efi::read(f).ok()),
            esp: raw.esp.clone(),
            kexec: raw.kexec.clone(),
            decided: custom::decides(&raw.custom),
        }
    }

    /// GRUB boots what its environment says.
    pub fn has_environment(&self) -> bool {
        matches!(self.environment, Some(Writable::Yes | Writable::No(_)))
    }
}

fn writable(backing: Option<Backing>) -> Writable {
    let why = match backing {
        Some(Backing::Plain) => return Writable::Yes,
        Some(Backing::Raid) => "/boot is on md RAID",
        Some(Backing::Mapper) => "/boot is on LVM or another mapped device",
        Some(Backing::Pool) => "/boot is on a file system over several devices",
        None => "what it lies on could not be found out",
    };
    Writable::No(why.to_owned())
}

/// What makes the exception.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Once {
    Grub,
    Firmware(Through),
    Kexec(Load),
}

/// What has to be done before another kernel goes in: this entry is the default from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    pub entry: String,
    /// Who will make the exception.
    pub by: By,
}

/// Who boots another kernel once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Grub,
    Firmware,
    Kexec,
}

/// Whether there will be a way back to `old`, asked before the new kernel is installed.
///
/// # Errors
/// [`NoWayBack`].
pub fn can_lead_back(boot: &Boot, old: &str) -> Result<Pin, NoWayBack> {
    let menu = boot.menu.as_ref().ok_or(NoWayBack::NoMenu)?;
    let before = entry(menu, old)?;
    panics_boot(before, old)?;
    // The entry of the new kernel will look as this one does.
    let once = once(boot, menu, (before, old))?;
    let (entry, _) = at_top(before, old)?;
    let by = match once {
        Once::Grub => By::Grub,
        Once::Firmware(_) => By::Firmware,
        Once::Kexec(_) => By::Kexec,
    };
    Ok(Pin { entry, by })
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
    let once = once(boot, menu, (after, new))?;
    let label = format!("{LABEL}{new}");
    let ((old, fallback), (new, _)) = (at_top(before, old)?, at_top(after, new)?);
    Ok(match once {
        Once::Grub => WayBack::Grub { old, new, fallback },
        Once::Firmware(through) => WayBack::BootNext {
            old,
            new,
            fallback,
            label,
            through,
        },
        Once::Kexec(load) => WayBack::Kexec { old, new, load },
    })
}

/// The name of the entry that brings the kernel that runs, and is to stay: it is at the top of a menu
/// that obeys what is saved.
///
/// # Errors
/// [`NoWayBack`], where no default leads into it.
pub fn lasting(boot: &Boot, new: &str) -> Result<String, NoWayBack> {
    let menu = boot.menu.as_ref().ok_or(NoWayBack::NoMenu)?;
    let (name, _) = at_top(entry(menu, new)?, new)?;
    match menu.default_is_saved {
        true => Ok(name),
        false => Err(NoWayBack::DefaultFixed),
    }
}

fn once(boot: &Boot, menu: &Menu, (entry, release): (&Entry, &str)) -> Result<Once, NoWayBack> {
    if let Some(line) = &boot.decided {
        return Err(NoWayBack::DefaultInCustom(plain(line)));
    }
    let unread = || NoWayBack::NoEnvironment("it could not be read".to_owned());
    let why = match boot.environment.as_ref().ok_or_else(unread)? {
        Writable::Yes => return obeys_environment(menu).map(|()| Once::Grub),
        Writable::Broken(why) => return Err(NoWayBack::NoEnvironment(plain(why))),
        Writable::No(_) if !menu.default_is_saved => return Err(NoWayBack::DefaultFixed),
        Writable::No(why) => why,
    };
    let firmware = match by_firmware(boot, menu, (entry, release)) {
        Ok(through) => return Ok(Once::Firmware(through)),
        Err(no) => no,
    };
    let loads = kexec::possible(boot.kexec.as_ref()).and_then(|()| kexec::load(entry, release));
    let not = |kexec| NoWayBack::NotWritable {
        why: plain(why),
        firmware,
        kexec,
    };
    loads.map(Once::Kexec).map_err(not)
}

fn by_firmware(
    boot: &Boot,
    menu: &Menu,
    (entry, release): (&Entry, &str),
) -> Result<Through, NoOtherStart> {
    let firmware = boot.firmware.as_ref().ok_or(NoOtherStart::NoFirmware)?;
    if !menu.reads_custom {
        return Err(NoOtherStart::NotInMenu);
    }
    if !entry.name().is_some_and(|name| custom::is_plain(&name)) {
        return Err(NoOtherStart::OddEntry(plain(release)));
    }
    esp::through(firmware, boot.esp.as_ref())
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

/// Packages that must survive autoremove as long as the way back leads over them.
pub fn protected(old: &str, installed: &[String]) -> Vec<String> {
    let own = |name: &&String| {
        let base = name.split(':').next().unwrap_or(name);
        base.starts_with("linux-") && base.ends_with(&format!("-{old}"))
    };
    installed.iter().filter(own).cloned().collect()
}
