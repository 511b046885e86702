//! The root file system as a tar archive: Debian and the packages that h8lio looks at.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::{Made, Release, Say, text};
use crate::cache::{Cache, Recipe};
use crate::process;

/// Downloads and unpacks 400 packages; two minutes on an idle machine.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// What every server has. The generic kernel and not the cloud kernel: only it has the drivers of
/// BMC and hardware watchdog.
const PACKAGES: &[&str] = &[
    "systemd",
    "systemd-sysv",
    "libpam-systemd",
    "udev",
    "dbus",
    "kmod",
    "procps",
    // Booting.
    "linux-image-amd64",
    "initramfs-tools",
    "zstd",
    "grub-pc",
    "grub-efi-amd64-bin",
    "efibootmgr",
    // Reached by people and Ansible.
    "openssh-server",
    "python3",
    "python3-apt",
    "ca-certificates",
    "jq",
    "chrony",
    // Network.
    "iproute2",
    "iputils-ping",
    "netbase",
    "nftables",
    "ethtool",
    "lldpd",
    // Disks.
    "lvm2",
    "mdadm",
    "cryptsetup-bin",
    "gdisk",
    "dosfstools",
    "e2fsprogs",
    "smartmontools",
    "nvme-cli",
    "ipmitool",
    // What the servers are for.
    "ceph-osd",
    "ceph-common",
    "containerd",
    "runc",
    "containernetworking-plugins",
    // Who else manages packages.
    "needrestart",
    "unattended-upgrades",
];

/// Packages that a release splits off from those above.
fn own_packages(release: Release) -> &'static [&'static str] {
    match release {
        Release::Bookworm => &[],
        Release::Trixie => &["ceph-volume", "util-linux-extra"],
    }
}

/// Answers to what packages ask while they are installed: no boot loader goes anywhere yet.
const PRESEED: &str = "printf 'grub-pc grub-pc/install_devices_empty boolean true\\n' \
                       | chroot \"$1\" debconf-set-selections";

/// Where in the entry the archive is.
pub(super) const ARCHIVE: &str = "root.tar";

pub(super) fn get(cache: &Cache, release: Release, say: Say<'_>) -> Result<Made> {
    let packages: Vec<&str> = PACKAGES
        .iter()
        .chain(own_packages(release))
        .copied()
        .collect();
    let packages = packages.join(",");
    let recipe = Recipe::new(&format!("root-{release}"))
        .with("packages", &packages)
        // How it is made: a change of its arguments is another root.
        .with("making", include_str!("root.rs"));
    let folder = cache.entry(&recipe, |folder| {
        say(&format!(
            "making the root of Debian {release} (about two minutes)"
        ));
        make(folder, release, &packages)
    })?;
    Ok(Made {
        folder,
        key: recipe.key(),
        release,
    })
}

/// No mirror is named: mmdebstrap knows Debian's, and takes the machine's proxy.
fn make(folder: &Path, release: Release, packages: &str) -> Result<()> {
    let mut command = process::command("mmdebstrap");
    command
        .args(["--quiet", "--variant=minbase"])
        .arg(format!("--include={packages}"))
        .arg(format!("--essential-hook={PRESEED}"))
        .arg(release.name())
        .arg(text(&folder.join(ARCHIVE)));
    process::run(command, LIMIT)?;
    Ok(())
}
