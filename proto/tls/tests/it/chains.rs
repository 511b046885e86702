//! Who is taken for a coordinator.

use std::sync::Arc;

use h8lio_tls::pin::SpkiPin;
use h8lio_tls::spiffe::{self, CertificateFault};
use h8lio_tls::verify::{CoordinatorVerifier, NotOurs, Trust};
use rcgen::ExtendedKeyUsagePurpose;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, Error, SignatureScheme};

use crate::fleet::{COORDINATOR, Ca, NODE, at, dns, in_2001, uri};

fn verifier(trust: Trust) -> CoordinatorVerifier {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    CoordinatorVerifier::new(trust, Arc::new(provider))
}

fn of_fleet(ca: &Ca) -> CoordinatorVerifier {
    verifier(Trust::Fleet {
        fleet: "f".parse().expect("valid"),
        bundle: ca.bundle(),
    })
}

fn verify(
    verifier: &CoordinatorVerifier,
    leaf: &CertificateDer<'_>,
    above: &[CertificateDer<'_>],
    now: UnixTime,
) -> Result<(), CertificateError> {
    let name = ServerName::try_from("elsewhere.example").expect("a name");
    match verifier.verify_server_cert(leaf, above, &name, &[], now) {
        Ok(_) => Ok(()),
        Err(Error::InvalidCertificate(e)) => Err(e),
        Err(other) => panic!("not about the certificate: {other}"),
    }
}

/// What of ours stands in the error.
fn ours(e: &CertificateError) -> Option<&NotOurs> {
    match e {
        CertificateError::Other(o) => o.0.downcast_ref(),
        _ => None,
    }
}

#[test]
fn a_coordinator_of_the_fleet_is_taken_whatever_its_address() {
    let ca = Ca::new("ours");
    let leaf = ca.leaf(&[uri(COORDINATOR)]).certificate;
    assert_eq!(verify(&of_fleet(&ca), &leaf, &[], in_2001()), Ok(()));
    let by_pin = verifier(Trust::Pin(ca.pin()));
    let above = [ca.root.clone()];
    assert_eq!(verify(&by_pin, &leaf, &above, in_2001()), Ok(()));
}

#[test]
fn a_chain_of_another_root_is_an_unknown_issuer() {
    let (ours, theirs) = (Ca::new("ours"), Ca::new("theirs"));
    let leaf = theirs.leaf(&[uri(COORDINATOR)]).certificate;
    let above = [theirs.root.clone()];
    let found = verify(&of_fleet(&ours), &leaf, &above, in_2001());
    assert_eq!(found, Err(CertificateError::UnknownIssuer));
}

#[test]
fn a_root_without_the_token_s_pin_is_refused_also_beside_the_right_one() {
    let (good, evil) = (Ca::new("ours"), Ca::new("theirs"));
    let leaf = evil.leaf(&[uri(COORDINATOR)]).certificate;
    let by_pin = verifier(Trust::Pin(good.pin()));
    let expected = good.pin();
    for above in [vec![], vec![evil.root.clone()]] {
        let e = verify(&by_pin, &leaf, &above, in_2001()).expect_err("no pinned root");
        assert_eq!(ours(&e), Some(&NotOurs::WrongPin { expected }));
    }
    // Showing the true root along is no help: the chain must lead to it.
    let both = [evil.root.clone(), good.root.clone()];
    let found = verify(&by_pin, &leaf, &both, in_2001());
    assert_eq!(found, Err(CertificateError::UnknownIssuer));
}

#[test]
fn servers_and_operators_of_the_fleet_are_no_coordinators() {
    let ca = Ca::new("ours");
    for name in [NODE, "spiffe://f/operator/ada/admin"] {
        let leaf = ca.leaf(&[uri(name)]).certificate;
        for v in [of_fleet(&ca), verifier(Trust::Pin(ca.pin()))] {
            let e =
                verify(&v, &leaf, std::slice::from_ref(&ca.root), in_2001()).expect_err("refused");
            assert_eq!(ours(&e), Some(&NotOurs::NotACoordinator(name.into())));
        }
    }
}

#[test]
fn a_coordinator_of_another_fleet_is_refused_even_under_our_root() {
    let ca = Ca::new("ours");
    let leaf = ca.leaf(&[uri("spiffe://g/coordinator/c1")]).certificate;
    let e = verify(&of_fleet(&ca), &leaf, &[], in_2001()).expect_err("refused");
    let other = NotOurs::OtherFleet {
        expected: "f".parse().expect("valid"),
        found: "g".parse().expect("valid"),
    };
    assert_eq!(ours(&e), Some(&other));
}

#[test]
fn a_certificate_made_for_clients_does_not_serve() {
    let ca = Ca::new("ours");
    let names = [uri(COORDINATOR)];
    let leaf = ca.leaf_for(&names, ExtendedKeyUsagePurpose::ClientAuth);
    let found = verify(&of_fleet(&ca), &leaf.certificate, &[], in_2001());
    assert_eq!(found, Err(CertificateError::InvalidPurpose));
}

#[test]
fn too_early_too_late_and_damaged_stay_apart() {
    let ca = Ca::new("ours");
    let leaf = ca.leaf(&[uri(COORDINATOR)]).certificate;
    let v = of_fleet(&ca);
    let early = verify(&v, &leaf, &[], at(946_684_800 + 86_400));
    assert!(
        matches!(early, Err(CertificateError::NotValidYetContext { .. })),
        "{early:?}"
    );
    let late = verify(&v, &leaf, &[], at(1_041_379_200));
    assert!(
        matches!(late, Err(CertificateError::ExpiredContext { .. })),
        "{late:?}"
    );
    let cut = CertificateDer::from(leaf[..leaf.len() - 1].to_vec());
    let damaged = verify(&v, &cut, &[], in_2001());
    assert_eq!(damaged, Err(CertificateError::BadEncoding));
    let mut forged = leaf.to_vec();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    let signature = verify(&v, &CertificateDer::from(forged), &[], in_2001());
    assert_eq!(signature, Err(CertificateError::BadSignature));
}

#[test]
fn a_certificate_with_no_two_or_foreign_names_speaks_for_nobody() {
    let ca = Ca::new("ours");
    for (names, n) in [
        (vec![], 0),
        (vec![uri(COORDINATOR), uri(NODE)], 2),
        (vec![uri(COORDINATOR), dns("c1.example")], 2),
        (vec![dns("c1.example")], 1),
    ] {
        let leaf = ca.leaf(&names).certificate;
        let found = spiffe::of_certificate(&leaf).expect_err("nobody");
        assert_eq!(found, CertificateFault::NotOneName(n));
        verify(&of_fleet(&ca), &leaf, &[], in_2001()).expect_err("refused");
    }
    let leaf = ca.leaf(&[uri("https://c1.example/")]).certificate;
    let found = spiffe::of_certificate(&leaf).expect_err("nobody");
    assert!(matches!(found, CertificateFault::NotAnId(_)), "{found:?}");
}

#[test]
fn bytes_behind_a_certificate_make_it_unreadable() {
    let ca = Ca::new("ours");
    let mut der = ca.leaf(&[uri(COORDINATOR)]).certificate.to_vec();
    let id = spiffe::of_certificate(&der).expect("one name");
    assert_eq!(id.to_string(), COORDINATOR);
    der.push(0);
    let malformed = Some(CertificateFault::Malformed);
    assert_eq!(spiffe::of_certificate(&der).err(), malformed);
    assert_eq!(SpkiPin::of_certificate(&der).err(), malformed);
}

#[test]
fn the_verifier_offers_modern_signatures() {
    let schemes = verifier(Trust::Pin(SpkiPin([0; 32]))).supported_verify_schemes();
    assert!(schemes.contains(&SignatureScheme::ECDSA_NISTP256_SHA256));
    assert!(!schemes.contains(&SignatureScheme::RSA_PKCS1_SHA1));
}
