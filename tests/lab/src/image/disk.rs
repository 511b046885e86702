//! The disk itself: partitions, file systems, and two cached products: one whose /boot is on the
//! root, and an overlay of it whose /boot is on a mirror.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{Made, Say, files, finish, root};
use crate::cache::{Cache, Recipe};
use crate::process::{self, command};

/// Unpacking and copying two gigabytes.
const LIMIT: Duration = Duration::from_secs(10 * 60);

const MIB: u64 = 1024 * 1024;
const SECTOR: u64 = 512;

/// Of the whole disk; sparse, so that only what is used takes space.
const SIZE: u64 = 10 * 1024 * MIB;

/// Number, start and end in MiB, type and name. The root takes the rest.
const PARTITIONS: &[(u8, u64, u64, &str, &str)] = &[
    (1, 1, 2, "ef02", "bios"),
    (2, 2, 66, "ef00", "esp"),
    (3, 66, 578, "fd00", "boot-a"),
    (4, 578, 1090, "fd00", "boot-b"),
    (5, 1090, SIZE / MIB - 1, "8300", "root"),
];

const ESP: usize = 1;
const ROOT: usize = 4;

/// Its name in an entry.
const DISK: &str = "disk.raw";

/// Where the first partition of this index starts and how long it is, in bytes.
fn place(index: usize) -> (u64, u64) {
    let (_, start, end, _, _) = PARTITIONS[index];
    (start * MIB, (end - start) * MIB)
}

/// The disk with /boot on its root.
pub(super) fn get(cache: &Cache, root: &Made, say: Say<'_>) -> Result<PathBuf> {
    let recipe = recipe("disk", root);
    let folder = cache.entry(&recipe, |folder| {
        say("making the disk, and booting it once to install GRUB (about a minute)");
        let disk = folder.join(DISK);
        partition(&disk)?;
        fill(folder, &root.file(root::ARCHIVE), &disk)?;
        let kernel = finish::Kernel::of(folder);
        finish::boot(folder, &kernel, &disk, "")
    })?;
    Ok(folder.join(DISK))
}

/// The disk with /boot on a mirror of its third and fourth partition. A whole copy: an overlay
/// would be worthless once the other was made anew.
pub(super) fn mirrored(cache: &Cache, root: &Made, plain: &Path, say: Say<'_>) -> Result<PathBuf> {
    let recipe = recipe("mirrored", root);
    let folder = cache.entry(&recipe, |folder| {
        say("moving /boot to a mirror, in a server (about two minutes)");
        let disk = folder.join(DISK);
        let mut copy = command("cp");
        copy.arg("--sparse=always").args([plain, &disk]);
        process::run(copy, LIMIT)?;
        let kernel = finish::Kernel::of(plain.parent().unwrap_or(plain));
        finish::boot(folder, &kernel, &disk, "lab.mirror")
    })?;
    Ok(folder.join(DISK))
}

/// A disk that holds what differs from an image, which it never writes to.
pub(crate) fn overlay(image: &Path, disk: &Path) -> Result<()> {
    let mut create = command("qemu-img");
    create
        .args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"])
        .args([image, disk]);
    process::run(create, LIMIT)?;
    Ok(())
}

fn recipe(kind: &str, root: &Made) -> Recipe {
    let mut recipe = Recipe::new(&format!("{kind}-{}", root.release))
        .with("root", &root.key)
        // How it is made: another option of a tool is another disk.
        .with("making", include_str!("disk.rs"))
        .with("finishing", include_str!("finish.rs"))
        .with("setup", files::SETUP);
    for (path, mode, content) in files::all() {
        recipe = recipe.with(&path, format!("{mode:o} {content}"));
    }
    recipe
}

fn partition(disk: &Path) -> Result<()> {
    File::create(disk)
        .and_then(|file| file.set_len(SIZE))
        .with_context(|| format!("cannot make {}", disk.display()))?;
    let mut sgdisk = command("sgdisk");
    for (number, start, end, kind, name) in PARTITIONS {
        let last = end * MIB / SECTOR - 1;
        sgdisk.arg(format!("--new={number}:{}:{last}", start * MIB / SECTOR));
        sgdisk.arg(format!("--typecode={number}:{kind}"));
        sgdisk.arg(format!("--change-name={number}:{name}"));
    }
    sgdisk.arg(disk);
    process::run(sgdisk, LIMIT)?;
    Ok(())
}

/// Puts the root and an empty ESP into the disk, and the kernel beside it for its first boot.
fn fill(folder: &Path, archive: &Path, disk: &Path) -> Result<()> {
    let tree = folder.join("tree");
    fs::create_dir(&tree).with_context(|| format!("cannot make {}", tree.display()))?;
    unpack(&tree, archive)?;
    finish::Kernel::take(&tree, folder)?;
    make_root(&tree, disk)?;
    make_esp(folder, disk)?;
    remove(&tree)
}

fn unpack(tree: &Path, archive: &Path) -> Result<()> {
    let mut tar = as_root("tar");
    tar.args([
        "--extract",
        "--numeric-owner",
        "--xattrs-include=*",
        "--file",
    ])
    .arg(archive)
    .arg("--directory")
    .arg(tree);
    process::run(tar, LIMIT)?;
    files::write(tree)?;
    let setup = tree.join("lab-setup");
    fs::write(&setup, files::SETUP).with_context(|| format!("cannot write {}", setup.display()))?;
    let mut chroot = as_root("chroot");
    chroot.arg(tree).args(["/bin/sh", "/lab-setup"]);
    process::run(chroot, LIMIT)?;
    fs::remove_file(&setup).with_context(|| format!("cannot remove {}", setup.display()))
}

fn make_root(tree: &Path, disk: &Path) -> Result<()> {
    let (offset, size) = place(ROOT);
    let mut mke2fs = as_root("mke2fs");
    mke2fs
        .args(["-q", "-F", "-t", "ext4", "-L", "labroot", "-d"])
        .arg(tree)
        .args(["-E", &format!("offset={offset}")])
        .arg(disk)
        .arg(format!("{}k", size / 1024));
    process::run(mke2fs, LIMIT)?;
    Ok(())
}

fn make_esp(folder: &Path, disk: &Path) -> Result<()> {
    let (offset, size) = place(ESP);
    let esp = folder.join("esp.raw");
    File::create(&esp)
        .and_then(|file| file.set_len(size))
        .with_context(|| format!("cannot make {}", esp.display()))?;
    let mut mkfs = command("mkfs.fat");
    mkfs.args(["-n", "LABESP"]).arg(&esp);
    process::run(mkfs, LIMIT)?;
    let bytes = fs::read(&esp).with_context(|| format!("cannot read {}", esp.display()))?;
    File::options()
        .write(true)
        .open(disk)
        .and_then(|file| file.write_all_at(&bytes, offset))
        .with_context(|| format!("cannot write to {}", disk.display()))?;
    fs::remove_file(&esp).with_context(|| format!("cannot remove {}", esp.display()))
}

fn remove(tree: &Path) -> Result<()> {
    let mut rm = as_root("rm");
    rm.args(["-rf", "--one-file-system"]).arg(tree);
    process::run(rm, LIMIT)?;
    Ok(())
}

/// A command that may own files as any user: as root itself, else in a user namespace.
fn as_root(program: &str) -> std::process::Command {
    if nix::unistd::geteuid().is_root() {
        return command(program);
    }
    let mut unshare = command("unshare");
    unshare.args(["--user", "--map-root-user", "--map-auto", "--", program]);
    unshare
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_touch_and_do_not_overlap() {
        for pair in PARTITIONS.windows(2) {
            assert_eq!(pair[0].2, pair[1].1, "{} and {}", pair[0].4, pair[1].4);
        }
        // The second copy of the partition table takes the last 33 sectors.
        let (start, size) = place(ROOT);
        assert!(start + size <= SIZE - 33 * SECTOR);
    }

    #[test]
    fn sgdisk_makes_the_partitions_that_are_asked_for() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let disk = folder.path().join("disk.raw");
        partition(&disk).expect("sgdisk works");
        let mut print = command("sgdisk");
        print.arg("--print").arg(&disk);
        let table = process::run(print, LIMIT).expect("a table");
        for (_, _, _, kind, name) in PARTITIONS {
            let row = table.lines().find(|line| line.ends_with(name));
            let row = row.unwrap_or_else(|| panic!("{name} is missing in\n{table}"));
            assert!(row.contains(&kind.to_uppercase()), "{row}");
        }
    }
}
