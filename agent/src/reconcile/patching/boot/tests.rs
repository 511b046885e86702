use h8lio_model::ids::BootId;
use rstest::rstest;
use uuid::Uuid;

use super::after::{Came, Expected, came};
use super::environment::{self, Environment};
use super::way_back::{Boot, NoWayBack, Pin, Writable, can_lead_back, protected, way_back};
use super::{efi, menu};
use crate::host::boot::{Backing, RawBoot, WayBack};
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

/// `efibootmgr` on the same server, once the agent has made an entry for each kernel.
const FIRMWARE: &str = "\
BootCurrent: 0003
Timeout: 0 seconds
BootOrder: 0004,0003,0000,0001
Boot0000* UiApp\tFvVol(7cb8bdc9-f8eb-4f34-aaea-3ee4af6516a1)/FvFile(462caa21-7614-4503-836e-8ab6f4662331)
Boot0001* UEFI Misc Device\tPciRoot(0x0)/Pci(0x3,0x0)
Boot0002  debian\tHD(1,GPT,1ab60000-0000-4000-8000-000000000001)/File(\\EFI\\debian\\shimx64.efi)
Boot0003* h8lio 6.1.0-50-cloud-amd64\tHD(1,GPT,1ab6)/File(\\EFI\\h8lio\\vmlinuz-6.1.0-50-cloud-amd64)
Boot0004* h8lio 6.1.0-56-cloud-amd64\tHD(1,GPT,1ab6)/File(\\EFI\\h8lio\\vmlinuz-6.1.0-56-cloud-amd64)
MirroredPercentageAbove4G: 0.00
";

fn boot(menu: &str) -> Boot {
    Boot {
        menu: Some(menu::read(menu).expect("a menu")),
        environment: Some(Writable::Yes),
        firmware: None,
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
fn boot_on_a_raid_takes_the_firmware_once_and_keeps_the_new_kernel_out_of_its_order() {
    let raid = Boot {
        environment: Some(Writable::No("/boot is on md RAID".into())),
        firmware: Some(efi::read(FIRMWARE).expect("understood")),
        ..boot(AFTER)
    };
    let got = way_back(&raid, OLD, NEW).expect("a way back");
    assert_eq!(
        got,
        WayBack::BootNext {
            once: 4,
            order: vec![3, 0, 1],
        }
    );
}

#[test]
fn boot_on_a_raid_without_a_firmware_that_leads_back_has_no_way_back() {
    let why = "/boot is on md RAID";
    let mut raid = Boot {
        environment: Some(Writable::No(why.into())),
        ..boot(AFTER)
    };
    let none = |release: &str| Err(NoWayBack::NotWritable(why.into(), release.into()));
    assert_eq!(way_back(&raid, OLD, NEW), none(NEW), "no UEFI");
    for (missing, release) in [("Boot0004*", NEW), ("Boot0003*", OLD)] {
        let off = FIRMWARE.replace(missing, &missing.replace('*', " "));
        raid.firmware = Some(efi::read(&off).expect("understood"));
        assert_eq!(
            way_back(&raid, OLD, NEW),
            none(release),
            "{missing} is not active"
        );
    }
    let twice = format!("{FIRMWARE}Boot0005* h8lio {NEW}\tHD(2)\n");
    raid.firmware = Some(efi::read(&twice).expect("understood"));
    assert_eq!(
        way_back(&raid, OLD, NEW),
        none(NEW),
        "which of the two is not known"
    );
    raid.environment = None;
    raid.firmware = None;
    let error = way_back(&raid, OLD, NEW)
        .expect_err("unknown is not writable")
        .to_string();
    assert!(error.contains("it could not be found out"), "{error}");
}

#[test]
fn whether_there_will_be_a_way_back_is_known_before_the_new_kernel_is_installed() {
    let plain = boot(BEFORE);
    assert_eq!(can_lead_back(&plain, OLD), Ok(Pin::Entry(OLD_ID.into())));
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
    let raid = |firmware: Option<&str>| Boot {
        environment: Some(Writable::No("/boot is on md RAID".into())),
        firmware: firmware.map(|f| efi::read(f).expect("understood")),
        ..plain.clone()
    };
    let none = Err(NoWayBack::NotWritable(
        "/boot is on md RAID".into(),
        OLD.into(),
    ));
    assert_eq!(can_lead_back(&raid(None), OLD), none);
    assert_eq!(
        can_lead_back(&raid(Some(FIRMWARE)), OLD),
        none,
        "the order leads elsewhere"
    );
    let ordered = FIRMWARE.replace("BootOrder: 0004,0003", "BootOrder: 0003");
    assert_eq!(can_lead_back(&raid(Some(&ordered)), OLD), Ok(Pin::Order));
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
        problems: vec![],
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
    assert!(matches!(read.environment, Some(Writable::No(_))));
}

#[test]
fn the_firmwares_answer_is_read_whole_or_not_at_all() {
    let got = efi::read(FIRMWARE).expect("understood");
    assert_eq!((got.current, got.next), (Some(3), None));
    assert_eq!(got.entries.len(), 5);
    assert!(!got.entries[2].active);
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
