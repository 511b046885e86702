//! What exists before a cluster's monitor first starts: its keys and its empty store.

use std::fs;

use anyhow::{Context as _, Result};

use super::Heart;

/// Who has a key from the beginning, and what it may do.
const KEYS: &[(&str, &[(&str, &str)])] = &[
    ("mon.", &[("mon", "allow *")]),
    (
        "client.admin",
        &[("mon", "allow *"), ("mgr", "allow *"), ("osd", "allow *")],
    ),
    (
        "client.bootstrap-osd",
        &[("mon", "profile bootstrap-osd"), ("mgr", "allow r")],
    ),
];

/// Makes the keys, in one file.
pub(super) fn keys(heart: &Heart) -> Result<()> {
    let file = heart.file("keyring");
    for (number, (name, caps)) in KEYS.iter().enumerate() {
        let mut words = vec![file.as_str(), "--gen-key", "--name", name];
        if number == 0 {
            words.push("--create-keyring");
        }
        for (service, may) in *caps {
            words.extend(["--cap", service, may]);
        }
        heart.tool("ceph-authtool", &words)?;
    }
    Ok(())
}

/// Makes the monitor's map and store.
pub(super) fn monitor(heart: &Heart) -> Result<()> {
    let [map, keyring, conf] = ["monmap", "keyring", "ceph.conf"].map(|name| heart.file(name));
    let (fsid, address) = (heart.fsid(), heart.monitor());
    let mut words = vec!["--create", "--clobber", "--fsid", &fsid];
    words.extend(["--addv", "a", &address, &map]);
    heart.tool("monmaptool", &words)?;
    let store = heart.folder().join("mon");
    // Of a run that was killed while it made one.
    fs::remove_dir_all(&store).with_context(|| format!("cannot empty {}", store.display()))?;
    fs::create_dir(&store).with_context(|| format!("cannot make {}", store.display()))?;
    let mut words = vec!["--mkfs", "--id", "a", "--conf", &conf];
    words.extend(["--monmap", &map, "--keyring", &keyring]);
    heart.tool("ceph-mon", &words)?;
    Ok(())
}
