//! What the server says about itself when it asks for a certificate.

use h8lio_model::inventory::{HardwareFacts, InterfaceKind, NetworkFacts};
use h8lio_model::token::Claims;

/// Claims from the facts. Virtual interfaces are left out: their addresses are made up.
pub fn claims(hostname: &str, hardware: &HardwareFacts, network: &NetworkFacts) -> Claims {
    let physical = network
        .interfaces
        .iter()
        .filter(|i| i.kind == InterfaceKind::Physical);
    let mut macs: Vec<String> = physical
        .filter_map(|i| i.permanent_mac.as_ref().or(i.mac.as_ref()))
        .map(|m| m.to_ascii_lowercase())
        .collect();
    macs.sort();
    macs.dedup();
    Claims {
        hostname: hostname.to_owned(),
        serial: hardware.serial.clone(),
        system_uuid: hardware.system_uuid.clone(),
        macs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(kind: &str, mac: Option<&str>, permanent: Option<&str>) -> serde_json::Value {
        serde_json::json!({
            "name": "x", "index": 1, "kind": kind, "mac": mac, "permanentMac": permanent,
            "mtu": 1500, "adminUp": true, "carrier": "up", "duplex": "full",
            "addresses": [], "lldp": [],
        })
    }

    #[test]
    fn a_server_is_known_by_what_is_burnt_into_it() {
        let hardware = HardwareFacts {
            serial: Some("S1".into()),
            system_uuid: Some("u1".into()),
            ..HardwareFacts::default()
        };
        let network = serde_json::json!({ "interfaces": [
            interface("physical", Some("BB:00:00:00:00:01"), None),
            interface("physical", Some("cc:00:00:00:00:09"), Some("AA:00:00:00:00:02")),
            interface("physical", Some("bb:00:00:00:00:01"), None),
            interface("physical", None, None),
            interface("bridge", Some("dd:00:00:00:00:03"), None),
            interface("veth", Some("ee:00:00:00:00:04"), None),
        ]});
        let network: NetworkFacts = serde_json::from_value(network).expect("facts");
        let claims = claims("s1", &hardware, &network);
        let macs = ["aa:00:00:00:00:02", "bb:00:00:00:00:01"];
        assert_eq!(
            claims,
            Claims {
                hostname: "s1".into(),
                serial: Some("S1".into()),
                system_uuid: Some("u1".into()),
                macs: macs.map(String::from).to_vec(),
            }
        );
    }
}
