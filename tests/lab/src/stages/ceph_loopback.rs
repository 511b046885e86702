//! `ceph-loopback`: the quick cluster does what tests without servers need of it.

use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use serde_json::Value;

use super::Extent;
use crate::ceph::loopback::Loopback;
use crate::ceph::{Client, Place};
use crate::checks::Checks;
use crate::clock::until;
use crate::lab::Lab;
use crate::process::Processes;
use crate::space::Lifetime;

const OSDS: u32 = 3;
const PGS: u64 = 32;

/// Peering and recovery of a few megabytes; seconds on an idle machine.
const SETTLE: Duration = Duration::from_secs(120);

/// Plays it inside a lab without servers.
///
/// # Errors
/// When the cluster does not come up.
pub(super) fn run(checks: &mut Checks, lab: &Lab, _: Extent) -> Result<()> {
    let folder = lab.folder().join("loopback");
    let (sockets, place) = (
        lab.sockets().join("loopback"),
        Place::Inside(lab.space().clone()),
    );
    let cluster = checks.need("three OSDs on loopback are up", || {
        Loopback::up(&folder, &sockets, &place, OSDS)
    })?;
    let admin = cluster.admin();
    written_and_read(checks, &admin);
    asked_before_a_stop(checks, &admin);
    stopped_and_back(checks, &cluster, &admin);
    drained(checks, &admin);
    ends_with_its_thread(checks);
    checks.check("all of it stops", || {
        Loopback::down(&folder)?;
        let left = Processes::at(&folder)?.all()?;
        ensure!(left.is_empty(), "still recorded: {left:?}");
        Ok(String::new())
    });
    Ok(())
}

fn written_and_read(checks: &mut Checks, admin: &Client) {
    checks.check("a pool of 32 placement groups becomes clean", || {
        admin.tell(&["osd", "pool", "create", "lab", &PGS.to_string()])?;
        let pgs = admin.wait_for_pgs("the new pool is clean", SETTLE, |pgs| {
            pgs.total() >= PGS && pgs.are_clean()
        })?;
        Ok(pgs.to_string())
    });
    checks.check("what is written is read back", || {
        let folder = tempfile::tempdir()?;
        let [sent, got] = ["sent", "got"].map(|name| folder.path().join(name));
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        std::fs::write(&sent, &bytes)?;
        let [from, to] = [&sent, &got].map(|path| path.display().to_string());
        admin.rados(&["--pool", "lab", "put", "thing", &from], SETTLE)?;
        admin.rados(&["--pool", "lab", "get", "thing", &to], SETTLE)?;
        ensure!(std::fs::read(&got)? == bytes, "other bytes came back");
        Ok(format!("{} bytes", bytes.len()))
    });
}

fn asked_before_a_stop(checks: &mut Checks, admin: &Client) {
    checks.check("one of three OSDs may stop, two may not", || {
        let (one, answer) = admin.may(&["osd", "ok-to-stop", "0"])?;
        ensure!(one, "osd.0 may not stop: {answer}");
        let (two, answer) = admin.may(&["osd", "ok-to-stop", "0", "1"])?;
        ensure!(!two, "both may stop: {answer}");
        Ok(format!(
            "{} placement groups would be inactive",
            count(&answer["bad_become_inactive"])
        ))
    });
}

fn stopped_and_back(checks: &mut Checks, cluster: &Loopback, admin: &Client) {
    checks.check(
        "a killed OSD is seen down, and then no other may stop",
        || {
            cluster.kill_osd(2)?;
            admin.wait_for_up(2, SETTLE)?;
            admin.wait_for_pgs("the loss is known", SETTLE, |pgs| {
                pgs.with("undersized") == pgs.total()
            })?;
            let (yes, answer) = admin.may(&["osd", "ok-to-stop", "0"])?;
            ensure!(!yes, "osd.0 may stop beside a dead one: {answer}");
            Ok("refused".to_owned())
        },
    );
    checks.check("it comes back and everything is clean again", || {
        cluster.start_osd(2)?;
        admin.wait_for_up(3, SETTLE)?;
        let pgs = admin.wait_for_pgs("all is clean", SETTLE, |pgs| pgs.are_clean())?;
        Ok(pgs.to_string())
    });
}

/// With two copies and three hosts an OSD can be emptied.
fn drained(checks: &mut Checks, admin: &Client) {
    checks.check(
        "an OSD that is taken out ends with 0 placement groups",
        || {
            // The manager keeps a pool of its own, which must be able to move too.
            let pools = admin.ask(&["osd", "pool", "ls"])?;
            for pool in pools
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
            {
                admin.tell(&["osd", "pool", "set", pool, "size", "2"])?;
            }
            admin.tell(&["osd", "out", "0"])?;
            admin.wait_for_pgs("the data has moved", SETTLE, |pgs| pgs.are_clean())?;
            let safe = admin.ask(&["osd", "safe-to-destroy", "0"])?;
            ensure!(
                count(&safe["safe_to_destroy"]) == 1,
                "not safe to destroy: {safe}"
            );
            let left = admin.ask(&["pg", "ls-by-osd", "0"])?;
            let left = count(&left["pg_stats"]);
            ensure!(left == 0, "{left} placement groups are left on osd.0");
            admin.tell(&["osd", "in", "0"])?;
            Ok("safe to destroy".to_owned())
        },
    );
}

/// For tests that call librados themselves: no namespace, and nothing survives the test.
fn ends_with_its_thread(checks: &mut Checks) {
    checks.check(
        "on the machine's loopback a cluster ends with its thread",
        || {
            let folder = tempfile::tempdir()?;
            let sockets = folder.path().join("s");
            let place = Place::Loopback(Lifetime::WithThisThread);
            let version = std::thread::scope(|scope| {
                let up = || {
                    Loopback::up(folder.path(), &sockets, &place, 1)?
                        .admin()
                        .tell(&["version"])
                };
                scope
                    .spawn(up)
                    .join()
                    .map_err(|_| anyhow!("its thread panicked"))?
            })?;
            let processes = Processes::at(folder.path())?;
            until("its processes end", SETTLE, || {
                let all = processes.all()?;
                ensure!(all.len() == 3, "recorded: {all:?}");
                Ok(all.iter().all(|(_, runs)| !runs).then_some(()))
            })?;
            Ok(version.trim().to_owned())
        },
    );
}

fn count(list: &Value) -> usize {
    list.as_array().map_or(0, Vec::len)
}
