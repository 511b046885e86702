//! The whole daemon over a simulated server: enroll, run, faults, SIGTERM.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use h8lio_agent::app;
use h8lio_agent::cli::{Command, Enroll, Run, Server};
use h8lio_agent::clock::{Clock as _, SystemClock};
use h8lio_agent::config::{self, Period, Settings};
use h8lio_model::section::SectionKind;
use h8lio_proto::v1::connect_request::Message as Request;

use super::coordinator::{Heard, Running, Script, hello, report};
use super::rig::token;

fn server() -> Server {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/sim/demo/r1-1.toml");
    Server { sim: Some(demo) }
}

fn conditions(h: &Heard) -> Option<String> {
    let sections = report(h)?.sections;
    let found = sections
        .iter()
        .find(|s| s.kind == SectionKind::Conditions as i32)?;
    String::from_utf8(found.body.to_vec()).ok()
}

#[tokio::test]
async fn a_simulated_server_lives_through_faults_a_reboot_and_a_stop() {
    let mut script = Script::default();
    script.welcome.wanted = SectionKind::ALL.iter().map(|k| *k as i32).collect();
    let coordinator = Running::start("test", script).await;
    let dir = tempfile::tempdir().expect("a folder");
    let text = format!(
        "state_dir = {:?}\n[intervals]\nreport = \"1s\"",
        dir.path().join("state")
    );
    let settings: Settings = config::parse(Path::new("test.toml"), &text).expect("good");
    let token_file = dir.path().join("token");
    std::fs::write(&token_file, token(&coordinator, "t1").expose()).expect("written");

    let enroll = Command::Enroll(Enroll {
        token_file: Some(token_file),
        replace: false,
        wait: Period(Duration::from_secs(20)),
        server: server(),
    });
    app::work(&settings, enroll).await.expect("enrolled");
    let daemon = {
        let settings = settings.clone();
        tokio::spawn(async move {
            let run = Command::Run(Run { server: server() });
            app::work(&settings, run).await
        })
    };
    let (_, first) = coordinator.hear("a greeting", hello).await;
    for kind in SectionKind::ALL {
        coordinator
            .hear(kind.as_str(), |h| {
                report(h)?
                    .sections
                    .iter()
                    .find(|s| s.kind == kind as i32)
                    .map(|_| ())
            })
            .await;
    }

    let mut faults = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(settings.state_dir.join("faults"))
        .expect("open");
    writeln!(faults, "link.speed eno1 100").expect("queued");
    coordinator
        .hear("the slow link", |h| {
            conditions(h).filter(|c| c.contains("LinkDegraded"))
        })
        .await;
    writeln!(faults, "reboot 100ms").expect("queued");
    let boots_anew = |h: &Heard| hello(h).filter(|(_, h)| h.boot_id != first.boot_id);
    coordinator.hear("another boot", boots_anew).await;
    coordinator
        .hear("the link is slow after the reboot too", |h| match h {
            Heard::Stream { session: 2, .. } => {
                conditions(h).filter(|c| c.contains("LinkDegraded"))
            }
            _ => None,
        })
        .await;

    nix::sys::signal::raise(nix::sys::signal::Signal::SIGTERM).expect("sent");
    let ended = tokio::time::timeout(Duration::from_secs(3), daemon).await;
    ended
        .expect("ends in time")
        .expect("no panic")
        .expect("no error");
    let says_goodbye = |h: &Heard| match h {
        Heard::Stream { message, .. } => match &message.message {
            Some(Request::Goodbye(g)) => Some(g.reason),
            _ => None,
        },
        _ => None,
    };
    assert_eq!(coordinator.hear("a goodbye", says_goodbye).await, 1);
}

/// As installed: no `--sim`, the collectors of this machine, everything as `app` builds it.
#[tokio::test]
async fn a_real_server_beats_evenly_and_its_main_thread_does_not_spin() {
    let coordinator = Running::start("test", Script::default()).await;
    let dir = tempfile::tempdir().expect("a folder");
    let text = format!("state_dir = {:?}", dir.path().join("state"));
    let settings: Settings = config::parse(Path::new("test.toml"), &text).expect("good");
    let token_file = dir.path().join("token");
    std::fs::write(&token_file, token(&coordinator, "t1").expose()).expect("written");
    let real = || Server { sim: None };
    let enroll = Command::Enroll(Enroll {
        token_file: Some(token_file),
        replace: false,
        wait: Period(Duration::from_secs(20)),
        server: real(),
    });
    app::work(&settings, enroll).await.expect("enrolled");
    let daemon = tokio::spawn(async move {
        let run = Command::Run(Run { server: real() });
        app::work(&settings, run).await
    });
    coordinator.hear("a report", report).await;
    // The test's thread, which is the agent's main one; reading the machine is done by others.
    let spent = || {
        let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_THREAD);
        let usage = usage.expect("answered");
        let time = |t: nix::sys::time::TimeVal| t.tv_sec() * 1_000_000 + t.tv_usec();
        time(usage.user_time()) + time(usage.system_time())
    };
    let clock = SystemClock::new();
    let (begun, before) = (clock.now().steady, spent());
    let mut last = begun;
    for beat in 1..=10 {
        coordinator.beats_of(1, 1).await;
        let now = clock.now().steady;
        let gap = now - last;
        assert!(
            gap < Duration::from_secs(2),
            "beat {beat} came after {gap:?}"
        );
        last = now;
    }
    let (took, spent) = (last - begun, spent() - before);
    // 200 ms apart; the first may come at once.
    assert!(took > Duration::from_millis(1500), "ten beats in {took:?}");
    assert!(spent < 150_000, "{spent} µs of CPU in ten beats");
    assert!(!daemon.is_finished(), "it runs");
    daemon.abort();
}
