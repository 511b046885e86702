//! The cluster over the lab's servers: monitor and manager in the namespace, OSDs made with
//! `ceph-volume` on the servers' disks, as an operator makes them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::{Client, Heart, Place, Site};
use crate::lab::Lab;
use crate::parcel::Parcel;
use crate::server::Server;
use crate::space::Network;

/// Its traffic has a network of its own, so that a cut management path is not a cut Ceph.
const NETWORK: Network = Network::Priv;

/// 25 s for one on an idle machine, all servers at once take longer.
const MAKE_OSD: Duration = Duration::from_secs(600);

const UP_WITHIN: Duration = Duration::from_secs(180);

/// The cluster of a lab.
#[derive(Debug)]
pub struct Cluster<'a> {
    lab: &'a Lab,
    heart: Heart,
}

impl<'a> Cluster<'a> {
    /// Makes the cluster or takes the one that is there, and starts its monitor and manager.
    ///
    /// # Errors
    /// When Ceph is not installed, or the monitor does not answer.
    pub fn up(lab: &'a Lab) -> Result<Self> {
        let network = format!("{}/24", NETWORK.address(0));
        let heart = Heart::at(&Site {
            folder: &folder(lab),
            sockets: &lab.sockets().join("ceph"),
            place: &Place::Inside(lab.space().clone()),
            address: NETWORK.space(),
            network: Some(&network),
        })?;
        heart.start(lab.processes())?;
        Ok(Self { lab, heart })
    }

    /// The cluster that was made in this lab, its monitor and manager running.
    ///
    /// # Errors
    /// When none was made, or the monitor does not answer.
    pub fn open(lab: &'a Lab) -> Result<Self> {
        ensure!(
            Heart::is_in(&folder(lab)),
            "this lab has no Ceph cluster; make one with: lab ceph up"
        );
        Self::up(lab)
    }

    /// Asks as client.admin.
    pub fn admin(&self) -> Client {
        self.heart.admin()
    }

    /// Makes an OSD on a disk of each of these servers, all at once, and waits until they are up.
    /// A disk that carries one of this cluster already keeps it.
    ///
    /// # Errors
    /// When a server cannot be reached, has no such disk, or `ceph-volume` fails.
    pub fn add_osds(&self, servers: &[Server<'_>], disk: &str) -> Result<()> {
        let parcel = &self.parcel()?;
        let made = std::thread::scope(|scope| {
            let jobs: Vec<_> = servers
                .iter()
                .map(|server| scope.spawn(move || self.add_osd(server, disk, parcel)))
                .collect();
            jobs.into_iter().map(|job| job.join()).collect::<Vec<_>>()
        });
        for (result, server) in made.into_iter().zip(servers) {
            let Ok(result) = result else {
                bail!("making an OSD on {} panicked", server.name())
            };
            result.with_context(|| format!("cannot make an OSD on {} {disk}", server.name()))?;
        }
        let known = self.admin().ask(&["osd", "ls"])?;
        let known = known.as_array().map_or(0, Vec::len);
        self.admin()
            .wait_for_up(known.try_into().unwrap_or(u64::MAX), UP_WITHIN)
    }

    /// Ids of the OSDs on a server.
    ///
    /// # Errors
    /// When the cluster does not answer.
    pub fn osds_of(&self, server: &str) -> Result<Vec<u64>> {
        Ok(children(&self.admin().ask(&["osd", "tree"])?, server))
    }

    /// Ends the cluster: OSDs are stopped and their disks wiped on the servers that run, then
    /// monitor and manager go with their data.
    ///
    /// # Errors
    /// When a disk cannot be wiped or a program survives.
    pub fn down(lab: &Lab, servers: &[Server<'_>]) -> Result<()> {
        for server in servers {
            server
                .run_within(WIPE, MAKE_OSD)
                .with_context(|| format!("cannot remove the OSDs of {}", server.name()))?;
        }
        Heart::down(&folder(lab), lab.processes())
    }

    /// What a server needs to make OSDs: who the cluster is, and the key that may do nothing else.
    fn parcel(&self) -> Result<Parcel> {
        let mut parcel = Parcel::new()?;
        parcel.text("/etc/ceph/ceph.conf", &self.heart.conf_for_servers(), 0o644)?;
        let key = self.heart.bootstrap_keyring()?;
        parcel.text("/var/lib/ceph/bootstrap-osd/ceph.keyring", &key, 0o600)?;
        Ok(parcel)
    }

    fn add_osd(&self, server: &Server<'_>, disk: &str, parcel: &Parcel) -> Result<()> {
        parcel.send(self.lab.ssh(), server.number())?;
        let spec = server.spec()?;
        let serial = spec.disk(disk)?.serial(server.number());
        server.run_within(&make_osd(&serial, &self.heart.fsid()), MAKE_OSD)?;
        Ok(())
    }
}

/// The disk is named by its serial number: kernel names change from boot to boot. One that has an OSD
/// of this cluster keeps it; one of another cluster is not touched.
fn make_osd(serial: &str, fsid: &str) -> String {
    format!(
        "set -eu\n\
         disk=$(lsblk --nodeps --noheadings --output PATH,SERIAL | awk '$2 == \"{serial}\" {{print $1}}')\n\
         [ -n \"$disk\" ] || {{ echo \"no disk with serial number {serial}\" >&2; exit 1; }}\n\
         # A disk without any may be an error to it; making one says what is wrong.\n\
         listed=$(ceph-volume lvm list --format json \"$disk\") || listed=\n\
         case $listed in\n\
         *'\"ceph.cluster_fsid\": \"{fsid}\"'*) exit 0 ;;\n\
         *ceph.cluster_fsid*) echo \"$disk has an OSD of another cluster\" >&2; exit 1 ;;\n\
         esac\n\
         ceph-volume lvm create --data \"$disk\"\n\
         # Its units too are to survive a power cut that comes soon.\n\
         sync\n"
    )
}

/// Stops every OSD of a server, takes the logical volumes away, and wipes what they lay on.
const WIPE: &str = "\
set -u
systemctl stop ceph-osd.target
systemctl disable $(systemctl list-unit-files --no-legend 'ceph-volume@*' 'ceph-osd@*' | awk '{print $1}') 2>/dev/null
umount /var/lib/ceph/osd/* 2>/dev/null
for id in $(ceph-volume lvm list --format json | python3 -c 'import json, sys; print(*json.load(sys.stdin))'); do
  ceph-volume lvm zap --destroy --osd-id \"$id\" || exit 1
done
rm -rf /var/lib/ceph/osd/* /etc/ceph/ceph.conf /var/lib/ceph/bootstrap-osd/ceph.keyring
";

fn folder(lab: &Lab) -> PathBuf {
    lab.folder().join("ceph")
}

/// The OSDs below a host, from `ceph osd tree`.
fn children(tree: &Value, host: &str) -> Vec<u64> {
    let nodes = tree["nodes"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let found = nodes
        .iter()
        .find(|node| node["type"] == "host" && node["name"] == host);
    let children = found.and_then(|node| node["children"].as_array());
    let children = children.map(Vec::as_slice).unwrap_or_default();
    children.iter().filter_map(Value::as_u64).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn osds_are_found_below_their_host() {
        let tree = json!({"nodes": [
            {"id": -1, "type": "root", "name": "default", "children": [-3, -5]},
            {"id": -3, "type": "host", "name": "s1", "children": [0, 2]},
            {"id": -5, "type": "host", "name": "s2", "children": [1]},
        ]});
        assert_eq!(children(&tree, "s1"), [0, 2]);
        assert_eq!(children(&tree, "s9"), [0; 0]);
    }
}
