//! The way back as a fact of the inventory.

use h8lio_model::inventory::WayBack;

use super::way_back::{Boot, By, can_lead_back};
use crate::host::boot::RawBoot;

/// Whether the server would come back to the kernel `running`, and if not, why.
pub fn way_back(raw: &RawBoot, running: &str) -> WayBack {
    match can_lead_back(&Boot::read(raw), running) {
        Ok(pin) => match pin.by {
            By::Grub => WayBack::Grub { entry: pin.entry },
            By::Firmware => WayBack::Firmware,
            By::Kexec => WayBack::Kexec,
        },
        Err(no) => {
            // What could not be read is the cause of what is not known.
            let unread = raw.problems.iter();
            let why = unread.fold(no.to_string(), |why, p| {
                format!("{why}; {}: {}", p.what, p.message)
            });
            WayBack::No { why }
        }
    }
}

#[cfg(test)]
mod tests {
    use h8lio_model::inventory::Problem;

    use super::*;
    use crate::host::boot::Backing;

    const KERNEL: &str = "6.1.0-40-amd64";

    fn raw(backing: Backing) -> RawBoot {
        let menu = format!(
            "if [ \"${{next_entry}}\" ] ; then\n set default=\"${{next_entry}}\"\nelse\n \
             set default=\"${{saved_entry}}\"\nfi\nmenuentry 'Linux' --id 'gnulinux-{KERNEL}' {{\n\
             \tlinux /boot/vmlinuz-{KERNEL} root=/dev/sda1 ro panic=5\n}}\n"
        );
        let mut block = b"# GRUB Environment Block\n".to_vec();
        block.resize(1024, b'#');
        RawBoot {
            menu: Some(menu),
            environment: Some(block),
            backing: Some(backing),
            ..RawBoot::default()
        }
    }

    #[test]
    fn a_menu_that_can_be_pinned_leads_back_by_its_entry() {
        let entry = format!("gnulinux-{KERNEL}");
        assert_eq!(
            way_back(&raw(Backing::Plain), KERNEL),
            WayBack::Grub { entry }
        );
    }

    #[test]
    fn where_there_is_no_way_back_the_fact_says_why() {
        let WayBack::No { why } = way_back(&raw(Backing::Raid), KERNEL) else {
            panic!("GRUB cannot write on md RAID");
        };
        assert!(why.contains("/boot is on md RAID"), "{why}");
        let WayBack::No { why } = way_back(&raw(Backing::Plain), "6.1.0-99-amd64") else {
            panic!("no such entry");
        };
        assert!(why.contains("run update-grub"), "{why}");
    }

    #[test]
    fn a_boot_menu_that_cannot_be_read_is_no_way_back_and_the_cause_is_told() {
        let unread = RawBoot {
            problems: vec![Problem {
                what: "/boot/grub/grub.cfg".into(),
                reason: "Failed".into(),
                message: "it cannot be read: No such file or directory".into(),
            }],
            ..RawBoot::default()
        };
        let why = "the boot menu could not be read; /boot/grub/grub.cfg: it cannot be read: No such \
                   file or directory";
        let why = why.to_owned();
        assert_eq!(way_back(&unread, KERNEL), WayBack::No { why });
    }
}
