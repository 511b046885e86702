//! The audit log, and what happens behind its back.

use std::path::Path;

use h8lio_model::audit::AuditHead;
use h8lio_proto::v1;
use h8lio_tests::harness::{Fleet, is_alert, says};
use rusqlite::Connection;

/// Changes the coordinator's file while it is stopped.
fn behind_its_back(file: &Path, sql: &str) -> usize {
    let db = Connection::open(file).expect("the file");
    db.execute(sql, []).expect("changed")
}

/// Some entries, and the head behind them.
async fn some_entries(fleet: &Fleet) -> v1::AuditHead {
    for n in 0..5 {
        fleet
            .token()
            .expecting_serial(&format!("X{n}"))
            .create()
            .await;
    }
    fleet
        .admin
        .status()
        .await
        .expect("a status")
        .audit_head
        .expect("a head")
}

/// Cuts the log behind entry `last`, with its head set to fit, as somebody who knows it would.
fn cut_behind(fleet: &Fleet, last: &v1::AuditEntry) {
    let file = fleet.store_path();
    let head = AuditHead {
        seq: last.seq,
        hash: v1::AuditHead {
            seq: last.seq,
            hash: last.hash.clone(),
        }
        .try_into()
        .map(|h: AuditHead| h.hash)
        .expect("a hash"),
    };
    let head = serde_json::to_string(&head).expect("text");
    let end = format!("/h8lio/audit/entry/{:020}", last.seq);
    let sql = format!("DELETE FROM live WHERE key LIKE '/h8lio/audit/entry/%' AND key > '{end}'");
    assert!(behind_its_back(&file, &sql) > 0);
    let sql = format!(
        "UPDATE log SET value = CAST('{head}' AS BLOB) WHERE place = (SELECT place FROM live WHERE key = '/h8lio/audit/head')"
    );
    assert_eq!(behind_its_back(&file, &sql), 1);
}

#[tokio::test]
async fn every_change_is_an_entry_that_follows_from_the_one_before() {
    let fleet = Fleet::start().await;
    fleet.enrolled("s1").await;
    fleet.admin.label("s1", "a", "b").await.expect("labelled");
    fleet.admin.ban("s1").await.expect("banned");
    let entries = fleet.admin.audit().await;
    let actions: Vec<&str> = entries.iter().map(|e| e.action.as_str()).collect();
    let all = [
        "operator.bootstrap",
        "token.create",
        "node.enroll",
        "node.update",
        "node.ban",
    ];
    assert_eq!(actions, all);
    for pair in entries.windows(2) {
        assert_eq!(
            (pair[1].seq, &pair[1].previous),
            (pair[0].seq + 1, &pair[0].hash)
        );
    }
    let ban = entries.last().expect("entries");
    assert_eq!(
        (ban.actor.as_str(), ban.target.as_str()),
        ("operator/admin", "node/s1")
    );
    assert_eq!(ban.reason, "it misbehaves");
    let verified = fleet.admin.verify().await;
    assert_eq!(
        (verified.entries, verified.faults.len()),
        (5, 0),
        "{verified:?}"
    );
}

#[tokio::test]
async fn no_secret_of_a_token_is_in_the_log() {
    use secrecy::ExposeSecret as _;
    let fleet = Fleet::start().await;
    let token = fleet.token().for_anybody().create().await;
    fleet
        .server("s1")
        .enroll(&token)
        .await
        .expect("answered")
        .issued();
    let secret: String = token
        .secret
        .expose_secret()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let log = format!("{:?}", fleet.admin.audit().await);
    assert!(!log.contains(&secret) && !log.contains(&token.expose()));
    assert!(log.contains(token.id.as_str()));
}

/// scenario: 45 (integration)
#[tokio::test]
async fn an_entry_that_was_edited_in_the_file_is_found() {
    let mut fleet = Fleet::start().await;
    some_entries(&fleet).await;
    fleet.stop().await;
    let sql = "UPDATE log SET value = CAST(replace(CAST(value AS TEXT), 'a new server', 'nothing at all') AS BLOB) \
               WHERE key = '/h8lio/audit/entry/00000000000000000003'";
    assert_eq!(behind_its_back(&fleet.store_path(), sql), 1);
    fleet.start_again().await;
    let verified = fleet.admin.verify().await;
    assert_eq!(verified.faults.len(), 1, "{verified:?}");
    says(&verified.faults[0], &["audit entry 3", "edited"]);
    // Nor does anybody have to ask.
    assert_eq!(fleet.admin.events_of("", "AuditLogDamaged").await, []);
    fleet.pass(std::time::Duration::from_secs(60));
    let alert = fleet.admin.sees_event("", "AuditLogDamaged").await;
    assert!(is_alert(&alert), "{alert:?}");
    says(
        &alert.message,
        &["audit entry 3", "edited", "h8lctl audit verify"],
    );
}

/// scenario: 45 (integration)
#[tokio::test]
async fn an_entry_that_was_taken_out_is_found() {
    let mut fleet = Fleet::start().await;
    some_entries(&fleet).await;
    fleet.stop().await;
    let sql = "DELETE FROM live WHERE key = '/h8lio/audit/entry/00000000000000000003'";
    assert_eq!(behind_its_back(&fleet.store_path(), sql), 1);
    fleet.start_again().await;
    let verified = fleet.admin.verify().await;
    assert!(
        verified
            .faults
            .iter()
            .any(|f| f.contains("entry 4 stands where entry 3")),
        "{verified:?}"
    );
}

/// scenario: 45 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_that_was_cut_off_shows_in_what_an_agent_remembers() {
    let mut fleet = Fleet::start().await;
    let mut witness = fleet.enrolled("s1").await;
    let head = some_entries(&fleet).await;
    // An agent that is connected is shown the head.
    let session = witness.session().await.expect("a session");
    assert_eq!(session.welcome.audit_head, Some(head.clone()));
    witness.remembers = session.welcome.audit_head.clone();
    drop(session);
    let entries = fleet.admin.audit().await;
    fleet.stop().await;
    cut_behind(&fleet, &entries[entries.len() - 3]);
    fleet.start_again().await;
    // By itself the log is whole: that is why there are witnesses.
    assert_eq!(fleet.admin.verify().await.faults, [""; 0]);
    witness.follow(&fleet);
    witness.session().await.expect("a session");
    let alert = fleet.admin.sees_event("s1", "AuditLogCut").await;
    assert!(is_alert(&alert), "{alert:?}");
    let (seq, last) = (head.seq.to_string(), (head.seq - 2).to_string());
    says(
        &alert.message,
        &["node s1", &seq, &last, "h8lctl audit verify"],
    );
    let verified = fleet.admin.verify().await;
    assert_eq!(
        (verified.witnesses, verified.faults.len()),
        (1, 1),
        "{verified:?}"
    );
    says(&verified.faults[0], &["node s1", "tail was cut off"]);
    // Written over, it is as long as before, and another one.
    some_entries(&fleet).await;
    let verified = fleet.admin.verify().await;
    assert!(
        verified.faults.iter().any(|f| f.contains("rewritten")),
        "{verified:?}"
    );
}

/// scenario: 45 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_rewritten_shows_when_an_agent_says_hello() {
    let mut fleet = Fleet::start().await;
    let mut witness = fleet.enrolled("s1").await;
    let head = some_entries(&fleet).await;
    witness.remembers = Some(head);
    let entries = fleet.admin.audit().await;
    fleet.stop().await;
    cut_behind(&fleet, &entries[1]);
    fleet.start_again().await;
    some_entries(&fleet).await;
    some_entries(&fleet).await;
    witness.follow(&fleet);
    for _ in 0..3 {
        witness.session().await.expect("a session");
    }
    let alert = fleet.admin.sees_event("s1", "AuditLogRewritten").await;
    assert!(is_alert(&alert), "{alert:?}");
    says(
        &alert.message,
        &[
            "node s1",
            "not the one that was written",
            "h8lctl audit verify",
        ],
    );
    fleet.admin.ban("s1").await.expect("banned");
    fleet.admin.sees_event("s1", "NodeBanned").await;
    assert_eq!(
        fleet.admin.events_of("s1", "AuditLogRewritten").await.len(),
        1,
        "told once"
    );
}

/// scenario: 45 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_only_grew_raises_nothing() {
    let mut fleet = Fleet::start().await;
    let mut witness = fleet.enrolled("s1").await;
    witness.remembers = Some(some_entries(&fleet).await);
    some_entries(&fleet).await;
    fleet.restart().await;
    witness.follow(&fleet);
    witness.session().await.expect("a session");
    let verified = fleet.admin.verify().await;
    assert_eq!(
        (verified.witnesses, verified.faults.len()),
        (1, 0),
        "{verified:?}"
    );
    fleet.admin.ban("s1").await.expect("banned");
    fleet.admin.sees_event("s1", "NodeBanned").await;
    for reason in ["AuditLogCut", "AuditLogRewritten"] {
        assert_eq!(fleet.admin.events_of("s1", reason).await, []);
    }
}

/// scenario: 45 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_agent_is_shown_new_heads_while_it_is_connected() {
    let fleet = Fleet::start().await;
    let server = fleet.enrolled("s1").await;
    let session = server.session().await.expect("a session");
    let session = session.beating(std::time::Duration::from_millis(200));
    let head = some_entries(&fleet).await;
    session
        .hears("the newest head", |m| match m {
            v1::connect_response::Message::AuditHead(shown) if *shown == head => Some(()),
            _ => None,
        })
        .await;
}
