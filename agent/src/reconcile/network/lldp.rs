//! Reads what lldpctl prints. Its `json` turns a list of one into an object keyed by name, and
//! its `json0` keeps lists and wraps texts in objects; both are understood.

use h8lio_model::inventory::{LldpNeighbour, Problem};
use serde_json::{Map, Value};

/// Neighbours by local interface.
pub(super) fn neighbours(json: &[u8]) -> Result<Vec<(String, LldpNeighbour)>, Problem> {
    let not_understood = |message: String| Problem {
        what: "lldpctl".to_owned(),
        reason: "NotUnderstood".to_owned(),
        message,
    };
    let value: Value = serde_json::from_slice(json)
        .map_err(|e| not_understood(format!("its output is no JSON: {e}")))?;
    let lldp = value
        .get("lldp")
        .ok_or_else(|| not_understood("its output has no member lldp".to_owned()))?;
    let mut found = Vec::new();
    for entry in each(lldp).filter_map(|l| l.get("interface")).flat_map(each) {
        let Some(entry) = entry.as_object() else {
            return Err(not_understood("an interface is no object".to_owned()));
        };
        match entry.get("name").and_then(Value::as_str) {
            Some(name) => found.push((name.to_owned(), neighbour(entry))),
            None => found.extend(entry.iter().flat_map(|(name, values)| {
                each(values)
                    .filter_map(Value::as_object)
                    .map(|v| (name.clone(), neighbour(v)))
            })),
        }
    }
    Ok(found)
}

fn neighbour(interface: &Map<String, Value>) -> LldpNeighbour {
    let mut out = LldpNeighbour::default();
    if let Some(chassis) = object(interface.get("chassis")) {
        let (name, inner) = unkeyed(chassis);
        out.chassis_id = inner.get("id").and_then(text);
        out.system_name = inner.get("name").and_then(text).or(name);
    }
    if let Some(port) = object(interface.get("port")) {
        out.port_id = port.get("id").and_then(text);
        out.port_description = port.get("descr").and_then(text);
    }
    out
}

/// `{"sw1": {"id": …}}` of the `json` form: the name is the key.
fn unkeyed(chassis: &Map<String, Value>) -> (Option<String>, &Map<String, Value>) {
    let mut entries = chassis.iter();
    match (entries.next(), entries.next()) {
        (Some((name, Value::Object(inner))), None) if name != "id" => (Some(name.clone()), inner),
        _ => (None, chassis),
    }
}

/// The elements of a list, or the thing itself.
fn each(value: &Value) -> std::slice::Iter<'_, Value> {
    match value {
        Value::Array(all) => all.iter(),
        other => std::slice::from_ref(other).iter(),
    }
}

fn object(value: Option<&Value>) -> Option<&Map<String, Value>> {
    each(value?).next()?.as_object()
}

/// A text, or the `value` of an object or of the first object of a list.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(s) => Some(s.clone()),
        Value::Array(all) => all.first().and_then(text),
        Value::Object(o) => o.get("value").and_then(text),
        _ => None,
    }
}
