//! The configuration: what both clusters have in common, and what this side's programs need.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a cluster is told about itself, and what is remembered of it beside its data.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Shape {
    pub(super) fsid: Uuid,
    pub(super) monitor: SocketAddrV4,
    /// Network of clients and OSDs, as `10.77.1.0/24`. `None`: all on the monitor's address.
    pub(super) network: Option<String>,
}

/// For every program, on every server. Recovery is let loose, since these disks serve nobody, and
/// the memory of an OSD is the smallest that it accepts (`osd memory target`, at least 896 MiB).
const COMMON: &str = "\
auth allow insecure global id reclaim = false
ms bind ipv6 = false
osd pool default size = 3
osd pool default min size = 2
osd pool default pg autoscale mode = off
mon max pg per osd = 500
mon warn on pool no redundancy = false
mon data avail warn = 3
mon data avail crit = 1
osd memory target = 939524096
osd max backfills = 8
osd recovery max active = 8
osd recovery sleep hdd = 0
osd recovery sleep ssd = 0
osd recovery sleep hybrid = 0
";

impl Shape {
    /// The file of a server that joins: who the monitor is, and what all have in common.
    pub(super) fn for_servers(&self) -> String {
        let mut text = format!("[global]\nfsid = {}\n{}\n", self.fsid, self.monitor_line());
        if let Some(network) = &self.network {
            let _ = writeln!(text, "public network = {network}");
            let _ = writeln!(text, "cluster network = {network}");
        }
        text + COMMON
    }

    /// The file of the programs on this side, whose data lies in `folder`.
    pub(super) fn for_this_side(&self, folder: &Path, sockets: &Path) -> String {
        let address: Ipv4Addr = *self.monitor.ip();
        let (folder, sockets) = (folder.display(), sockets.display());
        format!(
            "{common}\
             public addr = {address}\n\
             cluster addr = {address}\n\
             keyring = {folder}/keyring\n\
             run dir = {sockets}\n\
             crash dir = {sockets}\n\
             log file =\n\
             mon cluster log to file = false\n\
             [mon]\n\
             admin socket = {sockets}/$name.asok\n\
             mon data = {folder}/mon\n\
             [mgr]\n\
             admin socket = {sockets}/$name.asok\n\
             mgr data = {folder}/mgr\n\
             keyring = {folder}/mgr/keyring\n\
             [osd]\n\
             admin socket = {sockets}/$name.asok\n\
             osd data = {folder}/osd/$id\n\
             keyring = {folder}/osd/$id/keyring\n\
             bluestore block create = true\n",
            common = self.for_servers(),
        )
    }

    /// The monitor's address in Ceph's notation, protocol 2 alone.
    pub(super) fn monitor_vector(&self) -> String {
        format!("[v2:{}]", self.monitor)
    }

    fn monitor_line(&self) -> String {
        format!("mon host = {}", self.monitor_vector())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(network: Option<&str>) -> Shape {
        Shape {
            fsid: Uuid::nil(),
            monitor: "10.77.1.1:3300".parse().expect("an address"),
            network: network.map(str::to_owned),
        }
    }

    #[test]
    fn a_server_learns_the_monitor_and_no_path_of_this_side() {
        let text = shape(Some("10.77.1.0/24")).for_servers();
        assert!(text.contains("mon host = [v2:10.77.1.1:3300]\n"), "{text}");
        assert!(text.contains("\npublic network = 10.77.1.0/24\n"), "{text}");
        assert!(
            !text.contains("keyring") && !text.contains(" = /"),
            "{text}"
        );
    }

    #[test]
    fn what_is_global_stands_before_the_first_section() {
        let text = shape(None).for_this_side(Path::new("/state/ceph"), Path::new("/run/x"));
        let (global, sections) = text.split_once("[mon]").expect("sections");
        assert!(global.contains("osd max backfills = 8\n"), "{global}");
        assert!(
            global.contains("keyring = /state/ceph/keyring\n"),
            "{global}"
        );
        assert!(
            sections.contains("osd data = /state/ceph/osd/$id\n"),
            "{sections}"
        );
    }
}
