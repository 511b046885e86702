//! `lsblk --json`: signatures, and what udev knows about a drive. Only columns that every
//! supported util-linux has (2.34 and later).

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use h8lio_model::inventory::Problem;
use serde::Deserialize;

use crate::host::disks::RawSignatures;
use crate::linux::exec;
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
    let args = ["--json", "--bytes", "--output", COLUMNS];
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
