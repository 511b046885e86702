//! Whether a transaction fits on the server's file systems, asked before anything is changed.

use std::collections::BTreeMap;

use super::class::Class;
use super::judge::Change;
use crate::host::patching::RawRoom;

/// What stays free beside the change where programs and dpkg write, bytes.
const SPARE: u64 = 100_000_000;

/// Of a kernel whose size nobody knows, with its initial RAM disk, bytes.
const KERNEL: u64 = 128_000_000;

/// An initial RAM disk may grow from one kernel to the next: by a quarter.
const GROWTH: u64 = 4;

/// A file system that is too full. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place} has {} free, {what} needs about {}: {advice}", size(*.free), size(*.needed))]
pub struct Full {
    pub place: String,
    pub free: u64,
    pub needed: u64,
    pub what: &'static str,
    pub advice: &'static str,
}

/// What is going to be written, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Writes {
    /// Archives to fetch. As much again is put aside for the way back.
    pub fetch: u64,
    /// What the packages take more than before, unpacked.
    pub unpacked: u64,
}

/// Compares what `changes` need with what is free.
///
/// # Errors
/// [`Full`].
pub fn fits(changes: &[Change], writes: Writes, raw: &RawRoom) -> Result<(), Full> {
    let kernels = changes.iter().filter(|c| is_image(c)).count();
    let kernels = u64::try_from(kernels).unwrap_or(u64::MAX);
    let one = match raw.kernel {
        0 => KERNEL,
        bytes => bytes.saturating_add(bytes / GROWTH),
    };
    let boot = kernels.saturating_mul(one);
    let var = writes.fetch.saturating_mul(2);
    let mut devices: BTreeMap<u64, Vec<(&str, u64, u64)>> = BTreeMap::new();
    for room in &raw.rooms {
        let needed = match room.place {
            "/boot" => boot,
            "/var" => var,
            _ => writes.unpacked,
        };
        let places = devices.entry(room.device).or_default();
        places.push((room.place, room.free, needed));
    }
    devices.values().try_for_each(|places| fit(places))
}

/// Places of one file system share what is free there.
fn fit(places: &[(&str, u64, u64)]) -> Result<(), Full> {
    let is_boot = places.iter().all(|(place, ..)| *place == "/boot");
    let sum = places.iter().fold(0_u64, |n, p| n.saturating_add(p.2));
    let needed = match is_boot {
        true => sum,
        false => sum.saturating_add(SPARE),
    };
    let free = places.iter().map(|p| p.1).min().unwrap_or(0);
    if free >= needed {
        return Ok(());
    }
    let (what, advice) = match is_boot {
        true => (
            "the new kernel",
            "remove kernels that nobody boots any more, for example with apt-get autoremove, and \
             never the running one",
        ),
        false => (
            "the change",
            "make room, for example with apt-get clean and journalctl --vacuum-size",
        ),
    };
    // The most special one is what a person looks for.
    let place = places.iter().map(|p| p.0).max_by_key(|p| p.len());
    Err(Full {
        place: place.unwrap_or("/").to_owned(),
        free,
        needed,
        what,
        advice,
    })
}

/// A kernel itself, and not a package that only points to the newest: anew, or its files once more
/// while they are replaced.
fn is_image(change: &Change) -> bool {
    let release = change.name.strip_prefix("linux-image-");
    let release = release.map(|r| r.strip_prefix("unsigned-").unwrap_or(r));
    change.class == Class::Kernel
        && release.is_some_and(|r| r.starts_with(|c: char| c.is_ascii_digit()))
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes / 1_000),
        1_000_000..10_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{} GB", bytes / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::patching::Room;
    use rstest::rstest;

    const MB: u64 = 1_000_000;

    fn change(name: &str) -> Change {
        Change {
            name: name.to_owned(),
            from: None,
            to: "1".to_owned(),
            class: Class::of(name),
        }
    }

    fn rooms(rooms: &[(&'static str, u64, u64)]) -> RawRoom {
        let room = |(place, device, free): &(&'static str, u64, u64)| Room {
            place,
            device: *device,
            free: free * MB,
        };
        RawRoom {
            rooms: rooms.iter().map(room).collect(),
            kernel: 72 * MB,
        }
    }

    const WRITES: Writes = Writes {
        fetch: 50 * MB,
        unpacked: 300 * MB,
    };

    fn says(changes: &[&str], raw: &RawRoom) -> Option<String> {
        let changes: Vec<Change> = changes.iter().map(|n| change(n)).collect();
        fits(&changes, WRITES, raw).err().map(|e| e.to_string())
    }

    #[test]
    fn a_full_boot_partition_is_told_with_what_the_kernel_needs_and_the_next_move() {
        let raw = rooms(&[("/", 1, 5_000), ("/boot", 2, 12), ("/var", 1, 5_000)]);
        let says_kernel = says(&["linux-image-6.1.0-41-amd64", "bash"], &raw);
        let expected = "/boot has 12 MB free, the new kernel needs about 90 MB: remove kernels that \
                        nobody boots any more, for example with apt-get autoremove, and never the \
                        running one";
        assert_eq!(says_kernel.as_deref(), Some(expected));
        assert_eq!(
            says(&["bash", "linux-image-amd64"], &raw),
            None,
            "no kernel"
        );
    }

    #[rstest]
    #[case::root(&[("/", 1, 399), ("/boot", 2, 90), ("/var", 3, 200)], Some("/ has 399 MB free, the change needs about 400 MB"))]
    #[case::var(&[("/", 1, 400), ("/boot", 2, 90), ("/var", 3, 199)], Some("/var has 199 MB free, the change needs about 200 MB"))]
    #[case::enough(&[("/", 1, 400), ("/boot", 2, 90), ("/var", 3, 200)], None)]
    #[case::one_for_all(&[("/", 1, 589), ("/boot", 1, 589), ("/var", 1, 589)], Some("/boot has 589 MB free, the change needs about 590 MB"))]
    #[case::one_for_all_enough(&[("/", 1, 590), ("/boot", 1, 590), ("/var", 1, 590)], None)]
    fn what_lies_on_one_file_system_needs_its_room_together(
        #[case] given: &[(&'static str, u64, u64)],
        #[case] expected: Option<&str>,
    ) {
        let got = says(&["linux-image-6.1.0-41-amd64"], &rooms(given));
        match expected {
            None => assert_eq!(got, None),
            Some(begin) => assert!(
                got.as_deref().is_some_and(|g| g.starts_with(begin)),
                "{got:?}"
            ),
        }
    }

    #[test]
    fn a_kernel_of_unknown_size_counts_as_a_large_one() {
        let mut raw = rooms(&[("/boot", 2, 127)]);
        raw.kernel = 0;
        assert!(says(&["linux-image-6.1.0-41-amd64"], &raw).is_some());
        raw.rooms[0].free = 128 * MB;
        assert_eq!(says(&["linux-image-6.1.0-41-amd64"], &raw), None);
    }
}
