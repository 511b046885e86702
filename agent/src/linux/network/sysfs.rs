//! What `/sys/class/net` says of the devices behind links.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::host::network::RawNetDevice;

/// Names of all interfaces; empty where `/sys` cannot be read.
pub(super) fn names(sys: &Path) -> BTreeSet<String> {
    fs::read_dir(sys)
        .into_iter()
        .flatten()
        .flatten()
        // `bonding_masters` is a file among the interfaces' links.
        .filter(|e| e.file_type().is_ok_and(|t| t.is_symlink() || t.is_dir()))
        .filter_map(|e| e.file_name().into_string().ok())
        .collect()
}

/// The device behind interface `name`; `None` for links that exist in software only.
pub(super) fn device(sys: &Path, name: &str) -> Option<RawNetDevice> {
    // The kernel forbids these in names; a path made of anything else stays below `sys`.
    if name.is_empty() || name.contains('/') || name == "." || name == ".." {
        return None;
    }
    let folder = sys.join(name);
    let device = fs::canonicalize(folder.join("device")).ok()?;
    let driver = fs::read_link(folder.join("device/driver"))
        .ok()
        .and_then(|p| Some(p.file_name()?.to_string_lossy().into_owned()));
    Some(RawNetDevice {
        driver,
        pci_address: pci_address(&device),
        numa_node: text(&folder.join("device/numa_node")),
        speed: text(&folder.join("speed")),
        duplex: text(&folder.join("duplex")),
    })
}

/// The last folder of the device's path that is a PCI address: a virtio device stands below one.
fn pci_address(device: &Path) -> Option<String> {
    device
        .iter()
        .filter_map(|c| c.to_str())
        .rfind(|c| is_pci(c))
        .map(str::to_owned)
}

/// `0000:3b:00.1`: domain (four digits or more), bus, device, function.
fn is_pci(name: &str) -> bool {
    let hex = |s: &str, least: usize| s.len() >= least && s.bytes().all(|b| b.is_ascii_hexdigit());
    let mut parts = name.splitn(3, ':');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(domain), Some(bus), Some(slot)) => {
            hex(domain, 4)
                && hex(bus, 2)
                && slot
                    .split_once('.')
                    .is_some_and(|(d, f)| hex(d, 2) && hex(f, 1))
        }
        _ => false,
    }
}

fn text(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    Some(String::from_utf8(bytes).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_virtio_card_is_found_at_the_pci_address_above_it() {
        let dir = tempfile::tempdir().expect("tempdir");
        let virtio = dir.path().join("devices/pci0000:00/0000:00:03.0/virtio1");
        let class = dir.path().join("net");
        fs::create_dir_all(class.join("eth0")).expect("made");
        fs::create_dir_all(&virtio).expect("made");
        symlink(&virtio, class.join("eth0/device")).expect("linked");
        symlink("/sys/bus/virtio/drivers/virtio_net", virtio.join("driver")).expect("linked");
        fs::write(class.join("eth0/speed"), "25000\n").expect("written");
        let got = device(&class, "eth0").expect("has a device");
        assert_eq!(got.pci_address.as_deref(), Some("0000:00:03.0"));
        assert_eq!(got.driver.as_deref(), Some("virtio_net"));
        assert_eq!(got.speed.as_deref(), Some("25000"));
        assert_eq!(got.duplex, None);
    }

    #[test]
    fn a_name_cannot_lead_out_of_the_folder() {
        let dir = tempfile::tempdir().expect("tempdir");
        fs::create_dir_all(dir.path().join("device")).expect("made");
        let class = dir.path().join("net");
        fs::create_dir_all(&class).expect("made");
        assert_eq!(device(&class, ".."), None);
        assert_eq!(device(&class, "../net/.."), None);
        assert_eq!(device(&class, "$(reboot)"), None);
    }

    #[test]
    fn only_whole_pci_addresses_count() {
        assert!(is_pci("0000:3b:00.1"));
        assert!(is_pci("10000:e1:00.0"));
        for not in ["pci0000:00", "virtio1", "0000:3b:00", "1-1:1.0"] {
            assert!(!is_pci(not), "{not}");
        }
    }
}
