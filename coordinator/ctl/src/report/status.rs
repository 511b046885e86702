//! `h8lctl status`

use std::collections::BTreeMap;

use h8lio_model::audit::AuditHead;
use h8lio_proto::convert::{non_empty, read_timestamp};
use h8lio_proto::v1;
use jiff::Timestamp;
use serde::Serialize;

use crate::errors::CtlError;
use crate::output::{Cell, Table, Text, Tone, age, duration, instant};

/// The JSON of `status`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusView {
    pub fleet: String,
    pub coordinator: String,
    pub version: String,
    pub started_at: Timestamp,
    pub as_of: Timestamp,
    pub incarnation: String,
    pub epoch: u64,
    /// Nodes by `admission/availability`.
    pub nodes: BTreeMap<String, u32>,
    pub sessions: u32,
    /// `ok`, or why the store takes no writes.
    pub store: String,
    pub store_revision: u64,
    pub audit_head: Option<AuditHead>,
    /// Why no verdict is given on nodes, and until when.
    pub warming_up: Option<String>,
    pub caller: String,
    pub caller_role: String,
    /// Conditions that hold, by type.
    pub conditions: BTreeMap<String, u32>,
}

impl StatusView {
    /// Reads an answer.
    ///
    /// # Errors
    /// When a field cannot mean anything.
    pub fn read(a: v1::GetStatusResponse) -> Result<Self, CtlError> {
        Ok(Self {
            fleet: a.fleet,
            coordinator: a.coordinator,
            version: a.version,
            started_at: read_timestamp("started_at", a.started_at)?,
            as_of: read_timestamp("as_of", a.as_of)?,
            incarnation: a.incarnation,
            epoch: a.epoch,
            nodes: a.nodes.into_iter().collect(),
            sessions: a.sessions,
            store: a.store,
            store_revision: a.store_revision,
            audit_head: a.audit_head.map(AuditHead::try_from).transpose()?,
            warming_up: non_empty(a.warming_up),
            caller: a.caller,
            caller_role: a.caller_role,
            conditions: a.conditions.into_iter().collect(),
        })
    }
}

/// The page for people.
pub fn page(s: &StatusView) -> String {
    let mut text = Text::new();
    text.heading(&format!("Fleet {}", s.fleet));
    text.field(
        "coordinator",
        format!(
            "{}, version {}, up for {}",
            s.coordinator,
            s.version,
            duration(age(s.started_at, s.as_of))
        ),
    );
    text.field("you", format!("{} ({})", s.caller, s.caller_role));
    text.field("as of", instant(s.as_of));
    if let Some(why) = &s.warming_up {
        text.field("warming up", why);
    }
    text.field(
        "store",
        format!("{}, revision {}", s.store, s.store_revision),
    );
    text.field(
        "epoch",
        format!("{} of incarnation {}", s.epoch, s.incarnation),
    );
    if let Some(head) = &s.audit_head {
        text.field("audit head", format!("{}:{}", head.seq, head.hash));
    }
    text.field("sessions", s.sessions.to_string());

    text.heading("Nodes");
    let mut table = Table::new(&["ADMISSION", "AVAILABILITY", "COUNT"]);
    for (key, count) in &s.nodes {
        let (admission, availability) = key.split_once('/').unwrap_or((key, "-"));
        table.row(vec![
            admission.into(),
            availability.into(),
            count.to_string().into(),
        ]);
    }
    text.table(
        &table,
        "none yet; `h8lctl token create` lets the first one in",
    );

    text.heading("Conditions");
    let mut table = Table::new(&["TYPE", "COUNT"]);
    for (kind, count) in &s.conditions {
        table.row(vec![
            Cell::toned(kind, Tone::Warn),
            count.to_string().into(),
        ]);
    }
    text.table(&table, "none");
    text.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{as_of, plain};

    fn sample() -> StatusView {
        StatusView {
            fleet: "demo".into(),
            coordinator: "c1".into(),
            version: "0.1.0".into(),
            started_at: as_of() - jiff::SignedDuration::from_hours(30),
            as_of: as_of(),
            incarnation: "7f0e".into(),
            epoch: 1,
            nodes: BTreeMap::from([
                ("Enrolled/Online".into(), 12),
                ("Pending/Suspect".into(), 1),
            ]),
            sessions: 12,
            store: "ok".into(),
            store_revision: 311,
            audit_head: Some(AuditHead::EMPTY),
            warming_up: Some("started 5 s ago; verdicts from 21:40:15Z".into()),
            caller: "ada".into(),
            caller_role: "admin".into(),
            conditions: BTreeMap::from([("DiskFailing".into(), 2)]),
        }
    }

    #[test]
    fn the_page_says_who_where_and_how_the_fleet_is() {
        insta::assert_snapshot!(plain(&page(&sample())));
    }
}
