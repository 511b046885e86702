//! The way back in when no admin is left.

use std::path::PathBuf;
use std::time::Duration;

use h8lio_proto::v1::OperatorRole;
use h8lio_tests::harness::{Fleet, Operator, Refused as _, is_alert, says, until};

const DAY: Duration = Duration::from_secs(86_400);

async fn gets_in(operator: &Operator) {
    until("the new admin is known", || async {
        operator.status().await.ok()
    })
    .await;
}

fn notes(fleet: &Fleet) -> Vec<PathBuf> {
    let folder = fleet.store_path().with_file_name("local-operators");
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries.map(|e| e.expect("an entry").path()).collect()
}

#[tokio::test]
async fn an_admin_made_on_the_machine_gets_in_while_the_coordinator_runs_and_it_is_on_record() {
    let fleet = Fleet::start().await;
    // The only certificate of an admin has ended.
    fleet.pass(DAY * 100);
    let back = fleet.local_admin("ada");
    gets_in(&back).await;
    let entries = back.audit().await;
    let entry = entries.last().expect("an entry");
    let what = [&entry.actor, &entry.action, &entry.target].map(String::as_str);
    assert_eq!(what, ["local/root", "operator.create", "operator/ada"]);
    assert_eq!(entry.reason, "no admin is left");
    assert_eq!(back.verify().await.faults, [""; 0]);
    let event = until("the alert", || async {
        let events = back.events().await;
        events
            .into_iter()
            .find(|e| e.reason == "OperatorMadeLocally")
    })
    .await;
    assert!(is_alert(&event), "{event:?}");
    says(
        &event.message,
        &["ada (admin)", "by root", "no admin is left"],
    );
    assert!(notes(&fleet).is_empty(), "taken over once");
    // And may do what only admins may.
    let admin = back
        .create_operator("admin", OperatorRole::Admin, None)
        .await;
    admin.expect("made").status().await.expect("let in");
}

#[tokio::test]
async fn an_admin_made_while_the_coordinator_is_stopped_gets_in_after_its_start() {
    let mut fleet = Fleet::start().await;
    fleet.stop().await;
    // Twice, under the name that there is: the newer certificate is the one that counts.
    let mut older = fleet.local_admin("ada");
    std::fs::remove_file(fleet.dir().join("ada.context")).expect("removed");
    fleet.pass(Duration::from_secs(1));
    let mut newer = fleet.local_admin("ada");
    fleet.start_again().await;
    (older.dial.address, newer.dial.address) = (fleet.dial.address, fleet.dial.address);
    newer.status().await.expect("let in at once");
    says(older.status().await.refused().message(), &["replaced"]);
}

#[tokio::test]
async fn a_note_that_comes_again_does_not_bring_back_who_was_revoked() {
    let mut fleet = Fleet::start().await;
    fleet.stop().await;
    let mut ada = fleet.local_admin("ada");
    let [note] = &notes(&fleet)[..] else {
        panic!("one note");
    };
    let text = std::fs::read(note).expect("read");
    fleet.start_again().await;
    ada.dial.address = fleet.dial.address;
    ada.status().await.expect("let in");
    fleet.admin.revoke_operator("ada").await.expect("revoked");
    fleet.stop().await;
    // As if power had been lost before the note was removed.
    h8lio_tls::files::write_private(note, &text).expect("written");
    fleet.start_again().await;
    ada.dial.address = fleet.dial.address;
    says(ada.status().await.refused().message(), &["was revoked"]);
    assert!(notes(&fleet).is_empty());
}

#[tokio::test]
async fn what_is_no_note_is_set_aside_and_keeps_nobody_out() {
    let fleet = Fleet::start().await;
    let ada = fleet.local_admin("ada");
    gets_in(&ada).await;
    let folder = fleet.store_path().with_file_name("local-operators");
    h8lio_tls::files::write_private(&folder.join("0.json"), b"{}").expect("written");
    gets_in(&fleet.local_admin("eve")).await;
    assert_eq!(notes(&fleet), [folder.join("0.refused")]);
}
