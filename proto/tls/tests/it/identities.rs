//! Chains with their keys.

use h8lio_model::ids::Rotation;
use h8lio_tls::identity::{
    Identity, IdentityError, Validity, csr, generate_key, key_from_pem, key_to_der, key_to_pem,
};
use h8lio_tls::serial::Serial;
use jiff::Timestamp;
use rcgen::ExtendedKeyUsagePurpose;
use rustls::pki_types::PrivateKeyDer;
use x509_parser::prelude::{FromDer, X509CertificationRequest};

use crate::fleet::{Ca, Leaf, NODE, uri};

fn node(ca: &Ca) -> Leaf {
    ca.leaf_for(&[uri(NODE)], ExtendedKeyUsagePurpose::ClientAuth)
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

#[test]
fn an_identity_says_what_its_certificate_says() {
    let ca = Ca::new("ours");
    let leaf = node(&ca);
    let chain = vec![leaf.certificate.clone(), ca.root.clone()];
    let i = Identity::new(chain.clone(), leaf.key()).expect("they belong together");
    assert_eq!(i.spiffe().to_string(), NODE);
    assert_eq!(i.rotation(), Rotation(41));
    assert_eq!(i.serial(), Serial::new([5; 8], Rotation(41)));
    assert_eq!(i.chain(), chain);
    assert_eq!(i.key(), leaf.key());
    let validity = Validity {
        not_before: time("2001-01-01T00:00:00Z"),
        not_after: time("2002-01-01T00:00:00Z"),
    };
    assert_eq!(i.validity(), validity);
    // It was issued five minutes after it begins.
    assert_eq!(validity.half_life(), time("2001-07-02T12:02:30Z"));
    let shown = format!("{i:?}");
    assert!(shown.contains(NODE) && shown.contains(&i.serial().to_string()));

    let key = key_to_pem(&leaf.key);
    let back = Identity::from_pem(i.chain_pem().as_bytes(), key.as_bytes()).expect("PEM");
    assert_eq!((back.chain(), back.key()), (i.chain(), i.key()));
}

#[test]
fn what_does_not_belong_together_is_no_identity() {
    let ca = Ca::new("ours");
    let (leaf, other) = (node(&ca), node(&ca));
    let new = |chain, key| Identity::new(chain, key).expect_err("refused");
    assert!(matches!(new(vec![], leaf.key()), IdentityError::Empty));
    let mismatch = new(vec![leaf.certificate.clone()], other.key());
    assert!(matches!(mismatch, IdentityError::KeyMismatch));
    // The leaf comes first: a chain the wrong way round is not of this key.
    let turned = new(vec![ca.root.clone(), leaf.certificate.clone()], leaf.key());
    assert!(matches!(turned, IdentityError::Certificate(_)));
    let no_key = PrivateKeyDer::Pkcs8(vec![1, 2, 3].into());
    let unreadable = new(vec![leaf.certificate.clone()], no_key);
    assert!(matches!(unreadable, IdentityError::Key));
    let text = Identity::from_pem(b"", b"no key").expect_err("refused");
    assert!(matches!(text, IdentityError::Pem(_)));
}

#[test]
fn only_a_serial_of_sixteen_bytes_is_one_of_ours() {
    let ca = Ca::new("ours");
    for n in [1, 15, 17, 20] {
        let names = [uri(NODE)];
        let number = vec![0x41; n];
        let leaf = ca.leaf_numbered(&names, ExtendedKeyUsagePurpose::ClientAuth, &number);
        assert_eq!(Serial::of_certificate(&leaf.certificate), None, "{n} bytes");
        let e = Identity::new(vec![leaf.certificate.clone()], leaf.key()).expect_err("refused");
        assert!(matches!(e, IdentityError::Serial), "{n} bytes: {e}");
    }
    assert_eq!(Serial::of_certificate(b"no certificate"), None);
}

#[test]
fn a_serial_keeps_its_random_bits_and_one_of_them_says_that_it_is_positive() {
    let s = Serial::new([0xab, 1, 2, 3, 4, 5, 6, 7], Rotation(0x0102_0304_0506_0708));
    assert_eq!(s.to_string(), "6b010203040506070102030405060708");
    for wrong in ["", "6b", "6b01020304050607010203040506070g"] {
        wrong.parse::<Serial>().expect_err(wrong);
    }
}

#[test]
fn a_request_carries_the_key_and_names_nobody() {
    let key = generate_key().expect("a key");
    let der = csr(&key).expect("a request");
    let (rest, request) = X509CertificationRequest::from_der(&der).expect("PKCS#10");
    assert!(rest.is_empty());
    request.verify_signature().expect("signed by its own key");
    let spki = request.certification_request_info.subject_pki.raw;
    assert_eq!(spki, rcgen::PublicKeyData::subject_public_key_info(&key));
    let extensions = request.requested_extensions();
    assert_eq!(extensions.map_or(0, Iterator::count), 0);
    let again = key_from_pem(&key_to_pem(&key)).expect("the same key");
    assert_eq!(key_to_der(&again), key_to_der(&key));
    assert_ne!(
        key_to_der(&generate_key().expect("a key")),
        key_to_der(&key)
    );
    key_from_pem("no key").expect_err("not PEM");
}
