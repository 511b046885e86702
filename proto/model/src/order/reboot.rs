use serde::{Deserialize, Serialize};

use crate::ids::BootId;
use crate::text::checked_text;

checked_text! {
    /// A kernel's release as `uname -r` prints it, for example `6.1.0-28-amd64`. At most 64
    /// characters (the kernel's own limit).
    KernelRelease, "kernel release", fault
}

fn fault(s: &str) -> Option<&'static str> {
    let fine = |c: char| c.is_ascii_alphanumeric() || "+-._~".contains(c);
    if s.is_empty() || s.len() > 64 {
        return Some("1 to 64 characters are needed");
    }
    if !s.starts_with(|c: char| c.is_ascii_digit()) {
        return Some("must begin with a digit");
    }
    (!s.chars().all(fine)).then_some("holds a character that no kernel release has")
}

/// "The boot id must differ from this one". Once it does, the wish is met, however often it is
/// repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RebootWish {
    /// The boot that must have ended.
    pub boot_id_not: BootId,
    /// What must run afterwards; `None`: whatever ran before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<KernelRelease>,
}

impl RebootWish {
    /// Whether a server in this boot has done what is wished.
    pub fn is_met_by(&self, boot: BootId) -> bool {
        boot != self.boot_id_not
    }
}
