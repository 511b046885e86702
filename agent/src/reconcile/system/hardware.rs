//! DMI as vendors fill it in: much of it is placeholders.

use h8lio_model::inventory::HardwareFacts;

use crate::host::hardware::{RawDmi, RawHardware};

/// What vendors leave standing, lower case.
const PLACEHOLDERS: [&str; 22] = [
    "to be filled by o.e.m.",
    "to be filled by o.e.m",
    "default string",
    "system manufacturer",
    "system product name",
    "system serial number",
    "system version",
    "not specified",
    "not applicable",
    "not available",
    "not settable",
    "chassis serial number",
    "base board serial number",
    "o.e.m.",
    "oem",
    "n/a",
    "none",
    "null",
    "empty",
    "unknown",
    "invalid",
    "123456789",
];

/// Vendors of hypervisors by a part of `sys_vendor` or `product_name`, lower case.
const HYPERVISORS: [(&str, &str); 10] = [
    ("qemu", "qemu"),
    ("kvm", "kvm"),
    ("vmware", "vmware"),
    ("virtualbox", "virtualbox"),
    ("innotek", "virtualbox"),
    ("virtual machine", "hyper-v"),
    ("hvm domu", "xen"),
    ("bochs", "bochs"),
    ("amazon ec2", "amazon"),
    ("google compute", "google"),
];

/// Judges the raw facts.
pub fn assess(raw: &RawHardware) -> HardwareFacts {
    let dmi = &raw.dmi;
    HardwareFacts {
        manufacturer: meaningful(dmi.sys_vendor.as_deref()),
        product: meaningful(dmi.product_name.as_deref()),
        serial: meaningful(dmi.product_serial.as_deref()),
        system_uuid: uuid(dmi.product_uuid.as_deref()),
        board_serial: meaningful(dmi.board_serial.as_deref()),
        bios_version: meaningful(dmi.bios_version.as_deref()),
        virtualization: virtualization(raw, dmi),
        uefi: raw.uefi,
        bmc: raw.bmc,
        cpu: raw.cpu.clone(),
        memory: raw.memory.clone(),
        problems: raw.problems.clone(),
    }
}

/// `text` unless it is a placeholder, one character over and over, or not plain text: a serial
/// is compared with what a join token expects, so a damaged one is none.
fn meaningful(text: Option<&str>) -> Option<String> {
    let text = text?.trim();
    let lower = text.to_ascii_lowercase();
    let mut letters = text.chars().filter(|c| c.is_alphanumeric());
    let first = letters.next()?;
    let damaged = text.chars().any(|c| c.is_control() || c == '\u{fffd}');
    let monotone = text.chars().count() > 1 && letters.all(|c| c == first);
    let placeholder = PLACEHOLDERS.contains(&lower.as_str())
        || (lower.len() >= 8 && "01234567890123456789".contains(&lower));
    (!damaged && !monotone && !placeholder).then(|| text.to_owned())
}

/// The system UUID, lower case; all zeros and all ones are "not set" (SMBIOS 7.2.1), and some
/// boards all carry `03000200-0400-0500-0006-000700080009`.
fn uuid(text: Option<&str>) -> Option<String> {
    let uuid = uuid::Uuid::try_parse(text?.trim()).ok()?;
    let shared = "03000200-0400-0500-0006-000700080009";
    let text = uuid.to_string();
    (!uuid.is_nil() && !uuid.is_max() && text != shared).then_some(text)
}

fn virtualization(raw: &RawHardware, dmi: &RawDmi) -> Option<String> {
    if let Some(kind) = raw.hypervisor_type.as_deref().filter(|k| !k.is_empty()) {
        return Some(kind.to_owned());
    }
    let named = [&dmi.sys_vendor, &dmi.product_name]
        .into_iter()
        .flatten()
        .map(|t| t.to_ascii_lowercase())
        .find_map(|t| {
            let known = HYPERVISORS.iter().find(|(part, _)| t.contains(part));
            known.map(|(_, name)| (*name).to_owned())
        });
    // Every usual hypervisor sets the processor's flag; without it the name is only a name:
    // Amazon's and Google's also stand on their bare-metal servers.
    match (named, raw.hypervisor_flag) {
        (_, Some(false)) => None,
        (None, Some(true)) => Some("unknown".to_owned()),
        (named, _) => named,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn raw(serial: &str, uuid: &str) -> RawHardware {
        RawHardware {
            dmi: RawDmi {
                product_serial: Some(serial.into()),
                product_uuid: Some(uuid.into()),
                ..RawDmi::default()
            },
            ..RawHardware::default()
        }
    }

    #[rstest]
    #[case("To be filled by O.E.M.", None)]
    #[case("Default string", None)]
    #[case("0000000000", None)]
    #[case("..............", None)]
    #[case("0123456789", None)]
    #[case("123456789", None)]
    #[case("bad\u{fffd}byte", None)]
    #[case(" CZ3-0042 ", Some("CZ3-0042"))]
    #[case("$(reboot)", Some("$(reboot)"))]
    fn placeholder_serials_are_none(#[case] given: &str, #[case] is: Option<&str>) {
        assert_eq!(assess(&raw(given, "")).serial.as_deref(), is);
    }

    #[rstest]
    #[case("00000000-0000-0000-0000-000000000000", None)]
    #[case("FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", None)]
    #[case("03000200-0400-0500-0006-000700080009", None)]
    #[case("not a uuid", None)]
    #[case(
        "4C4C4544-0042-3510-8051-B7C04F4E3332",
        Some("4c4c4544-0042-3510-8051-b7c04f4e3332")
    )]
    fn a_uuid_that_many_boards_share_is_none(#[case] given: &str, #[case] is: Option<&str>) {
        assert_eq!(assess(&raw("x", given)).system_uuid.as_deref(), is);
    }

    #[test]
    fn a_server_with_a_cloud_vendors_name_but_no_hypervisor_is_bare_metal() {
        let mut metal = raw("x", "");
        metal.dmi.sys_vendor = Some("Amazon EC2".into());
        metal.hypervisor_flag = Some(false);
        assert_eq!(assess(&metal).virtualization, None);
        metal.hypervisor_flag = Some(true);
        assert_eq!(assess(&metal).virtualization.as_deref(), Some("amazon"));
    }

    #[test]
    fn an_unnamed_hypervisor_is_still_one() {
        let flagged = RawHardware {
            hypervisor_flag: Some(true),
            ..RawHardware::default()
        };
        assert_eq!(assess(&flagged).virtualization.as_deref(), Some("unknown"));
    }
}
