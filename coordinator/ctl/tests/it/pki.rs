//! A CA of our own, and contexts signed by it.

use h8lctl::context::Context;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    PublicKeyData, SanType, SerialNumber,
};

/// A certificate authority of fleet `demo`, with a name of its own.
pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) der: Vec<u8>,
    pub(crate) pem: String,
}

impl Ca {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("key");
        let mut params = CertificateParams::default();
        let mark = uuid::Uuid::new_v4().to_string();
        params
            .distinguished_name
            .push(rcgen::DnType::OrganizationName, mark);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).expect("root");
        Self {
            der: root.der().to_vec(),
            pem: root.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate for `uri`, valid from 1975 to `last_year`.
    pub(crate) fn sign(&self, uri: &str, key: &impl PublicKeyData, last_year: i32) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(uri.try_into().expect("ASCII"))];
        params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
        params.serial_number = Some(SerialNumber::from_slice(&[0x41; 16]));
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
        ];
        let certificate = params.signed_by(key, &self.issuer).expect("signed");
        certificate.der().to_vec()
    }

    /// A context for operator ada (admin).
    pub(crate) fn context(&self, name: &str, addresses: &[&str], last_year: i32) -> Context {
        let key = KeyPair::generate().expect("key");
        let der = self.sign("spiffe://demo/operator/ada/admin", &key, last_year);
        let chain = [der.into()];
        Context {
            name: name.to_owned(),
            fleet: "demo".parse().expect("valid"),
            addresses: addresses.iter().map(|a| (*a).to_owned()).collect(),
            ca: self.pem.clone(),
            certificate: h8lio_tls::bundle::certificates_to_pem(&chain),
            key: Some(key.serialize_pem()),
            key_file: None,
        }
    }
}
