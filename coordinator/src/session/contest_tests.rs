use std::sync::Arc;

use h8lio_model::ids::{AgentInstance, BootId, Rotation};
use h8lio_model::session::LONGEST_BEAT;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::super::admit::Claim;
use super::*;

fn session() -> Arc<Open> {
    let claim = Claim {
        boot_id: BootId(Uuid::from_u128(1)),
        instance: AgentInstance(Uuid::from_u128(1)),
        rotation: Rotation(1),
    };
    Open::new(claim, 0, mpsc::channel(1).0).0
}

/// Beats of `session`, the first one after `first`.
fn beating(session: &Arc<Open>, first: Duration, every: Duration) {
    let session = Arc::clone(session);
    tokio::spawn(async move {
        sleep(first).await;
        loop {
            session.beats.fetch_add(1, Ordering::Relaxed);
            sleep(every).await;
        }
    });
}

/// scenario: 35 (unit)
#[tokio::test(start_paused = true)]
async fn a_silent_session_is_given_up_in_three_beats_also_at_the_slowest_pace() {
    for beat in [Duration::from_millis(200), LONGEST_BEAT] {
        let decided = timeout(SETTLED_WITHIN, still_beats(&session(), beat)).await;
        assert_eq!(decided, Ok(false), "{beat:?}");
        let early = timeout(beat * 2, still_beats(&session(), beat)).await;
        early.expect_err("two whole beats must have the time to come");
    }
}

/// scenario: 35 (unit)
#[tokio::test(start_paused = true)]
async fn a_session_that_beats_is_noticed_at_the_slowest_pace_and_whatever_the_moment() {
    for tenth in 1..=10 {
        let old = session();
        beating(&old, LONGEST_BEAT * tenth / 10, LONGEST_BEAT);
        let decided = timeout(SETTLED_WITHIN, still_beats(&old, LONGEST_BEAT)).await;
        assert_eq!(decided, Ok(true), "{tenth}");
    }
}

/// scenario: 35 (unit)
#[tokio::test(start_paused = true)]
async fn a_beat_that_was_under_way_is_no_sign_of_life() {
    let old = session();
    let beat = Duration::from_secs(1);
    beating(&old, beat / 4, beat * 100);
    assert!(!still_beats(&old, beat).await);
}
