//! Commands that stay: what they print, how they end, and that they outlive a lost connection.

use std::time::Duration;

use h8lctl::errors::Exit;
use h8lctl::follow::Interrupt;
use h8lio_model::lifecycle::Availability;
use tokio::sync::oneshot;

use crate::bench::{Bench, Said};
use crate::fake_fleet::event;

/// Runs `line` until `enough` is true of standard output and standard error, then stops it as
/// ctrl-c would. `meanwhile` is called at each look.
async fn run_until(
    bench: &mut Bench,
    line: &str,
    mut meanwhile: impl FnMut(&Bench, &str),
    enough: fn(&str, &str) -> bool,
) -> Said {
    let (stop, stopped) = oneshot::channel::<()>();
    bench.interrupt = Interrupt::when(async {
        let _ = stopped.await;
    });
    let mut stop = Some(stop);
    let run = bench.run(line);
    tokio::pin!(run);
    let deadline = tokio::time::sleep(Duration::from_secs(30));
    tokio::pin!(deadline);
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    loop {
        tokio::select! {
            said = &mut run => return said,
            () = &mut deadline => panic!("not enough within 30 s: {:?}", bench.written),
            _ = tick.tick() => {
                let (out, err) = bench.written.lock().expect("lock").clone();
                meanwhile(bench, &out);
                if enough(&out, &err) && let Some(stop) = stop.take() {
                    let _ = stop.send(());
                }
            }
        }
    }
}

#[tokio::test]
async fn watch_prints_again_only_when_something_changed_and_ctrl_c_exits_0() {
    let mut bench = Bench::new();
    let said = run_until(
        &mut bench,
        "node list --watch -o json",
        |bench, out| {
            if !out.is_empty() {
                let mut state = bench.fake.state();
                // Beats alone are no change.
                let beats = state.nodes[0].node.availability_reason.len();
                state.nodes[0].node.last_seen = Some(crate::samples::before(0));
                state.nodes[0].node.availability_reason = format!("no beat for {beats} s");
                state.nodes[1].node.availability = Availability::Suspect;
            }
        },
        |out, _| out.contains("Suspect"),
    )
    .await;
    assert_eq!(said.exit, Exit::Done, "{}", said.err);
    assert_eq!(said.out.lines().count(), 2, "{}", said.out);
}

#[tokio::test]
async fn watch_outlives_a_coordinator_that_is_away_for_a_moment() {
    let mut bench = Bench::new();
    let mut broken = false;
    let said = run_until(
        &mut bench,
        "node list --watch -o name",
        |bench, out| {
            if !out.is_empty() && !broken {
                broken = true;
                bench.fake.state().refuse = Some(tonic::Status::unavailable("restarting"));
            }
        },
        |out, err| err.contains("still trying") && out.matches("r1-s1").count() == 2,
    )
    .await;
    assert_eq!(said.exit, Exit::Done, "{}", said.err);
    assert_eq!(bench.fake.state().dialled.len(), 2, "it connected anew");
}

#[tokio::test]
async fn follow_goes_on_behind_the_last_event_after_a_stream_ended() {
    let mut bench = Bench::new();
    bench.fake.state().streams = [vec![event(3, "Third")], vec![event(4, "Fourth")]].into();
    let said = run_until(
        &mut bench,
        "event list --follow -o name",
        |_, _| {},
        |out, _| out.contains('4'),
    )
    .await;
    assert_eq!(said.exit, Exit::Done, "{}", said.err);
    assert_eq!(said.out, "1\n2\n3\n4\n", "none missed, none twice");
    assert_eq!(bench.fake.state().followed[..2], [2, 3]);
}

#[tokio::test]
async fn a_broken_follow_is_told_once_and_so_is_its_return() {
    let mut bench = Bench::new();
    bench.fake.state().broken_streams = 1;
    let mut refused = false;
    let said = run_until(
        &mut bench,
        "event list --follow -o name",
        |bench, out| {
            // The first attempt to come back fails, too.
            if out.contains('2') && !refused && !bench.fake.state().followed.is_empty() {
                refused = true;
                bench.fake.state().refuse = Some(tonic::Status::unavailable("still starting"));
            }
        },
        |_, err| err.contains("connected again"),
    )
    .await;
    assert_eq!(said.exit, Exit::Done, "{}", said.err);
    assert_eq!(
        said.err,
        "the coordinator closed the connection\nconnected again\n"
    );
    assert_eq!(said.out, "1\n2\n");
}

#[tokio::test]
async fn follow_ends_when_it_is_not_permitted() {
    let bench = Bench::new();
    bench.fake.state().refuse = Some(tonic::Status::permission_denied("revoked"));
    let said = bench.run("event list --follow").await;
    assert_eq!(said.exit, Exit::NotPermitted);
}
