use std::collections::BTreeMap;
use std::sync::Arc;

use h8lio_model::section::Section;
use rstest::rstest;
use uuid::Uuid;

use super::*;
use crate::session::outbox::Held;

fn at(ms: u64) -> Moment {
    Moment {
        steady: Duration::from_millis(ms),
        wall: Timestamp::from_millisecond(1_000_000 + ms as i64).expect("in range"),
    }
}

fn sections(os: &str) -> Sections {
    let section = Section::encode(SectionKind::Os, &os).expect("has JSON");
    let held = Arc::new(Held {
        section,
        fresh: true,
    });
    Arc::new(BTreeMap::from([(SectionKind::Os, held)]))
}

fn pace() -> Pace {
    Pace {
        beat: Duration::from_secs(1),
        report: Duration::from_secs(2),
        max_report_bytes: 1 << 20,
    }
}

fn a_welcome() -> Welcome {
    Welcome {
        coordinator: "c1".into(),
        incarnation: Incarnation(Uuid::from_u128(1)),
        epoch: 1,
        pace: pace(),
        wall_clock: at(0).wall,
        wanted: BTreeSet::from([SectionKind::Os]),
        audit_head: None,
        trust_bundle: None,
        restricted: None,
    }
}

fn greeting() -> Machine {
    let mut m = Machine::new(sections("a"), None);
    let hello = m.step(at(0), Event::Opened);
    assert!(matches!(hello[..], [Action::Send(Outgoing::Hello { .. })]));
    m
}

fn open() -> Machine {
    let mut m = greeting();
    m.step(
        at(0),
        Event::Received(Incoming::Welcome(Box::new(a_welcome()))),
    );
    assert!(m.is_open());
    m
}

fn beats(actions: &[Action]) -> Vec<u64> {
    actions
        .iter()
        .filter_map(|a| match a {
            Action::Send(Outgoing::Beat { seq }) => Some(*seq),
            _ => None,
        })
        .collect()
}

#[test]
fn a_welcome_is_followed_by_a_beat_and_then_what_is_wanted() {
    let mut m = greeting();
    let actions = m.step(
        at(250),
        Event::Received(Incoming::Welcome(Box::new(a_welcome()))),
    );
    assert_eq!(
        actions[2],
        Action::Welcomed {
            coordinator: "c1".into()
        }
    );
    assert_eq!(actions[0], Action::ClockOffset(250));
    let sent: Vec<_> = actions
        .iter()
        .filter_map(|a| match a {
            Action::Send(o) => Some(o),
            _ => None,
        })
        .collect();
    assert!(
        matches!(sent[..], [Outgoing::Beat { seq: 1 }, Outgoing::Report(r)] if r.sections.len() == 1)
    );
}

#[test]
fn beats_keep_the_pace_without_drift_and_count_by_one() {
    let mut m = open();
    let mut seen = Vec::new();
    // Woken 30 ms late each time.
    for n in 1..=5 {
        assert!(m.next_wake() <= at(n * 1000).steady);
        seen.extend(beats(&m.step(at(n * 1000 + 30), Event::Timer)));
    }
    assert_eq!(seen, [2, 3, 4, 5, 6]);
}

#[test]
fn beats_missed_in_a_pause_are_not_made_up_for() {
    let mut m = open();
    assert_eq!(beats(&m.step(at(60_000), Event::Timer)), [2]);
    assert_eq!(beats(&m.step(at(60_001), Event::Timer)), Vec::<u64>::new());
}

#[test]
fn a_new_pace_counts_from_the_next_beat() {
    let mut m = open();
    let slow = Pace {
        beat: Duration::from_secs(10),
        ..pace()
    };
    m.step(at(10), Event::Received(Incoming::Pace(slow)));
    assert_eq!(beats(&m.step(at(1000), Event::Timer)), [2]);
    assert_eq!(beats(&m.step(at(9000), Event::Timer)), Vec::<u64>::new());
    assert_eq!(beats(&m.step(at(11_000), Event::Timer)), [3]);
}

#[test]
fn a_senseless_pace_neither_spins_nor_silences_the_agent() {
    let mut m = open();
    let mad = Pace {
        beat: Duration::ZERO,
        report: Duration::ZERO,
        max_report_bytes: 0,
    };
    m.step(at(10), Event::Received(Incoming::Pace(mad)));
    m.step(at(1000), Event::Timer);
    assert!(m.next_wake() >= at(1200).steady);
    let mute = Pace {
        beat: Duration::from_secs(1 << 40),
        ..pace()
    };
    m.step(at(1010), Event::Received(Incoming::Pace(mute)));
    m.step(at(1200), Event::Timer);
    assert!(m.next_wake() <= at(62_000).steady);
}

#[test]
fn no_welcome_in_time_ends_the_session() {
    let mut m = greeting();
    assert_eq!(m.step(at(44_999), Event::Timer), []);
    assert_eq!(m.next_wake(), at(45_000).steady);
    assert_eq!(
        m.step(at(45_000), Event::Timer),
        [Action::End(End::NoWelcome)]
    );
}

#[rstest]
#[case(Incoming::RenewNow)]
#[case(Incoming::Pace(pace()))]
#[case(Incoming::Restricted(None))]
#[case(Incoming::TrustBundle(vec![]))]
#[case(Incoming::AuditHead(AuditHead::EMPTY))]
#[case(Incoming::Receipt { received: vec![], refused: vec![] })]
fn anything_before_the_welcome_ends_the_session(#[case] message: Incoming) {
    let ended = greeting().step(at(1), Event::Received(message));
    assert!(
        matches!(ended[..], [Action::End(End::OutOfTurn(_))]),
        "{ended:?}"
    );
}

#[test]
fn a_second_welcome_ends_the_session() {
    let again = Event::Received(Incoming::Welcome(Box::new(a_welcome())));
    let ended = open().step(at(1), again);
    assert!(
        matches!(ended[..], [Action::End(End::OutOfTurn(_))]),
        "{ended:?}"
    );
}

#[rstest]
#[case(Incoming::RenewNow, Action::Renew)]
#[case(Incoming::TrustBundle(vec![vec![1]]), Action::AdoptBundle(vec![vec![1]]))]
#[case(
    Incoming::AuditHead(AuditHead::EMPTY),
    Action::Audit { incarnation: Incarnation(Uuid::from_u128(1)), head: AuditHead::EMPTY }
)]
#[case(Incoming::Restricted(Some("banned".into())), Action::Restrict(Some("banned".into())))]
#[case(Incoming::Restricted(None), Action::Restrict(None))]
#[case(
    Incoming::Receipt { received: vec![], refused: vec![(SectionKind::Os, "odd".into())] },
    Action::SectionRefused { kind: SectionKind::Os, why: "odd".into() }
)]
fn each_message_of_an_open_session_has_its_effect(#[case] says: Incoming, #[case] does: Action) {
    assert_eq!(open().step(at(1), Event::Received(says)), [does]);
}

#[test]
fn what_changed_goes_out_when_the_pace_allows() {
    let mut m = open();
    assert_eq!(m.step(at(100), Event::Sections(sections("b"))), []);
    assert_eq!(m.next_wake(), at(1000).steady);
    let actions = m.step(at(2000), Event::Timer);
    assert!(
        actions
            .iter()
            .any(|a| matches!(a, Action::Send(Outgoing::Report(_))))
    );
}

#[test]
fn a_section_known_to_the_coordinator_costs_nothing() {
    let mut m = greeting();
    let w = Welcome {
        wanted: BTreeSet::new(),
        ..a_welcome()
    };
    let actions = m.step(at(0), Event::Received(Incoming::Welcome(Box::new(w))));
    assert!(
        !actions
            .iter()
            .any(|a| matches!(a, Action::Send(Outgoing::Report(_))))
    );
}

#[rstest]
#[case(greeting())]
#[case(open())]
fn leaving_says_goodbye_once_and_then_nothing(#[case] mut m: Machine) {
    let bye = m.step(at(1), Event::Leave(Goodbye::Moved));
    let want = [
        Action::Send(Outgoing::Goodbye(Goodbye::Moved)),
        Action::End(End::Left),
    ];
    assert_eq!(bye, want);
    for event in [Event::Timer, Event::Leave(Goodbye::Restart), Event::Opened] {
        assert_eq!(m.step(at(90_000), event), []);
    }
    assert_eq!(m.next_wake(), Duration::MAX);
}

#[test]
fn however_small_the_reports_that_are_asked_for_four_kibibytes_are_sent() {
    let sent = |os: &str| {
        let mut m = Machine::new(sections(os), None);
        m.step(at(0), Event::Opened);
        let w = Welcome {
            pace: Pace {
                max_report_bytes: 0,
                ..pace()
            },
            ..a_welcome()
        };
        let actions = m.step(at(0), Event::Received(Incoming::Welcome(Box::new(w))));
        let report = |a: &Action| matches!(a, Action::Send(Outgoing::Report(_)));
        actions.iter().any(report)
    };
    assert!(sent(&"x".repeat(4_000)));
    assert!(!sent(&"x".repeat(4_096)));
}

#[test]
fn a_welcome_opens_the_session_and_tells_all_that_it_carries() {
    let mut m = greeting();
    assert!(!m.is_open());
    let head = AuditHead {
        seq: 3,
        hash: Digest([3; 32]),
    };
    let w = Welcome {
        audit_head: Some(head),
        trust_bundle: Some(vec![vec![1]]),
        restricted: Some("a clone".into()),
        ..a_welcome()
    };
    let incarnation = w.incarnation;
    let actions = m.step(at(0), Event::Received(Incoming::Welcome(Box::new(w))));
    assert!(m.is_open());
    for told in [
        Action::Restrict(Some("a clone".into())),
        Action::AdoptBundle(vec![vec![1]]),
        Action::Audit { incarnation, head },
    ] {
        assert!(actions.contains(&told), "{told:?} of {actions:?}");
    }
    m.step(at(1), Event::Leave(Goodbye::Moved));
    assert!(!m.is_open());
}

#[test]
fn a_beat_that_is_late_is_followed_by_the_next_after_half_a_pace_at_least() {
    let mut m = open();
    m.step(at(1_000), Event::Timer);
    assert_eq!(m.next_wake(), at(2_000).steady);
    assert_eq!(beats(&m.step(at(2_400), Event::Timer)), [3]);
    assert_eq!(m.next_wake(), at(3_000).steady, "in step again");
    assert_eq!(beats(&m.step(at(3_900), Event::Timer)), [4]);
    assert_eq!(m.next_wake(), at(4_400).steady);
}
