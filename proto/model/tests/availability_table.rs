//! Every (state, reason, input) of the availability machine, and every one of its borders to the
//! millisecond. Beat 2 s, hence: suspect after 5 s, unreachable after 8 s, stable after 12 s, a
//! restart within 16 s, warm-up 20 s.

use std::time::Duration;

use h8lio_model::availability::{Input, Timing, Transition, Watch, Why};
use h8lio_model::lifecycle::Availability;

use Availability::{Online, Suspect, Unreachable, WarmingUp};
use Input::{Amnesty, Banned, GoingDown, Goodbye, Heard, StreamClosed, Tick};
use Why::{Beating, NotHeardSinceStart, Restarting, Silent, Stabilizing};

/// When every story begins: not at zero, so that a sum is told from a difference.
const START: u64 = 100_000;

fn timing() -> Timing {
    Timing::for_beat(Duration::from_secs(2))
}

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A node's story: inputs at milliseconds after [`START`].
fn story(inputs: &[(u64, Input)]) -> Watch {
    let mut w = Watch::new(ms(START), &timing());
    for (at, input) in inputs {
        w.apply(*input, ms(START + at), &timing());
    }
    w
}

fn after(inputs: &[(u64, Input)]) -> (Availability, Why) {
    let w = story(inputs);
    (w.state(), w.why())
}

#[test]
fn every_input_in_every_state_leads_where_the_table_says() {
    // How to come into the state, when the next input comes (ms), then the state after
    // Heard, StreamClosed, Goodbye, GoingDown, Banned, Tick and Amnesty.
    type Here = (Availability, Why);
    type Row<'a> = (&'a [(u64, Input)], Here, u64, [Here; 7]);
    let anew = (WarmingUp, NotHeardSinceStart);
    let online = (Online, Beating);
    let closed = (Suspect, Why::StreamClosed);
    let leaving = (Suspect, Restarting);
    let quiet = (Suspect, Silent);
    let settling = (Suspect, Stabilizing);
    let unknown = (Unreachable, NotHeardSinceStart);
    let gone = (Unreachable, Silent);
    let down = (Suspect, Why::GoingDown);
    let off = (Unreachable, Why::GoingDown);
    let banned = (Suspect, Why::Banned);
    let table: [Row<'_>; 11] = [
        (
            &[],
            anew,
            100,
            [online, anew, anew, anew, banned, anew, anew],
        ),
        (
            &[(0, Heard)],
            online,
            100,
            [online, closed, leaving, down, banned, online, anew],
        ),
        (
            &[(0, Heard), (0, StreamClosed)],
            closed,
            100,
            [settling, closed, closed, closed, banned, closed, anew],
        ),
        (
            &[(0, Heard), (0, Goodbye)],
            leaving,
            100,
            [online, closed, leaving, leaving, banned, leaving, anew],
        ),
        (
            &[(0, Heard), (5_000, Tick)],
            quiet,
            5_100,
            [settling, closed, quiet, quiet, banned, quiet, anew],
        ),
        (
            &[(0, Heard), (8_000, Tick), (8_100, Heard)],
            settling,
            8_200,
            [settling, closed, settling, settling, banned, settling, anew],
        ),
        (
            &[(20_000, Tick)],
            unknown,
            20_100,
            [settling, unknown, unknown, unknown, banned, unknown, anew],
        ),
        (
            &[(0, Heard), (8_000, Tick)],
            gone,
            8_100,
            [settling, gone, gone, gone, banned, gone, anew],
        ),
        (
            &[(0, Heard), (0, GoingDown)],
            down,
            100,
            [online, closed, down, down, banned, down, anew],
        ),
        (
            &[(0, Heard), (0, GoingDown), (8_000, Tick)],
            off,
            8_100,
            [settling, off, off, off, banned, off, anew],
        ),
        (
            &[(0, Heard), (8_000, Tick), (8_000, Banned)],
            banned,
            90_000,
            [banned, banned, banned, banned, banned, banned, anew],
        ),
    ];
    for (way, here, next, want) in table {
        assert_eq!(after(way), here, "the way itself: {way:?}");
        let inputs = [
            Heard,
            StreamClosed,
            Goodbye,
            GoingDown,
            Banned,
            Tick,
            Amnesty,
        ];
        for (input, want) in inputs.into_iter().zip(want) {
            let mut w = story(way);
            let since = w.since();
            let told = w.apply(input, ms(START + next), &timing());
            assert_eq!((w.state(), w.why()), want, "{here:?} and {input:?}");
            let (from, to, why) = (here.0, want.0, want.1);
            let change = (from != to).then_some(Transition { from, to, why });
            assert_eq!(told, change, "{here:?} and {input:?}");
            let began = if from == to { since } else { ms(START + next) };
            assert_eq!(w.since(), began, "{here:?} and {input:?}");
        }
    }
}

#[test]
fn silence_is_judged_at_the_millisecond_also_while_others_still_have_their_grace() {
    let quiet_for = |n: u64| after(&[(1_000, Heard), (1_000 + n, Tick)]);
    assert_eq!(quiet_for(4_999), (Online, Beating));
    assert_eq!(quiet_for(5_000), (Suspect, Silent));
    assert_eq!(quiet_for(6_999), (Suspect, Silent));
    assert_eq!(quiet_for(7_000), (Unreachable, Silent));
}

#[test]
fn a_closed_stream_counts_silence_from_the_last_beat_and_not_from_its_end() {
    let quiet_for = |n: u64| after(&[(1_000, Heard), (4_000, StreamClosed), (1_000 + n, Tick)]);
    assert_eq!(quiet_for(6_999), (Suspect, Why::StreamClosed));
    assert_eq!(quiet_for(7_000), (Unreachable, Silent));
}

#[test]
fn an_announced_restart_has_twice_the_silence_and_no_more() {
    let quiet_for = |n: u64| after(&[(1_000, Heard), (1_000, Goodbye), (1_000 + n, Tick)]);
    assert_eq!(quiet_for(7_000), (Suspect, Restarting));
    assert_eq!(quiet_for(13_999), (Suspect, Restarting));
    assert_eq!(quiet_for(14_000), (Unreachable, Silent));
}

#[test]
fn a_server_that_goes_down_is_unreachable_as_soon_as_any_other_and_it_shows_why() {
    let quiet_for = |n: u64| after(&[(1_000, Heard), (1_000, GoingDown), (1_000 + n, Tick)]);
    assert_eq!(quiet_for(6_999), (Suspect, Why::GoingDown));
    assert_eq!(quiet_for(7_000), (Unreachable, Why::GoingDown));
}

#[test]
fn doubt_comes_before_every_verdict_and_not_without_need() {
    let doubtful =
        |inputs: &[(u64, Input)], at: u64| story(inputs).is_doubtful(ms(START + at), &timing());
    // A beat of 2 s may be one second late.
    assert!(!doubtful(&[(0, Heard)], 2_999));
    assert!(doubtful(&[(0, Heard)], 3_000));
    assert!(!doubtful(&[(0, Heard), (0, StreamClosed)], 2_999));
    assert!(doubtful(&[(0, Heard), (0, StreamClosed)], 3_000));
    assert!(!doubtful(&[], 14_999), "the grace ends at 20 s");
    assert!(doubtful(&[], 15_000));
    assert!(!doubtful(&[(20_000, Tick)], 90_000), "the verdict is given");
    assert!(!doubtful(&[(0, Heard), (0, Banned)], 90_000));
}

#[test]
fn who_was_not_heard_since_the_start_is_judged_at_the_end_of_the_grace() {
    assert_eq!(after(&[(19_999, Tick)]), (WarmingUp, NotHeardSinceStart));
    assert_eq!(after(&[(20_000, Tick)]), (Unreachable, NotHeardSinceStart));
}

#[test]
fn an_amnesty_gives_the_whole_grace_again_and_forgets_the_silence() {
    let start: &[(u64, Input)] = &[(0, Heard), (90_000, Amnesty)];
    let then = |more: &[(u64, Input)]| after(&[start, more].concat());
    assert_eq!(story(start).last_heard(), ms(START + 90_000));
    assert_eq!(then(&[(109_999, Tick)]), (WarmingUp, NotHeardSinceStart));
    assert_eq!(then(&[(110_000, Tick)]), (Unreachable, NotHeardSinceStart));
    assert_eq!(then(&[(110_000, Heard)]), (Online, Beating));
}

/// Gone, and heard again from 30 s on at `beats`.
fn back(beats: &[u64]) -> (Availability, Why) {
    let mut inputs = vec![(0, Heard), (8_000, Tick)];
    inputs.extend(beats.iter().map(|b| (30_000 + b, Heard)));
    after(&inputs)
}

#[test]
fn who_was_gone_counts_again_after_exactly_the_stable_time() {
    let settling = (Suspect, Stabilizing);
    assert_eq!(back(&[0, 4_000, 8_000, 11_999]), settling);
    assert_eq!(back(&[0, 4_000, 8_000, 12_000]), (Online, Beating));
}

#[test]
fn a_gap_while_stabilizing_starts_the_stable_time_anew() {
    let settling = (Suspect, Stabilizing);
    // 4.999 s between beats is no gap, 5 s is one.
    assert_eq!(back(&[0, 4_000, 8_999, 12_000]), (Online, Beating));
    assert_eq!(back(&[0, 4_000, 9_000, 12_000]), settling);
    let long = [0, 4_000, 9_000, 12_000, 16_000, 20_999];
    assert_eq!(back(&long), settling);
    assert_eq!(back(&[&long[..], &[21_000]].concat()), (Online, Beating));
    // The beat that ends a gap does not count as stable by itself, however late it is.
    assert_eq!(back(&[0, 4_000, 8_000, 13_000]), settling);
}

#[test]
fn a_server_that_flaps_never_counts_as_well() {
    let mut inputs = vec![(0, Heard), (0, StreamClosed)];
    for round in 1..50 {
        inputs.push((round * 10_000, Heard));
        inputs.push((round * 10_000 + 2_500, Heard));
        inputs.push((round * 10_000 + 5_000, StreamClosed));
        assert_eq!(after(&inputs), (Suspect, Why::StreamClosed));
    }
}

#[test]
fn the_last_sign_of_life_is_remembered_and_only_hearing_moves_it() {
    for input in [StreamClosed, Goodbye, Tick] {
        let w = story(&[(700, Heard), (900, input)]);
        assert_eq!(w.last_heard(), ms(START + 700), "{input:?}");
    }
    assert_eq!(story(&[]).last_heard(), ms(START));
}

#[test]
fn the_timings_follow_the_beat_and_have_floors_for_fast_beats() {
    let of = |beat: u64| {
        let t = Timing::for_beat(ms(beat));
        assert_eq!(t.beat, ms(beat));
        let all = [
            t.suspect_after,
            t.unreachable_after,
            t.stable_for,
            t.restart_within,
            t.warm_up,
        ];
        all.map(|d| d.as_millis())
    };
    assert_eq!(of(100), [250, 3_500, 6_000, 7_000, 15_000]);
    assert_eq!(of(1_000), [2_500, 3_500, 6_000, 7_000, 15_000]);
    assert_eq!(of(2_000), [5_000, 7_000, 12_000, 14_000, 20_000]);
}
