use std::time::Duration;

use futures::StreamExt;

use super::*;
use crate::clock::ManualClock;
use crate::store::memory::MemoryStore;

fn store(history: usize) -> Arc<dyn Store> {
    let clock = Arc::new(ManualClock::default());
    Arc::new(MemoryStore::with_history(clock, history))
}

fn draft(n: usize) -> EventDraft {
    EventDraft {
        at: Timestamp::UNIX_EPOCH,
        severity: [Severity::Info, Severity::Warning, Severity::Alert][n % 3],
        reason: "DiskAppeared".into(),
        node: Some(node(n % 2)),
        node_name: Some(format!("s{}", n % 2)),
        message: format!("event {n}"),
    }
}

fn node(n: usize) -> NodeId {
    NodeId::new(uuid::Uuid::from_u128(n as u128))
}

fn drafts(range: std::ops::Range<usize>) -> Vec<EventDraft> {
    range.map(draft).collect()
}

fn seqs(events: &[Event]) -> Vec<u64> {
    events.iter().map(|e| e.seq).collect()
}

async fn take(
    stream: &mut BoxStream<'static, Result<Event, EventsError>>,
    n: usize,
) -> Vec<Result<Event, EventsError>> {
    let taken = stream.take(n).collect::<Vec<_>>();
    tokio::time::timeout(Duration::from_secs(20), taken)
        .await
        .expect("the stream answers")
}

async fn follow_seqs(
    stream: &mut BoxStream<'static, Result<Event, EventsError>>,
    n: usize,
) -> Vec<u64> {
    let events = take(stream, n).await.into_iter();
    events.map(|e| e.expect("no error").seq).collect()
}

#[tokio::test]
async fn events_get_gapless_numbers_in_their_order() {
    let log = EventLog::new(store(1000), 1000);
    assert_eq!(log.append(drafts(0..250)).await, Ok(250));
    assert_eq!(log.append(vec![]).await, Ok(0));
    assert_eq!(log.append(drafts(250..251)).await, Ok(251));
    let all = log
        .list(1, 1000, EventFilter::default())
        .await
        .expect("lists");
    assert_eq!(seqs(&all), (1..=251).collect::<Vec<_>>());
    assert!(
        all.iter()
            .enumerate()
            .all(|(i, e)| e.message == format!("event {i}"))
    );
}

#[tokio::test]
async fn many_writers_share_transactions_and_each_learns_its_place() {
    let store = store(1000);
    let log = EventLog::new(store.clone(), 1000);
    let before = store.revision().await.expect("reads");
    let all = (0..300).map(|i| log.append(drafts(i..i + 2)));
    let places = futures::future::join_all(all).await;
    for (i, place) in places.into_iter().enumerate() {
        let place = place.expect("written");
        let one = log
            .list(place, 1, EventFilter::default())
            .await
            .expect("lists");
        assert_eq!(one[0].message, format!("event {}", i + 1));
    }
    let spent = store.revision().await.expect("reads").0 - before.0;
    assert!(spent < 30, "{spent} transactions for 600 events");
}

#[tokio::test]
async fn two_processes_on_one_store_leave_no_gap() {
    let store = store(1000);
    let (one, two) = (
        EventLog::new(store.clone(), 1000),
        EventLog::new(store, 1000),
    );
    for i in 0..10 {
        let log = if i % 2 == 0 { &one } else { &two };
        assert_eq!(log.append(drafts(i..i + 1)).await, Ok(i as u64 + 1));
    }
    let all = two
        .list(1, 99, EventFilter::default())
        .await
        .expect("lists");
    assert_eq!(seqs(&all), (1..=10).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_oldest_are_dropped_and_the_numbers_go_on() {
    let store = store(1000);
    let log = EventLog::new(store.clone(), 120);
    log.append(drafts(0..500)).await.expect("written");
    let all = log
        .list(1, 1000, EventFilter::default())
        .await
        .expect("lists");
    assert_eq!(seqs(&all), (381..=500).collect::<Vec<_>>());
    // Also after a restart.
    let log = EventLog::new(store, 120);
    assert_eq!(log.append(drafts(0..1)).await, Ok(501));
    let all = log.list(0, 1, EventFilter::default()).await.expect("lists");
    assert_eq!(seqs(&all), [382]);
}

#[tokio::test]
async fn a_list_is_filtered_and_counted_after_the_filter() {
    let log = EventLog::new(store(1000), 2000);
    log.append(drafts(0..1500)).await.expect("written");
    let alerts = EventFilter {
        node: Some(node(1)),
        at_least: Some(Severity::Alert),
    };
    // Numbers 6, 12, 18…: every sixth draft is an alert of node 1.
    let first = log.list(7, 2, alerts).await.expect("lists");
    assert_eq!(seqs(&first), [12, 18]);
    let last = log.last(3, alerts).await.expect("lists");
    assert_eq!(seqs(&last), [1488, 1494, 1500]);
    let warnings = EventFilter {
        node: None,
        at_least: Some(Severity::Warning),
    };
    assert_eq!(log.last(2000, warnings).await.expect("lists").len(), 1000);
}

#[tokio::test]
async fn a_follower_reads_the_past_and_then_what_comes() {
    let log = EventLog::new(store(10_000), 10_000);
    log.append(drafts(0..1200)).await.expect("written");
    let mut all = log.follow(1);
    assert_eq!(
        follow_seqs(&mut all, 1200).await,
        (1..=1200).collect::<Vec<_>>()
    );
    let mut end = log.follow(1201);
    for i in 0..10 {
        log.append(drafts(i..i + 3)).await.expect("written");
    }
    for stream in [&mut all, &mut end] {
        assert_eq!(
            follow_seqs(stream, 30).await,
            (1201..=1230).collect::<Vec<_>>()
        );
    }
}

#[tokio::test]
async fn a_slow_follower_misses_nothing_that_is_kept() {
    // The store forgets after 5 revisions, the log after 1000 events.
    let log = EventLog::new(store(5), 1000);
    log.append(drafts(0..1)).await.expect("written");
    let mut slow = log.follow(1);
    assert_eq!(follow_seqs(&mut slow, 1).await, [1]);
    for i in 0..50 {
        log.append(drafts(i..i + 10)).await.expect("written");
    }
    assert_eq!(
        follow_seqs(&mut slow, 500).await,
        (2..=501).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_follower_of_what_is_gone_is_told_and_where_to_begin() {
    let log = EventLog::new(store(5), 100);
    log.append(drafts(0..1)).await.expect("written");
    let mut slow = log.follow(1);
    assert_eq!(follow_seqs(&mut slow, 1).await, [1]);
    log.append(drafts(0..900)).await.expect("written");
    let gone = EventsError::Gone {
        from: 2,
        oldest: 802,
    };
    assert_eq!(take(&mut slow, 5).await, [Err(gone)]);
    assert_eq!(
        follow_seqs(&mut log.follow(802), 100).await.last(),
        Some(&901)
    );
}

#[tokio::test]
async fn an_event_too_long_is_cut_and_still_written() {
    let log = EventLog::new(store(10), 1000);
    let long = |i| EventDraft {
        message: "\u{1}ä".repeat(5_000),
        ..draft(i)
    };
    log.append((0..100).map(long).collect())
        .await
        .expect("written");
    let all = log.list(1, 1, EventFilter::default()).await.expect("lists");
    assert!(all[0].message.ends_with('…') && all[0].message.len() <= MAX_MESSAGE + 3);
}
