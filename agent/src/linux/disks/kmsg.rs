//! Medium errors in the kernel's log, from `/dev/kmsg`.
//!
//! The file stays open and is read on from where the last look ended, so a quiet log costs one
//! system call. Only what the kernel itself wrote counts (facility 0: the kernel marks what
//! programs write into the file), and only where the words stand at the beginning of a record: the
//! name that a USB stick gives itself stands in the log too, but never there.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use procfs::Uptime;

use crate::host::disks::{RawKernelErrors, RawMediumError};
use crate::linux::parsed::parsed;
use crate::linux::root::{Root, unreadable};

const FILE: &str = "dev/kmsg";

/// The kernel's longest record (`PRINTKRB_RECORD_MAX`); a shorter buffer is an error.
const RECORD: usize = 8 << 10;

/// Records taken in one look; the rest waits for the next.
const MOST: usize = 100_000;

/// Where the last look ended.
#[derive(Debug, Default)]
pub(super) struct Kmsg(Option<File>);

/// One medium error, with the time since boot.
type Stamped = (String, u64, Duration);

impl Kmsg {
    /// What was logged since the last look; at first, all that the kernel still keeps.
    pub(super) fn look(&mut self, root: &Root) -> RawKernelErrors {
        let (found, problem) = match self.read(root) {
            Ok(found) => (found, None),
            Err(e) => {
                self.0 = None;
                (Vec::new(), Some(unreadable("/dev/kmsg", &e)))
            }
        };
        if found.is_empty() {
            return RawKernelErrors {
                errors: Vec::new(),
                problem,
            };
        }
        let uptime = parsed::<Uptime>(root, "proc/uptime");
        let uptime = uptime.map_or(Duration::ZERO, |u| u.uptime_duration());
        let errors = found
            .into_iter()
            .map(|(device, sector, at)| RawMediumError {
                device,
                sector,
                age: uptime.saturating_sub(at),
            });
        RawKernelErrors {
            errors: errors.collect(),
            problem,
        }
    }

    fn read(&mut self, root: &Root) -> std::io::Result<Vec<Stamped>> {
        if self.0.is_none() {
            let flags = nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC;
            let mut options = File::options();
            let file = options
                .read(true)
                .custom_flags(flags)
                .open(root.join(FILE))?;
            self.0 = Some(file);
        }
        let Some(file) = self.0.as_mut() else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        let mut record = [0; RECORD];
        for _ in 0..MOST {
            match file.read(&mut record) {
                Ok(0) => break,
                Ok(length) => found.extend(medium_errors(&record[..length])),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                // The record was overwritten before it was read: go on with the next.
                Err(e) if matches!(e.kind(), ErrorKind::BrokenPipe | ErrorKind::Interrupted) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(found)
    }
}

/// Those of one record and its lines of properties, which begin with a space.
fn medium_errors(record: &[u8]) -> Vec<Stamped> {
    let text = String::from_utf8_lossy(record);
    text.lines().filter_map(medium_error).collect()
}

/// `3,1234,5678901234,-;critical medium error, dev sda, sector 4711 op 0x0:(READ) …`; priority,
/// number, microseconds since boot. Kernels before 5.16 put the function's name in front.
fn medium_error(line: &str) -> Option<Stamped> {
    let (head, text) = line.split_once(';')?;
    let mut head = head.split(',');
    let priority: u32 = head.next()?.parse().ok()?;
    let by_the_kernel = priority >> 3 == 0;
    let at: u64 = head.nth(1)?.parse().ok()?;
    let text = ["blk_update_request: ", "print_req_error: "]
        .iter()
        .find_map(|function| text.strip_prefix(function))
        .unwrap_or(text);
    let about = text.strip_prefix("critical medium error, dev ")?;
    let (device, rest) = about.split_once(", sector ")?;
    let digits = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let sector = rest[..digits].parse().ok()?;
    by_the_kernel.then(|| (device.to_owned(), sector, Duration::from_micros(at)))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const TOLD: &str = "critical medium error, dev sdb, sector 4711 op 0x0:(READ) flags 0x80700 phys_seg 1 prio class 2";

    #[rstest]
    #[case("3,1,5000000,-;", "")]
    #[case("3,1,5000000,-,caller=T1;", "blk_update_request: ")]
    #[case("3,1,5000000,c;", "print_req_error: ")]
    fn the_kernels_own_words_of_three_ages_are_read(#[case] head: &str, #[case] function: &str) {
        let line = format!("{head}{function}{TOLD}");
        let want = ("sdb".to_owned(), 4711, Duration::from_secs(5));
        assert_eq!(medium_error(&line), Some(want));
    }

    #[rstest]
    #[case::a_program_wrote_it("11,1,5,-;critical medium error, dev sdb, sector 4711")]
    #[case::a_usb_stick_calls_itself_so(
        "6,1,5,-;usb 1-1: Product: critical medium error, dev sdb, sector 4711"
    )]
    #[case::a_property(" 3,1,5,-;critical medium error, dev sdb, sector 4711")]
    #[case::a_lost_cable("3,1,5,-;I/O error, dev sdb, sector 4711 op 0x0:(READ)")]
    #[case::no_sector("3,1,5,-;critical medium error, dev sdb, sector x")]
    #[case::cut("3,1")]
    fn nothing_else_is_a_medium_error(#[case] line: &str) {
        assert_eq!(medium_error(line), None);
    }

    #[test]
    fn each_record_is_told_once_with_its_age_and_a_missing_log_is_a_problem() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = Root::at(dir.path());
        let mut kmsg = Kmsg::default();
        assert_eq!(kmsg.look(&root).problem.expect("no file").what, "/dev/kmsg");
        for folder in ["dev", "proc"] {
            std::fs::create_dir(dir.path().join(folder)).expect("a folder");
        }
        std::fs::write(dir.path().join("proc/uptime"), "65.00 1.0\n").expect("a file");
        let record = format!("3,1,5000000,-;{TOLD}\n SUBSYSTEM=block\n");
        std::fs::write(dir.path().join(FILE), record).expect("a file");
        let want = RawMediumError {
            device: "sdb".into(),
            sector: 4711,
            age: Duration::from_secs(60),
        };
        assert_eq!(kmsg.look(&root).errors, [want]);
        let again = kmsg.look(&root);
        assert_eq!((again.errors, again.problem), (Vec::new(), None));
    }
}
