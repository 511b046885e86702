//! A node as operators see it: the JSON of `h8lctl node list` and `node show`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::condition::{Condition, Kind};
use crate::ids::{BootId, NodeId, NodeName};
use crate::inventory::Inventory;
use crate::labels::Labels;
use crate::lifecycle::{Admission, Availability, Restriction, Scheduling};
use crate::role::Role;
use crate::topology::Topology;

/// The clusters that a node belongs to, as found on the server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Clusters {
    /// API server that the kubelet talks to, for example `https://10.0.0.1:6443`.
    pub kubernetes: Option<String>,
    /// fsid of the Ceph cluster that its OSDs belong to.
    pub ceph_fsid: Option<String>,
}

/// One element of `h8lctl node list -o json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeView {
    pub id: NodeId,
    pub name: NodeName,
    pub admission: Admission,
    pub scheduling: Scheduling,
    pub availability: Availability,
    /// Why the availability is what it is, for example `no beat for 3.1 s`.
    pub availability_reason: String,
    /// When the availability last changed.
    pub availability_since: Option<Timestamp>,
    pub restriction: Option<Restriction>,
    pub roles: Vec<Role>,
    pub topology: Option<Topology>,
    pub labels: Labels,
    pub clusters: Clusters,
    pub conditions: Vec<Condition<Kind>>,
    pub agent_version: Option<String>,
    pub boot_id: Option<BootId>,
    /// Last beat; `null` when it was not heard since the coordinator's start.
    pub last_seen: Option<Timestamp>,
    pub created_at: Timestamp,
    /// When the node's certificate expires.
    pub certificate_expires_at: Option<Timestamp>,
}

/// `h8lctl node show NAME -o json`: the list element and the inventory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeDetail {
    #[serde(flatten)]
    pub node: NodeView,
    pub inventory: Inventory,
}
