//! The one boot without GRUB: the server itself installs GRUB on its disk (`image/finish`), so
//! that what it boots with later is what grub-install and update-grub make of a real disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::text;
use crate::process::{self, last_lines};

/// Half a minute on an idle machine, twice that for the mirror.
const LIMIT: Duration = Duration::from_secs(8 * 60);

const DONE: &str = "lab-finish: done";

/// Kernel and initramfs of the root, outside of it.
pub(super) struct Kernel {
    image: PathBuf,
    initrd: PathBuf,
}

impl Kernel {
    /// Those in a disk's entry.
    pub(super) fn of(folder: &Path) -> Self {
        Self {
            image: folder.join("vmlinuz"),
            initrd: folder.join("initrd"),
        }
    }

    /// Copies them from the root in `tree` into `folder`.
    pub(super) fn take(tree: &Path, folder: &Path) -> Result<()> {
        let kernel = Self::of(folder);
        copy_one(tree, "vmlinuz-", &kernel.image)?;
        copy_one(tree, "initrd.img-", &kernel.initrd)
    }
}

fn copy_one(tree: &Path, prefix: &str, to: &Path) -> Result<()> {
    let boot = tree.join("boot");
    let files = fs::read_dir(&boot).with_context(|| format!("cannot list {}", boot.display()))?;
    let names: Vec<PathBuf> = files.filter_map(|file| Some(file.ok()?.path())).collect();
    let found: Vec<&PathBuf> = names
        .iter()
        .filter(|path| {
            path.file_name()
                .is_some_and(|n| n.to_string_lossy().starts_with(prefix))
        })
        .collect();
    let [file] = found.as_slice() else {
        bail!(
            "the root has {} files /boot/{prefix}*, not one",
            found.len()
        );
    };
    fs::copy(file, to).with_context(|| format!("cannot copy {}", file.display()))?;
    Ok(())
}

/// Boots the disk with `image/finish` as its first process. The console's log stays in `folder`.
pub(super) fn boot(folder: &Path, kernel: &Kernel, disk: &Path, extra: &str) -> Result<()> {
    let console = folder.join("console.log");
    let line = format!(
        "root=LABEL=labroot rw console=ttyS0 panic=-1 init=/usr/local/lib/lab/finish {extra}"
    );
    let mut qemu = process::command("qemu-system-x86_64");
    qemu.args(["-M", "q35", "-accel", "tcg", "-smp", "1", "-m", "1024"])
        .args(["-nodefaults", "-display", "none", "-no-reboot", "-kernel"])
        .arg(&kernel.image)
        .arg("-initrd")
        .arg(&kernel.initrd)
        .args(["-append", line.trim_end()])
        .args(["-serial", &format!("file:{}", text(&console))])
        .args([
            "-device",
            "virtio-scsi-pci,id=scsi0",
            "-device",
            "scsi-hd,drive=os",
        ])
        .arg("-drive")
        .arg(format!(
            "if=none,id=os,cache=unsafe,format=raw,file={}",
            text(disk)
        ));
    process::run(qemu, LIMIT)
        .with_context(|| format!("its console said: {}", last_lines(&console)))?;
    let said = fs::read(&console).with_context(|| format!("cannot read {}", console.display()))?;
    let said = String::from_utf8_lossy(&said);
    if !said.lines().any(|line| line.trim_end() == DONE) {
        bail!(
            "GRUB was not installed; the console said: {}",
            last_lines(&console)
        );
    }
    Ok(())
}
