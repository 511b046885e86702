//! `h8lctl node list`

use std::collections::BTreeMap;

use h8lio_model::lifecycle::{Admission, Restriction, Scheduling};
use h8lio_model::node::NodeView;
use jiff::Timestamp;

use super::{availability_tone, wants_a_look};
use crate::output::{Cell, Table, Tone, ago, joined, or_dash};

/// One row per node.
pub fn table(nodes: &[NodeView], as_of: Timestamp, wide: bool) -> Table {
    let mut header = vec![
        "NAME",
        "ADMISSION",
        "SCHEDULING",
        "AVAILABILITY",
        "ROLES",
        "ZONE",
        "RACK",
        "SEEN",
        "AGENT",
        "CONDITIONS",
    ];
    if wide {
        header.extend([
            "ID",
            "REGION",
            "DATACENTER",
            "KUBERNETES",
            "CEPH FSID",
            "LABELS",
        ]);
    }
    let mut table = Table::new(&header);
    for n in nodes {
        let place = n.topology.as_ref();
        let mut row = vec![
            n.name.as_str().into(),
            admission(n),
            scheduling(n),
            availability(n),
            joined(&n.roles).into(),
            or_dash(place.map(|t| &t.zone)).into(),
            or_dash(place.map(|t| &t.rack)).into(),
            ago(n.last_seen, as_of).into(),
            or_dash(n.agent_version.as_ref()).into(),
            conditions(n),
        ];
        if wide {
            let labels: Vec<String> = n.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
            row.extend([
                n.id.to_string().into(),
                or_dash(place.map(|t| &t.region)).into(),
                or_dash(place.map(|t| &t.datacenter)).into(),
                or_dash(n.clusters.kubernetes.as_ref()).into(),
                or_dash(n.clusters.ceph_fsid.as_ref()).into(),
                joined(&labels).into(),
            ]);
        }
        table.row(row);
    }
    table
}

fn admission(n: &NodeView) -> Cell {
    match (&n.restriction, n.admission) {
        (Some(Restriction::Banned { .. }), a) => Cell::toned(format!("{a} (banned)"), Tone::Bad),
        (Some(Restriction::Quarantined { .. }), a) => {
            Cell::toned(format!("{a} (quarantined)"), Tone::Bad)
        }
        (None, Admission::Pending) => Cell::toned("Pending", Tone::Warn),
        (None, a @ Admission::Decommissioned) => Cell::toned(a.as_str(), Tone::Faint),
        (None, a @ Admission::Enrolled) => a.as_str().into(),
    }
}

/// A server that was not let in is given no work, so there is nothing to say.
fn scheduling(n: &NodeView) -> Cell {
    if n.admission == Admission::Pending {
        return "-".into();
    }
    let tone = match n.scheduling {
        Scheduling::Active => Tone::Plain,
        Scheduling::Cordoned | Scheduling::Draining | Scheduling::InMaintenance => Tone::Warn,
    };
    Cell::toned(n.scheduling.as_str(), tone)
}

/// Only of members: nobody expects to hear from others.
fn availability(n: &NodeView) -> Cell {
    match n.admission {
        Admission::Pending | Admission::Decommissioned => "-".into(),
        Admission::Enrolled => {
            Cell::toned(n.availability.as_str(), availability_tone(n.availability))
        }
    }
}

/// The types that hold or cannot be told, each once, with a count where there are several. A
/// server that was never heard has not said that it has none.
fn conditions(n: &NodeView) -> Cell {
    if n.conditions.is_empty() && n.last_seen.is_none() && n.boot_id.is_none() {
        return Cell::toned("not reported", Tone::Faint);
    }
    let mut count: BTreeMap<&str, u32> = BTreeMap::new();
    for c in n.conditions.iter().filter(|c| wants_a_look(c.status)) {
        *count.entry(c.kind.name()).or_default() += 1;
    }
    let texts: Vec<String> = count
        .into_iter()
        .map(|(kind, n)| match n {
            1 => kind.to_owned(),
            n => format!("{kind}×{n}"),
        })
        .collect();
    let tone = if texts.is_empty() {
        Tone::Plain
    } else {
        Tone::Warn
    };
    Cell::toned(joined(&texts), tone)
}

/// Whether two lists tell an operator different things: beats and repeated observations do not
/// count.
pub fn differ(before: &[NodeView], now: &[NodeView]) -> bool {
    let essence = |nodes: &[NodeView]| -> Vec<NodeView> {
        nodes
            .iter()
            .cloned()
            .map(|mut n| {
                n.last_seen = None;
                n.availability_reason.clear();
                for c in &mut n.conditions {
                    c.observed_at = Timestamp::UNIX_EPOCH;
                    c.message.clear();
                }
                n
            })
            .collect()
    };
    essence(before) != essence(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{as_of, plain, rack};
    use h8lio_model::condition::Kind;

    #[test]
    fn the_table_has_a_line_for_each_node() {
        insta::assert_snapshot!(plain(&table(&rack(), as_of(), false).render("")));
    }

    #[test]
    fn the_wide_table_adds_id_place_clusters_and_labels() {
        insta::assert_snapshot!(plain(&table(&rack()[..1], as_of(), true).render("")));
    }

    #[test]
    fn a_condition_of_a_newer_coordinator_is_shown_as_it_is() {
        let mut read = rack()[1].clone();
        read.conditions[0].kind = Kind::read("FanStuck").expect("a name");
        let json = serde_json::to_value(&read).expect("JSON");
        assert_eq!(json["conditions"][0]["type"], "FanStuck");
        let text = plain(&table(&[read], as_of(), false).render(""));
        assert!(text.contains("FanStuck"), "{text}");
    }

    #[test]
    fn a_beat_is_no_change_and_a_new_availability_is_one() {
        let before = rack();
        let mut now = rack();
        now[0].last_seen = Some(as_of());
        now[0].availability_reason = "no beat for 99.1 s".into();
        now[1].conditions[0].observed_at = as_of();
        assert!(!differ(&before, &now));
        now[0].availability = h8lio_model::lifecycle::Availability::Suspect;
        assert!(differ(&before, &now));
        assert!(differ(&before, &before[1..]));
    }
}
