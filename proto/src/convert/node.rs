//! Nodes as operators see them.

use h8lio_model::condition::{Condition, Kind, Status};
use h8lio_model::lifecycle::{Admission, Availability, Restriction, Scheduling};
use h8lio_model::node::{Clusters, NodeView};

use super::{
    Invalid, non_empty, read_optional_timestamp, read_roles, read_timestamp, roles, timestamp,
};
use crate::v1;

macro_rules! same_enum {
    ($model:ident, $field:literal, $read:ident, [$($v:ident),*]) => {
        impl From<$model> for v1::$model {
            fn from(v: $model) -> Self {
                match v { $($model::$v => Self::$v),* }
            }
        }

        fn $read(n: i32) -> Result<$model, Invalid> {
            match v1::$model::try_from(n) {
                $(Ok(v1::$model::$v) => Ok($model::$v),)*
                _ => Err(Invalid::new($field, format!("{n} is not known; is this client too old?"))),
            }
        }
    };
}

same_enum!(
    Admission,
    "admission",
    read_admission,
    [Pending, Enrolled, Decommissioned]
);
same_enum!(
    Scheduling,
    "scheduling",
    read_scheduling,
    [Active, Cordoned, Draining, InMaintenance]
);
same_enum!(
    Availability,
    "availability",
    read_availability,
    [Online, WarmingUp, Suspect, Unreachable, Fenced]
);

impl From<Restriction> for v1::Restriction {
    fn from(r: Restriction) -> Self {
        use v1::restriction::Kind;
        let (kind, reason, by, at) = match r {
            Restriction::Banned { reason, by, at } => (Kind::Banned, reason, by, at),
            Restriction::Quarantined { reason, at } => {
                (Kind::Quarantined, reason, String::new(), at)
            }
        };
        Self {
            kind: kind as i32,
            reason,
            by,
            at: Some(timestamp(at)),
        }
    }
}

fn read_restriction(r: v1::Restriction) -> Result<Restriction, Invalid> {
    use v1::restriction::Kind;
    let at = read_timestamp("restriction.at", r.at)?;
    match Kind::try_from(r.kind) {
        Ok(Kind::Banned) => Ok(Restriction::Banned {
            reason: r.reason,
            by: r.by,
            at,
        }),
        Ok(Kind::Quarantined) => Ok(Restriction::Quarantined {
            reason: r.reason,
            at,
        }),
        _ => Err(Invalid::new(
            "restriction.kind",
            format!("{} is not known", r.kind),
        )),
    }
}

impl From<Condition<Kind>> for v1::Condition {
    fn from(c: Condition<Kind>) -> Self {
        use v1::condition::Status as S;
        let status = match c.status {
            Status::True => S::True,
            Status::False => S::False,
            Status::Unknown => S::Unknown,
        };
        Self {
            r#type: c.kind.name().to_owned(),
            status: status as i32,
            reason: c.reason,
            subject: c.subject,
            message: c.message,
            since: Some(timestamp(c.since)),
            observed_at: Some(timestamp(c.observed_at)),
        }
    }
}

impl TryFrom<v1::Condition> for Condition<Kind> {
    type Error = Invalid;

    fn try_from(c: v1::Condition) -> Result<Self, Invalid> {
        use v1::condition::Status as S;
        let kind = Kind::read(&c.r#type)
            .ok_or_else(|| Invalid::new("condition.type", format!("{:?} is no type", c.r#type)))?;
        let status = match S::try_from(c.status) {
            Ok(S::True) => Status::True,
            Ok(S::False) => Status::False,
            _ => Status::Unknown,
        };
        Ok(Self {
            kind,
            status,
            reason: c.reason,
            subject: c.subject,
            message: c.message,
            since: read_timestamp("condition.since", c.since)?,
            observed_at: read_timestamp("condition.observed_at", c.observed_at)?,
        })
    }
}

impl From<NodeView> for v1::Node {
    fn from(n: NodeView) -> Self {
        Self {
            id: n.id.to_string(),
            name: n.name.to_string(),
            admission: v1::Admission::from(n.admission) as i32,
            scheduling: v1::Scheduling::from(n.scheduling) as i32,
            availability: v1::Availability::from(n.availability) as i32,
            availability_reason: n.availability_reason,
            availability_since: n.availability_since.map(timestamp),
            restriction: n.restriction.map(Into::into),
            roles: roles(&n.roles),
            topology: n.topology.map(Into::into),
            labels: n.labels,
            kubernetes_cluster: n.clusters.kubernetes.unwrap_or_default(),
            ceph_fsid: n.clusters.ceph_fsid.unwrap_or_default(),
            conditions: n.conditions.into_iter().map(Into::into).collect(),
            agent_version: n.agent_version.unwrap_or_default(),
            boot_id: n.boot_id.map(|b| b.to_string()).unwrap_or_default(),
            last_seen: n.last_seen.map(timestamp),
            created_at: Some(timestamp(n.created_at)),
            certificate_expires_at: n.certificate_expires_at.map(timestamp),
        }
    }
}

impl TryFrom<v1::Node> for NodeView {
    type Error = Invalid;

    fn try_from(n: v1::Node) -> Result<Self, Invalid> {
        Ok(Self {
            id: n.id.parse().map_err(|e| Invalid::new("node.id", e))?,
            name: n.name.parse().map_err(|e| Invalid::new("node.name", e))?,
            admission: read_admission(n.admission)?,
            scheduling: read_scheduling(n.scheduling)?,
            availability: read_availability(n.availability)?,
            availability_reason: n.availability_reason,
            availability_since: read_optional_timestamp(
                "node.availability_since",
                n.availability_since,
            )?,
            restriction: n.restriction.map(read_restriction).transpose()?,
            roles: read_roles(&n.roles)?,
            topology: n.topology.map(TryInto::try_into).transpose()?,
            labels: n.labels,
            clusters: Clusters {
                kubernetes: non_empty(n.kubernetes_cluster),
                ceph_fsid: non_empty(n.ceph_fsid),
            },
            conditions: n
                .conditions
                .into_iter()
                .map(TryInto::try_into)
                .collect::<Result<_, _>>()?,
            agent_version: non_empty(n.agent_version),
            boot_id: non_empty(n.boot_id)
                .map(|b| b.parse().map_err(|e| Invalid::new("node.boot_id", e)))
                .transpose()?,
            last_seen: read_optional_timestamp("node.last_seen", n.last_seen)?,
            created_at: read_timestamp("node.created_at", n.created_at)?,
            certificate_expires_at: read_optional_timestamp(
                "node.certificate_expires_at",
                n.certificate_expires_at,
            )?,
        })
    }
}
