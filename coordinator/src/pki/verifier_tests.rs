use h8lio_model::ids::{NodeId, Rotation};
use h8lio_model::operator::OperatorRole;
use h8lio_tls::identity;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;

use super::*;
use crate::pki::authority::{Authority, Issued};
use crate::pki::csr::PublicKey;
use crate::pki::generation::Generation;
use crate::pki::template::{self, Level, Purpose, Span};

const DAY: Duration = Duration::from_secs(86_400);

fn start() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().expect("valid")
}

fn fleet() -> FleetName {
    "prod".parse().expect("valid")
}

fn authority() -> Authority {
    Generation::make(&fleet(), 1, start())
        .expect("made")
        .into_authority()
        .expect("authority")
}

fn key() -> PublicKey {
    PublicKey::of_pair(&identity::generate_key().expect("key")).expect("P-256")
}

fn unix(t: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(t.as_second() as u64))
}

fn node(a: &Authority) -> Issued {
    let id = NodeId::new(uuid::Uuid::from_u128(7));
    a.issue_node(&key(), id, Rotation(2), start(), DAY)
        .expect("issued")
}

fn operator(a: &Authority) -> Issued {
    let name = "ada".parse().expect("valid");
    a.issue_operator(&key(), &name, OperatorRole::Viewer, start(), DAY)
        .expect("issued")
}

fn judge(
    a: &Authority,
    chain: &[CertificateDer<'static>],
    at: Timestamp,
) -> Result<Caller, ClientRefusal> {
    let bundle = Arc::new(ArcSwap::from_pointee(a.bundle().clone()));
    ClientVerifier::new(fleet(), bundle, Arc::new(default_provider())).judge(
        &chain[0],
        &chain[1..],
        unix(at),
    )
}

#[test]
fn a_node_is_known_by_its_certificate() {
    let a = authority();
    let issued = node(&a);
    let caller = judge(&a, &issued.chain, start()).expect("accepted");
    let wanted = Caller::Node {
        id: NodeId::new(uuid::Uuid::from_u128(7)),
        serial: issued.serial,
        rotation: Rotation(2),
        expired: false,
        not_after: issued.not_after,
        spki_hash: issued.spki,
        authority: 1,
    };
    assert_eq!(caller, wanted);
    assert!(!caller.is_expired(issued.not_after));
    assert!(caller.is_expired(issued.not_after + Duration::from_secs(1)));
}

#[test]
fn a_node_is_known_with_the_generation_of_the_authority_that_it_has_to_leave() {
    let second = Generation::make(&fleet(), 2, start()).expect("made");
    let a = second.into_authority().expect("authority");
    let caller = judge(&a, &node(&a).chain, start()).expect("accepted");
    assert!(
        matches!(caller, Caller::Node { authority: 2, .. }),
        "{caller:?}"
    );
}

/// scenario: 36 (unit)
#[test]
fn a_nodes_certificate_that_ended_months_ago_passes_and_is_marked() {
    let a = authority();
    let issued = node(&a);
    let expired = |at| match judge(&a, &issued.chain, at) {
        Ok(Caller::Node { expired, .. }) => expired,
        other => panic!("{other:?}"),
    };
    assert!(!expired(issued.not_after), "the last second still counts");
    assert!(expired(issued.not_after + Duration::from_secs(1)));
    assert!(expired(issued.not_after + DAY * 200));
}

/// scenario: 36 (unit)
#[test]
fn an_ended_certificate_of_a_foreign_authority_does_not_pass() {
    let (a, foreign) = (authority(), authority());
    let refusal = judge(&a, &node(&foreign).chain, start() + DAY * 200).expect_err("refused");
    assert!(
        matches!(refusal, ClientRefusal::UnknownCa { .. }),
        "{refusal}"
    );
}

/// scenario: 41 (unit)
#[test]
fn an_operators_certificate_that_ended_is_refused_as_expired() {
    let a = authority();
    let issued = operator(&a);
    let ada = judge(&a, &issued.chain, issued.not_after).expect("the last second still counts");
    let late = issued.not_after + Duration::from_secs(1);
    assert_eq!(ada.serial(), Some(issued.serial));
    for (now, ended) in [(start(), false), (issued.not_after, false), (late, true)] {
        assert_eq!(
            ada.is_expired(now),
            ended,
            "on a connection that is open at {now}"
        );
    }
    let refusal = judge(&a, &issued.chain, late).expect_err("refused");
    assert!(
        matches!(refusal, ClientRefusal::Expired { .. }),
        "{refusal}"
    );
    // One that only claims to be an operator of ours is not told about its expiry.
    let refusal = judge(&a, &operator(&authority()).chain, late).expect_err("refused");
    assert!(
        matches!(refusal, ClientRefusal::UnknownCa { .. }),
        "{refusal}"
    );
}

#[test]
fn not_yet_valid_is_told_from_expired() {
    let a = authority();
    let first = node(&a).not_before;
    judge(&a, &node(&a).chain, first).expect("the first second counts");
    for chain in [node(&a).chain, operator(&a).chain] {
        let refusal = judge(&a, &chain, start() - DAY).expect_err("refused");
        assert!(
            matches!(refusal, ClientRefusal::NotYetValid { .. }),
            "{refusal}"
        );
    }
}

/// scenario: 41 (unit)
#[test]
fn a_coordinators_certificate_is_no_client() {
    let a = authority();
    let server = a.issue_coordinator("c1", start(), DAY).expect("issued");
    let refusal = judge(&a, server.chain(), start()).expect_err("refused");
    assert!(
        matches!(refusal, ClientRefusal::ServerCertificate { .. }),
        "{refusal}"
    );
}

/// A certificate of the fleet's own issuing key, made as no authority of ours would.
fn odd(change: impl FnOnce(&mut CertificateParams)) -> (Authority, Vec<CertificateDer<'static>>) {
    let span = Span::from(start(), DAY).expect("in range");
    let (root_key, issuing_key) = (key_pair(), key_pair());
    let root = template::authority(&fleet(), Level::Root, 1, span);
    let root_certificate = root.self_signed(&root_key).expect("signed");
    let root = Issuer::from_params(&root, &root_key);
    let issuing = template::authority(&fleet(), Level::Issuing, 1, span);
    let issuing_certificate = issuing.signed_by(&issuing_key, &root).expect("signed");
    let id = "spiffe://prod/node/00000000-0000-0000-0000-000000000007"
        .parse()
        .expect("valid");
    let serial = Serial::new([1; 8], Rotation(1));
    let mut leaf = template::leaf(&id, serial, Purpose::Client, span).expect("made");
    change(&mut leaf);
    let leaf = leaf.signed_by(&key(), &Issuer::from_params(&issuing, &issuing_key));
    let chain = vec![
        leaf.expect("signed").into(),
        issuing_certificate.der().clone(),
    ];
    let authority = Authority::assemble(
        fleet(),
        root_certificate.into(),
        issuing_certificate.into(),
        issuing_key,
        None,
    );
    (authority.expect("authority"), chain)
}

fn key_pair() -> KeyPair {
    identity::generate_key().expect("key")
}

/// scenario: 41 (unit)
#[test]
fn a_certificate_must_be_for_clients_explicitly() {
    let (a, chain) = odd(|_| {});
    judge(&a, &chain, start()).expect("the unchanged one is good");
    let server_only: fn(&mut CertificateParams) =
        |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let none: fn(&mut CertificateParams) = |p| p.extended_key_usages.clear();
    for change in [server_only, none] {
        let (a, chain) = odd(change);
        let refusal = judge(&a, &chain, start()).expect_err("refused");
        assert!(
            matches!(refusal, ClientRefusal::WrongPurpose { .. }),
            "{refusal}"
        );
    }
}

#[test]
fn a_certificate_that_names_two_is_refused() {
    let uri = "spiffe://prod/operator/root/admin"
        .try_into()
        .expect("ascii");
    let (a, chain) = odd(|p| p.subject_alt_names.push(rcgen::SanType::URI(uri)));
    let refusal = judge(&a, &chain, start()).expect_err("refused");
    assert!(matches!(refusal, ClientRefusal::Unreadable(_)), "{refusal}");
}

#[test]
fn a_serial_number_of_another_length_is_refused() {
    let (a, chain) = odd(|p| p.serial_number = Some(rcgen::SerialNumber::from_slice(&[9; 7])));
    let refusal = judge(&a, &chain, start()).expect_err("refused");
    assert!(
        matches!(refusal, ClientRefusal::ForeignSerial { .. }),
        "{refusal}"
    );
}

#[test]
fn another_fleets_node_is_refused_by_that_name() {
    let lab: FleetName = "lab".parse().expect("valid");
    let other = Generation::make(&lab, 1, start())
        .expect("made")
        .into_authority()
        .expect("ok");
    let refusal = judge(&authority(), &node(&other).chain, start()).expect_err("refused");
    assert!(
        matches!(refusal, ClientRefusal::OtherFleet { .. }),
        "{refusal}"
    );
}

#[test]
fn garbage_is_no_certificate() {
    let refusal = judge(&authority(), &[vec![0x30; 40].into()], start()).expect_err("refused");
    assert!(matches!(refusal, ClientRefusal::Unreadable(_)), "{refusal}");
}

#[tokio::test]
async fn the_verdict_reaches_who_drives_the_handshake_and_nobody_else() {
    let a = authority();
    let bundle = Arc::new(ArcSwap::from_pointee(a.bundle().clone()));
    let verifier = ClientVerifier::new(fleet(), bundle, Arc::new(default_provider()));
    let chain = node(&a).chain;
    let ask = || verifier.verify_client_cert(&chain[0], &chain[1..], unix(start()));
    let (answer, verdict) = with_verdict(async { ask() }).await;
    answer.expect("accepted");
    assert!(matches!(verdict, Some(Ok(Caller::Node { .. }))));
    ask().expect("accepted outside too");
    assert!(with_verdict(async {}).await.1.is_none());
}
