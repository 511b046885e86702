use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, SanType};

use super::*;

fn pair() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("key")
}

fn request(params: &CertificateParams, key: &KeyPair) -> Vec<u8> {
    let csr = params.serialize_request(key).expect("request");
    csr.der().to_vec()
}

fn plain(key: &KeyPair) -> Vec<u8> {
    request(&CertificateParams::default(), key)
}

/// One DER element. Lengths up to 64 KiB.
fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len();
    let mut out = vec![tag];
    match len {
        0..0x80 => out.push(len as u8),
        0x80..0x100 => out.extend([0x81, len as u8]),
        _ => out.extend([0x82, (len >> 8) as u8, len as u8]),
    }
    out.extend(content);
    out
}

/// A request over any SubjectPublicKeyInfo, signed by a P-256 key.
fn request_with_spki(spki: &[u8], signer: &EcdsaKeyPair, algorithm: &[u8]) -> Vec<u8> {
    let version = tlv(0x02, &[0]);
    let info = tlv(
        0x30,
        &[version, tlv(0x30, &[]), spki.to_vec(), tlv(0xa0, &[])].concat(),
    );
    let signature = signer.sign(&SystemRandom::new(), &info).expect("signature");
    let signature = tlv(0x03, &[&[0u8], signature.as_ref()].concat());
    tlv(0x30, &[info, algorithm.to_vec(), signature].concat())
}

fn signer() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("key")
}

fn p256_spki(signer: &EcdsaKeyPair) -> Vec<u8> {
    [&P256_SPKI_PREFIX[..], signer.public_key().as_ref()].concat()
}

/// SubjectPublicKeyInfo of an elliptic curve key: `curve` is the content of its OID.
fn ec_spki(curve: &[u8], point: &[u8]) -> Vec<u8> {
    let id_ec = tlv(0x06, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]);
    let algorithm = tlv(0x30, &[id_ec, tlv(0x06, curve)].concat());
    let point = tlv(0x03, &[&[0u8], point].concat());
    tlv(0x30, &[algorithm, point].concat())
}

#[test]
fn a_plain_request_yields_its_own_key() {
    let key = pair();
    let read = read(&plain(&key)).expect("accepted");
    assert_eq!(Some(&read), PublicKey::of_pair(&key).as_ref());
    assert_eq!(read.spki(), PublicKeyData::subject_public_key_info(&key));
}

#[test]
fn the_hand_made_request_of_these_tests_is_a_good_one() {
    let key = signer();
    read(&request_with_spki(
        &p256_spki(&key),
        &key,
        &ECDSA_WITH_SHA256,
    ))
    .expect("accepted");
}

/// scenario: 40 (unit)
#[test]
fn ca_true_and_foreign_names_in_a_request_change_nothing() {
    let key = pair();
    let mut params = CertificateParams::new(vec!["kube-apiserver".to_owned()]).expect("params");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let foreign = "spiffe://prod/operator/root/admin".try_into().expect("ia5");
    params.subject_alt_names.push(SanType::URI(foreign));
    let with_tricks = read(&request(&params, &key)).expect("the key is taken");
    assert_eq!(with_tricks, read(&plain(&key)).expect("the key is taken"));
}

/// scenario: 40 (unit)
#[test]
fn a_request_of_one_mebibyte_is_refused_before_it_is_parsed() {
    let refusal = read(&vec![0x30; 1 << 20]).expect_err("refused");
    assert_eq!(refusal, CsrRefusal::TooLarge { bytes: 1 << 20 });
    let key = pair();
    let mut params = CertificateParams::default();
    for i in 0..400 {
        let name = format!("name-{i:04}.example.org").try_into().expect("ia5");
        params.subject_alt_names.push(SanType::DnsName(name));
    }
    let refusal = read(&request(&params, &key)).expect_err("refused");
    assert!(matches!(refusal, CsrRefusal::TooLarge { bytes } if bytes > MAX_CSR_BYTES));
}

/// scenario: 40 (unit)
#[test]
fn a_request_of_eight_kibibytes_is_still_parsed_and_one_byte_more_is_not() {
    assert_eq!(read(&[0x30; 8192]), Err(CsrRefusal::Malformed));
    let bytes = 8193;
    assert_eq!(read(&[0x30; 8193]), Err(CsrRefusal::TooLarge { bytes }));
}

/// scenario: 40 (unit)
#[test]
fn bytes_behind_the_request_are_refused() {
    let mut der = plain(&pair());
    der.extend([0x05, 0x00]);
    assert_eq!(read(&der), Err(CsrRefusal::TrailingBytes { bytes: 2 }));
}

/// scenario: 40 (unit)
#[test]
fn weak_and_foreign_keys_are_refused_by_name() {
    let key = signer();
    let refused = |spki: &[u8]| match read(&request_with_spki(spki, &key, &ECDSA_WITH_SHA256)) {
        Err(CsrRefusal::UnacceptableKey { found }) => found,
        other => panic!("not refused for its key: {other:?}"),
    };
    let rsa_1024 = {
        let algorithm = tlv(
            0x30,
            &[
                tlv(0x06, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1]),
                tlv(0x05, &[]),
            ]
            .concat(),
        );
        let modulus = tlv(0x02, &[&[0u8], &[0xc3u8; 128][..]].concat());
        let rsa = tlv(0x30, &[modulus, tlv(0x02, &[1, 0, 1])].concat());
        tlv(
            0x30,
            &[algorithm, tlv(0x03, &[&[0u8], &rsa[..]].concat())].concat(),
        )
    };
    assert_eq!(refused(&rsa_1024), "an RSA key");
    let endless = tlv(0x30, &tlv(0x06, &[0x2a; 200]));
    let endless = tlv(0x30, &[endless, tlv(0x03, &[0, 4])].concat());
    let cut = format!("a key of algorithm 1.2{}", ".42".repeat(19));
    assert_eq!(refused(&endless), cut, "and 180 more");
    let p224 = ec_spki(&[0x2b, 0x81, 0x04, 0x00, 0x21], &[4; 57]);
    assert_eq!(refused(&p224), "an ECDSA key on curve 1.3.132.0.33");
    let compressed = [&[2u8], &key.public_key().as_ref()[1..33]].concat();
    let compressed = ec_spki(&P256_SPKI_PREFIX[15..23], &compressed);
    assert_eq!(refused(&compressed), "a P-256 key in an unusual encoding");
    let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("key");
    let ed25519 = PublicKeyData::subject_public_key_info(&ed25519);
    assert_eq!(refused(&ed25519), "an Ed25519 key");
}

/// scenario: 40 (unit)
#[test]
fn real_requests_with_other_algorithms_are_refused() {
    for algorithm in [&rcgen::PKCS_ED25519, &rcgen::PKCS_ECDSA_P384_SHA384] {
        let key = KeyPair::generate_for(algorithm).expect("key");
        let refusal = read(&plain(&key)).expect_err("refused");
        assert!(
            matches!(refusal, CsrRefusal::UnacceptableKey { .. }),
            "{refusal}"
        );
    }
}

/// scenario: 40 (unit)
#[test]
fn a_request_for_somebody_elses_key_is_refused() {
    let (mine, theirs) = (signer(), signer());
    let der = request_with_spki(&p256_spki(&theirs), &mine, &ECDSA_WITH_SHA256);
    assert_eq!(read(&der), Err(CsrRefusal::WrongSignature));
}

/// scenario: 40 (unit)
#[test]
fn a_request_signed_with_sha1_is_refused() {
    let key = signer();
    let ecdsa_sha1 = tlv(0x30, &tlv(0x06, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1]));
    let der = request_with_spki(&p256_spki(&key), &key, &ecdsa_sha1);
    let found = "1.2.840.10045.4.1".to_owned();
    assert_eq!(read(&der), Err(CsrRefusal::UnacceptableSignature { found }));
}

/// scenario: 40 (unit)
#[test]
fn a_point_off_the_curve_is_refused() {
    let key = signer();
    let mut spki = p256_spki(&key);
    spki[60] ^= 1;
    let der = request_with_spki(&spki, &key, &ECDSA_WITH_SHA256);
    assert_eq!(read(&der), Err(CsrRefusal::WrongSignature));
}

proptest! {
    /// scenario: 40 (unit)
    #[test]
    fn one_flipped_bit_never_yields_a_key(at in 0usize..4096, bit in 0u8..8) {
        let key = pair();
        let mut der = plain(&key);
        let at = at % der.len();
        der[at] ^= 1 << bit;
        prop_assert!(read(&der).is_err());
    }

    /// scenario: 40 (unit)
    #[test]
    fn garbage_is_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(read(&bytes).is_err());
    }
}
