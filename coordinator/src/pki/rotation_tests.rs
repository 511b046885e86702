use std::time::Duration;

use h8lio_model::ids::{NodeId, Rotation};
use h8lio_tls::identity;
use h8lio_tls::verify::check_chain;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::KeyUsage;

use super::*;
use crate::pki::csr::PublicKey;

const DAY: Duration = Duration::from_secs(86_400);

fn start() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().expect("valid")
}

fn fleet() -> FleetName {
    "prod".parse().expect("valid")
}

/// A pki folder as `init` leaves it.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            dir: tempfile::tempdir().expect("a folder"),
        };
        fs::create_dir(place.pki()).expect("made");
        let generation = Generation::make(&fleet(), 1, start()).expect("made");
        generation.write(&place.pki()).expect("written");
        place
    }

    fn pki(&self) -> PathBuf {
        self.dir.path().join("pki")
    }

    fn report(&self) -> PathBuf {
        self.dir.path().join("trust-acknowledgements.json")
    }

    fn authority(&self) -> Authority {
        Authority::load(&self.pki(), &fleet()).expect("loaded")
    }

    fn begin(&self) -> Result<UnderWay, RotationError> {
        begin(&self.pki(), &fleet(), None, start() + DAY)
    }

    fn finish(&self, accept_loss: usize) -> Result<TrustBundle, RotationError> {
        finish(&self.pki(), &fleet(), &self.report(), accept_loss)
    }

    fn write_report(&self, bundle: Digest, waiting: &[&str]) {
        let wait = |name: &&str| Waiting {
            who: format!("node/{name}"),
            name: (*name).to_owned(),
            last_seen: None,
        };
        let waiting = waiting.iter().map(wait).collect();
        let report = Acknowledgements {
            bundle,
            as_of: start() + DAY,
            known: 12,
            waiting,
        };
        report.write(&self.report()).expect("written");
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).expect("read");
        let mut names: Vec<String> = entries
            .map(|e| e.expect("entry").file_name().into_string().expect("text"))
            .collect();
        names.sort();
        names
    }
}

fn trusts(bundle: &TrustBundle, chain: &[CertificateDer<'static>], usage: KeyUsage) -> bool {
    let at = Duration::from_secs((start() + DAY).as_second() as u64);
    let at = UnixTime::since_unix_epoch(at);
    check_chain(
        &chain[0],
        &chain[1..],
        bundle,
        usage,
        at,
        &default_provider(),
    )
    .is_ok()
}

fn server_chain(a: &Authority) -> Vec<CertificateDer<'static>> {
    let own = a
        .issue_coordinator("c1", start() + DAY, DAY)
        .expect("issued");
    own.chain().to_vec()
}

fn node_chain(a: &Authority) -> Vec<CertificateDer<'static>> {
    let key = PublicKey::of_pair(&identity::generate_key().expect("key")).expect("P-256");
    let id = NodeId::new(uuid::Uuid::from_u128(7));
    a.issue_node(&key, id, Rotation(1), start() + DAY, DAY)
        .expect("issued")
        .chain
}

/// scenario: 37 (unit)
#[test]
fn who_knows_only_the_old_root_trusts_the_new_chain_until_the_end_and_no_longer() {
    let place = Place::new();
    let old_bundle = place.authority().bundle().clone();
    let state = place.begin().expect("begun");
    let during = place.authority();
    assert_eq!(during.bundle().digest(), state.bundle);
    assert_eq!(during.bundle().roots().len(), 2);
    let new_only = TrustBundle::new(vec![
        Folder::new(&place.pki())
            .certificate(files::ROOT_CERTIFICATE)
            .expect("read"),
    ])
    .expect("a bundle");
    for bundle in [&old_bundle, &new_only, during.bundle()] {
        assert!(trusts(
            bundle,
            &server_chain(&during),
            KeyUsage::server_auth()
        ));
    }
    place.write_report(state.bundle, &[]);
    let after = place.finish(0).expect("finished");
    assert_eq!(after, new_only);
    let after = place.authority();
    assert!(trusts(
        &new_only,
        &server_chain(&after),
        KeyUsage::server_auth()
    ));
    assert!(!trusts(
        &old_bundle,
        &server_chain(&after),
        KeyUsage::server_auth()
    ));
}

/// scenario: 37 (unit)
#[test]
fn certificates_of_the_old_authority_are_good_until_the_end_and_no_longer() {
    let place = Place::new();
    let old = node_chain(&place.authority());
    let state = place.begin().expect("begun");
    let new = node_chain(&place.authority());
    let bundle = place.authority().bundle().clone();
    assert!(trusts(&bundle, &old, KeyUsage::client_auth()));
    assert!(trusts(&bundle, &new, KeyUsage::client_auth()));
    place.write_report(state.bundle, &[]);
    let bundle = place.finish(0).expect("finished");
    assert!(!trusts(&bundle, &old, KeyUsage::client_auth()));
    assert!(trusts(&bundle, &new, KeyUsage::client_auth()));
}

#[test]
fn join_tokens_made_before_and_during_a_rotation_find_their_pin() {
    let place = Place::new();
    let before = place.authority().pin();
    place.begin().expect("begun");
    let during = place.authority().pin();
    assert_ne!(before, during);
    let chain = server_chain(&place.authority());
    for pin in [before, during] {
        let pinned = chain[1..]
            .iter()
            .find(|c| SpkiPin::of_certificate(c) == Ok(pin));
        let bundle = TrustBundle::new(vec![pinned.expect("in the chain").clone()]);
        assert!(trusts(
            &bundle.expect("a bundle"),
            &chain,
            KeyUsage::server_auth()
        ));
    }
}

#[test]
fn the_end_waits_for_everybody_unless_the_loss_is_accepted_by_number() {
    let place = Place::new();
    let state = place.begin().expect("begun");
    assert!(matches!(
        place.finish(9),
        Err(RotationError::NoReport { .. })
    ));
    place.write_report(Digest([1; 32]), &[]);
    assert!(
        matches!(place.finish(9), Err(RotationError::NoReport { .. })),
        "of another bundle"
    );
    place.write_report(state.bundle, &["s1", "s2", "s3", "s4", "s5", "s6"]);
    let refusal = place.finish(5).expect_err("refused").to_string();
    assert!(
        refusal.contains("6 of 12") && refusal.contains("s5 and 1 more"),
        "{refusal}"
    );
    assert!(refusal.contains("--accept-loss 6"), "{refusal}");
    assert!(place.authority().is_rotating());
    place.finish(6).expect("finished");
    assert!(!place.authority().is_rotating());
}

#[test]
fn the_end_leaves_no_old_keys_and_nothing_half_done() {
    let place = Place::new();
    let old_key = fs::read(place.pki().join(files::ROOT_KEY)).expect("read");
    let state = place.begin().expect("begun");
    assert_eq!(place.names(), ["pki", "pki.before-rotation"]);
    let kept = place
        .dir
        .path()
        .join("pki.before-rotation")
        .join(files::ROOT_KEY);
    assert_eq!(fs::read(kept).expect("kept"), old_key);
    place.write_report(state.bundle, &[]);
    place.finish(0).expect("finished");
    assert_eq!(place.names(), ["pki", "trust-acknowledgements.json"]);
    assert!(matches!(place.finish(0), Err(RotationError::NotRotating)));
}

#[test]
fn one_rotation_at_a_time_and_as_many_as_one_likes() {
    let place = Place::new();
    for _ in 0..3 {
        let state = place.begin().expect("begun");
        assert!(matches!(place.begin(), Err(RotationError::UnderWay { .. })));
        place.write_report(state.bundle, &[]);
        place.finish(0).expect("finished");
    }
    let root = Folder::new(&place.pki())
        .certificate(files::ROOT_CERTIFICATE)
        .expect("read");
    assert_eq!(number(&root), 4);
}

#[test]
fn the_roots_key_may_come_from_elsewhere_and_must_be_the_right_one() {
    let place = Place::new();
    let away = place.dir.path().join("safe.key");
    fs::rename(place.pki().join(files::ROOT_KEY), &away).expect("moved");
    assert!(matches!(
        place.begin(),
        Err(RotationError::NoRootKey { .. })
    ));
    let wrong = place.pki().join(files::ISSUING_KEY);
    let refusal = begin(&place.pki(), &fleet(), Some(&wrong), start()).expect_err("refused");
    assert!(
        matches!(
            refusal,
            RotationError::Authority(AuthorityError::KeyMismatch { .. })
        ),
        "{refusal}"
    );
    assert_eq!(place.names(), ["pki", "safe.key"]);
    begin(&place.pki(), &fleet(), Some(&away), start()).expect("begun");
}

#[test]
fn a_finished_rotation_does_not_need_the_roots_key_in_its_place() {
    let place = Place::new();
    let state = place.begin().expect("begun");
    fs::remove_file(place.pki().join(files::ROOT_KEY)).expect("moved away");
    place.write_report(state.bundle, &[]);
    place.finish(0).expect("finished");
    place.authority();
}

#[test]
fn what_a_crash_left_is_no_obstacle() {
    let place = Place::new();
    let next = place.dir.path().join("pki.next");
    fs::create_dir(&next).expect("made");
    fs::write(next.join(files::ROOT_KEY), b"torn").expect("written");
    let state = place.begin().expect("begun");
    // A crash between the exchange and the move of the old folder.
    fs::rename(place.dir.path().join("pki.before-rotation"), &next).expect("moved back");
    assert!(place.authority().is_rotating());
    place.write_report(state.bundle, &[]);
    place.finish(0).expect("finished");
    assert_eq!(place.names(), ["pki", "trust-acknowledgements.json"]);
}

#[test]
fn the_status_tells_who_is_waited_for() {
    let place = Place::new();
    let state = place.begin().expect("begun");
    place.write_report(state.bundle, &["s1"]);
    let status = status(&place.pki(), &fleet(), &place.report()).expect("read");
    assert_eq!(status.under_way, Some(state));
    assert_eq!(status.report.expect("a report").waiting[0].name, "s1");
    assert_eq!(status.pin, place.authority().pin());
}
