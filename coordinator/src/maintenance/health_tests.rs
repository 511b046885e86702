use std::time::Duration;

use h8lio_model::rollout::{Lane, RolloutSpec, RolloutTarget};
use h8lio_planner::Control;
use jiff::{SignedDuration, Timestamp};
use rstest::rstest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::clock::ManualClock;
use crate::maintenance::{Rollouts, Snapshot};
use crate::store::memory::MemoryStore;

fn probe(how: HealthHow, timeout: Duration) -> HealthProbe {
    HealthProbe { how, timeout }
}

fn shell(script: &str) -> HealthHow {
    HealthHow::Command(["/bin/sh", "-c", script].map(str::to_owned).to_vec())
}

const LONG: Duration = Duration::from_secs(30);

/// Answers one request with `answer`, and tells the first line of what was asked.
async fn serve(answer: &'static str) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let url = format!(
        "http://{}/ready?deep=1",
        listener.local_addr().expect("bound")
    );
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accepts");
        let mut request = Vec::new();
        while !request.windows(4).any(|w| w == b"\r\n\r\n") {
            let mut buffer = [0; 512];
            let n = stream.read(&mut buffer).await.expect("reads");
            assert!(n > 0, "the request was cut off");
            request.extend_from_slice(&buffer[..n]);
        }
        stream.write_all(answer.as_bytes()).await.expect("writes");
        stream.shutdown().await.expect("ends");
        String::from_utf8_lossy(&request)
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned()
    });
    (url, asked)
}

#[rstest]
#[case("HTTP/1.1 204 No Content\r\n\r\n", Ok(()))]
#[case("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", Ok(()))]
#[case(
    "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
    Err("answers 503")
)]
#[case(
    "HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n",
    Err("answers 302")
)]
#[case("SSH-2.0-OpenSSH\r\n", Err("does not answer"))]
#[tokio::test]
async fn an_http_check_is_well_with_an_answer_of_the_two_hundreds(
    #[case] answer: &'static str,
    #[case] wanted: Result<(), &str>,
) {
    let (url, asked) = serve(answer).await;
    let probe = probe(HealthHow::Http(url.parse().expect("an address")), LONG);
    match (run(&probe).await, wanted) {
        (Ok(()), Ok(())) => {}
        (Err(says), Err(wanted)) => assert!(says.contains(wanted), "{says}"),
        (said, wanted) => panic!("{said:?} and not {wanted:?}"),
    }
    assert_eq!(asked.await.expect("asked"), "GET /ready?deep=1 HTTP/1.1");
}

#[tokio::test]
async fn a_check_that_nobody_answers_names_whom_it_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let url = format!("http://{address}/").parse().expect("an address");
    let says = run(&probe(HealthHow::Http(url), LONG))
        .await
        .expect_err("refused");
    assert!(
        says.contains(&format!("cannot connect to {address}")),
        "{says}"
    );
}

#[tokio::test]
async fn a_check_that_gives_no_answer_is_given_up_at_its_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    let how = HealthHow::Http(url.parse().expect("an address"));
    let says = run(&probe(how, Duration::from_millis(100))).await;
    assert_eq!(says, Err("no answer within 0.1 s".to_owned()));
}

#[rstest]
#[case("exit 0", Ok(()))]
#[case(
    "echo; echo ' the shop is closed ' >&2; exit 3",
    Err("/bin/sh ended with exit status: 3: the shop is closed")
)]
#[case("exit 1", Err("/bin/sh ended with exit status: 1"))]
#[case("yes >&2 & exec sleep 0", Ok(()))]
#[tokio::test]
async fn a_program_is_well_with_exit_code_0_and_says_why_when_it_is_not(
    #[case] script: &str,
    #[case] wanted: Result<(), &str>,
) {
    let said = run(&probe(shell(script), LONG)).await;
    assert_eq!(said, wanted.map_err(str::to_owned));
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let how = HealthHow::Command(vec!["/nonexistent/check".to_owned()]);
    let says = run(&probe(how, LONG)).await.expect_err("refused");
    assert!(says.contains("cannot start /nonexistent/check"), "{says}");
}

#[tokio::test]
async fn a_program_that_does_not_end_is_killed_with_its_children() {
    let dir = tempfile::tempdir().expect("a folder");
    let fifo = dir.path().join("alive");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("made");
    // The child holds the pipe open for writing, for as long as it lives.
    let script = format!("sleep 1000 > {} & wait", fifo.display());
    let reader = tokio::task::spawn_blocking(move || std::fs::read(&fifo));
    let says = run(&probe(shell(&script), Duration::from_secs(1))).await;
    assert_eq!(says, Err("no answer within 1 s".to_owned()));
    // Ends only when nobody has it open any more.
    let read = reader.await.expect("read").expect("read");
    assert_eq!(read, b"");
}

fn rollout(name: &str, checks: &[&str]) -> Rollout {
    Rollout {
        spec: RolloutSpec {
            name: name.parse().expect("a name"),
            target: RolloutTarget::RebootOnly,
            selector: "all".parse().expect("a selector"),
            lane: Lane::Normal,
            windows: Vec::new(),
            canary: 0,
            waves: Vec::new(),
            soak: SignedDuration::ZERO,
            failure_threshold: 1,
            deadline: None,
            health_checks: checks.iter().map(|c| (*c).to_owned()).collect(),
        },
        created_at: Timestamp::UNIX_EPOCH,
        windows: Vec::new(),
        control: Control::default(),
    }
}

async fn maintenance(clock: &Arc<ManualClock>) -> Arc<Maintenance> {
    let store = Arc::new(MemoryStore::new(Arc::clone(clock) as _));
    let rollouts = Rollouts::load(store).await.expect("read");
    let plan = h8lio_model::plan::Plan::root(clock.now());
    let first = Snapshot::first(clock.now(), plan, Arc::default());
    Arc::new(Maintenance::new(rollouts, first))
}

#[tokio::test]
async fn a_check_that_a_rollout_names_is_asked_wakes_the_driver_and_is_asked_again_later() {
    let clock = Arc::new(ManualClock::default());
    let maintenance = maintenance(&clock).await;
    let probes = BTreeMap::from([("shop".to_owned(), probe(shell("exit 0"), LONG))]);
    let mut checks = Checks::new(probes, Arc::clone(&clock) as _);
    let rollouts = [rollout("march", &["shop", "bank"])];
    let second = Duration::from_secs;
    assert_eq!(
        checks.look(&rollouts, None, &maintenance, second(1)),
        BTreeMap::new()
    );
    clock.advance(second(5));
    let mut results = BTreeMap::new();
    while results.len() < 2 {
        maintenance.woken().await;
        results = checks.look(&rollouts, None, &maintenance, second(2));
    }
    assert_eq!(results["shop"].value, Ok(()));
    let asked_at = results["shop"].observed_at;
    assert_eq!(asked_at, Timestamp::UNIX_EPOCH, "not as new as the answer");
    let unknown = results["bank"].value.clone().expect_err("not configured");
    assert!(unknown.contains("no check of this name"), "{unknown}");
    clock.advance(second(60));
    let same = checks.look(&rollouts, None, &maintenance, second(30));
    assert_eq!(
        same["shop"].observed_at,
        Timestamp::UNIX_EPOCH,
        "not due yet"
    );
    let mut at = checks.look(&rollouts, None, &maintenance, second(31))["shop"].observed_at;
    while at == Timestamp::UNIX_EPOCH {
        maintenance.woken().await;
        at = checks.look(&rollouts, None, &maintenance, second(31))["shop"].observed_at;
    }
    assert_eq!(at, clock.now());
    assert_eq!(
        checks.look(&[], None, &maintenance, second(99)),
        BTreeMap::new()
    );
}
