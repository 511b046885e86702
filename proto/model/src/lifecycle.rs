//! The three independent states of a node. There is no single "status".

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! state_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "PascalCase")]
        pub enum $name { $($(#[$vdoc])* $variant),* }

        impl $name {
            /// All states, in the order of their meaning.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word used in JSON and tables.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

state_enum! {
    /// Whether the server belongs to the fleet.
    Admission {
        /// Asked to join; a person has not approved it yet.
        Pending,
        /// Holds (or may ask for) a node certificate.
        Enrolled,
        /// Gone for good; its identity is never accepted again.
        Decommissioned,
    }
}

state_enum! {
    /// Whether work may be placed on the server.
    Scheduling { Active, Cordoned, Draining, InMaintenance }
}

state_enum! {
    /// Whether the coordinator hears from the server.
    Availability {
        /// Beats arrive.
        Online,
        /// The coordinator started (or woke) recently and has not heard from it yet: no verdict.
        WarmingUp,
        /// Its stream closed, or beats are late.
        Suspect,
        /// Silent for long enough to count as gone; nothing is proven about the server.
        Unreachable,
        /// Proven harmless by a `FenceProof`.
        Fenced,
    }
}

/// An operator's word that an identity is not trusted; reversible by `node unban`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ban {
    pub reason: String,
    pub by: String,
    pub at: jiff::Timestamp,
}

/// What the coordinator saw: two servers with one identity; ended by `node approve`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quarantined {
    pub reason: String,
    pub at: jiff::Timestamp,
}

impl From<Ban> for Restriction {
    fn from(Ban { reason, by, at }: Ban) -> Self {
        Self::Banned { reason, by, at }
    }
}

impl From<Quarantined> for Restriction {
    fn from(Quarantined { reason, at }: Quarantined) -> Self {
        Self::Quarantined { reason, at }
    }
}

/// Why an enrolled identity may do nothing new, although its workload is left alone. Of a ban and
/// a quarantine at once it is the ban, which says more; both stand by themselves in the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "kind"
)]
pub enum Restriction {
    /// An operator banned it; reversible by `node unban`.
    Banned {
        reason: String,
        by: String,
        at: jiff::Timestamp,
    },
    /// The coordinator saw two servers with this identity; ended by `node approve`.
    Quarantined { reason: String, at: jiff::Timestamp },
}
