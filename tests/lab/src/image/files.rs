//! What the lab adds to Debian in every server's root: identity, network, ssh, console, GRUB.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::space::Network;

/// Servers that an image knows addresses for.
pub(super) const SERVERS: std::ops::RangeInclusive<u8> = 1..=9;

/// Path in the root, mode, content.
const FILES: &[(&str, u32, &str)] = &[
    // Empty, not absent: systemd takes the id from the server's UUID, and this is no first boot,
    // which would enable every unit.
    ("etc/machine-id", 0o444, ""),
    (
        "etc/apt/sources.list",
        0o644,
        "# The lab has no way to a mirror.\n",
    ),
    ("etc/resolv.conf", 0o644, "# The lab has no name server.\n"),
    ("etc/fstab", 0o644, include_str!("../../image/fstab")),
    (
        "etc/default/grub.d/lab.cfg",
        0o644,
        include_str!("../../image/grub.cfg"),
    ),
    (
        "etc/ssh/sshd_config.d/lab.conf",
        0o644,
        include_str!("../../image/sshd.conf"),
    ),
    // An emulated processor compresses for minutes what a real one does in seconds.
    ("etc/initramfs-tools/conf.d/lab", 0o644, "COMPRESSLEVEL=1\n"),
    // One watchdog and not two, whose order would be chance: the board's own stays unused.
    ("etc/modprobe.d/lab.conf", 0o644, "blacklist iTCO_wdt\n"),
    ("etc/modules-load.d/lab.conf", 0o644, "ipmi_devintf\n"),
    (
        "etc/systemd/system/serial-getty@ttyS0.service.d/lab.conf",
        0o644,
        include_str!("../../image/getty.conf"),
    ),
    (
        "etc/systemd/system/lab-identity.service",
        0o644,
        include_str!("../../image/lab-identity.service"),
    ),
    (
        "usr/local/lib/lab/identity",
        0o755,
        include_str!("../../image/identity"),
    ),
    (
        "usr/local/lib/lab/finish",
        0o755,
        include_str!("../../image/finish"),
    ),
];

/// Run in the root once the files are there.
pub(super) const SETUP: &str = include_str!("../../image/setup");

/// Every file, those made from the address plan included.
pub(super) fn all() -> Vec<(String, u32, String)> {
    let mut all: Vec<(String, u32, String)> = FILES
        .iter()
        .map(|(path, mode, text)| ((*path).to_owned(), *mode, (*text).to_owned()))
        .collect();
    for network in Network::ALL {
        for number in SERVERS {
            let path = format!("etc/systemd/network/10-{}-{number}.network", network.name());
            all.push((path, 0o644, network_unit(network, number)));
        }
    }
    all.push(("etc/hosts".to_owned(), 0o644, hosts()));
    all
}

/// Writes all of them below `root`.
pub(super) fn write(root: &Path) -> Result<()> {
    for (path, mode, text) in all() {
        let path = root.join(path);
        let folder = path.parent().unwrap_or(root);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, text))
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(mode)))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn network_unit(network: Network, number: u8) -> String {
    format!(
        "[Match]\nMACAddress={}\n\n[Network]\nAddress={}/24\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n",
        network.mac(number),
        network.server(number)
    )
}

fn hosts() -> String {
    let mut text = format!(
        "127.0.0.1 localhost\n{} coordinator\n",
        Network::Mgmt.space()
    );
    for number in SERVERS {
        text.push_str(&format!("{} s{number}\n", Network::Mgmt.server(number)));
    }
    text
}
