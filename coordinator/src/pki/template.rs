//! What the certificates of a fleet look like. Nothing here comes from a caller but the name that
//! the caller was given.

use std::time::Duration;

use h8lio_model::ids::FleetName;
use h8lio_tls::serial::Serial;
use h8lio_tls::spiffe::SpiffeId;
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyUsagePurpose, SanType, SerialNumber, date_time_ymd,
};
use x509_parser::x509::X509Name;

pub use h8lio_tls::identity::BACKDATE;

/// Life of root and issuing certificates: ten years. Rotation makes both anew, long before.
pub const AUTHORITY_LIFE: Duration = Duration::from_secs(10 * 365 * 86_400);

/// From when until when a certificate is to hold, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub not_before: Timestamp,
    pub not_after: Timestamp,
}

impl Span {
    /// From [`BACKDATE`] before `now` until `lifetime` after it; `None` outside the years that
    /// certificates can express.
    pub fn from(now: Timestamp, lifetime: Duration) -> Option<Self> {
        let now = Timestamp::from_second(now.as_second()).ok()?;
        let not_before = now.checked_sub(BACKDATE).ok()?;
        let not_after = now
            .checked_add(Duration::from_secs(lifetime.as_secs()))
            .ok()?;
        (not_before >= Timestamp::UNIX_EPOCH).then_some(Self {
            not_before,
            not_after,
        })
    }

    /// The same span, ending no later than `end`.
    pub fn ending_by(self, end: Timestamp) -> Self {
        Self {
            not_after: self.not_after.min(end),
            ..self
        }
    }
}

/// Which level of the authority a certificate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Self-signed, in the trust bundles.
    Root,
    /// A new root, signed by the old one for the time of a rotation.
    Cross,
    /// Signs what the fleet uses.
    Issuing,
}

impl Level {
    /// How many authorities may stand below: old root → cross → issuing → leaf.
    const fn path_length(self) -> u8 {
        match self {
            Self::Root => 2,
            Self::Cross => 1,
            Self::Issuing => 0,
        }
    }
}

/// A CA certificate. `generation` counts rotations from 1 and is part of the name, so that two
/// roots of one fleet never share a name.
pub fn authority(
    fleet: &FleetName,
    level: Level,
    generation: u64,
    span: Span,
) -> CertificateParams {
    let kind = match level {
        Level::Root | Level::Cross => "root",
        Level::Issuing => "issuing",
    };
    let mut params = base(fleet, &format!("h8lio {kind} CA {generation}"), span);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(level.path_length()));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// The generation in the name of an authority of ours; `None` when it is not one.
pub fn generation(name: &X509Name<'_>) -> Option<u64> {
    let name = name.iter_common_name().next()?.as_str().ok()?;
    let (kind, number) = name.strip_prefix("h8lio ")?.split_once(" CA ")?;
    matches!(kind, "root" | "issuing").then(|| number.parse().ok())?
}

/// What a leaf may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Agents and operators: TLS client only.
    Client,
    /// Coordinators: TLS server only.
    Server,
}

/// A leaf certificate for `id`.
///
/// # Errors
/// When the name is not ASCII, which the types of its parts exclude.
pub fn leaf(
    id: &SpiffeId,
    serial: Serial,
    purpose: Purpose,
    span: Span,
) -> Result<CertificateParams, rcgen::Error> {
    let uri = id.to_string();
    let common_name = uri.rsplit_once("//").map_or(uri.as_str(), |(_, rest)| rest);
    let mut params = base(&id.fleet, common_name, span);
    params.subject_alt_names = vec![SanType::URI(uri.as_str().try_into()?)];
    params.serial_number = Some(SerialNumber::from_slice(&serial.0));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![match purpose {
        Purpose::Client => ExtendedKeyUsagePurpose::ClientAuth,
        Purpose::Server => ExtendedKeyUsagePurpose::ServerAuth,
    }];
    Ok(params)
}

fn base(fleet: &FleetName, common_name: &str, span: Span) -> CertificateParams {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, fleet.as_str());
    // X.520 allows 64 characters; the SPIFFE id in the SAN is what counts.
    name.push(
        DnType::CommonName,
        common_name.chars().take(64).collect::<String>(),
    );
    let at = |t: Timestamp| {
        let seconds = u64::try_from(t.as_second()).unwrap_or(0);
        date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
    };
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.not_before = at(span.not_before);
    params.not_after = at(span.not_after);
    params.use_authority_key_identifier_extension = true;
    params
}
