//! Trust bundles and pins.

use h8lio_model::section::Digest;
use h8lio_tls::bundle::{BundleError, TrustBundle, certificates_from_pem};
use h8lio_tls::pin::SpkiPin;
use rustls::pki_types::CertificateDer;

use crate::fleet::Ca;

#[test]
fn a_bundle_is_the_same_whatever_order_its_roots_came_in() {
    let (a, b) = (Ca::new("a"), Ca::new("b"));
    let one = TrustBundle::new(vec![a.root.clone(), b.root.clone()]).expect("two roots");
    let two = TrustBundle::new(vec![b.root.clone(), a.root.clone(), b.root.clone()])
        .expect("a root twice");
    assert_eq!(one, two);
    assert_eq!(one.digest(), two.digest());
    assert_eq!(one.roots().len(), 2);
    assert!(one.roots().contains(&a.root) && one.roots().contains(&b.root));
    assert_ne!(one.digest(), a.bundle().digest());
}

#[test]
fn the_digest_is_over_the_length_and_the_bytes_of_each_root() {
    let ca = Ca::new("a");
    let mut bytes = (ca.root.len() as u64).to_be_bytes().to_vec();
    bytes.extend_from_slice(&ca.root);
    assert_eq!(ca.bundle().digest(), Digest::of(&bytes));
}

#[test]
fn a_bundle_has_the_pins_of_its_roots_and_no_others() {
    let (a, b, c) = (Ca::new("a"), Ca::new("b"), Ca::new("c"));
    let bundle = TrustBundle::new(vec![a.root.clone(), b.root.clone()]).expect("two roots");
    assert!(bundle.has(a.pin()) && bundle.has(b.pin()));
    assert!(!bundle.has(c.pin()) && !bundle.has(SpkiPin([0; 32])));
}

#[test]
fn a_bundle_reads_back_as_it_prints() {
    let (a, b) = (Ca::new("a"), Ca::new("b"));
    let bundle = TrustBundle::new(vec![a.root.clone(), b.root.clone()]).expect("two roots");
    let pem = bundle.to_pem();
    assert_eq!(pem.matches("BEGIN CERTIFICATE").count(), 2);
    assert!(!pem.contains('\r'));
    assert_eq!(
        TrustBundle::from_pem(pem.as_bytes()).expect("valid"),
        bundle
    );
    let read = certificates_from_pem(pem.as_bytes()).expect("valid");
    assert_eq!(read, bundle.roots());
}

#[test]
fn nothing_and_garbage_are_no_bundle() {
    assert!(matches!(TrustBundle::new(vec![]), Err(BundleError::Empty)));
    assert!(matches!(
        TrustBundle::from_pem(b"text"),
        Err(BundleError::Empty)
    ));
    let roots = vec![Ca::new("a").root, CertificateDer::from(vec![1, 2, 3])];
    assert!(matches!(
        TrustBundle::new(roots),
        Err(BundleError::Malformed { index: 1 })
    ));
    let damaged = b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
    assert!(matches!(
        TrustBundle::from_pem(damaged),
        Err(BundleError::Pem(_))
    ));
}

#[test]
fn a_pin_is_of_the_key_and_reads_back_as_it_prints() {
    let (a, b) = (Ca::new("a"), Ca::new("a"));
    assert_ne!(a.pin(), b.pin(), "same name, other key");
    let text = a.pin().to_string();
    assert!(text.starts_with("sha256:") && text.len() == 71, "{text}");
    assert_eq!(text.parse(), Ok(a.pin()));
    for wrong in [&text[7..], &text[..69], &format!("{text}00"), "sha256:"] {
        wrong.parse::<SpkiPin>().expect_err(wrong);
    }
}
