//! A small certificate authority for tests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use h8lio_model::ids::{FleetName, NodeId, Rotation};
use h8lio_tls::bundle::TrustBundle;
use h8lio_tls::serial::Serial;
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer};
use uuid::Uuid;

pub struct TestCa {
    pub fleet: FleetName,
    issuer: CertifiedIssuer<'static, KeyPair>,
    rotation: AtomicU64,
}

pub const NODE: NodeId = NodeId::new(Uuid::from_u128(0x4000_8000_0000_0000_0001));

impl TestCa {
    pub fn new(fleet: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
            .distinguished_name
            .push(DnType::CommonName, format!("{fleet} test root"));
        let key = KeyPair::generate().expect("a key");
        Self {
            fleet: fleet.parse().expect("valid"),
            issuer: CertifiedIssuer::self_signed(params, key).expect("signed"),
            rotation: AtomicU64::new(0),
        }
    }

    pub fn root(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    pub fn bundle(&self) -> TrustBundle {
        TrustBundle::new(vec![self.root()]).expect("a bundle")
    }

    pub fn rotations(&self) -> u64 {
        self.rotation.load(Ordering::SeqCst)
    }

    fn sign(
        &self,
        key: &impl PublicKeyData,
        id: &str,
        usage: ExtendedKeyUsagePurpose,
        life: (Timestamp, Timestamp),
    ) -> CertificateDer<'static> {
        let rotation = self.rotation.fetch_add(1, Ordering::SeqCst) + 1;
        let serial = Serial::new([1; 8], Rotation(rotation));
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from_slice(&serial.0));
        params.subject_alt_names = vec![SanType::URI(id.try_into().expect("ascii"))];
        params.extended_key_usages = vec![usage];
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        let at = |t: Timestamp| epoch + Duration::from_secs(t.as_second() as u64);
        params.not_before = at(life.0);
        params.not_after = at(life.1);
        let cert = params.signed_by(key, &self.issuer).expect("signed");
        cert.der().clone()
    }

    /// A coordinator's certificate and key.
    pub fn coordinator(
        &self,
        now: Timestamp,
    ) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().expect("a key");
        let id = format!("spiffe://{}/coordinator/c1", self.fleet);
        let day = SignedDuration::from_hours(24);
        let cert = self.sign(
            &key,
            &id,
            ExtendedKeyUsagePurpose::ServerAuth,
            (now - day, now + day),
        );
        let der = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        (vec![cert, self.root()], der)
    }

    /// A node certificate for the public key of `csr`.
    pub fn node(&self, csr: &[u8], life: (Timestamp, Timestamp)) -> CertificateDer<'static> {
        let csr = CertificateSigningRequestDer::from(csr.to_vec());
        let csr = CertificateSigningRequestParams::from_der(&csr).expect("a CSR");
        let id = format!("spiffe://{}/node/{NODE}", self.fleet);
        self.sign(
            &csr.public_key,
            &id,
            ExtendedKeyUsagePurpose::ClientAuth,
            life,
        )
    }
}
