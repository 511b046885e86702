//! Operating system, kernel, clock.

use h8lio_model::inventory::OsFacts;

use super::super::inventory::quoted;
use super::Events;
use super::reason::Reason;

pub(super) fn diff(old: &OsFacts, new: &OsFacts, out: &mut Events) {
    kernel(old, new, out);
    let release = |os: &OsFacts| match &os.version {
        Some(version) => quoted(&format!("{} {version}", os.id)),
        None => quoted(&os.id),
    };
    let known = !old.id.is_empty() && !new.id.is_empty();
    if known && (&old.id, &old.version) != (&new.id, &new.version) {
        let message = format!("the system is {} (was {})", release(new), release(old));
        out.info(Reason::OsReleaseChanged, message);
    }
    if changed(&old.hostname, &new.hostname) {
        let (a, b) = (quoted(&old.hostname), quoted(&new.hostname));
        let message = format!("the hostname is {b} (was {a})");
        out.warning(Reason::HostnameChanged, message);
    }
    if let (Some(a), Some(b)) = (&old.machine_id, &new.machine_id)
        && a != b
    {
        let (a, b) = (quoted(a), quoted(b));
        let message =
            format!("the machine id is {b} (was {a}): the system was installed anew or copied");
        out.warning(Reason::MachineIdChanged, message);
    }
    clock(old, new, out);
}

fn kernel(old: &OsFacts, new: &OsFacts, out: &mut Events) {
    let (a, b) = (quoted(&old.kernel), quoted(&new.kernel));
    if let (Some(was), Some(is)) = (old.boot_id, new.boot_id)
        && was != is
    {
        let message = if old.kernel == new.kernel {
            format!("the server rebooted into the same kernel {b} (boot id {is}, was {was})")
        } else {
            format!("the server rebooted from kernel {a} into {b} (boot id {is}, was {was})")
        };
        out.info(Reason::Rebooted, message);
    }
    if changed(&old.kernel, &new.kernel) {
        out.info(
            Reason::KernelChanged,
            format!("the kernel is {b} (was {a})"),
        );
    }
}

fn clock(old: &OsFacts, new: &OsFacts, out: &mut Events) {
    match (old.clock.synchronized, new.clock.synchronized) {
        (was @ (Some(true) | None), Some(false)) => {
            let before = if was.is_some() {
                "it was"
            } else {
                "not known before"
            };
            let daemon = new.clock.daemon.as_deref().map_or_else(
                || "no time daemon was found".to_owned(),
                |d| format!("{} should keep it", quoted(d)),
            );
            let message = format!("the clock is not synchronised ({before}); {daemon}");
            out.warning(Reason::ClockLostSync, message);
        }
        (Some(false), Some(true)) => {
            out.info(Reason::ClockSynced, "the clock is synchronised again");
        }
        _ => {}
    }
}

/// Both known (not empty) and different.
fn changed(old: &str, new: &str) -> bool {
    !old.is_empty() && !new.is_empty() && old != new
}
