//! Mounts and swap. Process 1's view, because the agent's own may be narrowed by its unit.

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
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(2);
    let number = left.next()?;
    let target = left.nth(1)?;
    let source = right.split(' ').nth(1)?;
    let on_device = source.starts_with("/dev/") || !number.starts_with("0:");
    let elsewhere = ["/dev/rbd", "/dev/nbd", "/dev/loop"];
    (on_device && !elsewhere.iter().any(|p| source.starts_with(p))).then(|| RawMount {
        number: number.to_owned(),
        source: unescape(source),
        target: unescape(target),
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
        assert_eq!(read("junk"), None);
    }

    #[test]
    fn escapes_are_undone_and_broken_ones_kept() {
        assert_eq!(unescape(r"a\040b\011\134c"), "a b\t\\c");
        assert_eq!(unescape(r"a\04"), r"a\04");
        assert_eq!(unescape(r"a\zzz"), r"a\zzz");
    }
}
