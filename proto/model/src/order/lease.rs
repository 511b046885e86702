use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::BootId;
use crate::text::checked_text;

checked_text! {
    /// What a lease is about, for example `public-ip/192.0.2.7`. At most 128 characters.
    LeaseResource, "lease resource", fault
}

fn fault(s: &str) -> Option<&'static str> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-._:/".contains(c);
    if s.is_empty() || s.len() > 128 {
        return Some("1 to 128 characters are needed");
    }
    (!s.chars().all(fine)).then_some("only letters, digits, '-', '.', '_', ':' and '/' are allowed")
}

/// Ownership that the server has for a time, bound to one boot: after another boot nothing of it
/// holds without a new grant. Its absence in a newer order gives nothing away by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeldLease {
    pub resource: LeaseResource,
    pub boot_id: BootId,
    pub expires_at: Timestamp,
}
