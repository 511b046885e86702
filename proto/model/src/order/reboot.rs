use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{BootId, InvalidId};

/// A kernel's release as `uname -r` prints it, for example `6.1.0-28-amd64`. At most 64 characters
/// (the kernel's own limit).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KernelRelease(String);

impl KernelRelease {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KernelRelease {
    type Err = InvalidId;

    fn from_str(s: &str) -> Result<Self, InvalidId> {
        let fine = |c: char| c.is_ascii_alphanumeric() || "+-._~".contains(c);
        let why = if s.is_empty() || s.len() > 64 {
            "1 to 64 characters are needed"
        } else if !s.starts_with(|c: char| c.is_ascii_digit()) {
            "must begin with a digit"
        } else if !s.chars().all(fine) {
            "holds a character that no kernel release has"
        } else {
            return Ok(Self(s.to_owned()));
        };
        Err(InvalidId::new("kernel release", s, why))
    }
}

impl TryFrom<String> for KernelRelease {
    type Error = InvalidId;

    fn try_from(s: String) -> Result<Self, InvalidId> {
        s.parse()
    }
}

impl From<KernelRelease> for String {
    fn from(v: KernelRelease) -> String {
        v.0
    }
}

impl fmt::Display for KernelRelease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
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
