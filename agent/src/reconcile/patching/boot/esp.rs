//! The EFI system partition: which GRUB the server starts with, and whether a second one has room
//! there.
//!
//! Started from a folder of its own, the same GRUB reads the same menu, and the menu can tell by
//! `$cmdpath` how it was started. So nothing of the kernel lies on that small partition, and the files
//! are those that started the server already: where Secure Boot let them pass, it does so again.

use crate::host::boot::efi::{Entry, Firmware};
use crate::host::boot::{FOLDER, RawEsp, Through, own};

/// Where firmware looks that has no entry of a loader: `BOOTX64.EFI` and its like.
const REMOVABLE: &str = "EFI/BOOT/BOOT";

/// For the file system's own tables.
const MARGIN: u64 = 64 << 10;

/// Why the firmware cannot start GRUB from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoOtherStart {
    #[error("the server was not started by UEFI, or efibootmgr is not installed")]
    NoFirmware,
    #[error("its boot menu does not read custom.cfg (run update-grub with /etc/grub.d/41_custom)")]
    NotInMenu,
    #[error("the id of the entry of kernel {0} has signs that have a meaning in a menu")]
    OddEntry(String),
    #[error("no EFI system partition is mounted (mount it at /boot/efi)")]
    NotMounted,
    #[error("the mounted EFI system partition has nothing that the firmware's order starts")]
    NoLoader,
    #[error(
        "the EFI system partition has {free} KiB free and a second GRUB takes {needed} KiB (remove \
         what is not needed there)"
    )]
    NoRoom { free: u64, needed: u64 },
}

/// What has to be copied, and from where the firmware starts it then.
///
/// # Errors
/// [`NoOtherStart`].
pub fn through(firmware: &Firmware, esp: Option<&RawEsp>) -> Result<Through, NoOtherStart> {
    let esp = esp.ok_or(NoOtherStart::NotMounted)?;
    let loader = loader(firmware, esp).ok_or(NoOtherStart::NoLoader)?;
    let folder = &loader[..loader.rfind('/').map_or(0, |at| at + 1)];
    // What a shim starts next to itself.
    let is_next = |path: &&String| {
        let name = path.strip_prefix(folder).unwrap_or_default();
        let name = name.to_ascii_lowercase();
        name.starts_with("grub") && name.ends_with(".efi") && **path != loader
    };
    let next = esp.files.keys().filter(is_next).cloned();
    let files: Vec<String> = std::iter::once(loader.clone()).chain(next).collect();
    let length = |path: &String| esp.files.get(path).copied().unwrap_or_default();
    let is_there = |path: &&String| esp.files.get(&own(path)) == Some(&length(path));
    let missing = files.iter().filter(|path| !is_there(path)).map(length);
    let needed: u64 = missing.sum();
    if needed > 0 && needed + MARGIN > esp.free_bytes {
        return Err(NoOtherStart::NoRoom {
            free: esp.free_bytes >> 10,
            needed: (needed + MARGIN) >> 10,
        });
    }
    Ok(Through {
        mount: esp.mount.clone(),
        disk: esp.disk.clone(),
        partition: esp.partition,
        files,
    })
}

/// The loader that the server came by, else the first of the firmware's order that is there. In a boot
/// that came by the agent's own entry, which no order holds, it is the latter.
fn loader(firmware: &Firmware, esp: &RawEsp) -> Option<String> {
    let current = firmware.current.filter(|n| firmware.order.contains(n));
    let ordered = current.into_iter().chain(firmware.order.iter().copied());
    let paths = ordered.filter_map(|number| {
        let is_it = |e: &&Entry| e.number == number && e.active;
        firmware.entries.iter().find(is_it)?.path.clone()
    });
    let found = |wanted: String| {
        let mut files = esp.files.keys();
        files
            .find(|path| path.eq_ignore_ascii_case(&wanted))
            .cloned()
    };
    let is_removable = |path: &&String| {
        let head = path.get(..REMOVABLE.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(REMOVABLE))
    };
    let named = paths
        .filter(|path| !path.starts_with(FOLDER))
        .find_map(found);
    named.or_else(|| esp.files.keys().find(is_removable).cloned())
}
