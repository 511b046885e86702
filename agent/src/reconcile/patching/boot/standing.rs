//! What boots as things stand, whatever anybody meant to boot.

use serde::{Deserialize, Serialize};

use super::environment;
use super::menu::{self, Entry};
use crate::host::boot::custom::{self, Lines};
use crate::host::boot::{Exception, LABEL, RawBoot, WayBack, efi};

/// GRUB's default, as its environment has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// It could not be read.
    #[default]
    Unknown,
    /// None is saved: the first entry boots, which is the newest kernel's.
    First,
    Entry(String),
}

/// Reads the default.
pub fn standing(raw: &RawBoot) -> Standing {
    let block = raw.environment.as_deref().map(environment::block);
    match block {
        Some(Ok(environment)) => environment.saved.map_or(Standing::First, Standing::Entry),
        _ => Standing::Unknown,
    }
}

/// Reads back what was armed: the old kernel as the default, and the new one once.
///
/// # Errors
/// What is not as it was written.
pub fn is_armed(raw: &RawBoot, way: &WayBack) -> Result<(), &'static str> {
    if custom::decides(&raw.custom).is_some() {
        return Err("a line of others in GRUB's custom.cfg decides what boots");
    }
    let (old, once) = match way {
        WayBack::Grub { old, new, .. } => (old, Some(new.as_str())),
        WayBack::BootNext { old, .. } | WayBack::Kexec { old, .. } => (old, None),
    };
    let block = raw.environment.as_deref().map(environment::block);
    let holds = block.is_some_and(|read| {
        read.is_ok_and(|e| e.saved.as_deref() == Some(old.as_str()) && e.next.as_deref() == once)
    });
    if !holds {
        return Err("GRUB's environment does not hold what was written into it");
    }
    match way {
        WayBack::Grub { .. } => Ok(()),
        WayBack::BootNext {
            new,
            fallback,
            label,
            ..
        } => {
            let lines = Lines {
                fallback: *fallback,
                once: Some(new),
            };
            if !raw.custom.contains(&lines.text()) {
                return Err("GRUB's custom.cfg does not hold what was written into it");
            }
            starts_once(raw, label)
        }
        WayBack::Kexec { .. } => match raw.kexec.as_ref().is_some_and(|k| k.is_loaded) {
            true => Ok(()),
            false => Err("kexec loaded the new kernel, and the running one has none loaded"),
        },
    }
}

fn starts_once(raw: &RawBoot, label: &str) -> Result<(), &'static str> {
    let firmware = raw.firmware.as_deref().and_then(|f| efi::read(f).ok());
    let firmware = firmware.ok_or("the firmware's boot entries cannot be read back")?;
    match firmware.labelled(label) {
        Some(own) if firmware.order.contains(&own) => {
            Err("the firmware put the entry that is started once into its boot order")
        }
        Some(own) if firmware.next == Some(own) => Ok(()),
        _ => Err("the firmware does not hold the entry that it was told to start next"),
    }
}

/// What of the agent's leads elsewhere once, besides what stands in GRUB's environment.
pub fn exceptions(raw: &RawBoot) -> Vec<Exception> {
    let firmware = raw.firmware.as_deref().and_then(|f| efi::read(f).ok());
    let entries = firmware.is_some_and(|firmware| !firmware.beginning(LABEL).is_empty());
    let loaded = raw.kexec.as_ref().is_some_and(|k| k.is_loaded);
    let by_firmware = entries || custom::is_once(&raw.custom);
    let by_firmware = by_firmware.then_some(Exception::BootNext);
    let by_kexec = loaded.then_some(Exception::Kexec);
    by_firmware.into_iter().chain(by_kexec).collect()
}

/// The kernel that a boot would lead into now. `None`: it cannot be told.
pub fn comes_up(raw: &RawBoot) -> Option<String> {
    let menu = menu::read(raw.menu.as_deref()?).ok()?;
    if custom::decides(&raw.custom).is_some() {
        return None;
    }
    let set = environment::block(raw.environment.as_deref()?).ok()?;
    let find = |name: &String| menu.entries.iter().find(|e| is_called(e, name));
    let saved = set.saved.filter(|_| menu.default_is_saved);
    let chosen = match set.next.filter(|_| menu.obeys_next).or(saved) {
        // An entry that is not there any more is as good as none; one in a submenu may be written in
        // more ways than are known here.
        Some(name) => find(&name).or(menu.entries.first().filter(|_| !name.contains('>'))),
        None if menu.default_is_saved => menu.entries.first(),
        None => menu.fixed.as_ref().and_then(find),
    };
    chosen?.kernel.clone()
}

/// By its id, its title or its numbers, each below those of its submenus.
fn is_called(entry: &Entry, name: &str) -> bool {
    let numbers: Vec<String> = entry.path.iter().map(ToString::to_string).collect();
    entry.name().as_deref() == Some(name) || entry.title == name || numbers.join(">") == name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::boot::{Load, RawKexec, Through};

    const OLD: &str = "gnulinux-6.1.0-50-amd64";
    const NEW: &str = "gnulinux-6.1.0-57-amd64";

    fn raw(environment: &str) -> RawBoot {
        let entry = |release: &str| {
            format!(
                "menuentry 'Linux {release}' --id 'gnulinux-{release}' {{\n\
                 \tlinux /boot/vmlinuz-{release} root=/dev/sda1 ro panic=5\n}}\n"
            )
        };
        let head = "if [ \"${next_entry}\" ] ; then\n set default=\"${next_entry}\"\nelse\n \
                    set default=\"${saved_entry}\"\nfi\n";
        let menu = [
            head.to_owned(),
            entry("6.1.0-57-amd64"),
            entry("6.1.0-50-amd64"),
        ];
        let mut block = format!("# GRUB Environment Block\n{environment}").into_bytes();
        block.resize(1024, b'#');
        RawBoot {
            menu: Some(menu.concat()),
            environment: Some(block),
            ..RawBoot::default()
        }
    }

    #[test]
    fn without_a_default_the_first_entry_comes_up_and_a_one_shot_comes_before_a_default() {
        let up = |environment: &str| comes_up(&raw(environment)).expect("told");
        assert_eq!(up(""), "6.1.0-57-amd64");
        assert_eq!(up(&format!("saved_entry={OLD}\n")), "6.1.0-50-amd64");
        assert_eq!(up("saved_entry=Linux 6.1.0-50-amd64\n"), "6.1.0-50-amd64");
        assert_eq!(up("saved_entry=gone\n"), "6.1.0-57-amd64");
        let below = "saved_entry=Advanced options>Linux 6.1.0-50-amd64\n";
        assert_eq!(
            comes_up(&raw(below)),
            None,
            "a way to say it that is not known"
        );
        let both = format!("saved_entry={OLD}\nnext_entry={NEW}\n");
        assert_eq!(up(&both), "6.1.0-57-amd64");
        let way = |old: &str| WayBack::Grub {
            old: old.to_owned(),
            new: NEW.to_owned(),
            fallback: 1,
        };
        assert_eq!(is_armed(&raw(&both), &way(OLD)), Ok(()));
        is_armed(&raw(&both), &way(NEW)).expect_err("another default");
        let mut decided = raw(&both);
        decided.custom = "set default=0\n".to_owned();
        is_armed(&decided, &way(OLD)).expect_err("another comes up");
        assert_eq!(comes_up(&decided), None);
        let saved = raw(&format!("saved_entry={OLD}\n"));
        is_armed(&saved, &way(OLD)).expect_err("no one-shot");
    }

    #[test]
    fn a_start_by_the_firmware_is_read_back_whole() {
        let way = WayBack::BootNext {
            old: OLD.to_owned(),
            new: NEW.to_owned(),
            fallback: 1,
            label: "h8lio 6.1.0-57-amd64".to_owned(),
            through: Through::default(),
        };
        let lines = Lines {
            fallback: 1,
            once: Some(NEW),
        };
        let firmware = "BootNext: 0003\nBootOrder: 0001\nBoot0003* h8lio 6.1.0-57-amd64\tHD(1)\n";
        let armed = RawBoot {
            custom: format!("set color=blue\n{}", lines.text()),
            firmware: Some(firmware.to_owned()),
            ..raw(&format!("saved_entry={OLD}\n"))
        };
        assert_eq!(is_armed(&armed, &way), Ok(()));
        let no = |edit: &dyn Fn(&mut RawBoot)| {
            let mut raw = armed.clone();
            edit(&mut raw);
            is_armed(&raw, &way).expect_err("something is missing")
        };
        let says = no(&|raw| raw.custom.clear());
        assert!(says.contains("custom.cfg"), "{says}");
        let says = no(&|raw| raw.firmware = Some(firmware.replace("BootNext: 0003\n", "")));
        assert!(says.contains("start next"), "{says}");
        let says = no(&|raw| raw.firmware = Some(firmware.replace("0001", "0003,0001")));
        assert!(says.contains("into its boot order"), "{says}");
        let says = no(&|raw| raw.environment = None);
        assert!(says.contains("environment"), "{says}");
    }

    #[test]
    fn a_start_by_the_running_kernel_is_read_back() {
        let way = WayBack::Kexec {
            old: OLD.to_owned(),
            new: NEW.to_owned(),
            load: Load::default(),
        };
        let mut armed = raw(&format!("saved_entry={OLD}\n"));
        is_armed(&armed, &way).expect_err("nothing is loaded");
        armed.kexec = Some(RawKexec {
            is_loaded: true,
            ..RawKexec::default()
        });
        assert_eq!(is_armed(&armed, &way), Ok(()));
    }

    #[test]
    fn a_default_that_is_written_into_the_menu_comes_up_and_one_that_is_not_there_is_not_told() {
        let up = |fixed: &str, environment: &str| {
            let mut raw = raw(environment);
            let menu = raw.menu.take().expect("one");
            raw.menu = Some(menu.replace("\"${saved_entry}\"", &format!("\"{fixed}\"")));
            comes_up(&raw)
        };
        let saved = format!("saved_entry={OLD}\n");
        assert_eq!(up("0", &saved).as_deref(), Some("6.1.0-57-amd64"));
        assert_eq!(up("1", "").as_deref(), Some("6.1.0-50-amd64"));
        assert_eq!(up(OLD, "").as_deref(), Some("6.1.0-50-amd64"));
        let once = format!("next_entry={OLD}\n");
        assert_eq!(up("0", &once).as_deref(), Some("6.1.0-50-amd64"));
        for gone in ["7", "1>0", "gone", "${default_entry}"] {
            assert_eq!(up(gone, ""), None, "{gone}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_told() {
        assert_eq!(comes_up(&RawBoot::default()), None);
        assert_eq!(standing(&RawBoot::default()), Standing::Unknown);
        assert_eq!(standing(&raw("")), Standing::First);
        let saved = standing(&raw(&format!("saved_entry={OLD}\n")));
        assert_eq!(saved, Standing::Entry(OLD.to_owned()));
    }
}
