//! Report sections: the parts of a server's inventory, each with a content hash, so that what
//! did not change costs nothing.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The parts of a report. The number is the one on the wire (proto `SectionKind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[repr(i32)]
pub enum SectionKind {
    Hardware = 1,
    Os = 2,
    Packages = 3,
    Disks = 4,
    Osds = 5,
    Network = 6,
    Runtime = 7,
    Managers = 8,
    Conditions = 9,
    /// Fast-moving readings (pressure, load, temperatures): kept in memory, never stored.
    Vitals = 10,
    /// What the agent's ledger says. Kept in memory: the ledger itself is the record, and what a
    /// coordinator must remember of it is written apart.
    Orders = 11,
}

impl SectionKind {
    /// Every kind, in the order of the wire numbers.
    pub const ALL: [Self; 11] = [
        Self::Hardware,
        Self::Os,
        Self::Packages,
        Self::Disks,
        Self::Osds,
        Self::Network,
        Self::Runtime,
        Self::Managers,
        Self::Conditions,
        Self::Vitals,
        Self::Orders,
    ];

    /// The key used in JSON and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hardware => "hardware",
            Self::Os => "os",
            Self::Packages => "packages",
            Self::Disks => "disks",
            Self::Osds => "osds",
            Self::Network => "network",
            Self::Runtime => "runtime",
            Self::Managers => "managers",
            Self::Conditions => "conditions",
            Self::Vitals => "vitals",
            Self::Orders => "orders",
        }
    }

    /// Whether a change of this section is written to the store.
    pub const fn is_durable(self) -> bool {
        !matches!(self, Self::Vitals | Self::Orders)
    }

    /// The kind with this wire number.
    pub fn from_wire(n: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|k| *k as i32 == n)
    }
}

impl fmt::Display for SectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// SHA-256 over a section's exact bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let d = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
        let mut out = [0; 32];
        out.copy_from_slice(d.as_ref());
        Self(out)
    }

    /// Reads a digest of exactly 32 bytes.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(d)?;
        let bytes = hex::decode(text.as_ref()).map_err(serde::de::Error::custom)?;
        Self::from_slice(&bytes).ok_or_else(|| serde::de::Error::custom("a digest has 32 bytes"))
    }
}

/// A section as it travels: its JSON, hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    pub kind: SectionKind,
    pub digest: Digest,
    /// UTF-8 JSON of the inventory type that belongs to `kind`.
    pub body: Vec<u8>,
}

impl Section {
    /// Encodes `facts`. Struct fields keep their order and maps are sorted, so equal facts give
    /// equal bytes.
    ///
    /// # Errors
    /// When `facts` has no JSON form (a map with keys that are no strings, say).
    pub fn encode<T: Serialize>(kind: SectionKind, facts: &T) -> Result<Self, serde_json::Error> {
        let body = serde_json::to_vec(facts)?;
        Ok(Self {
            kind,
            digest: Digest::of(&body),
            body,
        })
    }
}
