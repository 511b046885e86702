//! A copy of the store, put back: nothing is replayed, nobody comes back, and nothing is decided
//! before a person has accepted the loss.

use std::path::{Path, PathBuf};
use std::time::Duration;

use h8lio_coordinator::clock::Clock as _;
use h8lio_coordinator::config::Settings;
use h8lio_coordinator::restore::{self, Done, RestoreError, Wish};
use h8lio_model::ids::Incarnation;
use h8lio_model::order::{
    AttemptId, Epoch, Generation, LedgerId, OrderMark, OrderReport, Running, SafePoint,
};
use h8lio_model::section::{Digest, SectionKind};
use h8lio_proto::v1;
use h8lio_proto::v1::create_backup_response::Part;
use h8lio_tests::harness::{Beating, Fleet, Refused as _, Server, change, says, until};
use jiff::Timestamp;
use tonic::Code;
use uuid::Uuid;

const BEAT: Duration = Duration::from_millis(200);

/// Takes a copy as `h8lctl backup create` does.
async fn copy(fleet: &Fleet, name: &str) -> PathBuf {
    let request = v1::CreateBackupRequest {
        change: change("nightly"),
    };
    let answer = fleet.admin.backups().await.create_backup(request).await;
    let mut stream = answer.expect("a copy").into_inner();
    let (mut bytes, mut digest, mut header) = (Vec::new(), None, None);
    while let Some(message) = stream.message().await.expect("the whole copy") {
        match message.part.expect("a part") {
            Part::Header(first) => header = Some(first),
            Part::Bytes(part) => bytes.extend(part),
            Part::Digest(told) => digest = Some(told),
        }
    }
    let header = header.expect("a header");
    assert_eq!(
        (header.fleet.as_str(), header.bytes),
        ("test", bytes.len() as u64)
    );
    assert_eq!(digest.expect("a digest"), Digest::of(&bytes).0.to_vec());
    let path = fleet.dir().join(name);
    std::fs::write(&path, bytes).expect("written");
    path
}

fn wish(from: &Path) -> Wish {
    Wish {
        from: from.to_owned(),
        by: "root".to_owned(),
        reason: "the disk died".to_owned(),
    }
}

fn put_back(settings: &Settings, from: &Path, now: Timestamp) -> Result<Done, RestoreError> {
    // A command of its own, which has no runtime around it.
    tokio::task::block_in_place(|| restore::restore(settings, &wish(from), now))
}

/// What a ledger says that accepted an order in this epoch of another life.
fn ordered_in(epoch: u64, running: bool) -> OrderReport {
    let at = Timestamp::UNIX_EPOCH;
    OrderReport {
        ledger: LedgerId(Uuid::from_u128(7)),
        effective: Some(OrderMark {
            epoch: Epoch(epoch),
            generation: Generation(3),
            incarnation: Incarnation(Uuid::from_u128(99)),
            digest: Digest::of(b"an order"),
        }),
        pending: None,
        running: running.then(|| Running {
            attempt: AttemptId(Uuid::from_u128(8)),
            step: "apply".to_owned(),
            safe_point: SafePoint::Finish,
            since: at,
            doing: None,
        }),
        attempts: Vec::new(),
        refused: None,
        holds: Default::default(),
        last_ended: None,
    }
}

async fn says_orders(server: &Server, report: &OrderReport) -> Beating {
    let session = server.session().await.expect("a session");
    let body = serde_json::to_vec(report).expect("JSON");
    session.report(SectionKind::Orders, &body).await;
    session.beating(BEAT)
}

async fn recovery(fleet: &Fleet) -> v1::GetRecoveryResponse {
    let mut backups = fleet.admin.backups().await;
    let answer = backups.get_recovery(v1::GetRecoveryRequest {}).await;
    answer.expect("an answer").into_inner()
}

/// Waits until the driver has heard so much.
async fn knows(fleet: &Fleet, is: impl Fn(&v1::GetRecoveryResponse) -> bool) {
    until("the coordinator knows", || async {
        is(&recovery(fleet).await).then_some(())
    })
    .await;
}

async fn accept(fleet: &Fleet, without_unheard: bool) -> Result<u64, tonic::Status> {
    let request = v1::AcceptRecoveryRequest {
        without_unheard,
        change: change("seen by a person"),
    };
    let mut backups = fleet.admin.backups().await;
    Ok(backups.accept_recovery(request).await?.into_inner().epoch)
}

/// scenario: 15 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_put_back_brings_nobody_back_and_decides_nothing_until_it_is_accepted() {
    let mut fleet = Fleet::start().await;
    let (stays, thrown_out) = (fleet.enrolled("s1").await, fleet.enrolled("s2").await);
    let gone = fleet.enrolled("s3").await;
    let role = v1::OperatorRole::Operator;
    let bob = fleet.admin.create_operator("bob", role, None).await;
    let mut bob = bob.expect("an operator");
    let token = fleet.token().expecting_serial("S9").create().await;
    let old = copy(&fleet, "old.db").await;
    fleet.admin.ban("s2").await.expect("banned");
    fleet.admin.decommission("s3").await.expect("gone");
    fleet.admin.revoke_operator("bob").await.expect("revoked");
    let before = fleet.admin.status().await.expect("its state");

    fleet.stop().await;
    let done = put_back(fleet.settings(), &old, fleet.clock.now());
    let done = done.expect("put back");
    assert_eq!(done.nodes, 3);
    assert!(done.aside.is_some_and(|kept| kept.exists()));
    fleet.start_again().await;
    let dial = fleet.dial.clone();
    let moved = |mut server: Server| {
        server.dial = dial.clone();
        server
    };
    let (stays, thrown_out, gone) = (moved(stays), moved(thrown_out), moved(gone));

    // What the copy does not know, and a token that may have been used since.
    let refused = thrown_out.session().await.refused();
    says(refused.message(), &["banned by admin"]);
    let refused = gone.session().await.refused();
    says(refused.message(), &["decommissioned"]);
    bob.dial = dial.clone();
    let refused = bob.status().await.refused();
    says(refused.message(), &["bob", "revoked"]);
    let refused = fleet.server("s9").enroll(&token).await.refused();
    says(refused.message(), &["revoked"]);
    let lost = recovery(&fleet).await;
    says(
        &lost.frozen,
        &[
            "put back from a copy",
            "the disk died",
            "h8lctl backup accept",
        ],
    );
    assert_eq!(lost.unheard, ["s1"]);
    let refused = accept(&fleet, false).await.refused();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    says(refused.message(), &["s1", "--without-unheard"]);

    // In the middle of something that the copy does not know.
    let there = says_orders(&stays, &ordered_in(40, true)).await;
    knows(&fleet, |lost| lost.busy == ["s1"]).await;
    says(
        accept(&fleet, true).await.refused().message(),
        &["in the middle", "s1"],
    );
    drop(there);
    let _there = says_orders(&stays, &ordered_in(41, false)).await;
    knows(&fleet, |lost| {
        lost.busy.is_empty() && lost.highest_epoch == 41
    })
    .await;
    assert_eq!(recovery(&fleet).await.ahead, ["s1"]);

    let asked = fleet.running().again();
    assert_eq!(accept(&fleet, false).await.expect("accepted"), 42);
    tokio::time::timeout(Duration::from_secs(5), asked)
        .await
        .expect("it is to start again");
    fleet.restart().await;
    let after = fleet.admin.status().await.expect("its state");
    assert_eq!(after.epoch, 42);
    assert_ne!(after.incarnation, before.incarnation);
    assert_eq!(recovery(&fleet).await.frozen, "");
    let audit = fleet.admin.audit().await;
    let actions: Vec<&str> = audit.iter().map(|e| e.action.as_str()).collect();
    assert!(
        actions.contains(&"backup.restore") && actions.contains(&"backup.accept"),
        "{actions:?}"
    );
    assert!(!actions.contains(&"node.ban"), "the copy is from before it");
}

/// scenario: 15 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_that_knows_less_than_a_server_is_frozen_however_often_it_is_started() {
    let mut fleet = Fleet::start().await;
    let mut server = fleet.enrolled("s1").await;
    let there = says_orders(&server, &ordered_in(2, false)).await;
    knows(&fleet, |lost| lost.ahead == ["s1"]).await;
    drop(there);
    // From the second start on its own epoch is not below any more.
    for _ in 0..3 {
        fleet.restart().await;
        says(&recovery(&fleet).await.frozen, &["s1", "2.3"]);
    }
    server.dial = fleet.dial.clone();
    let _there = says_orders(&server, &ordered_in(2, false)).await;
    knows(&fleet, |lost| lost.unheard.is_empty()).await;
    let epoch = accept(&fleet, false).await.expect("accepted");
    fleet.restart().await;
    assert_eq!(fleet.admin.status().await.expect("its state").epoch, epoch);
    assert_eq!(recovery(&fleet).await.frozen, "");
    let refused = accept(&fleet, true).await.refused();
    says(refused.message(), &["nothing waits to be accepted"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_whole_copy_of_this_fleet_is_not_put_back_and_the_store_stays() {
    let mut fleet = Fleet::start().await;
    fleet.enrolled("s1").await;
    let good = copy(&fleet, "good.db").await;
    let restore = |fleet: &Fleet, from: &Path| put_back(fleet.settings(), from, fleet.clock.now());
    let running = restore(&fleet, &good).expect_err("it runs");
    says(
        &chain(&running),
        &["as it was", "in use by another coordinator"],
    );
    fleet.stop().await;

    let whole = std::fs::read(&good).expect("the copy");
    let half = fleet.dir().join("half.db");
    std::fs::write(&half, &whole[..whole.len() / 2]).expect("written");
    let text = fleet.dir().join("text.db");
    std::fs::write(&text, "nothing of the kind").expect("written");
    for (from, words) in [
        (&half, "damaged"),
        (&text, "text.db"),
        (&fleet.dir().join("gone.db"), "no such file"),
    ] {
        let error = restore(&fleet, from).expect_err("it is none");
        says(&chain(&error), &["as it was", words]);
    }
    let mut other = fleet.settings().clone();
    other.fleet = "other".parse().expect("a name");
    let error = put_back(&other, &good, fleet.clock.now());
    says(
        &chain(&error.expect_err("another's")),
        &["the store holds the fleet test", "other"],
    );
    fleet.start_again().await;
    assert_eq!(recovery(&fleet).await.frozen, "");
    fleet.admin.node("s1").await;
}

fn chain(error: &RestoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
