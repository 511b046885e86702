//! Starting the new kernel out of the old one: one boot goes there, and every later one where GRUB's
//! default leads. It needs neither the boot loader nor the firmware to remember anything.

use super::menu::Entry;
use crate::host::boot::{Load, RawKexec};
use crate::words::plain;

/// Words of a menu that only the screen is set up with.
const OF_THE_SCREEN: [&str; 2] = ["$vt_handoff", "${vt_handoff}"];

/// Why it cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoKexec {
    #[error("kexec is not installed (install kexec-tools)")]
    NoTool,
    #[error("it was switched off until the next boot (sysctl kernel.kexec_load_disabled)")]
    SwitchedOff,
    #[error("the running kernel is locked down ({0}, as with Secure Boot) and may refuse it")]
    LockedDown(String),
    #[error("whether the running kernel allows it could not be found out")]
    NotKnown,
    #[error("the menu's entry of kernel {0} has not one initrd, but {1}")]
    NotOneInitrd(String, usize),
    #[error("the menu's entry of kernel {0} has an argument that only GRUB understands: {1}")]
    OddArgument(String, String),
}

/// Whether this server could.
///
/// # Errors
/// [`NoKexec`].
pub fn possible(raw: Option<&RawKexec>) -> Result<(), NoKexec> {
    let raw = raw.ok_or(NoKexec::NotKnown)?;
    if !raw.has_tool {
        return Err(NoKexec::NoTool);
    }
    match raw.is_switched_off {
        Some(false) => {}
        Some(true) => return Err(NoKexec::SwitchedOff),
        None => return Err(NoKexec::NotKnown),
    }
    // The one that holds stands in brackets: `none [integrity] confidentiality`. Without the file there
    // is no lockdown.
    let holds = raw.lockdown.as_deref().map(|text| {
        let word = text.split_whitespace().find(|w| w.starts_with('['));
        word.map(|w| w.trim_matches(['[', ']']).to_owned())
    });
    match holds {
        None => Ok(()),
        Some(Some(word)) if word == "none" => Ok(()),
        Some(Some(word)) => Err(NoKexec::LockedDown(plain(&word))),
        Some(None) => Err(NoKexec::NotKnown),
    }
}

/// What is loaded for an entry of the menu.
///
/// # Errors
/// [`NoKexec`].
pub fn load(entry: &Entry, release: &str) -> Result<Load, NoKexec> {
    // Paths in the menu begin at the file system that GRUB reads, which may be mounted at /boot.
    let in_boot = |path: &str| format!("/boot/{}", path.rsplit('/').next().unwrap_or(path));
    let [initrd] = entry.initrds.as_slice() else {
        return Err(NoKexec::NotOneInitrd(plain(release), entry.initrds.len()));
    };
    let arguments: Vec<&str> = entry.arguments.iter().map(String::as_str).collect();
    let arguments = arguments.into_iter().filter(|a| !OF_THE_SCREEN.contains(a));
    let arguments: Vec<&str> = arguments.collect();
    let is_odd = |a: &&&str| a.contains(['$', ' ', '\t', '"']);
    if let Some(odd) = arguments.iter().find(is_odd) {
        return Err(NoKexec::OddArgument(plain(release), plain(odd)));
    }
    Ok(Load {
        kernel: in_boot(&format!("vmlinuz-{release}")),
        initrd: in_boot(initrd),
        arguments: arguments.join(" "),
    })
}
