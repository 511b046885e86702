//! Kernels on servers where GRUB cannot write its environment: the firmware or the running kernel
//! makes the one exception.

use super::*;
use crate::host::boot::efi;
use crate::reconcile::patching::boot::standing::comes_up;

const BUMP: &str = "[[packages.upgrade]]\nname = \"linux-image-amd64\"\ninstalled = \"1.0\"\n\
                    candidate = \"1.1\"\nbrings = \"6.1.0-41-amd64\"\n";
const BY_FIRMWARE: &str = "[os]\nboot_on = \"raid\"\nesp = true\n";
const BY_KEXEC: &str = "[os]\nboot_on = \"lvm\"\nkexec = true\n";
const BY_NOTHING: &str = "[os]\nboot_on = \"raid\"\n";

fn lab(os: &str) -> Lab {
    let lab = Lab::new(false);
    let text = format!("hostname = \"s1\"\n{os}{BUMP}");
    std::fs::write(lab.dir.path().join("s1.toml"), text).expect("written");
    let sim = load(&lab.dir);
    let walker = walker(&lab.dir, &sim);
    Lab { sim, walker, ..lab }
}

fn bump() -> Vec<PackageChange> {
    vec![
        change("linux-image-amd64", Some("1.0"), "1.1"),
        change(&format!("linux-image-{NEW}"), None, "1.1"),
    ]
}

impl Lab {
    /// What a boot by anybody leads into, and that nothing else is armed.
    fn settled(&self) -> String {
        let raw = self.sim.booting().boot();
        let firmware = raw.firmware.as_deref().map(|f| efi::read(f).expect("read"));
        assert_eq!(firmware.and_then(|f| f.next), None);
        assert!(!raw.kexec.as_ref().is_some_and(|k| k.is_loaded));
        assert_eq!(raw.custom, "");
        comes_up(&raw).expect("told")
    }

    fn is_cut_off(&mut self) {
        self.sim.write("reboot 1s").expect("written");
        self.sim = load(&self.dir);
        self.ledger = ledger(&self.dir);
        self.walker = walker(&self.dir, &self.sim);
    }
}

#[rstest]
#[case(BY_FIRMWARE, "boot.next 6.1.0-41-amd64", 0)]
#[case(BY_KEXEC, "boot.load 6.1.0-41-amd64", 1)]
fn a_kernel_is_tried_once_and_then_lasts_or_is_left_again(
    #[case] os: &str,
    #[case] armed: &str,
    #[case] kexecs: usize,
    #[values("", "panics", "hangs")] fails: &str,
) {
    let mut lab = lab(os);
    if !fails.is_empty() {
        lab.fault(&format!("kernel.{fails} {NEW}"));
    }
    lab.order(&order(1, bump(), BACK));
    let report = lab.walk();
    let (outcome, kernel) = match fails {
        "" => (Outcome::Done, NEW),
        _ => (Outcome::RolledBack, OLD),
    };
    assert_eq!(report.outcome, outcome, "{report:?}");
    assert_eq!(
        (lab.kernel().as_str(), lab.settled().as_str()),
        (kernel, kernel)
    );
    assert_eq!(lab.acts(armed), 1);
    assert_eq!(lab.acts("boot.once "), 0, "GRUB could not take it back");
    assert_eq!((lab.acts("boot.kexec"), lab.acts("reboot")), (kexecs, 1));
    lab.is_cut_off();
    assert_eq!(lab.kernel(), kernel, "also for whoever boots it later");
}

#[test]
fn where_nothing_can_make_the_exception_no_kernel_is_installed_and_the_reason_says_what_to_do() {
    let mut lab = lab(BY_NOTHING);
    lab.order(&order(1, bump(), BACK));
    let report = lab.walk();
    let got = (report.outcome, report.as_before, report.reason.as_str());
    assert_eq!(got, (Outcome::Failed, true, "NoWayBack"), "{report:?}");
    for says in [
        "/boot is on md RAID",
        "started by UEFI",
        "install kexec-tools",
    ] {
        assert!(report.message.contains(says), "{}", report.message);
    }
    assert_eq!(lab.acts("transaction "), 0);
}

/// Between the boot and the commit: what would be a way back now says nothing about the kernel that runs,
/// and the entry that led into it goes all the same.
#[rstest]
#[case(BY_FIRMWARE)]
#[case(BY_KEXEC)]
fn a_kernel_that_is_well_lasts_also_where_nothing_could_make_the_exception_any_more(
    #[case] os: &str,
) {
    let mut lab = lab(os);
    lab.order(&order(1, bump(), BACK));
    while lab.acts("reboot") == 0 {
        lab.look();
    }
    lab.odd()
        .is_bare
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let report = lab.walk();
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!(lab.settled(), NEW);
    let firmware = lab.sim.booting().boot().firmware.unwrap_or_default();
    assert!(!firmware.contains("h8lio"), "{firmware}");
}
