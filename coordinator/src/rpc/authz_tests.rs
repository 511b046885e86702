use h8lio_model::ids::{NodeId, Rotation};
use h8lio_model::lifecycle::{Quarantined, Scheduling};
use h8lio_model::operator::Operator;
use h8lio_model::section::Digest;
use h8lio_tls::pin::SpkiPin;
use tonic::Code;

use super::*;
use crate::clock::ManualClock;
use crate::registry::records::{self, NodeRecord};
use crate::store::memory::MemoryStore;
use crate::store::{Op, Store, Txn};

const END: i64 = 1_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn id(n: u128) -> NodeId {
    NodeId::new(uuid::Uuid::from_u128(n))
}

fn serial() -> Serial {
    Serial::new([1; 8], Rotation(3))
}

fn from(caller: Caller) -> Request<()> {
    let mut request = Request::new(());
    request.extensions_mut().insert(Peer {
        address: ([127, 0, 0, 1], 1).into(),
        caller: Arc::new(caller),
        calls: crate::accept::Calls::new(1),
    });
    request
}

fn as_node(n: u128) -> Request<()> {
    from(Caller::Node {
        id: id(n),
        serial: serial(),
        rotation: Rotation(3),
        authority: 1,
        expired: false,
        not_after: at(END),
        spki_hash: SpkiPin([0; 32]),
    })
}

fn as_operator(name: &str, role: OperatorRole) -> Request<()> {
    from(Caller::Operator {
        name: name.parse().expect("valid"),
        role,
        serial: serial(),
        not_after: at(END),
    })
}

fn record(n: u128, admission: Admission) -> NodeRecord {
    NodeRecord {
        id: id(n),
        name: format!("s{n}").parse().expect("valid"),
        admission,
        scheduling: Scheduling::Active,
        banned: None,
        quarantined: None,
        roles: vec![],
        topology: None,
        labels: Default::default(),
        created_at: at(0),
        token: "t1".parse().expect("valid"),
        enrolled_key: Digest([0; 32]),
        claims: Default::default(),
        pending_reason: String::new(),
        current: None,
        pending: None,
        recovery_until: None,
    }
}

async fn store(ops: Vec<Op>) -> Arc<dyn Store> {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(ManualClock::default())));
    let done = store.txn(Txn::default().then(ops)).await;
    assert!(done.expect("written").succeeded);
    store
}

/// 1 enrolled, 2 pending, 3 decommissioned, 4 banned, 5 quarantined.
async fn registry() -> Registry {
    let mut banned = record(4, Admission::Enrolled);
    banned.banned = Some(Ban {
        reason: "smoke".into(),
        by: "operator/ada".into(),
        at: at(0),
    });
    let mut quarantined = record(5, Admission::Enrolled);
    quarantined.quarantined = Some(Quarantined {
        reason: "a clone".into(),
        at: at(0),
    });
    let all = [
        record(1, Admission::Enrolled),
        record(2, Admission::Pending),
        record(3, Admission::Decommissioned),
        banned,
        quarantined,
    ];
    let ops = all
        .iter()
        .map(|r| Op::put(records::node_key(r.id), records::write(r)));
    Registry::load(store(ops.collect()).await, at(0))
        .await
        .expect("loads")
}

async fn operators() -> Operators {
    let operator = |name: &str, serial: String| Operator {
        name: name.parse().expect("valid"),
        role: OperatorRole::Admin,
        certificate_serial: serial,
        created_at: at(0),
        expires_at: at(END),
        revoked_at: None,
    };
    let all = [
        operator("ada", serial().to_string()),
        operator("bob", "another".into()),
    ];
    let ops = all
        .iter()
        .map(|o| Op::put(crate::operators::key(&o.name), records::write(o)));
    Operators::load(store(ops.collect()).await)
        .await
        .expect("loads")
}

fn refused<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.expect_err("must be refused");
    (status.code(), status.message().to_owned())
}

#[tokio::test]
async fn an_enrolled_node_speaks_until_its_certificate_ends() {
    let registry = registry().await;
    for now in [0, END] {
        let caller = node(&as_node(1), &registry, at(now)).expect("may speak");
        assert_eq!(caller.node.id, id(1));
        assert_eq!((caller.serial, caller.not_after), (serial(), at(END)));
    }
    let (code, text) = refused(node(&as_node(1), &registry, at(END + 1)));
    assert_eq!(code, Code::Unauthenticated);
    assert!(text.contains("re-attest"), "{text}");
    let late = maybe_expired_node(&as_node(1), &registry).expect("re-attestation");
    assert_eq!(late.node.id, id(1));
}

#[tokio::test]
async fn a_node_that_is_unknown_waits_is_gone_or_banned_may_not_speak() {
    let registry = registry().await;
    for (n, code, words) in [
        (2, Code::PermissionDenied, "waits for approval"),
        (3, Code::PermissionDenied, "was decommissioned"),
        (9, Code::NotFound, "is not known"),
    ] {
        for result in [
            node(&as_node(n), &registry, at(0)),
            maybe_expired_node(&as_node(n), &registry),
        ] {
            let (found, text) = refused(result);
            assert_eq!(found, code, "{text}");
            assert!(text.contains(words), "{text}");
        }
    }
    let (code, text) = refused(node(&as_node(4), &registry, at(0)));
    assert_eq!(code, Code::PermissionDenied);
    assert!(text.contains("s4") && text.contains("smoke"), "{text}");
    // Quarantine restricts what is taken from a session; the node must still be heard.
    node(&as_node(5), &registry, at(0)).expect("may speak");
}

#[tokio::test]
async fn nobody_else_is_taken_for_a_node() {
    let registry = registry().await;
    for request in [
        Request::new(()),
        from(Caller::Anonymous),
        as_operator("ada", OperatorRole::Admin),
    ] {
        let (code, text) = refused(node(&request, &registry, at(0)));
        assert_eq!(code, Code::Unauthenticated);
        assert!(text.contains("node certificate"), "{text}");
    }
}

#[tokio::test]
async fn a_role_suffices_for_itself_and_for_those_below_it() {
    use OperatorRole::{Admin, Approver, Operator, Viewer};
    let operators = operators().await;
    let roles = [Viewer, Operator, Approver, Admin];
    for (have, role) in roles.into_iter().enumerate() {
        for (need, least) in roles.into_iter().enumerate() {
            let found = operator(&as_operator("ada", role), &operators, least, at(0));
            if have >= need {
                let caller = found.expect("the role suffices");
                assert_eq!((caller.name.as_str(), caller.role), ("ada", role));
            } else {
                let (code, text) = refused(found);
                assert_eq!(code, Code::PermissionDenied);
                assert!(
                    text.contains(role.as_str()) && text.contains(least.as_str()),
                    "{text}"
                );
            }
        }
    }
}

#[tokio::test]
async fn an_operator_speaks_until_the_certificate_ends_even_on_an_open_connection() {
    let operators = operators().await;
    let ada = as_operator("ada", OperatorRole::Admin);
    let viewer = OperatorRole::Viewer;
    operator(&ada, &operators, viewer, at(END)).expect("the last moment");
    let (code, text) = refused(operator(&ada, &operators, viewer, at(END + 1)));
    assert_eq!(code, Code::Unauthenticated);
    assert!(text.contains("expired"), "{text}");
}

#[tokio::test]
async fn replaced_and_unknown_operators_and_all_others_are_refused() {
    let operators = operators().await;
    let (viewer, admin) = (OperatorRole::Viewer, OperatorRole::Admin);
    for (name, words) in [("bob", "replaced by a newer one"), ("eve", "not known")] {
        let (code, text) = refused(operator(
            &as_operator(name, admin),
            &operators,
            viewer,
            at(0),
        ));
        assert_eq!(code, Code::PermissionDenied);
        assert!(text.contains(words), "{text}");
    }
    for request in [Request::new(()), from(Caller::Anonymous), as_node(1)] {
        let (code, text) = refused(operator(&request, &operators, viewer, at(0)));
        assert_eq!(code, Code::Unauthenticated);
        assert!(text.contains("operator certificate"), "{text}");
    }
}

#[test]
fn a_bundle_on_the_wire_has_its_roots_and_its_digest() {
    let key = rcgen::KeyPair::generate().expect("a key");
    let root = rcgen::CertificateParams::default()
        .self_signed(&key)
        .expect("signed");
    let bundle = TrustBundle::new(vec![root.der().clone()]).expect("a bundle");
    let wire = bundle_to_wire(&bundle);
    assert_eq!(wire.roots, [root.der().to_vec()]);
    assert_eq!(wire.digest, bundle.digest().0);
}
