//! smartctl's answer: the drive's verdict on itself.
//!
//! The exit status is a bitmask (smartctl(8), "EXIT STATUS") behind which the JSON is valid:
//! 1 bad command line, 2 device did not open, 4 some command failed, 8 the drive says that it
//! fails, 16 a pre-failure attribute is below its threshold, 32 one was in the past, 64 errors in
//! the error log, 128 errors in the self-test log. Bits 4, 32, 64 and 128 are no verdict: the
//! first is set by every virtual and many real drives that lack an optional log page.
//!
//! A missing value is unknown, never "fine" and never "failing".

use h8lio_model::inventory::{Health, SmartSummary};
use serde_json::Value;

use super::text::for_people;
use crate::host::disks::RawSmart;

const CANNOT_ASK: i32 = 1 | 2;
const FAILING: i32 = 8;
/// NVMe `critical_warning`: a hot drive. It is to be cooled, not replaced; but smartctl's overall
/// verdict and exit status repeat it.
const TEMPERATURE: u8 = 2;
const PREFAIL: i32 = 16;

/// NVMe `critical_warning`, bit by bit (NVM Express base specification, SMART log, byte 0).
const CRITICAL_WARNINGS: [&str; 6] = [
    "available spare is below its threshold",
    "temperature is outside its limits",
    "reliability is degraded by media or internal errors",
    "media is in read-only mode",
    "volatile memory backup has failed",
    "persistent memory region is unreliable",
];

/// What one drive said.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    pub health: Health,
    /// `None` when the drive gave no value at all.
    pub summary: Option<SmartSummary>,
    /// Degrees Celsius.
    pub temperature: Option<i32>,
}

impl Reading {
    /// Nothing is known, and why.
    pub fn unknown(reason: String) -> Self {
        Self {
            health: Health::Unknown { reason },
            summary: None,
            temperature: None,
        }
    }
}

/// Judges an answer.
pub fn read(raw: &RawSmart) -> Reading {
    let summary = summary(&raw.json);
    let temperature = raw.json["temperature"]["current"]
        .as_i64()
        .and_then(|t| i32::try_from(t).ok())
        // Drives without a sensor say 0; smartctl passes it on.
        .filter(|t| (1..=150).contains(t));
    Reading {
        health: health(raw, &summary),
        summary: (summary != SmartSummary::default()).then_some(summary),
        temperature,
    }
}

fn health(raw: &RawSmart, summary: &SmartSummary) -> Health {
    if !raw.json.is_object() {
        return unknown("smartctl's answer is no JSON object".into());
    }
    if raw.exit & CANNOT_ASK != 0 {
        let said = first_message(&raw.json).unwrap_or_else(|| "it gives no cause".into());
        return unknown(format!("smartctl cannot ask the drive: {said}"));
    }
    let evidence = evidence(raw, summary);
    if !evidence.is_empty() {
        return Health::Failing { evidence };
    }
    if summary.critical_warning == Some(TEMPERATURE) {
        return unknown(
            "the drive is outside its temperature limits, and gives no other verdict; check the \
             airflow"
                .into(),
        );
    }
    let support = &raw.json["smart_support"];
    if support["available"] == Value::Bool(false) {
        return unknown("the drive offers no SMART".into());
    }
    if support["enabled"] == Value::Bool(false) {
        return unknown("SMART is switched off in the drive; `smartctl -s on` turns it on".into());
    }
    match (summary.passed, summary.critical_warning) {
        // NVMe through older smartctl gives only the log page: no bit set is the drive's verdict.
        (Some(true), _) | (None, Some(0)) => Health::Healthy,
        _ => unknown("the drive gives no verdict on itself".into()),
    }
}

fn unknown(reason: String) -> Health {
    Health::Unknown { reason }
}

fn evidence(raw: &RawSmart, summary: &SmartSummary) -> Vec<String> {
    let mut found = Vec::new();
    if summary.critical_warning == Some(TEMPERATURE) {
        return found;
    }
    if summary.passed == Some(false) || raw.exit & FAILING != 0 {
        found.push("the drive's own overall verdict is: failing".to_owned());
    }
    if let Some(text) = raw.json["smart_status"]["scsi"]["ie_string"].as_str()
        && summary.passed == Some(false)
    {
        found.extend(for_people(text));
    }
    let bits = summary.critical_warning.unwrap_or(0);
    for bit in (0..8).filter(|bit| bits & (1 << bit) != 0) {
        let means = CRITICAL_WARNINGS.get(bit).unwrap_or(&"reserved");
        found.push(format!("NVMe critical warning, bit {bit}: {means}"));
    }
    let prefail = prefail_attributes(&raw.json);
    if prefail.is_empty() && raw.exit & PREFAIL != 0 {
        found.push("a pre-failure attribute is below its threshold".to_owned());
    }
    found.extend(prefail);
    found
}

fn prefail_attributes(json: &Value) -> Vec<String> {
    attributes(json)
        .filter(|a| a["when_failed"] == "now" && a["flags"]["prefailure"] == Value::Bool(true))
        .map(|a| {
            let name = a["name"].as_str().and_then(for_people).unwrap_or_default();
            let (value, thresh) = (a["value"].as_u64(), a["thresh"].as_u64());
            format!(
                "attribute {} {name} is at {}, threshold {}",
                a["id"].as_u64().unwrap_or_default(),
                value.map_or_else(|| "?".into(), |v| v.to_string()),
                thresh.map_or_else(|| "?".into(), |v| v.to_string()),
            )
        })
        .collect()
}

fn attributes(json: &Value) -> impl Iterator<Item = &Value> {
    json["ata_smart_attributes"]["table"]
        .as_array()
        .into_iter()
        .flatten()
}

fn summary(json: &Value) -> SmartSummary {
    let attribute = |id: u64| {
        attributes(json)
            .find(|a| a["id"].as_u64() == Some(id))
            .and_then(|a| a["raw"]["value"].as_u64())
    };
    let nvme = &json["nvme_smart_health_information_log"];
    let wear = [
        &nvme["percentage_used"],
        &json["scsi_percentage_used_endurance_indicator"],
        &json["endurance_used"]["current_percent"],
    ];
    SmartSummary {
        passed: json["smart_status"]["passed"].as_bool(),
        reallocated_sectors: attribute(5).or(json["scsi_grown_defect_list"].as_u64()),
        pending_sectors: attribute(197),
        offline_uncorrectable: attribute(198),
        media_errors: nvme["media_errors"].as_u64(),
        critical_warning: nvme["critical_warning"]
            .as_u64()
            .and_then(|w| u8::try_from(w).ok()),
        percentage_used: wear
            .iter()
            .find_map(|w| w.as_u64())
            .and_then(|w| u32::try_from(w).ok()),
    }
}

fn first_message(json: &Value) -> Option<String> {
    json["smartctl"]["messages"]
        .as_array()?
        .iter()
        .find_map(|m| m["string"].as_str().and_then(for_people))
}
