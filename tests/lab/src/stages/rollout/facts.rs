//! What the fleet knows of its servers, compared with what the servers themselves say.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::{same, text};
use crate::ceph::servers::Cluster;
use crate::checks::Checks;
use crate::clock::until;
use crate::fleet::{Ansible, Fleet};
use crate::lab::Lab;
use crate::process::{command, run as run_here};
use crate::server::{Bus, Server};
use crate::space::Network;

/// The first round of readings of an emulated server, slow tools and all.
const FIRST_REPORT: Duration = Duration::from_secs(180);

/// A package that is installed, and a newer one in a repository on the server's own disk: the lab
/// has no mirror.
const SAMPLE: &str = "h8lio-lab-sample";
const OLD: &str = "1.0";
const NEW: &str = "1.1";

/// Gives each server an update to wait for, and one administrator's own decision about a timer.
pub(super) fn prepare(checks: &mut Checks, lab: &Lab) -> Result<()> {
    checks.need("an update waits on each server", || {
        let folder = lab.folder().join("fleet/sample");
        std::fs::create_dir_all(&folder)?;
        for version in [OLD, NEW] {
            make_package(&folder, version)?;
        }
        for server in lab.servers()? {
            server.run("rm -rf /var/lib/sample")?;
            lab.ssh().copy_to(server.number(), &folder, "/var/lib/sample", Duration::from_secs(60))?;
            server.run(&format!(
                "cd /var/lib/sample && dpkg -i {SAMPLE}_{OLD}.deb >/dev/null && rm {SAMPLE}_{OLD}.deb && \
                 {{ dpkg-deb --field {SAMPLE}_{NEW}.deb; \
                    echo Filename: ./{SAMPLE}_{NEW}.deb; \
                    echo Size: $(stat -c %s {SAMPLE}_{NEW}.deb); \
                    echo SHA256: $(sha256sum {SAMPLE}_{NEW}.deb | cut -d' ' -f1); }} >Packages && \
                 echo 'deb [trusted=yes] file:/var/lib/sample ./' >/etc/apt/sources.list.d/sample.list && \
                 apt-get -qq -o Dir::Etc::sourcelist=/etc/apt/sources.list.d/sample.list \
                     -o Dir::Etc::sourceparts=- update"
            ))?;
        }
        // What an administrator switched off stays off, whatever comes and goes.
        lab.server("s1")?.run("systemctl disable --quiet --now apt-daily-upgrade.timer")?;
        Ok(())
    })
}

fn make_package(folder: &std::path::Path, version: &str) -> Result<()> {
    let tree = folder.join("tree");
    std::fs::create_dir_all(tree.join("DEBIAN"))?;
    let control = format!(
        "Package: {SAMPLE}\nVersion: {version}\nArchitecture: all\nMaintainer: the lab <lab@localhost>\n\
         Description: something to be updated\n"
    );
    std::fs::write(tree.join("DEBIAN/control"), control)?;
    let mut build = command("dpkg-deb");
    build.args(["--root-owner-group", "--build"]).arg(&tree);
    build.arg(folder.join(format!("{SAMPLE}_{version}.deb")));
    run_here(build, Duration::from_secs(60))?;
    std::fs::remove_dir_all(&tree)?;
    Ok(())
}

pub(super) fn run(
    checks: &mut Checks,
    lab: &Lab,
    fleet: &Fleet<'_>,
    ansible: &Ansible<'_>,
    cluster: &Cluster<'_>,
) {
    let servers = match lab.servers() {
        Ok(servers) => servers,
        Err(e) => return checks.check("the servers are listed", || Err(e)),
    };
    for server in servers {
        of_one(checks, fleet, server, cluster);
    }
    checks.check("the fleet is an inventory for Ansible", || {
        let listed = ansible.inventory_of_fleet(fleet.ctl())?;
        same(
            "group h8lio_online",
            &listed["h8lio_online"]["hosts"].to_string(),
            r#"["s1","s2","s3"]"#,
        )?;
        same(
            "group h8lio_rack_r2",
            &listed["h8lio_rack_r2"]["hosts"].to_string(),
            r#"["s2"]"#,
        )?;
        // Marked as what no template may be made of, since agents have a say in it.
        let address = text(&listed, "/_meta/hostvars/s3/ansible_host/__ansible_unsafe")?;
        same(
            "the address of s3",
            address,
            &Network::Mgmt.server(3).to_string(),
        )
    });
}

fn of_one(checks: &mut Checks, fleet: &Fleet<'_>, server: Server<'_>, cluster: &Cluster<'_>) {
    let name = server.name();
    let shown = whole(fleet, &name);
    type Look = fn(&Value, Server<'_>) -> Result<String>;
    let looks: [(&str, Look); 5] = [
        ("who it is", identity),
        ("its disks and their health", disks),
        ("its interfaces", interfaces),
        ("the update that waits", packages),
        ("its container runtime", runtime),
    ];
    for (what, look) in looks {
        checks.check(
            &format!("{name}: the fleet knows {what}"),
            || match &shown {
                Ok(shown) => look(&shown["inventory"], server),
                Err(e) => bail!("{e:#}"),
            },
        );
    }
    checks.check(
        &format!("{name}: the fleet knows its OSDs"),
        || match &shown {
            Ok(shown) => osds(&shown["inventory"], server, cluster),
            Err(e) => bail!("{e:#}"),
        },
    );
}

/// The node with its inventory, once every part has been reported.
fn whole(fleet: &Fleet<'_>, name: &str) -> Result<Value> {
    let parts = [
        "os",
        "hardware",
        "disks",
        "interfaces",
        "packages",
        "runtime",
        "osds",
    ];
    let mut missing = Vec::new();
    let shown = until("every part is reported", FIRST_REPORT, || {
        let shown = fleet.ctl().show(name)?;
        missing = parts
            .into_iter()
            .filter(|part| shown["inventory"][*part].is_null())
            .collect();
        Ok(missing.is_empty().then_some(shown))
    });
    shown.with_context(|| format!("not reported: {}", missing.join(" ")))
}

fn identity(inventory: &Value, server: Server<'_>) -> Result<String> {
    same(
        "the hostname",
        text(inventory, "/os/hostname")?,
        &server.name(),
    )?;
    same(
        "the boot id",
        text(inventory, "/os/bootId")?,
        &server.boot_id()?,
    )?;
    same(
        "the kernel",
        text(inventory, "/os/kernel")?,
        &server.run("uname -r")?,
    )?;
    same(
        "the serial number",
        text(inventory, "/hardware/serial")?,
        &server.spec()?.serial(),
    )
}

/// Every data disk by its serial number, with a verdict that SMART supports.
fn disks(inventory: &Value, server: Server<'_>) -> Result<String> {
    let known = inventory["disks"].as_array().context("no list")?;
    let mut seen = Vec::new();
    for disk in &server.spec()?.disks {
        let serial = disk.serial(server.number());
        let found = known.iter().find(|known| known["serial"] == *serial);
        let found = found.with_context(|| format!("{serial} is not among {known:?}"))?;
        let verdict = text(found, "/health/verdict")?;
        // An emulated SCSI disk has no SMART, and then nobody may call it healthy.
        let wanted = match disk.bus {
            Bus::Nvme => "healthy",
            Bus::Scsi => "unknown",
        };
        same(&format!("the health of {serial}"), verdict, wanted)?;
        same(
            "its size",
            &found["sizeBytes"].to_string(),
            &(disk.size_gib << 30).to_string(),
        )?;
        seen.push(format!("{serial} {verdict}"));
    }
    let block = server.run("lsblk --nodeps --noheadings --output NAME --exclude 7,11 | wc -l")?;
    same("the number of disks", &known.len().to_string(), &block)?;
    Ok(seen.join(", "))
}

fn interfaces(inventory: &Value, server: Server<'_>) -> Result<String> {
    let known = inventory["interfaces"].as_array().context("no list")?;
    let mut seen = Vec::new();
    for network in Network::ALL {
        let mac = network.mac(server.number());
        let found = known.iter().find(|known| known["mac"] == *mac);
        let found = found.with_context(|| format!("no interface has {mac}: {known:?}"))?;
        let address = format!("{}/24", network.server(server.number()));
        let addresses = found["addresses"].to_string();
        if !addresses.contains(&address) || found["carrier"] != "up" {
            bail!("{mac} has {addresses}, carrier {}", found["carrier"]);
        }
        seen.push(format!("{} {mac} {address}", text(found, "/name")?));
    }
    Ok(seen.join(", "))
}

fn packages(inventory: &Value, server: Server<'_>) -> Result<String> {
    let packages = &inventory["packages"];
    let installed =
        server.run("dpkg-query -f '${db:Status-Status}\\n' -W | grep -c '^installed'")?;
    same(
        "the number of packages",
        &packages["installed"].to_string(),
        &installed,
    )?;
    let upgradable = packages["upgradable"]
        .as_array()
        .context("it cannot be told")?;
    let sample = upgradable.iter().find(|package| package["name"] == SAMPLE);
    let sample = sample.with_context(|| format!("{SAMPLE} is not among {upgradable:?}"))?;
    same("what is installed", text(sample, "/installed")?, OLD)?;
    same("the candidate", text(sample, "/candidate")?, NEW)?;
    Ok(format!("{installed} installed, {SAMPLE} {OLD} to {NEW}"))
}

fn runtime(inventory: &Value, server: Server<'_>) -> Result<String> {
    let endpoints = inventory["runtime"]["endpoints"]
        .as_array()
        .context("no list")?;
    let containerd = endpoints.iter().find(|e| e["runtime"] == "containerd");
    let containerd = containerd.with_context(|| format!("no containerd among {endpoints:?}"))?;
    let version = text(containerd, "/version")?;
    let own = server.run("containerd --version | cut -d' ' -f3")?;
    same(
        "its version",
        version.trim_start_matches('v'),
        own.trim_start_matches('v'),
    )?;
    Ok(format!(
        "containerd {version} at {}",
        text(containerd, "/socket")?
    ))
}

/// Those that Ceph itself has on this server, and no others.
fn osds(inventory: &Value, server: Server<'_>, cluster: &Cluster<'_>) -> Result<String> {
    let known = inventory["osds"].as_array().context("no list")?;
    let ids: Vec<u64> = known.iter().filter_map(|osd| osd["id"].as_u64()).collect();
    let wanted = cluster.osds_of(&server.name())?;
    let running = known.iter().filter(|osd| osd["running"] == true).count();
    if ids != wanted || running != wanted.len() {
        bail!("Ceph has {wanted:?} there, the fleet knows {known:?}");
    }
    let of = known
        .first()
        .map_or("", |osd| osd["manager"].as_str().unwrap_or_default());
    Ok(format!("{ids:?}, running {running} {of}"))
}
