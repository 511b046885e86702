//! A node whose agent comes back as an older release than it was.

use std::time::Duration;

use h8lio_proto::v1;
use h8lio_tests::harness::{Beating, Fleet, Server, says, until};

async fn greets_as(server: &mut Server, version: &str) -> Beating {
    server.restart_agent();
    let mut session = server.stream().await.expect("a stream");
    let hello = v1::Hello {
        agent_version: version.to_owned(),
        ..server.hello()
    };
    session.greet(hello).await.expect("welcomed all the same");
    session.beating(Duration::from_millis(200))
}

/// scenario: 33 (integration)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_agent_is_welcome_and_told_once_also_across_a_restart() {
    let mut fleet = Fleet::start().await;
    let mut server = fleet.enrolled("s1").await;
    drop(greets_as(&mut server, "0.2.0").await);
    assert_eq!(fleet.admin.events_of("s1", "AgentOlder").await.len(), 0);
    drop(greets_as(&mut server, "0.1.0").await);
    let told = fleet.admin.sees_event("s1", "AgentOlder").await;
    says(&told.message, &["0.1.0", "0.2.0 before", "newer agent"]);
    drop(greets_as(&mut server, "0.1.0").await);
    fleet.restart().await;
    server.follow(&fleet);
    drop(greets_as(&mut server, "0.1.0").await);
    let seen = fleet
        .running()
        .services
        .registry
        .find("s1")
        .expect("known")
        .seen();
    assert_eq!(seen.agent_version.as_deref(), Some("0.1.0"));
    assert_eq!(
        seen.agent_newest.as_deref(),
        Some("0.2.0"),
        "it is not forgotten"
    );
    assert_eq!(fleet.admin.events_of("s1", "AgentOlder").await.len(), 1);
    drop(greets_as(&mut server, "0.2.0").await);
    drop(greets_as(&mut server, "what is this").await);
    // What is no release is not taken for a newer one.
    until("it is told again", || async {
        let all = fleet.admin.events_of("s1", "AgentOlder").await;
        (all.len() == 2).then_some(())
    })
    .await;
}
