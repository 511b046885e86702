//! The machine itself.

use h8lio_model::inventory::{Cpu, HardwareFacts};

use super::super::inventory::quoted;
use super::Events;
use super::reason::Reason;

const MIB: u64 = 1 << 20;

pub(super) fn diff(old: &HardwareFacts, new: &HardwareFacts, out: &mut Events) {
    identity(old, new, out);
    if let (Some(a), Some(b)) = (&old.bios_version, &new.bios_version)
        && a != b
    {
        let message = format!("the BIOS version is {} (was {})", quoted(b), quoted(a));
        out.info(Reason::BiosVersionChanged, message);
    }
    cpu(&old.cpu, &new.cpu, out);
    memory(old.memory.total_bytes, new.memory.total_bytes, out);
}

/// Under one identity the server must stay the same server: another serial means that disks moved
/// to other hardware or that the identity was copied.
fn identity(old: &HardwareFacts, new: &HardwareFacts, out: &mut Events) {
    let told = [
        ("serial", &old.serial, &new.serial),
        ("system UUID", &old.system_uuid, &new.system_uuid),
    ];
    for (what, a, b) in told {
        if let (Some(a), Some(b)) = (a, b)
            && !a.eq_ignore_ascii_case(b)
        {
            let (a, b) = (quoted(a), quoted(b));
            out.alert(
                Reason::SerialChanged,
                format!(
                    "the hardware's {what} is {b} (was {a}): find out whether this identity runs on another server"
                ),
            );
        }
    }
    if let (Some(a), Some(b)) = (&old.board_serial, &new.board_serial)
        && a != b
    {
        let message = format!("the board's serial is {} (was {})", quoted(b), quoted(a));
        out.warning(Reason::BoardSerialChanged, message);
    }
}

fn cpu(old: &Cpu, new: &Cpu, out: &mut Events) {
    let (a, b) = (counts(old), counts(new));
    // Zero is "could not be counted".
    let moved = |(a, b): &(&u32, &u32)| **a != 0 && **b != 0 && a != b;
    let changes: Vec<_> = a.iter().zip(&b).filter(moved).collect();
    if changes.is_empty() {
        return;
    }
    let message = format!(
        "processors: {} sockets, {} cores, {} threads (were {}, {}, {})",
        b[0], b[1], b[2], a[0], a[1], a[2]
    );
    if changes.iter().any(|(a, b)| b < a) {
        out.warning(Reason::CpuCountChanged, message);
    } else {
        out.info(Reason::CpuCountChanged, message);
    }
}

const fn counts(cpu: &Cpu) -> [u32; 3] {
    [cpu.sockets, cpu.cores, cpu.threads]
}

/// A change of memory that a kernel's own reservations cannot explain: `MemTotal` moves by up to
/// some 256 MiB with crashkernel and by under 1/64 with a kernel's page tables; the smallest
/// module in a server has 1 GiB.
fn memory(old: u64, new: u64, out: &mut Events) {
    if old == 0 || new == 0 {
        return;
    }
    let noise = (old.max(new) / 64).max(512 * MIB);
    let message = format!("memory: {} MiB (was {} MiB)", new / MIB, old / MIB);
    if new.saturating_add(noise) <= old {
        let message = format!("{message}: a module may have failed");
        out.warning(Reason::MemoryShrank, message);
    } else if old.saturating_add(noise) <= new {
        out.info(Reason::MemoryGrew, message);
    }
}
