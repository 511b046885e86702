//! What a drive is known by: WWN before serial before nothing.
//!
//! A key must mean one drive. Therefore:
//! - a WWN or serial that is a placeholder, or that could not be read faithfully, is none;
//! - a WWN that two devices show is none for either (cheap USB bridges and some NVMe drives all
//!   show the same one); they fall back to their serials;
//! - a serial that two devices show is none for either. Two *paths* to one drive (multipath)
//!   share both and so become `Unstable`: h8lio does not manage multipath, and acting on one
//!   path while the other is in use is exactly the accident that the key is to prevent.

use std::collections::BTreeMap;

use h8lio_model::inventory::DiskKey;

use super::text::is_faithful;

/// The identity that one device claims.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    /// Kernel name.
    pub device: String,
    pub wwn: Option<String>,
    pub serial: Option<String>,
}

/// The key of each claim, in the same order.
pub fn keys(claims: &[Claim]) -> Vec<DiskKey> {
    let wwns = count(claims.iter().filter_map(|c| c.wwn.as_deref()));
    let serials = count(claims.iter().filter_map(|c| c.serial.as_deref()));
    let alone = |of: &BTreeMap<&str, usize>, text: &Option<String>| {
        text.clone().filter(|t| of.get(t.as_str()) == Some(&1))
    };
    claims
        .iter()
        .map(|c| {
            alone(&wwns, &c.wwn)
                .map(DiskKey::Wwn)
                .or_else(|| alone(&serials, &c.serial).map(DiskKey::Serial))
                .unwrap_or_else(|| DiskKey::Unstable(c.device.clone()))
        })
        .collect()
}

fn count<'a>(texts: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut n = BTreeMap::new();
    for t in texts {
        *n.entry(t).or_default() += 1;
    }
    n
}

/// A World Wide Name in the form of [`DiskKey::Wwn`]: the kernel's `naa.5000…` and udev's
/// `0x5000…` are the same name. `None` for placeholders and for `t10.` ids, which are made of
/// vendor and serial and are not world-wide.
pub fn wwn(text: &str) -> Option<String> {
    if !is_faithful(text) {
        return None;
    }
    let text = text.trim().to_ascii_lowercase();
    if let Some(hex) = text.strip_prefix("naa.").or(text.strip_prefix("0x")) {
        return (is_hex(hex) && says_something(hex)).then(|| format!("0x{hex}"));
    }
    let rest = text
        .strip_prefix("eui.")
        .or(text.strip_prefix("nvme."))
        .or(text.strip_prefix("uuid."))?;
    says_something(rest).then_some(text)
}

/// A serial fit to be a key. Case is kept: it is the drive's own.
pub fn serial(text: &str) -> Option<String> {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    let known_placeholder = matches!(
        lower.as_str(),
        "1234567890" | "none" | "unknown" | "n/a" | "na" | "default" | "serial" | "not available"
    ) || "0123456789abcdef0123456789abcdef".contains(&lower)
        && lower.len() >= 8;
    (is_faithful(text) && says_something(text) && !known_placeholder).then(|| text.to_owned())
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Not one character over and over (zeros, `f`s, dashes, `X`s), separators aside.
fn says_something(text: &str) -> bool {
    let mut letters = text.chars().filter(|c| !matches!(c, '-' | '_' | '.' | ' '));
    let Some(first) = letters.next() else {
        return false;
    };
    letters.any(|c| c != first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn claim(device: &str, wwn: Option<&str>, serial: Option<&str>) -> Claim {
        Claim {
            device: device.into(),
            wwn: wwn.map(Into::into),
            serial: serial.map(Into::into),
        }
    }

    fn words(claims: &[Claim]) -> Vec<String> {
        keys(claims).iter().map(|k| format!("{k:?}")).collect()
    }

    #[rstest]
    #[case("naa.5000C50000000011", Some("0x5000c50000000011"))]
    #[case("0x5000c50000000011", Some("0x5000c50000000011"))]
    #[case("eui.0025385B71B00C3E", Some("eui.0025385b71b00c3e"))]
    #[case("t10.ATA     QEMU HARDDISK   QM00001", None)]
    #[case("naa.0000000000000000", None)]
    #[case("0xffffffffffffffff", None)]
    #[case("eui.0000000000000000", None)]
    #[case("0x$(reboot)", None)]
    #[case("naa.5000\n11", None)]
    fn a_wwn_has_one_form(#[case] given: &str, #[case] is: Option<&str>) {
        assert_eq!(wwn(given).as_deref(), is);
    }

    #[rstest]
    #[case("  SN-N1-0001 ", Some("SN-N1-0001"))]
    #[case("$(reboot)", Some("$(reboot)"))]
    #[case("0000000000000000", None)]
    #[case("0123456789ABCDEF", None)]
    #[case("1234567890", None)]
    #[case("123456789", None)]
    #[case("none", None)]
    #[case("A\u{fffd}B", None)]
    #[case("A\nB", None)]
    #[case("", None)]
    fn a_serial_that_says_nothing_is_none(#[case] given: &str, #[case] is: Option<&str>) {
        assert_eq!(serial(given).as_deref(), is);
    }

    #[test]
    fn a_wwn_shown_twice_is_nobodys_and_serials_tell_the_drives_apart() {
        let twice = [
            claim("sda", Some("0xab1"), Some("A")),
            claim("sdb", Some("0xab1"), Some("B")),
            claim("sdc", Some("0xab2"), Some("C")),
        ];
        assert_eq!(
            words(&twice),
            [r#"Serial("A")"#, r#"Serial("B")"#, r#"Wwn("0xab2")"#]
        );
    }

    #[test]
    fn two_paths_to_one_drive_are_both_unstable() {
        let paths = [
            claim("sda", Some("0xab1"), Some("A")),
            claim("sdb", Some("0xab1"), Some("A")),
        ];
        assert_eq!(words(&paths), [r#"Unstable("sda")"#, r#"Unstable("sdb")"#]);
    }

    #[test]
    fn a_serial_that_another_drive_shows_too_is_no_key() {
        let drives = [
            claim("sda", Some("0xab1"), Some("A")),
            claim("sdb", None, Some("A")),
        ];
        assert_eq!(words(&drives), [r#"Wwn("0xab1")"#, r#"Unstable("sdb")"#]);
    }

    proptest! {
        #[test]
        fn keys_are_unique_and_do_not_depend_on_device_names(
            drives in proptest::collection::vec(
                (proptest::option::of(0_u8..4), proptest::option::of(0_u8..4)), 0..8)
        ) {
            let named = |prefix: &str| -> Vec<Claim> {
                drives.iter().enumerate().map(|(n, (w, s))| Claim {
                    device: format!("{prefix}{n}"),
                    wwn: w.map(|w| format!("0xab{w}")),
                    serial: s.map(|s| format!("S{s}")),
                }).collect()
            };
            let before = keys(&named("sd"));
            let after = keys(&named("other"));
            for (n, (a, b)) in before.iter().zip(&after).enumerate() {
                match (a, b) {
                    (DiskKey::Unstable(_), DiskKey::Unstable(_)) => {}
                    _ => prop_assert_eq!(a, b),
                }
                prop_assert!(before.iter().skip(n + 1).all(|other| other != a));
            }
        }
    }
}
