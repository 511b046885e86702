//! IPMI-over-LAN through ipmitool and fence_ipmilan.

use super::Bench;
use crate::bmc::Power;
use crate::checks::Checks;

pub(super) fn core(checks: &mut Checks, bench: &Bench<'_>) {
    let clients = &bench.clients;
    checks.check("ipmitool reads and switches the power", || {
        bench.set(Power::On)?;
        bench.sees("off on", || {
            clients.ipmitool("power status")?.says("Power is on")?;
            clients.ipmitool("power off")?.ended(0)?;
            clients.ipmitool("power status")?.says("Power is off")?;
            clients.ipmitool("power on")?.ended(0)?;
            clients.ipmitool("power status")?.says("Power is on")?;
            Ok(())
        })
    });
}

pub(super) fn rest(checks: &mut Checks, bench: &Bench<'_>) {
    let clients = &bench.clients;
    checks.check("ipmitool resets, and presses the power button", || {
        bench.set(Power::On)?;
        bench.sees("reset button", || {
            clients.ipmitool("power reset")?.ended(0)?;
            clients.ipmitool("power soft")?.ended(0)?;
            clients.ipmitool("power status")?.says("Power is off")?;
            Ok(())
        })
    });
    checks.check("ipmitool cycles: the power goes and comes back", || {
        bench.set(Power::On)?;
        bench.sees("off on", || {
            clients.ipmitool("power cycle")?.ended(0)?;
            Ok(())
        })
    });
    checks.check("a wrong password and IPMI 1.5 are refused", || {
        bench.set(Power::On)?;
        bench.sees("", || {
            let wrong = ["-I", "lanplus", "-C", "3"];
            clients
                .ipmitool_as("wrong", &wrong, "power off")?
                .failed()?;
            clients
                .ipmitool_as("wrong", &["-I", "lan", "-A", "NONE"], "power off")?
                .failed()?;
            Ok(())
        })
    });
    checks.check(
        "what the server lacks is refused: there is no other boot device",
        || clients.ipmitool("chassis bootdev pxe")?.says("failed"),
    );
    checks.check(
        "fence_ipmilan tells on and off apart by its exit status",
        || {
            bench.set(Power::On)?;
            clients.fence_ipmilan("-o status")?.says("Status: ON")?;
            bench.set(Power::Off)?;
            // 2 is "off"; anything else above 0 is a failure.
            clients.fence_ipmilan("-o status")?.ended(2)
        },
    );
    checks.check("fence_ipmilan fences: off, off again, on, reboot", || {
        bench.set(Power::On)?;
        bench.sees("off on off on", || {
            for action in ["off", "off", "on", "reboot"] {
                clients.fence_ipmilan(&format!("-o {action}"))?.ended(0)?;
            }
            Ok(())
        })
    });
}
