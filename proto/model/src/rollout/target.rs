use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::InvalidId;
use crate::order::PackageName;

/// What a rollout brings. Which versions that means is settled once, when it is first planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RolloutTarget {
    /// What waits from security archives.
    Security,
    /// All that waits.
    All,
    /// The kernel alone.
    Kernel,
    /// These packages, also such that are otherwise left alone.
    Packages(BTreeSet<PackageName>),
    /// No package, a reboot alone.
    RebootOnly,
}

impl fmt::Display for RolloutTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Security => f.write_str("security"),
            Self::All => f.write_str("all"),
            Self::Kernel => f.write_str("kernel"),
            Self::RebootOnly => f.write_str("reboot-only"),
            Self::Packages(names) => {
                let names: Vec<_> = names.iter().map(PackageName::as_str).collect();
                write!(f, "packages:{}", names.join(","))
            }
        }
    }
}

impl FromStr for RolloutTarget {
    type Err = InvalidId;

    /// `security`, `all`, `kernel`, `reboot-only` or `packages:NAME,NAME`.
    fn from_str(s: &str) -> Result<Self, InvalidId> {
        match s {
            "security" => Ok(Self::Security),
            "all" => Ok(Self::All),
            "kernel" => Ok(Self::Kernel),
            "reboot-only" => Ok(Self::RebootOnly),
            _ => {
                let names = s.strip_prefix("packages:").ok_or_else(|| {
                    let why = "use security, all, kernel, reboot-only or packages:NAME,NAME";
                    InvalidId::new("rollout target", s, why)
                })?;
                let names: Result<BTreeSet<_>, _> = names.split(',').map(str::parse).collect();
                names.map(Self::Packages)
            }
        }
    }
}

impl TryFrom<String> for RolloutTarget {
    type Error = InvalidId;

    fn try_from(s: String) -> Result<Self, InvalidId> {
        s.parse()
    }
}

impl From<RolloutTarget> for String {
    fn from(target: RolloutTarget) -> Self {
        target.to_string()
    }
}
