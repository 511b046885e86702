//! Another start of GRUB by the firmware: its copy on the EFI system partition, and efibootmgr.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;

use super::{MINUTE, act, name, run, told};
use crate::host::boot::efi::{self, Firmware};
use crate::host::boot::{BootError, RawEsp, Through};
use crate::host::boot::{LABEL, own};
use crate::host::tool::ToolError;
use crate::linux::exec::{self, Argv};
use crate::linux::root::Root;

/// Where the EFI system partition is mounted, in the order in which they are looked at.
const PLACES: [&str; 3] = ["/boot/efi", "/efi", "/boot"];

/// What `efibootmgr -v` prints.
pub(super) fn entries() -> Result<String, ToolError> {
    let verbose = Argv::of(&["-v"]);
    told(exec::run("efibootmgr", &verbose, &[], MINUTE), "efibootmgr")
}

/// The mounted partition, and what lies on it.
pub(super) fn esp(root: &Root) -> io::Result<Option<RawEsp>> {
    let mounts = root.text("proc/self/mountinfo")?;
    let mounted = |place: &str| {
        let mut lines = mounts.lines().rev();
        lines.find_map(|line| {
            let (fields, rest) = line.split_once(" - ")?;
            let fields: Vec<&str> = fields.split(' ').collect();
            let fits = fields.get(4) == Some(&place) && rest.starts_with("vfat ");
            fits.then(|| (*fields.get(2).unwrap_or(&"")).to_owned())
        })
    };
    let found = PLACES
        .iter()
        .find_map(|place| Some((*place, mounted(place)?)));
    let Some((place, device)) = found else {
        return Ok(None);
    };
    let (disk, partition) = part_of(root, &device)?;
    let stat = statvfs(&root.join(place)).map_err(io::Error::from)?;
    Ok(Some(RawEsp {
        mount: place.to_owned(),
        disk,
        partition,
        free_bytes: stat.blocks_available() * stat.fragment_size(),
        files: programs(&root.join(place))?,
    }))
}

/// The disk of a partition, and the partition's number. Of a mirror's halves, the first: the firmware
/// reads one of them as it is.
fn part_of(root: &Root, device: &str) -> io::Result<(String, u32)> {
    let folder = root.join(PathBuf::from("sys/dev/block").join(device));
    let mut own = fs::canonicalize(&folder)?;
    if let Ok(halves) = fs::read_dir(own.join("slaves")) {
        let mut halves: Vec<PathBuf> = halves.filter_map(|h| Some(h.ok()?.path())).collect();
        halves.sort();
        if let Some(half) = halves.first() {
            own = fs::canonicalize(half)?;
        }
    }
    let number = fs::read_to_string(own.join("partition"))?;
    let number = number.trim().parse().map_err(io::Error::other)?;
    let disk = own.parent().and_then(Path::file_name);
    let disk = disk.ok_or_else(|| io::Error::other("the partition has no disk"))?;
    Ok((format!("/dev/{}", disk.to_string_lossy()), number))
}

/// Programs in the folders below `EFI`.
fn programs(mount: &Path) -> io::Result<BTreeMap<String, u64>> {
    let mut found = BTreeMap::new();
    let top = match fs::read_dir(mount.join("EFI")) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(found),
        top => top?,
    };
    for folder in top {
        let folder = folder?;
        if !folder.file_type()?.is_dir() {
            continue;
        }
        for file in fs::read_dir(folder.path())? {
            let file = file?;
            let name = file.file_name();
            let (folder, name) = (folder.file_name(), name.to_string_lossy());
            if name.to_ascii_lowercase().ends_with(".efi") {
                let path = format!("EFI/{}/{name}", folder.to_string_lossy());
                found.insert(path, file.metadata()?.len());
            }
        }
    }
    Ok(found)
}

/// Copies GRUB beside itself, and lets the firmware start the copy next, once.
pub(super) fn arm(root: &Root, through: &Through, label: &str) -> Result<(), BootError> {
    for file in &through.files {
        copy(root, &through.mount, file)?;
    }
    forget(&firmware()?)?;
    let start = through.files.first().map(|file| own(file));
    let start = start.unwrap_or_default().replace('/', "\\");
    let disk = Argv::of(&["-q", "-C", "-d"]).join(name("efibootmgr", &through.disk)?);
    let args = disk
        .and(&["-p"])
        .value("", through.partition.to_string())
        .and(&["-L"])
        .join(name("efibootmgr", label)?)
        .and(&["-l"])
        .join(name("efibootmgr", &format!("\\{start}"))?);
    act("efibootmgr", &args)?;
    let made = firmware()?.labelled(label);
    let label = label.to_owned();
    let made = made.ok_or(BootError::NoEntry { label })?;
    act("efibootmgr", &numbered(&["-q", "-n"], made)?)
}

/// No boot is led elsewhere any more, and no entry of the agent's is left. The copies stay: they cost
/// little, and nothing starts them.
pub(super) fn disarm() -> Result<(), BootError> {
    forget(&firmware()?)
}

fn forget(firmware: &Firmware) -> Result<(), BootError> {
    let own = firmware.beginning(LABEL);
    if firmware.next.is_some_and(|next| own.contains(&next)) {
        act("efibootmgr", &Argv::of(&["-q", "-N"]))?;
    }
    for entry in own {
        act("efibootmgr", &numbered(&["-q", "-B", "-b"], entry)?)?;
    }
    Ok(())
}

fn firmware() -> Result<Firmware, BootError> {
    let silent = |e: efi::NoFirmware| ToolError::Silent {
        tool: "efibootmgr",
        source: Box::new(e),
    };
    Ok(efi::read(&entries()?).map_err(silent)?)
}

fn numbered(args: &[&'static str], number: u16) -> Result<Argv, BootError> {
    Ok(Argv::of(args).join(name("efibootmgr", &format!("{number:04X}"))?))
}

/// One that is there already is left as it is.
fn copy(root: &Root, mount: &str, file: &str) -> Result<(), BootError> {
    let place = |path: &str| root.join(mount).join(path);
    let (from, to) = (place(file), place(&own(file)));
    let is_same = || matches!((fs::read(&from), fs::read(&to)), (Ok(a), Ok(b)) if a == b);
    if is_same() {
        return Ok(());
    }
    let beside = to.with_extension("new");
    let pair = |args: Argv, a: &Path, b: &Path| {
        let args = args.operand(a).and_then(|args| args.operand(b));
        args.map_err(|e| e.silent("install"))
    };
    let install = Argv::of(&["-D", "--mode=0600", "--no-target-directory", "--"]);
    run("install", &pair(install, &from, &beside)?)?;
    let sync = Argv::of(&["--"]).operand(&beside);
    run("sync", &sync.map_err(|e| e.silent("sync"))?)?;
    act("mv", &pair(Argv::of(&["-T", "--"]), &beside, &to)?)?;
    match is_same() {
        true => Ok(()),
        false => Err(BootError::Differs { file: own(file) }),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn server() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        let make = |path: &str| fs::create_dir_all(dir.path().join(path)).expect("made");
        for path in ["proc/self", "sys/dev/block", "boot/efi/EFI/debian", "efi"] {
            make(path);
        }
        for (device, number, part) in [("8:2", "2", "sda/sda2"), ("8:18", "2", "sdb/sdb2")] {
            make(&format!("sys/devices/{part}"));
            let folder = dir.path().join("sys/devices").join(part);
            fs::write(folder.join("partition"), format!("{number}\n")).expect("written");
            symlink(&folder, dir.path().join("sys/dev/block").join(device)).expect("linked");
        }
        make("sys/devices/md1/slaves");
        let md = dir.path().join("sys/devices/md1");
        for half in ["sdb/sdb2", "sda/sda2"] {
            let to = dir.path().join("sys/devices").join(half);
            let name = to.file_name().expect("one").to_owned();
            symlink(&to, md.join("slaves").join(name)).expect("linked");
        }
        symlink(&md, dir.path().join("sys/dev/block/9:1")).expect("linked");
        fs::write(dir.path().join("boot/efi/EFI/debian/shimx64.efi"), "shim").expect("written");
        fs::write(dir.path().join("boot/efi/EFI/debian/grub.cfg"), "text").expect("written");
        dir
    }

    fn mounted(dir: &tempfile::TempDir, lines: &str) -> Option<RawEsp> {
        fs::write(dir.path().join("proc/self/mountinfo"), lines).expect("written");
        esp(&Root::at(dir.path())).expect("read")
    }

    #[test]
    fn the_mounted_partition_is_found_with_its_disk_its_number_and_its_programs() {
        let dir = server();
        let root = "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n";
        assert_eq!(mounted(&dir, root), None);
        let automatic = "30 21 0:40 / /boot/efi rw - autofs systemd-1 rw\n";
        let real = "31 30 8:2 / /boot/efi rw - vfat /dev/sda2 rw\n";
        let got = mounted(&dir, &format!("{root}{automatic}{real}")).expect("one");
        let place = (got.mount.as_str(), got.disk.as_str(), got.partition);
        assert_eq!(place, ("/boot/efi", "/dev/sda", 2));
        let files: Vec<_> = got.files.into_iter().collect();
        assert_eq!(files, [("EFI/debian/shimx64.efi".to_owned(), 4)]);
        let mirror = "31 21 9:1 / /boot/efi rw - vfat /dev/md1 rw\n";
        let got = mounted(&dir, mirror).expect("one");
        assert_eq!((got.disk.as_str(), got.partition), ("/dev/sda", 2));
    }

    #[test]
    fn a_program_is_copied_whole_into_the_agents_folder_and_not_twice() {
        let dir = server();
        let root = Root::at(dir.path());
        copy(&root, "/boot/efi", "EFI/debian/shimx64.efi").expect("copied");
        let to = dir.path().join("boot/efi/EFI/h8lio/shimx64.efi");
        assert_eq!(fs::read(&to).expect("there"), b"shim");
        let before = to.metadata().expect("there").modified().expect("a time");
        copy(&root, "/boot/efi", "EFI/debian/shimx64.efi").expect("nothing to do");
        let after = to.metadata().expect("there").modified().expect("a time");
        assert_eq!(before, after);
        fs::write(dir.path().join("boot/efi/EFI/debian/shimx64.efi"), "newer").expect("written");
        copy(&root, "/boot/efi", "EFI/debian/shimx64.efi").expect("copied");
        assert_eq!(fs::read(&to).expect("there"), b"newer");
    }
}
