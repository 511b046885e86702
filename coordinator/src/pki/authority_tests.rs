use h8lio_tls::verify::check_chain;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::UnixTime;
use webpki::KeyUsage;

use super::*;
use crate::pki::csr;
use crate::pki::generation::Generation;
use crate::pki::template::BACKDATE;

const DAY: Duration = Duration::from_secs(86_400);

fn now() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().expect("valid")
}

fn fleet() -> FleetName {
    "prod".parse().expect("valid")
}

fn authority() -> Authority {
    let generation = Generation::make(&fleet(), 1, now()).expect("made");
    generation.into_authority().expect("authority")
}

fn key() -> PublicKey {
    let pair = identity::generate_key().expect("key");
    csr::read(&identity::csr(&pair).expect("request")).expect("accepted")
}

fn verify(
    chain: &[CertificateDer<'static>],
    bundle: &TrustBundle,
    usage: KeyUsage,
    at: Timestamp,
) -> Result<(), rustls::Error> {
    let at = Duration::from_secs(at.as_second() as u64);
    let at = UnixTime::since_unix_epoch(at);
    check_chain(
        &chain[0],
        &chain[1..],
        bundle,
        usage,
        at,
        &default_provider(),
    )
}

fn node() -> NodeId {
    NodeId::new(uuid::Uuid::from_u128(7))
}

#[test]
fn a_node_certificate_holds_from_five_minutes_ago_for_its_lifetime() {
    let a = authority();
    let issued = a
        .issue_node(&key(), node(), Rotation(3), now(), DAY)
        .expect("issued");
    assert_eq!(issued.not_before, now() - BACKDATE);
    assert_eq!(issued.not_after, now() + DAY);
    assert_eq!(issued.serial.rotation(), Rotation(3));
    let validity = Validity::of_certificate(&issued.chain[0]).expect("readable");
    assert_eq!(
        (validity.not_before, validity.not_after),
        (issued.not_before, issued.not_after)
    );
    assert_eq!(
        Serial::of_certificate(&issued.chain[0]),
        Some(issued.serial)
    );
    for at in [
        issued.not_before,
        now(),
        issued.not_after - Duration::from_secs(1),
    ] {
        verify(&issued.chain, a.bundle(), KeyUsage::client_auth(), at).expect("valid");
    }
}

/// scenario: 40 (unit)
#[test]
fn an_issued_leaf_is_no_ca_and_names_one_identity_for_one_purpose() {
    let a = authority();
    let issued = a
        .issue_node(&key(), node(), Rotation(1), now(), DAY)
        .expect("issued");
    let leaf = h8lio_tls::spiffe::parse(&issued.chain[0]).expect("readable");
    assert!(!leaf.is_ca());
    assert!(
        !leaf
            .key_usage()
            .expect("one")
            .expect("there")
            .value
            .key_cert_sign()
    );
    let eku = leaf
        .extended_key_usage()
        .expect("one")
        .expect("there")
        .value;
    assert!(eku.client_auth && !eku.server_auth && !eku.any && eku.other.is_empty());
    let id = h8lio_tls::spiffe::of_certificate(&issued.chain[0]).expect("an id");
    assert_eq!(
        id,
        SpiffeId {
            fleet: fleet(),
            subject: Subject::Node(node())
        }
    );
}

#[test]
fn a_coordinators_certificate_serves_and_a_nodes_does_not() {
    let a = authority();
    let server = a.issue_coordinator("c1", now(), DAY).expect("issued");
    verify(server.chain(), a.bundle(), KeyUsage::server_auth(), now()).expect("serves");
    verify(server.chain(), a.bundle(), KeyUsage::client_auth(), now()).expect_err("no client");
    let node = a
        .issue_node(&key(), node(), Rotation(1), now(), DAY)
        .expect("issued");
    verify(&node.chain, a.bundle(), KeyUsage::server_auth(), now()).expect_err("no server");
    let root = SpkiPin::of_certificate(server.chain().last().expect("root")).expect("pin");
    assert_eq!(root, a.pin());
}

#[test]
fn two_certificates_for_one_key_have_two_serials() {
    let a = authority();
    let key = key();
    let one = a
        .issue_node(&key, node(), Rotation(1), now(), DAY)
        .expect("issued");
    let two = a
        .issue_node(&key, node(), Rotation(1), now(), DAY)
        .expect("issued");
    assert_ne!(one.serial, two.serial);
    assert_eq!(one.spki, two.spki);
}

#[test]
fn nothing_outlives_the_issuing_certificate() {
    let a = authority();
    let end = a.validity().not_after;
    let late = end - DAY;
    let issued = a
        .issue_node(&key(), node(), Rotation(1), late, DAY * 7)
        .expect("issued");
    assert_eq!(issued.not_after, end);
    let refused = a.issue_node(&key(), node(), Rotation(1), end, DAY);
    assert!(matches!(refused, Err(IssueError::AuthorityExpired { at }) if at == end));
    assert!(matches!(a.check(end), Err(AuthorityError::Expired { .. })));
    assert!(matches!(
        a.check(now() - DAY),
        Err(AuthorityError::NotYetValid { .. })
    ));
}

#[test]
fn an_authority_issues_from_its_first_second_to_before_its_last() {
    let a = authority();
    let Validity {
        not_before,
        not_after,
    } = a.validity();
    let second = Duration::from_secs(1);
    a.check(not_before).expect("its first second");
    a.check(not_after - second)
        .expect("the one before its last");
    let early = a.check(not_before - second);
    assert!(matches!(early, Err(AuthorityError::NotYetValid { at }) if at == not_before));
}

#[test]
fn a_lifetime_beyond_all_calendars_is_refused() {
    let a = authority();
    let refused = a.issue_node(&key(), node(), Rotation(1), now(), Duration::MAX);
    assert!(matches!(refused, Err(IssueError::Lifetime { .. })));
}

mod folder {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn written() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        let generation = Generation::make(&fleet(), 1, now()).expect("made");
        generation.write(dir.path()).expect("written");
        dir
    }

    #[test]
    fn the_authority_works_without_the_root_key() {
        let dir = written();
        fs::remove_file(dir.path().join(files::ROOT_KEY)).expect("moved away");
        let a = Authority::load(dir.path(), &fleet()).expect("loaded");
        a.issue_node(&key(), node(), Rotation(1), now(), DAY)
            .expect("issued");
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_command_that_helps() {
        let dir = written();
        let path = dir.path().join(files::ISSUING_KEY);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("chmod");
        let refusal = Authority::load(dir.path(), &fleet())
            .expect_err("refused")
            .to_string();
        assert!(
            refusal.contains(&format!("chmod 0600 {}", path.display())),
            "{refusal}"
        );
        assert_eq!(refusal.lines().count(), 1);
    }

    #[test]
    fn keys_are_written_for_their_owner_alone() {
        let dir = written();
        for name in [files::ROOT_KEY, files::ISSUING_KEY] {
            let mode = fs::metadata(dir.path().join(name))
                .expect("there")
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn another_fleets_authority_is_refused() {
        let dir = written();
        let other = "lab".parse().expect("valid");
        let refusal = Authority::load(dir.path(), &other).expect_err("refused");
        assert!(
            matches!(refusal, AuthorityError::OtherFleet { .. }),
            "{refusal}"
        );
    }

    #[test]
    fn files_of_two_authorities_are_not_mixed() {
        let (one, two) = (written(), written());
        let take = |name: &str| {
            fs::copy(two.path().join(name), one.path().join(name)).expect("copied");
        };
        take(files::ISSUING_KEY);
        let refusal = Authority::load(one.path(), &fleet()).expect_err("refused");
        assert!(
            matches!(refusal, AuthorityError::KeyMismatch { .. }),
            "{refusal}"
        );
        take(files::ISSUING_CERTIFICATE);
        let refusal = Authority::load(one.path(), &fleet()).expect_err("refused");
        assert!(
            matches!(refusal, AuthorityError::ChainMismatch { .. }),
            "{refusal}"
        );
        take(files::ROOT_CERTIFICATE);
        Authority::load(one.path(), &fleet()).expect("whole again");
    }

    #[test]
    fn damaged_files_are_named() {
        for name in [
            files::ROOT_CERTIFICATE,
            files::ISSUING_CERTIFICATE,
            files::ISSUING_KEY,
        ] {
            let dir = written();
            fs::write(dir.path().join(name), b"-----BEGIN NOTHING-----").expect("written");
            let refusal = Authority::load(dir.path(), &fleet())
                .expect_err("refused")
                .to_string();
            assert!(refusal.contains(name), "{refusal}");
            fs::remove_file(dir.path().join(name)).expect("removed");
            let refusal = Authority::load(dir.path(), &fleet())
                .expect_err("refused")
                .to_string();
            assert!(refusal.contains(name), "{refusal}");
        }
    }
}
