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
