//! Report sections and claims.

use h8lio_model::section::{Digest, Section, SectionKind};
use h8lio_model::token::Claims;

use super::{Invalid, non_empty, read_digest};
use crate::v1;

impl From<Section> for v1::Section {
    fn from(s: Section) -> Self {
        Self {
            kind: s.kind as i32,
            digest: s.digest.0.to_vec(),
            body: s.body.into(),
        }
    }
}

impl TryFrom<v1::Section> for Section {
    type Error = Invalid;

    /// Checks the digest against the bytes.
    fn try_from(s: v1::Section) -> Result<Self, Invalid> {
        let kind = read_section_kind(s.kind)?;
        let digest = read_digest("section.digest", &s.digest)?;
        if Digest::of(&s.body) != digest {
            return Err(Invalid::new("section.digest", "does not match the body"));
        }
        Ok(Self {
            kind,
            digest,
            body: s.body.to_vec(),
        })
    }
}

/// A section kind from the wire.
///
/// # Errors
/// When it is not known (a newer agent).
pub fn read_section_kind(n: i32) -> Result<SectionKind, Invalid> {
    SectionKind::from_wire(n)
        .ok_or_else(|| Invalid::new("section.kind", format!("section kind {n} is not known")))
}

/// A section's digest to the wire.
pub fn section_digest(kind: SectionKind, digest: Digest) -> v1::SectionDigest {
    v1::SectionDigest {
        kind: kind as i32,
        digest: digest.0.to_vec(),
    }
}

/// Section digests from the wire; kinds that are not known are left out.
///
/// # Errors
/// When a digest does not have 32 bytes.
pub fn read_section_digests(
    wire: &[v1::SectionDigest],
) -> Result<Vec<(SectionKind, Digest)>, Invalid> {
    let mut out = Vec::with_capacity(wire.len());
    for d in wire {
        if let Some(kind) = SectionKind::from_wire(d.kind) {
            out.push((kind, read_digest("sections.digest", &d.digest)?));
        }
    }
    Ok(out)
}

impl From<Claims> for v1::Claims {
    fn from(c: Claims) -> Self {
        Self {
            hostname: c.hostname,
            serial: c.serial.unwrap_or_default(),
            system_uuid: c.system_uuid.unwrap_or_default(),
            macs: c.macs,
        }
    }
}

/// Longest claim taken, bytes: longer ones are refused, not cut.
const CLAIM_MAX: usize = 256;

impl TryFrom<v1::Claims> for Claims {
    type Error = Invalid;

    fn try_from(c: v1::Claims) -> Result<Self, Invalid> {
        let texts = [&c.hostname, &c.serial, &c.system_uuid]
            .into_iter()
            .chain(&c.macs);
        for text in texts {
            if text.len() > CLAIM_MAX || text.chars().any(char::is_control) {
                return Err(Invalid::new(
                    "claims",
                    "texts have at most 256 bytes and no control characters",
                ));
            }
        }
        if c.macs.len() > 128 {
            return Err(Invalid::new("claims.macs", "at most 128 addresses"));
        }
        Ok(Self {
            hostname: c.hostname,
            serial: non_empty(c.serial),
            system_uuid: non_empty(c.system_uuid),
            macs: c.macs,
        })
    }
}
