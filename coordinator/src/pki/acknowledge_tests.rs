use h8lio_model::ids::{FleetName, NodeId, Rotation};
use h8lio_model::lifecycle::Scheduling;
use h8lio_model::operator::OperatorRole;
use h8lio_model::token::Claims;

use super::*;
use crate::pki::generation::Generation;
use crate::registry::Versioned;
use crate::registry::records::{IssuedRecord, NodeRecord, SeenRecord};
use crate::store::Revision;

const BUNDLE: Digest = Digest([7; 32]);

fn begun() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().expect("valid")
}

/// The second generation, while a rotation is under way.
fn authority() -> Authority {
    let fleet: FleetName = "prod".parse().expect("valid");
    let generation = Generation::make(&fleet, 2, begun()).expect("made");
    generation.into_authority().expect("authority")
}

/// A node with a certificate of `generation` (none for 0) that uses `bundle`.
fn node(name: &str, admission: Admission, generation: u64, bundle: Option<Digest>) -> Arc<Node> {
    let current = IssuedRecord {
        serial: "40".into(),
        rotation: Rotation(1),
        not_after: begun(),
        authority: generation,
    };
    let value = NodeRecord {
        id: NodeId::new(uuid::Uuid::from_u128(7)),
        name: name.parse().expect("valid"),
        admission,
        scheduling: Scheduling::Active,
        banned: None,
        quarantined: None,
        roles: Vec::new(),
        topology: None,
        labels: Default::default(),
        created_at: begun(),
        token: "t1".parse().expect("valid"),
        enrolled_key: Digest([1; 32]),
        claims: Claims::default(),
        pending_reason: String::new(),
        current: (generation > 0).then_some(current),
        pending: None,
        recovery_until: None,
    };
    let seen = SeenRecord {
        trust_bundle: bundle,
        ..SeenRecord::default()
    };
    Arc::new(Node::new(
        Versioned {
            value,
            revision: Revision(1),
        },
        seen,
        begun(),
    ))
}

fn operator(name: &str, created_at: Timestamp) -> Operator {
    Operator {
        name: name.parse().expect("valid"),
        role: OperatorRole::Viewer,
        certificate_serial: "40".into(),
        created_at,
        expires_at: begun() + Duration::from_secs(86_400),
        revoked_at: None,
    }
}

fn waiting(nodes: &[Arc<Node>], operators: &[Operator]) -> (usize, Vec<String>) {
    let under_way = UnderWay {
        begun_at: begun(),
        bundle: BUNDLE,
    };
    let now = begun() + Duration::from_secs(3_600);
    let report = report(&authority(), under_way, nodes, operators, now);
    (
        report.known,
        report.waiting.into_iter().map(|w| w.name).collect(),
    )
}

#[test]
fn a_node_is_ready_with_the_new_bundle_and_a_certificate_of_the_new_authority() {
    let old = Some(Digest([6; 32]));
    let nodes = [
        node("ready", Admission::Enrolled, 2, Some(BUNDLE)),
        node("old-certificate", Admission::Enrolled, 1, Some(BUNDLE)),
        node("old-bundle", Admission::Enrolled, 2, old),
        node("never-heard", Admission::Enrolled, 2, None),
        node("never-connected", Admission::Enrolled, 0, Some(BUNDLE)),
    ];
    let late = [
        "old-certificate",
        "old-bundle",
        "never-heard",
        "never-connected",
    ];
    assert_eq!(waiting(&nodes, &[]), (5, late.map(String::from).to_vec()));
}

#[test]
fn who_has_no_certificate_that_could_go_bad_is_not_waited_for() {
    let nodes = [
        node("waits", Admission::Pending, 0, None),
        node("gone", Admission::Decommissioned, 1, None),
    ];
    let mut revoked = operator("revoked", begun() - Duration::from_secs(60));
    revoked.revoked_at = Some(begun());
    let mut ended = operator("ended", begun() - Duration::from_secs(60));
    ended.expires_at = begun();
    assert_eq!(waiting(&nodes, &[revoked, ended]), (0, Vec::new()));
}

#[test]
fn an_operator_is_waited_for_until_the_last_second_of_the_certificate() {
    let until = |end| {
        let mut ada = operator("ada", begun());
        ada.expires_at = begun() + Duration::from_secs(end);
        waiting(&[], &[ada]).0
    };
    // The report is of an hour after the begin.
    assert_eq!((until(3_600), until(3_599)), (1, 0));
}

#[test]
fn an_operator_is_ready_when_the_certificate_was_surely_made_by_the_new_authority() {
    let operators = [
        operator("before", begun() - Duration::from_secs(60)),
        operator("unsure", begun() + TAKEN_UP - Duration::from_secs(1)),
        operator("after", begun() + TAKEN_UP),
    ];
    let late = ["before", "unsure"];
    assert_eq!(
        waiting(&[], &operators),
        (3, late.map(String::from).to_vec())
    );
}

fn a_report() -> Acknowledgements {
    Acknowledgements {
        bundle: BUNDLE,
        as_of: begun(),
        known: 2,
        waiting: vec![Waiting {
            who: "operator/ada".into(),
            name: "ada".into(),
            last_seen: None,
        }],
    }
}

#[test]
fn a_report_is_read_as_it_was_written_and_none_is_no_error() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("report.json");
    assert_eq!(Acknowledgements::read(&path).expect("no report"), None);
    a_report().write(&path).expect("written");
    let read = Acknowledgements::read(&path).expect("read");
    assert_eq!(read, Some(a_report()));
}

#[test]
fn a_report_that_cannot_be_read_is_not_taken_for_none() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = Acknowledgements::read(dir.path());
    assert!(matches!(folder, Err(ReadError::Read(_))), "{folder:?}");
    let path = dir.path().join("report.json");
    std::fs::write(&path, "{").expect("written");
    let cut = Acknowledgements::read(&path);
    assert!(matches!(cut, Err(ReadError::Damaged(_))), "{cut:?}");
}

#[test]
fn a_report_lies_beside_the_store() {
    let settings = r#"fleet = "prod"
store = "/var/lib/x/store.db""#;
    let settings: Settings = toml::from_str(settings).expect("settings");
    let path = Acknowledgements::path(&settings);
    let want = Path::new("/var/lib/x/trust-acknowledgements.json");
    assert_eq!(path, want);
}
