//! A fleet's certificates, made here.

use h8lio_model::ids::Rotation;
use h8lio_tls::bundle::TrustBundle;
use h8lio_tls::pin::SpkiPin;
use h8lio_tls::serial::Serial;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

/// Certificates here hold from 2001 to 2002; this is in the middle.
pub(crate) fn in_2001() -> UnixTime {
    at(993_945_600)
}

pub(crate) fn at(second: u64) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(second))
}

/// A root and what it signs.
pub(crate) struct Ca {
    pub(crate) root: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2010, 1, 1);
        let root = params.self_signed(&key).expect("signed").der().clone();
        let issuer = Issuer::new(params, key);
        Self { root, issuer }
    }

    pub(crate) fn pin(&self) -> SpkiPin {
        SpkiPin::of_certificate(&self.root).expect("a certificate")
    }

    pub(crate) fn bundle(&self) -> TrustBundle {
        TrustBundle::new(vec![self.root.clone()]).expect("a bundle")
    }

    /// A leaf with these names, good for a TLS server.
    pub(crate) fn leaf(&self, names: &[SanType]) -> Leaf {
        self.leaf_for(names, ExtendedKeyUsagePurpose::ServerAuth)
    }

    pub(crate) fn leaf_for(&self, names: &[SanType], use_: ExtendedKeyUsagePurpose) -> Leaf {
        self.leaf_numbered(names, use_, &Serial::new([5; 8], Rotation(41)).0)
    }

    pub(crate) fn leaf_numbered(
        &self,
        names: &[SanType],
        use_: ExtendedKeyUsagePurpose,
        serial: &[u8],
    ) -> Leaf {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.to_vec();
        params.serial_number = Some(SerialNumber::from_slice(serial));
        params.extended_key_usages = vec![use_];
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
        let signed = params.signed_by(&key, &self.issuer).expect("signed");
        let certificate = signed.der().clone();
        Leaf { certificate, key }
    }
}

/// A leaf with its key.
pub(crate) struct Leaf {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) key: KeyPair,
}

impl Leaf {
    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        h8lio_tls::identity::key_to_der(&self.key)
    }
}

pub(crate) fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().expect("ASCII"))
}

pub(crate) fn dns(text: &str) -> SanType {
    SanType::DnsName(text.try_into().expect("ASCII"))
}

pub(crate) const COORDINATOR: &str = "spiffe://f/coordinator/c1";
pub(crate) const NODE: &str = "spiffe://f/node/00000000-0000-0000-0000-000000000007";
