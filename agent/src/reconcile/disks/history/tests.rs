use super::*;

const HOUR: i64 = 3600;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).expect("in range")
}

fn drive() -> RawDrive {
    RawDrive {
        device: "sda".into(),
        serial: Some("S-1".into()),
        failed_commands: Some(12),
        ..RawDrive::default()
    }
}

fn bad() -> Health {
    Health::Failing {
        evidence: vec!["the drive says so".into()],
    }
}

fn judged(history: &History, says: Health, second: i64) -> Health {
    history.past(&drive(), at(second)).weigh(says)
}

fn is_failing(history: &History, says: Health, second: i64) -> bool {
    matches!(judged(history, says, second), Health::Failing { .. })
}

#[test]
fn a_failing_drive_that_says_it_is_well_is_believed_after_a_day_and_not_before() {
    let mut history = History::default();
    history.heard("S-1", &bad(), at(0));
    for half_hour in 1..48 {
        history.heard("S-1", &Health::Healthy, at(half_hour * HOUR / 2));
        assert!(
            is_failing(&history, Health::Healthy, half_hour * HOUR / 2),
            "after {half_hour} half hours"
        );
    }
    let told = judged(&history, Health::Healthy, 23 * HOUR);
    assert_eq!(
        told,
        Health::Failing {
            evidence: vec!["the drive says so (before; it must be well for a day)".into()]
        }
    );
    history.heard("S-1", &Health::Healthy, at(24 * HOUR));
    assert_eq!(
        judged(&history, Health::Healthy, 24 * HOUR),
        Health::Healthy
    );
}

#[test]
fn each_relapse_begins_the_day_anew() {
    let mut history = History::default();
    history.heard("S-1", &bad(), at(0));
    for hour in [20, 21, 22] {
        history.heard("S-1", &Health::Healthy, at(hour * HOUR));
    }
    history.heard("S-1", &bad(), at(23 * HOUR));
    for hour in [25, 30, 46] {
        history.heard("S-1", &Health::Healthy, at(hour * HOUR));
        assert!(is_failing(&history, Health::Healthy, hour * HOUR));
    }
    history.heard("S-1", &Health::Healthy, at(47 * HOUR));
    assert!(!is_failing(&history, Health::Healthy, 47 * HOUR));
}

#[test]
fn a_jump_of_the_clock_and_silence_make_no_drive_well() {
    let mut history = History::default();
    history.heard("S-1", &bad(), at(0));
    let unknown = Health::Unknown { reason: "-".into() };
    for hour in 0..100 {
        history.heard("S-1", &unknown, at(hour * HOUR));
    }
    assert!(is_failing(&history, unknown, 100 * HOUR), "silence");
    history.heard("S-1", &Health::Healthy, at(1000 * HOUR));
    assert!(is_failing(&history, Health::Healthy, 1000 * HOUR), "a jump");
}

#[test]
fn a_failure_seen_in_the_future_is_over_a_day_after_the_clock_is_right() {
    let mut history = History::default();
    history.heard("S-1", &bad(), at(10_000 * HOUR));
    for hour in [0, 10, 23] {
        history.heard("S-1", &Health::Healthy, at(hour * HOUR));
        assert!(is_failing(&history, Health::Healthy, hour * HOUR));
    }
    history.heard("S-1", &Health::Healthy, at(24 * HOUR));
    assert!(!is_failing(&history, Health::Healthy, 24 * HOUR));
}

#[test]
fn some_unreadable_sectors_are_counted_and_many_within_a_day_are_a_failure() {
    let mut history = History::default();
    for sector in 0..4 {
        assert!(history.unreadable("S-1", sector, at(0)));
    }
    assert!(
        !history.unreadable("S-1", 3, at(1)),
        "the same sector again"
    );
    assert_eq!(judged(&history, Health::Healthy, 1), Health::Healthy);
    assert_eq!(history.past(&drive(), at(1)).unreadable_sectors, 4);

    history.unreadable("S-1", 4, at(2));
    history.heard("S-1", &Health::Healthy, at(2));
    let Health::Failing { evidence } = judged(&history, Health::Healthy, 2) else {
        panic!("five sectors are many");
    };
    assert!(
        evidence[0].contains("5 sectors within a day"),
        "{evidence:?}"
    );
    assert!(evidence[1].contains("12 of its commands"), "{evidence:?}");
}

#[test]
fn old_sectors_fade_and_the_failure_they_meant_ends_a_day_later() {
    let mut history = History::default();
    for sector in 0..9 {
        history.unreadable("S-1", sector, at(0));
    }
    history.heard("S-1", &Health::Healthy, at(0));
    for hour in [12, 23, 25, 40] {
        history.heard("S-1", &Health::Healthy, at(hour * HOUR));
        assert!(is_failing(&history, Health::Healthy, hour * HOUR), "{hour}");
    }
    assert_eq!(history.past(&drive(), at(25 * HOUR)).unreadable_sectors, 0);
    for hour in [46, 47] {
        history.heard("S-1", &Health::Healthy, at(hour * HOUR));
    }
    assert!(!is_failing(&history, Health::Healthy, 47 * HOUR));
}

#[test]
fn what_one_drive_did_is_not_held_against_another() {
    let mut history = History::default();
    history.heard("S-2", &bad(), at(0));
    assert_eq!(judged(&history, Health::Healthy, 1), Health::Healthy);
}

#[test]
fn an_endless_stream_of_sectors_is_kept_in_bounds() {
    let mut history = History::default();
    for sector in 0..5000 {
        history.unreadable("S-1", sector, at(0));
    }
    assert_eq!(history.past(&drive(), at(0)).unreadable_sectors, 1000);
}
