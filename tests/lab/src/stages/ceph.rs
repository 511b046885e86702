//! `ceph`: a real cluster over three servers, and what a server's reboot and loss look like in it.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::{Extent, three_servers};
use crate::ceph::servers::Cluster;
use crate::checks::Checks;
use crate::lab::Lab;
use crate::server::Server;

const PGS: u64 = 32;

/// The disk of each server that becomes an OSD: SCSI, so that its errors can be set by hand.
const DISK: &str = "d2";

/// Recovery of a few megabytes over emulated servers.
const SETTLE: Duration = Duration::from_secs(300);

/// A server that is gone is marked down after half a minute.
const MARKED_DOWN: Duration = Duration::from_secs(120);

/// Plays it.
///
/// # Errors
/// When servers or cluster do not come up.
pub(super) fn run(checks: &mut Checks, lab: &Lab, _: Extent) -> Result<()> {
    let servers = three_servers(checks, lab)?;
    let cluster = checks.need("monitor and manager run in the namespace", || {
        Cluster::up(lab)
    })?;
    checks.need("ceph-volume makes an OSD on each server", || {
        cluster.add_osds(&servers, DISK)
    })?;
    every_server_is_a_host(checks, &cluster, &servers);
    data_survives_a_power_cut(checks, &cluster, &servers);
    the_cluster_goes(checks, lab, &servers);
    Ok(())
}

fn every_server_is_a_host(checks: &mut Checks, cluster: &Cluster<'_>, servers: &[Server<'_>]) {
    checks.check("each server is a CRUSH host with its OSD", || {
        let mut seen = Vec::new();
        for server in servers {
            let osds = cluster.osds_of(&server.name())?;
            ensure!(osds.len() == 1, "{} has the OSDs {osds:?}", server.name());
            seen.push(format!("{} osd.{}", server.name(), osds[0]));
        }
        Ok(seen.join(", "))
    });
    checks.check("a pool with a copy on each becomes clean", || {
        cluster
            .admin()
            .tell(&["osd", "pool", "create", "lab", &PGS.to_string()])?;
        let pgs = cluster
            .admin()
            .wait_for_pgs("the new pool is clean", SETTLE, |pgs| {
                pgs.total() >= PGS && pgs.are_clean()
            })?;
        Ok(pgs.to_string())
    });
    checks.check("adding the same OSDs again changes nothing", || {
        cluster.add_osds(servers, DISK)?;
        let all = cluster.admin().ask(&["osd", "ls"])?;
        let all = all.as_array().map_or(0, Vec::len);
        ensure!(all == servers.len(), "{all} OSDs now");
        Ok(format!("{all} OSDs"))
    });
}

fn data_survives_a_power_cut(checks: &mut Checks, cluster: &Cluster<'_>, servers: &[Server<'_>]) {
    let admin = cluster.admin();
    checks.check(
        "a power cut takes one OSD down, and clients write on",
        || {
            servers[2].cut_power()?;
            admin.wait_for_up(2, MARKED_DOWN)?;
            let file = tempfile::NamedTempFile::new()?;
            std::fs::write(file.path(), vec![7_u8; 1_000_000])?;
            let from = file.path().display().to_string();
            admin.rados(&["--pool", "lab", "put", "thing", &from], SETTLE)?;
            let (yes, answer) = may_stop(cluster, &servers[..2])?;
            ensure!(!yes, "the other two may stop: {answer}");
            Ok("written with two of three".to_owned())
        },
    );
    checks.check(
        "the server boots, its OSD returns by itself, everything is clean",
        || {
            servers[2].start()?;
            servers[2].wait_for_ssh()?;
            admin.wait_for_up(3, SETTLE)?;
            let pgs = admin.wait_for_pgs("all is clean", SETTLE, |pgs| pgs.are_clean())?;
            Ok(pgs.to_string())
        },
    );
    // The "no" above was about these very two: with all three, one of them may.
    checks.check("the OSD of one server may stop again", || {
        let (yes, answer) = may_stop(cluster, &servers[..1])?;
        ensure!(yes, "it may not: {answer}");
        Ok(String::new())
    });
}

/// Whether all OSDs of these servers may stop together. Which ids they have depends on who was
/// first.
fn may_stop(cluster: &Cluster<'_>, servers: &[Server<'_>]) -> Result<(bool, Value)> {
    let mut words = vec!["osd".to_owned(), "ok-to-stop".to_owned()];
    for server in servers {
        let osds = cluster.osds_of(&server.name())?;
        ensure!(!osds.is_empty(), "{} has no OSD", server.name());
        words.extend(osds.iter().map(u64::to_string));
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    cluster.admin().may(&words)
}

fn the_cluster_goes(checks: &mut Checks, lab: &Lab, servers: &[Server<'_>]) {
    checks.check("the cluster goes and leaves empty disks", || {
        Cluster::down(lab, servers)?;
        for server in servers {
            let serial = server.spec()?.disk(DISK)?.serial(server.number());
            let listed = server.run("lsblk --noheadings --output SERIAL,TYPE,FSTYPE")?;
            let lines = listed
                .lines()
                .filter(|line| line.contains(&serial) || line.contains("lvm"));
            let lines: Vec<&str> = lines.map(str::trim).collect();
            ensure!(
                lines.len() == 1 && !lines[0].contains("LVM"),
                "{}: {lines:?}",
                server.name()
            );
        }
        Ok(String::new())
    });
}
