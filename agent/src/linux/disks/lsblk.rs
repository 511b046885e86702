//! `lsblk --json`: signatures, and what udev knows about a drive. Only columns that every
//! supported util-linux has (2.34 and later).

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use h8lio_model::inventory::Problem;
use serde::Deserialize;

use crate::host::disks::RawSignatures;
use crate::linux::exec::{self, Argv};
use crate::linux::os::failed;
use crate::linux::root::{Root, not_understood};

const DEADLINE: Duration = Duration::from_secs(20);
const COLUMNS: &str = "KNAME,MAJ:MIN,FSTYPE,UUID,LABEL,PTTYPE,PARTTYPE,WWN,SERIAL,MODEL,VENDOR,REV,\
                       TRAN";

#[derive(Deserialize)]
struct Answer {
    blockdevices: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    kname: String,
    #[serde(rename = "maj:min")]
    number: String,
    fstype: Option<String>,
    uuid: Option<String>,
    label: Option<String>,
    pttype: Option<String>,
    parttype: Option<String>,
    wwn: Option<String>,
    serial: Option<String>,
    model: Option<String>,
    vendor: Option<String>,
    rev: Option<String>,
    tran: Option<String>,
    #[serde(default)]
    children: Vec<Node>,
}

pub(super) fn ask(root: &Root) -> Result<BTreeMap<String, RawSignatures>, Problem> {
    let args = Argv::of(&["--json", "--bytes", "--output", COLUMNS]);
    let answer = exec::run("lsblk", &args, &[], DEADLINE).map_err(|e| e.problem("lsblk"))?;
    // 64: some devices vanished while it looked; the rest is told.
    if !matches!(answer.code, 0 | 64) {
        return Err(failed("lsblk", answer.code, &answer.stderr));
    }
    understand(&answer.stdout, root)
}

/// Reads lsblk's answer.
///
/// # Errors
/// `NotUnderstood` for anything but the JSON asked for: half an answer is none.
pub(crate) fn understand(
    stdout: &[u8],
    root: &Root,
) -> Result<BTreeMap<String, RawSignatures>, Problem> {
    // A label may hold any bytes; they must not hide every other disk.
    let text = String::from_utf8_lossy(stdout);
    let answer: Answer = serde_json::from_str(&text).map_err(|e| {
        let cause = format!(
            "its answer is not the JSON expected (line {}, column {}), so signatures are unknown; \
             try `lsblk --json` and report the version of util-linux",
            e.line(),
            e.column()
        );
        not_understood("lsblk", &cause)
    })?;
    let mut all = BTreeMap::new();
    let mut queue = answer.blockdevices;
    while let Some(node) = queue.pop() {
        let (name, signatures, children) = signatures(node, root);
        all.insert(name, signatures);
        queue.extend(children);
    }
    Ok(all)
}

fn signatures(node: Node, root: &Root) -> (String, RawSignatures, Vec<Node>) {
    let some = |text: Option<String>| text.filter(|t| !t.trim().is_empty());
    let entry = root.text(format!("run/udev/data/b{}", node.number.trim()));
    let ambiguous = entry
        .as_ref()
        .is_ok_and(|t| t.lines().any(|l| l.starts_with("E:ID_FS_AMBIVALENT=")));
    let found = node.fstype.is_some() || node.pttype.is_some();
    let signatures = RawSignatures {
        probed: found || entry.is_ok() || can_open(root, &node.kname),
        ambiguous,
        fs_type: some(node.fstype),
        fs_uuid: some(node.uuid),
        fs_label: some(node.label),
        table: some(node.pttype),
        partition_type: some(node.parttype),
        wwn: some(node.wwn),
        serial: some(node.serial),
        model: some(node.model),
        vendor: some(node.vendor).filter(|v| !v.starts_with("0x")),
        firmware: some(node.rev),
        transport: some(node.tran),
    };
    (node.kname, signatures, node.children)
}

/// Without udev lsblk reads the device itself, and says nothing when it may not.
fn can_open(root: &Root, device: &str) -> bool {
    File::options()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK)
        .open(root.join("dev").join(device))
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REAL: &str = include_str!("../../../tests/fixtures/disks/lsblk.json");

    fn nowhere() -> Root {
        Root::at("/nonexistent")
    }

    #[test]
    fn a_real_answer_is_read_down_to_the_volumes() {
        let all = understand(REAL.as_bytes(), &nowhere()).expect("understood");
        let names: Vec<_> = all.keys().map(String::as_str).collect();
        assert_eq!(names, ["dm-0", "nvme0n1", "sda", "vda"]);
        assert_eq!(all["sda"].fs_type.as_deref(), Some("LVM2_member"));
        assert_eq!(all["dm-0"].fs_type.as_deref(), Some("ceph_bluestore"));
        assert_eq!(all["sda"].wwn.as_deref(), Some("0x5000c50000000011"));
        assert_eq!(all["nvme0n1"].transport.as_deref(), Some("nvme"));
        assert_eq!(all["vda"].vendor, None, "a PCI number is no vendor");
        assert!(all["sda"].probed, "a signature was found");
        assert!(!all["nvme0n1"].probed, "nobody looked");
    }

    #[test]
    fn junk_is_a_problem_that_does_not_repeat_it() {
        let cut = &REAL[..REAL.len() / 2];
        for junk in [
            "",
            "junk SECRET",
            "{\"blockdevices\": [{\"name\": \"SECRET\"}]}",
            cut,
        ] {
            let problem = understand(junk.as_bytes(), &nowhere()).expect_err("not understood");
            assert_eq!(problem.reason, "NotUnderstood");
            assert!(!problem.message.contains("SECRET"), "{}", problem.message);
        }
    }

    #[test]
    fn a_label_of_odd_bytes_hides_no_other_disk() {
        let text = REAL.replacen("\"label\": null", "\"label\": \"\u{1}\"", 1);
        let mut bytes = text.replace('\u{1}', "?").into_bytes();
        let at = bytes.iter().position(|b| *b == b'?').expect("the label");
        bytes[at] = 0xff;
        assert_eq!(understand(&bytes, &nowhere()).expect("understood").len(), 4);
    }

    #[test]
    fn udev_tells_whether_anybody_looked_and_whether_it_was_clear() {
        let dir = tempfile::tempdir().expect("a folder");
        let data = dir.path().join("run/udev/data");
        std::fs::create_dir_all(&data).expect("folders");
        std::fs::write(data.join("b259:1"), "E:ID_FS_AMBIVALENT=x\n").expect("an entry");
        let all = understand(REAL.as_bytes(), &Root::at(dir.path())).expect("understood");
        assert!(all["nvme0n1"].probed && all["nvme0n1"].ambiguous);
        assert!(!all["sda"].ambiguous);
    }
}
