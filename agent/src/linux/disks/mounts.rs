//! Mounts and swap. Process 1's view, because the agent's own may be narrowed by its unit.
//!
//! procfs takes the lines apart, one at a time: given the whole file it would say nothing of any
//! mount because of one line that it does not understand, and a disk in use would look free. It
//! leaves the kernel's escapes as they are, and knows no `/proc/swaps`.

use procfs::process::MountInfo;

use crate::host::disks::RawMount;
use crate::linux::root::Root;

/// Mounts of block devices, sorted. Network and loop devices are left out: they lie on no drive,
/// and on a Kubernetes node they come and go all day.
pub(super) fn mounts(root: &Root) -> Vec<RawMount> {
    let text = root
        .text("proc/1/mountinfo")
        .or_else(|_| root.text("proc/self/mountinfo"))
        .unwrap_or_default();
    let mut all: Vec<RawMount> = text.lines().filter_map(mount).collect();
    all.sort_by(|a, b| (&a.target, &a.source).cmp(&(&b.target, &b.source)));
    all.dedup();
    all
}

/// `36 35 98:0 /root /target rw,noatime master:1 - ext3 /dev/root rw`, proc(5).
fn mount(line: &str) -> Option<RawMount> {
    // Most lines of a Kubernetes node are of no device; they are not worth taking apart.
    let number = line.split(' ').nth(2)?;
    if number.starts_with("0:") && !line.contains(" /dev/") {
        return None;
    }
    let found = MountInfo::from_line(line).ok()?;
    let source = found.mount_source.unwrap_or_default();
    let on_device = source.starts_with("/dev/") || !found.majmin.starts_with("0:");
    let elsewhere = ["/dev/rbd", "/dev/nbd", "/dev/loop"];
    (on_device && !elsewhere.iter().any(|p| source.starts_with(p))).then(|| RawMount {
        source: unescape(&source),
        target: unescape(&found.mount_point.to_string_lossy()),
        number: found.majmin,
    })
}

/// Devices used for swap.
pub(super) fn swaps(root: &Root) -> Vec<String> {
    let text = root.text("proc/swaps").unwrap_or_default();
    text.lines()
        .filter_map(|l| l.split_whitespace().next())
        .filter_map(|path| path.strip_prefix("/dev/"))
        .map(unescape)
        .collect()
}

/// The kernel writes space, tab, newline and backslash as three octal digits.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let octal = (first == b'\\')
            .then(|| after.get(..3))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octal {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mounts_of_local_block_devices_count() {
        let read = |line| mount(line).map(|m| (m.number, m.source, m.target));
        let root = read("27 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw");
        let own = |a: &str, b: &str, c: &str| Some((a.to_owned(), b.to_owned(), c.to_owned()));
        assert_eq!(root, own("254:1", "/dev/vda1", "/"));
        let btrfs = read("30 27 0:25 /@ /data\\040x rw - btrfs /dev/sdb1 rw,subvol=/@");
        assert_eq!(btrfs, own("0:25", "/dev/sdb1", "/data x"));
        assert_eq!(read("22 27 0:21 / /proc rw - proc proc rw"), None);
        assert_eq!(read("99 27 252:0 / /pv rw - ext4 /dev/rbd0 rw"), None);
        let nameless = read("31 27 8:17 / /mnt rw - ext4 none rw");
        assert_eq!(nameless, own("8:17", "", "/mnt"), "its number counts");
        assert_eq!(read("junk"), None);
    }

    #[test]
    fn a_line_that_is_not_understood_hides_no_other_mount() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(dir.path().join("proc/1")).expect("folders");
        let lines = b"junk\n30 27 8:2 / /a\xff rw - ext4 /dev/sdb rw\n27 1 8:1 / / rw - ext4 /dev/sda rw\n31 x 8:3";
        std::fs::write(dir.path().join("proc/1/mountinfo"), lines).expect("a file");
        let found = mounts(&Root::at(dir.path()));
        let targets: Vec<_> = found.iter().map(|m| m.target.as_str()).collect();
        assert_eq!(targets, ["/", "/a\u{fffd}"]);
    }

    #[test]
    fn escapes_are_undone_and_broken_ones_kept() {
        assert_eq!(unescape(r"a\040b\011\134c"), "a b\t\\c");
        assert_eq!(unescape(r"a\04"), r"a\04");
        assert_eq!(unescape(r"a\zzz"), r"a\zzz");
    }
}
