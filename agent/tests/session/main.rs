//! The agent's session and identity against a scripted coordinator over real TLS on loopback.
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod authority;
mod coordinator;
mod rig;

use std::time::Duration;

use coordinator::{Heard, Running, Script};
use h8lio_proto::v1::connect_request::Message as Request;
use h8lio_proto::v1::connect_response::Message as Response;
use rig::Rig;

fn hello(h: &Heard) -> Option<(u64, h8lio_proto::v1::Hello)> {
    match h {
        Heard::Stream {
            rotation, message, ..
        } => match &message.message {
            Some(Request::Hello(hello)) => Some((*rotation, hello.clone())),
            _ => None,
        },
        _ => None,
    }
}

fn beat(h: &Heard) -> Option<u64> {
    match h {
        Heard::Stream { message, .. } => match &message.message {
            Some(Request::Beat(b)) => Some(b.seq),
            _ => None,
        },
        _ => None,
    }
}

fn report(h: &Heard) -> Option<h8lio_proto::v1::Report> {
    match h {
        Heard::Stream { message, .. } => match &message.message {
            Some(Request::Report(r)) => Some(r.clone()),
            _ => None,
        },
        _ => None,
    }
}

#[tokio::test]
async fn a_server_enrolls_opens_its_session_beats_and_reports() {
    let coordinator = Running::start("test", Script::default()).await;
    let rig = Rig::new();
    let membership = rig.enroll(&coordinator).await.expect("enrolled");
    assert_eq!(membership.node_name.as_str(), "s1");
    let agent = rig.run();
    let (rotation, hello) = coordinator.hear("a greeting", hello).await;
    assert!(rotation > 0, "the node certificate was shown");
    assert_eq!(hello.agent_version, env!("CARGO_PKG_VERSION"));
    coordinator
        .hear("a third beat", |h| beat(h).filter(|n| *n == 3))
        .await;
    let report = coordinator.hear("a report", report).await;
    assert_eq!(report.sections.len(), 1);
    assert_eq!(report.sections[0].body.as_ref(), br#""debian""#);
    let stopped = agent.stop(h8lio_agent::session::machine::Goodbye::Restart);
    tokio::time::timeout(Duration::from_secs(2), stopped)
        .await
        .expect("leaves in time");
    coordinator
        .hear("a goodbye", |h| match h {
            Heard::Stream { message, .. } => match &message.message {
                Some(Request::Goodbye(g)) if g.reason == 1 => Some(()),
                _ => None,
            },
            _ => None,
        })
        .await;
}
