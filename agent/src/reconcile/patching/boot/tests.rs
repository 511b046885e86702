use std::collections::BTreeMap;

use h8lio_model::ids::BootId;
use rstest::rstest;
use uuid::Uuid;

use super::after::{Came, Expected, came};
use super::environment::{self, Environment};
use super::menu;
use super::way_back::{Boot, By, NoWayBack, Pin, Writable, can_lead_back, protected, way_back};
use crate::host::boot::{Backing, RawBoot, RawEsp, RawKexec, WayBack, efi};
use crate::reconcile::patching::way::machine::Found;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../../tests/fixtures/patching/", $name))
    };
}

const BEFORE: &str = fixture!("grub.cfg.before");
const AFTER: &str = fixture!("grub.cfg.after");
const NEW_KERNEL_RUNS: &str = fixture!("needrestart-b.3-after-reboot-into-new.txt");
const OLD: &str = "6.1.0-50-cloud-amd64";
const NEW: &str = "6.1.0-56-cloud-amd64";
const OLD_ID: &str = "gnulinux-6.1.0-50-cloud-amd64-advanced-1ab60000-0000-4000-8000-000000000003";
const NEW_ID: &str = "gnulinux-6.1.0-56-cloud-amd64-advanced-1ab60000-0000-4000-8000-000000000003";

/// What `grub-reboot` printed on a server with `/boot` on md RAID.
const WARNING: &str = "\
grub-reboot: warning: detected GRUB environment block on diskfilter device
next_entry will remain the default boot entry until manually cleared with:
    grub-editenv /boot/grub/grubenv unset next_entry
";

/// `efibootmgr -v` on the same server: Debian's entry, and one that the firmware made of the disk.
const FIRMWARE: &str = "\
BootCurrent: 0002
Timeout: 0 seconds
BootOrder: 0001,0002,0000
Boot0000* UiApp\tFvVol(7cb8bdc9-f8eb-4f34-aaea-3ee4af6516a1)/FvFile(462caa21-7614-4503-836e-8ab6f4662331)
Boot0001* UEFI PXEv4\tPciRoot(0x0)/Pci(0x3,0x0)/MAC(020000000001,1)/IPv4(0.0.0.0)
Boot0002* debian\tHD(1,GPT,1ab60000-0000-4000-8000-000000000001,0x800,0x20000)/File(\\EFI\\debian\\shimx64.efi)
Boot0003  other\tHD(1,GPT,1ab60000-0000-4000-8000-000000000001,0x800,0x20000)/File(\\EFI\\other\\x.efi)
MirroredPercentageAbove4G: 0.00
";

fn boot(menu: &str) -> Boot {
    Boot {
        menu: Some(menu::read(menu).expect("a menu")),
        environment: Some(Writable::Yes),
        ..Boot::default()
    }
}

fn esp() -> RawEsp {
    let file = |path: &str, length| (path.to_owned(), length);
    RawEsp {
        mount: "/boot/efi".to_owned(),
        disk: "/dev/sda".to_owned(),
        partition: 1,
        free_bytes: 8 << 20,
        files: BTreeMap::from([
            file("EFI/BOOT/BOOTX64.EFI", 1 << 20),
            file("EFI/debian/fbx64.efi", 88_000),
            file("EFI/debian/grubx64.efi", 2 << 20),
            file("EFI/debian/shimx64.efi", 1 << 20),
        ]),
    }
}

/// `/boot` on md RAID, started by UEFI.
fn raid(menu: &str) -> Boot {
    Boot {
        environment: Some(Writable::No("/boot is on md RAID".into())),
        firmware: Some(efi::read(FIRMWARE).expect("understood")),
        esp: Some(esp()),
        ..boot(menu)
    }
}

fn kexec() -> RawKexec {
    RawKexec {
        has_tool: true,
        is_switched_off: Some(false),
        ..RawKexec::default()
    }
}

#[test]
fn the_menu_of_a_server_with_two_kernels_has_the_new_one_on_top_with_ids_and_arguments() {
    let menu = menu::read(AFTER).expect("a menu");
    let seen: Vec<_> = menu
        .entries
        .iter()
        .map(|e| {
            (
                e.kernel.as_deref(),
                e.number(),
                e.is_rescue(),
                e.panic_seconds(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (Some(NEW), Some(0), false, Some(5)),
            (Some(NEW), Some(1), true, Some(5)),
            (Some(OLD), Some(2), false, Some(5)),
            (Some(OLD), Some(3), true, Some(5)),
        ]
    );
    assert_eq!(menu.entries[0].id.as_deref(), Some(NEW_ID));
    assert_eq!(
        menu.entries[2].title,
        "Debian GNU/Linux, with Linux 6.1.0-50-cloud-amd64"
    );
    assert!(menu.default_is_saved && menu.obeys_next);
    assert_eq!(menu.fallback, None);
}

#[test]
fn the_way_back_pins_the_old_kernel_boots_the_new_one_once_and_falls_back_by_number() {
    let got = way_back(&boot(AFTER), OLD, NEW).expect("a way back");
    assert_eq!(
        got,
        WayBack::Grub {
            old: OLD_ID.into(),
            new: NEW_ID.into(),
            fallback: 2,
        }
    );
}

#[test]
fn the_number_to_fall_back_to_is_counted_anew_when_a_kernel_was_added() {
    let number = |text: &str| {
        let menu = menu::read(text).expect("a menu");
        let old = menu
            .entries
            .iter()
            .find(|e| e.id.as_deref() == Some(OLD_ID));
        old.expect("there").number()
    };
    assert_eq!((number(BEFORE), number(AFTER)), (Some(0), Some(2)));
}

#[test]
fn a_kernel_that_is_not_in_the_menu_yet_has_no_way_forward() {
    assert_eq!(
        way_back(&boot(BEFORE), OLD, NEW),
        Err(NoWayBack::NoEntry(NEW.into()))
    );
    assert_eq!(
        way_back(&boot(AFTER), "6.1.0-49-amd64", NEW),
        Err(NoWayBack::NoEntry("6.1.0-49-amd64".into()))
    );
    assert_eq!(
        way_back(&boot(AFTER), OLD, OLD),
        Err(NoWayBack::SameKernel(OLD.into()))
    );
    assert_eq!(way_back(&Boot::default(), OLD, NEW), Err(NoWayBack::NoMenu));
}

#[rstest]
#[case(
    "set default=\"${saved_entry}\"",
    "set default=\"0\"",
    NoWayBack::DefaultFixed
)]
#[case(
    "set default=\"${next_entry}\"",
    "set other=\"${next_entry}\"",
    NoWayBack::DefaultFixed
)]
#[case("panic=5 quiet", "quiet", NoWayBack::NoPanic(OLD.into()))]
#[case("panic=5 quiet", "panic=5 panic=0 quiet", NoWayBack::NoPanic(OLD.into()))]
fn a_menu_that_cannot_lead_back_is_refused_with_what_to_set(
    #[case] from: &str,
    #[case] to: &str,
    #[case] no: NoWayBack,
) {
    let changed = AFTER.replace(from, to);
    assert_ne!(changed, AFTER, "the case changes something");
    assert_eq!(way_back(&boot(&changed), OLD, NEW), Err(no));
}

#[test]
fn kernels_in_a_submenu_are_read_with_their_place_and_refused_because_no_number_reaches_them() {
    let text = "set default=\"${saved_entry}\"\nset default=\"${next_entry}\"\n\
        menuentry 'Debian' --id 'simple' {\n\tlinux /vmlinuz-6.1.0-56-cloud-amd64 root=x panic=5\n}\n\
        submenu 'Advanced options' $menuentry_id_option 'gnulinux-advanced-x' {\n\
        \tmenuentry 'new' --id 'gnulinux-6.1.0-56-cloud-amd64-advanced-x' {\n\t\tlinux /vmlinuz-6.1.0-56-cloud-amd64 root=x panic=5\n\t}\n\
        \tmenuentry 'old' --id 'gnulinux-6.1.0-50-cloud-amd64-advanced-x' {\n\t\tlinux /vmlinuz-6.1.0-50-cloud-amd64 root=x panic=5\n\t}\n}\n\
        menuentry 'Firmware' {\n\tfwsetup\n}\n";
    let menu = menu::read(text).expect("a menu");
    let old = &menu.entries[2];
    assert_eq!(old.path, [1, 1]);
    assert_eq!(
        old.name().as_deref(),
        Some("gnulinux-advanced-x>gnulinux-6.1.0-50-cloud-amd64-advanced-x")
    );
    assert_eq!((old.number(), menu.entries[3].number()), (None, Some(2)));
    let text = text.replace(
        "set default=\"${saved_entry}\"\nset default=\"${next_entry}\"",
        "set default=\"${next_entry}\"\nset default=\"${saved_entry}\"",
    );
    let got = way_back(&boot(&text), OLD, NEW);
    assert_eq!(got, Err(NoWayBack::NotAtTop(OLD.into())));
}

#[test]
fn a_menu_that_is_cut_off_anywhere_in_an_entry_is_no_menu() {
    let first = AFTER.find("menuentry '").expect("an entry");
    let last = AFTER.rfind("### END /etc/grub.d/10_linux").expect("ends");
    let mut cut_in_entry = 0;
    for cut in first..last {
        if !AFTER.is_char_boundary(cut) {
            continue;
        }
        if let Ok(menu) = menu::read(&AFTER[..cut]) {
            // Cut between entries, it is a shorter menu: every entry in it is whole.
            assert!(
                menu.entries
                    .iter()
                    .all(|e| e.kernel.is_some() && e.arguments.len() > 5),
                "{cut}"
            );
        } else {
            cut_in_entry += 1;
        }
    }
    assert!(cut_in_entry > 1000, "{cut_in_entry}");
    menu::read("").expect_err("empty");
    menu::read("}\n").expect_err("ends before it begins");
}

#[test]
fn the_environment_tells_what_boots_and_what_boots_once() {
    let block = |text: &str| {
        let mut bytes = format!("# GRUB Environment Block\n{text}").into_bytes();
        bytes.resize(1024, b'#');
        environment::block(&bytes)
    };
    let got = block(&format!("saved_entry={OLD_ID}\nnext_entry={NEW_ID}\n")).expect("whole");
    assert_eq!(
        (got.saved.as_deref(), got.next.as_deref()),
        (Some(OLD_ID), Some(NEW_ID))
    );
    // Booted once, the one-shot is empty and the old kernel is still the default.
    let (said, _) = NEW_KERNEL_RUNS
        .split_once("NEEDRESTART-VER")
        .expect("two tools' words");
    let got = environment::list(said);
    assert_eq!((got.saved.as_deref(), got.next), (Some(OLD_ID), None));
    assert_eq!(block("").expect("nothing is set"), Environment::default());
    environment::block(b"# GRUB Environment Block\n").expect_err("too short");
    environment::block(&[b'#'; 1024]).expect_err("no signature");
    environment::block(&[0xff; 1024]).expect_err("no text");
}

#[test]
fn the_warning_about_an_environment_on_a_raid_is_seen_and_other_words_are_none() {
    assert!(environment::cannot_be_cleared(WARNING));
    assert!(!environment::cannot_be_cleared(""));
    assert!(!environment::cannot_be_cleared(
        "grub-reboot: warning: something else"
    ));
}

#[test]
fn boot_on_a_raid_has_the_firmware_start_grub_from_elsewhere_once() {
    let got = way_back(&raid(AFTER), OLD, NEW).expect("a way back");
    let WayBack::BootNext {
        old,
        new,
        fallback,
        label,
        through,
    } = got
    else {
        panic!("{got:?}");
    };
    assert_eq!((old.as_str(), new.as_str(), fallback), (OLD_ID, NEW_ID, 2));
    assert_eq!(label, format!("h8lio {NEW}"));
    let place = (through.mount.as_str(), through.disk.as_str());
    assert_eq!((place, through.partition), (("/boot/efi", "/dev/sda"), 1));
    // What the shim starts comes along; what repairs boot entries does not.
    let files = ["EFI/debian/shimx64.efi", "EFI/debian/grubx64.efi"];
    assert_eq!(through.files, files);
}

#[test]
fn the_loader_is_the_one_that_the_server_came_by_else_the_first_of_the_order() {
    let files = |edit: &dyn Fn(&str) -> String| {
        let raid = Boot {
            firmware: Some(efi::read(&edit(FIRMWARE)).expect("understood")),
            ..raid(AFTER)
        };
        match way_back(&raid, OLD, NEW) {
            Ok(WayBack::BootNext { through, .. }) => through.files,
            other => panic!("{other:?}"),
        }
    };
    let debian = ["EFI/debian/shimx64.efi", "EFI/debian/grubx64.efi"];
    // In the boot that the agent's own entry made.
    let own = format!("{FIRMWARE}Boot0007* h8lio {NEW}\tHD(1)/File(\\EFI\\h8lio\\shimx64.efi)\n");
    assert_eq!(
        files(&|_| own.replace("Current: 0002", "Current: 0007")),
        debian
    );
    // As newer releases of efibootmgr say it, with the entry's own data behind it.
    assert_eq!(
        files(&|text| text.replace(
            "File(\\EFI\\debian\\shimx64.efi)",
            "\\EFI\\debian\\SHIMX64.EFI0000424f"
        )),
        debian
    );
    // Firmware that knows only the disk looks where removable media have their loader.
    let disk = |text: &str| text.replace("/File(\\EFI\\debian\\shimx64.efi)", "");
    assert_eq!(files(&disk), ["EFI/BOOT/BOOTX64.EFI"]);
}

#[test]
fn a_raid_that_cannot_be_left_once_has_no_way_back_and_each_reason_says_what_to_do() {
    let says = |edit: &dyn Fn(&mut Boot)| {
        let mut raid = raid(AFTER);
        raid.kexec = Some(RawKexec::default());
        edit(&mut raid);
        let no = way_back(&raid, OLD, NEW).expect_err("no way back");
        let before = can_lead_back(&raid, OLD).expect_err("known before");
        assert!(
            matches!(before, NoWayBack::NotWritable { .. }),
            "{before:?}"
        );
        no.to_string()
    };
    let no = says(&|raid| raid.firmware = None);
    assert!(no.contains("/boot is on md RAID"), "{no}");
    assert!(no.contains("was not started by UEFI"), "{no}");
    assert!(no.contains("install kexec-tools"), "{no}");
    let no = says(&|raid| raid.esp = None);
    assert!(no.contains("mount it at /boot/efi"), "{no}");
    let no = says(&|raid| raid.esp.iter_mut().for_each(|esp| esp.files.clear()));
    assert!(
        no.contains("has nothing that the firmware's order starts"),
        "{no}"
    );
    let no = says(&|raid| raid.esp.iter_mut().for_each(|esp| esp.free_bytes = 3 << 20));
    assert!(
        no.contains("has 3072 KiB free and a second GRUB takes 3136 KiB"),
        "{no}"
    );
    let no = says(&|raid| {
        raid.menu
            .iter_mut()
            .for_each(|menu| menu.reads_custom = false);
    });
    assert!(no.contains("does not read custom.cfg"), "{no}");
}

#[test]
fn a_copy_that_is_there_already_takes_no_room() {
    let mut raid = raid(AFTER);
    let esp = raid.esp.as_mut().expect("one");
    esp.free_bytes = 0;
    for (name, length) in [("shimx64.efi", 1 << 20), ("grubx64.efi", 2 << 20)] {
        esp.files.insert(format!("EFI/h8lio/{name}"), length);
    }
    let got = way_back(&raid, OLD, NEW);
    assert!(matches!(got, Ok(WayBack::BootNext { .. })), "{got:?}");
}

#[test]
fn where_neither_grub_nor_the_firmware_makes_the_exception_the_running_kernel_does() {
    let lvm = Boot {
        firmware: None,
        kexec: Some(kexec()),
        ..raid(AFTER)
    };
    let got = way_back(&lvm, OLD, NEW).expect("a way back");
    let WayBack::Kexec { old, new, load } = got else {
        panic!("{got:?}");
    };
    assert_eq!((old.as_str(), new.as_str()), (OLD_ID, NEW_ID));
    assert_eq!(load.kernel, format!("/boot/vmlinuz-{NEW}"));
    assert_eq!(load.initrd, format!("/boot/initrd.img-{NEW}"));
    assert!(load.arguments.starts_with("root="), "{}", load.arguments);
    assert!(load.arguments.contains(" panic=5"), "{}", load.arguments);
    let pin = can_lead_back(&lvm, OLD).expect("known before");
    assert_eq!((pin.entry.as_str(), pin.by), (OLD_ID, By::Kexec));
}

#[rstest]
#[case(RawKexec { has_tool: false, ..kexec() }, "install kexec-tools")]
#[case(RawKexec { is_switched_off: Some(true), ..kexec() }, "kernel.kexec_load_disabled")]
#[case(RawKexec { is_switched_off: None, ..kexec() }, "could not be found out")]
#[case(RawKexec { lockdown: Some("none [integrity] confidentiality\n".into()), ..kexec() }, "locked down (integrity")]
#[case(RawKexec { lockdown: Some("odd".into()), ..kexec() }, "could not be found out")]
fn a_kernel_that_may_not_start_another_is_no_way_back(#[case] raw: RawKexec, #[case] says: &str) {
    let lvm = Boot {
        firmware: None,
        kexec: Some(raw),
        ..raid(AFTER)
    };
    let no = way_back(&lvm, OLD, NEW)
        .expect_err("no way back")
        .to_string();
    assert!(no.contains(says), "{no}");
    let open = RawKexec {
        lockdown: Some("[none] integrity confidentiality\n".into()),
        ..kexec()
    };
    let lvm = Boot {
        kexec: Some(open),
        ..lvm
    };
    way_back(&lvm, OLD, NEW).expect("a way back");
}

#[rstest]
#[case("panic=5 quiet", "panic=5 $vt_handoff", None)]
#[case(
    "panic=5 quiet",
    "panic=5 $other",
    Some("only GRUB understands: $other")
)]
#[case(
    "initrd\t/boot/initrd",
    "initrd\t/boot/early.img /boot/initrd",
    Some("not one initrd, but 2")
)]
fn a_menu_entry_that_only_grub_can_carry_out_is_not_started_by_a_kernel(
    #[case] from: &str,
    #[case] to: &str,
    #[case] no: Option<&str>,
) {
    let changed = AFTER.replace(from, to);
    assert_ne!(changed, AFTER, "the case changes something");
    let lvm = Boot {
        firmware: None,
        kexec: Some(kexec()),
        ..raid(&changed)
    };
    let got = way_back(&lvm, OLD, NEW).map_err(|e| e.to_string());
    match no {
        None => assert!(matches!(got, Ok(WayBack::Kexec { .. })), "{got:?}"),
        Some(says) => assert!(got.expect_err("no").contains(says)),
    }
}

#[test]
fn an_environment_that_grub_cannot_read_pins_nothing() {
    for (environment, says) in [
        (
            Some(Writable::Broken("its signature is missing".into())),
            "its signature is missing",
        ),
        (None, "it could not be read"),
    ] {
        let broken = Boot {
            environment,
            ..raid(AFTER)
        };
        let no = way_back(&broken, OLD, NEW).expect_err("no").to_string();
        assert!(no.contains(says) && no.contains("grub-editenv"), "{no}");
        assert!(!broken.has_environment());
    }
    assert!(raid(AFTER).has_environment());
}

#[test]
fn whether_there_will_be_a_way_back_is_known_before_the_new_kernel_is_installed() {
    let plain = boot(BEFORE);
    let pin = |by| {
        let entry = OLD_ID.to_owned();
        Ok(Pin { entry, by })
    };
    assert_eq!(can_lead_back(&plain, OLD), pin(By::Grub));
    let fixed = BEFORE.replace("set default=\"${saved_entry}\"", "set default=\"0\"");
    assert_eq!(
        can_lead_back(&boot(&fixed), OLD),
        Err(NoWayBack::DefaultFixed)
    );
    let hangs = BEFORE.replace("panic=5 quiet", "quiet");
    assert_eq!(
        can_lead_back(&boot(&hangs), OLD),
        Err(NoWayBack::NoPanic(OLD.into()))
    );
    assert_eq!(can_lead_back(&raid(BEFORE), OLD), pin(By::Firmware));
    let fixed = BEFORE.replace("set default=\"${saved_entry}\"", "set default=\"0\"");
    assert_eq!(
        can_lead_back(&raid(&fixed), OLD),
        Err(NoWayBack::DefaultFixed)
    );
}

#[test]
fn raw_readings_that_are_not_understood_are_not_known() {
    let mut block = b"# GRUB Environment Block\n".to_vec();
    block.resize(1024, b'#');
    let raw = RawBoot {
        menu: Some(AFTER.into()),
        environment: Some(block),
        backing: Some(Backing::Plain),
        firmware: Some(FIRMWARE.into()),
        esp: Some(esp()),
        ..RawBoot::default()
    };
    let read = Boot::read(&raw);
    assert_eq!(read.environment, Some(Writable::Yes));
    way_back(&read, OLD, NEW).expect("a way back");
    for backing in [Backing::Raid, Backing::Mapper, Backing::Pool] {
        let other = RawBoot {
            backing: Some(backing),
            ..raw.clone()
        };
        let got = way_back(&Boot::read(&other), OLD, NEW);
        assert!(matches!(got, Ok(WayBack::BootNext { .. })), "{got:?}");
    }
    let odd = RawBoot {
        menu: Some(AFTER[..3000].into()),
        environment: Some(vec![0; 3]),
        firmware: Some("x".into()),
        ..raw
    };
    let read = Boot::read(&odd);
    assert_eq!((read.menu, read.firmware), (None, None));
    assert!(matches!(read.environment, Some(Writable::Broken(_))));
}

#[test]
fn the_firmwares_answer_is_read_whole_or_not_at_all() {
    let got = efi::read(FIRMWARE).expect("understood");
    assert_eq!((got.current, got.next), (Some(2), None));
    assert_eq!(got.entries.len(), 4);
    assert!(got.entries[2].active && !got.entries[3].active);
    let path = got.entries[2].path.as_deref();
    assert_eq!(path, Some("EFI/debian/shimx64.efi"));
    assert_eq!(got.entries[0].path, None);
    let next = efi::read(&format!("BootNext: 0004\n{FIRMWARE}")).expect("understood");
    assert_eq!(next.next, Some(4));
    for odd in [
        "",
        "BootOrder: 00\n",
        "BootOrder: 0001,zz\n",
        "BootNext: x\nBootOrder: 0001\n",
    ] {
        efi::read(odd).expect_err(odd);
    }
}

#[test]
fn the_running_kernels_packages_are_kept_from_autoremove_and_no_others() {
    let installed = [
        "linux-image-6.1.0-50-cloud-amd64",
        "linux-modules-6.1.0-50-cloud-amd64:amd64",
        "linux-image-6.1.0-56-cloud-amd64",
        "linux-image-cloud-amd64",
        "bash",
    ]
    .map(String::from);
    assert_eq!(protected(OLD, &installed), installed[..2]);
}

#[rstest]
#[case(1, NEW, Came::NotYet)]
#[case(1, OLD, Came::NotYet)]
#[case(2, NEW, Came::Up(Found::Expected))]
#[case(2, OLD, Came::Up(Found::Old))]
#[case(2, "6.1.0-40-amd64", Came::Up(Found::Other))]
fn which_kernel_came_up_is_told_by_boot_id_and_release(
    #[case] boot: u128,
    #[case] running: &str,
    #[case] expected: Came,
) {
    let wished = Expected {
        boot_id: BootId(Uuid::from_u128(1)),
        from: OLD.into(),
        to: NEW.into(),
    };
    assert_eq!(
        came(&wished, BootId(Uuid::from_u128(boot)), running),
        expected
    );
}

#[test]
fn a_default_in_others_lines_of_custom_cfg_is_no_way_back() {
    let raw = RawBoot {
        custom: "set default=0\n".to_owned(),
        ..RawBoot::default()
    };
    let decided = Boot::read(&raw).decided;
    assert_eq!(decided.as_deref(), Some("set default=0"));
}
