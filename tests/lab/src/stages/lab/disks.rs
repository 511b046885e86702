//! Disks that come, go and fail, as a server sees them.

use std::time::Duration;

use anyhow::{Result, bail};

use super::said;
use crate::checks::Checks;
use crate::clock::until;
use crate::server::{Bus, Fault, Server};
use crate::stages::expect_all;

const LIMIT: Duration = Duration::from_secs(60);

/// The sector that fails, 512 bytes each.
const SECTOR: u64 = 20480;

pub(super) fn run(checks: &mut Checks, server: Server<'_>) {
    checks.check(
        "three data disks show their serial numbers, SCSI and NVMe",
        || {
            let spec = server.spec()?;
            let disks = server.run("lsblk --nodeps --noheadings -o NAME,SERIAL,WWN,ROTA,TRAN")?;
            let serials: Vec<String> = spec
                .disks
                .iter()
                .map(|disk| disk.serial(spec.number))
                .collect();
            expect_all(&disks, &serials)?;
            Ok(serials.join(" "))
        },
    );
    for bus in [Bus::Scsi, Bus::Nvme] {
        checks.check(
            &format!("a disk ({bus:?}) comes and goes while the server runs"),
            || come_and_go(server, bus),
        );
    }
    checks.check(
        "a sector of a SCSI disk that cannot be read is a medium error",
        || read_error(server, "d1", "Medium Error"),
    );
    checks.check(
        "a sector of an NVMe disk that cannot be read is a medium error",
        || read_error(server, "d3", "critical medium error"),
    );
    checks.check("an NVMe disk can say that it fails", || {
        let device = device(server, "d3")?;
        let health = || server.output(&format!("smartctl -H {device}"));
        server.set_smart_warning("d3", true)?;
        let failing = said(&health()?);
        expect_all(&failing, &["FAILED!"])?;
        server.set_smart_warning("d3", false)?;
        expect_all(&said(&health()?), &["PASSED"])?;
        Ok("FAILED!, then PASSED".to_owned())
    });
}

fn come_and_go(server: Server<'_>, bus: Bus) -> Result<String> {
    let disk = server.add_disk(bus, 1)?;
    let serial = disk.serial(server.number());
    wait_for_disk(server, &serial, true)?;
    server.remove_disk(&disk.id())?;
    wait_for_disk(server, &serial, false)?;
    Ok(serial)
}

fn wait_for_disk(server: Server<'_>, serial: &str, there: bool) -> Result<()> {
    let what = format!("{serial} is {}", if there { "there" } else { "gone" });
    until(&what, LIMIT, || {
        let disks = server.run("lsblk --nodeps --noheadings -o SERIAL")?;
        Ok((disks.contains(serial) == there).then_some(()))
    })
}

fn read_error(server: Server<'_>, id: &str, kernel_says: &str) -> Result<String> {
    let device = device(server, id)?;
    let read = format!(
        "dd if={device} of=/dev/null bs=4096 count=1 iflag=direct,skip_bytes skip={}",
        SECTOR * 512
    );
    server.run(&read)?;
    server.run("dmesg --clear")?;
    server.break_disk(id, Fault::Read { sector: SECTOR })?;
    let failed = server.output(&read)?;
    if failed.status.success() {
        bail!("the broken sector of {id} can be read");
    }
    let log = server.run("dmesg")?;
    expect_all(&log, &[kernel_says])?;
    server.heal_disk(id)?;
    server.run(&read)?;
    Ok(format!("{device}: {kernel_says}; healed"))
}

/// The server's name for a disk, by its serial number.
fn device(server: Server<'_>, id: &str) -> Result<String> {
    let spec = server.spec()?;
    let serial = spec.disk(id)?.serial(spec.number);
    let list = server.run("lsblk --nodeps --noheadings --paths -o NAME,SERIAL")?;
    let line = list.lines().find(|line| line.ends_with(&serial));
    match line.and_then(|line| line.split_whitespace().next()) {
        Some(name) => Ok(name.to_owned()),
        None => bail!("{serial} is missing in {list:?}"),
    }
}
