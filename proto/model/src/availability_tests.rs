//! Every state with every input; the table of it stands in docs/availability.md and cannot drift.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Now, in each test: long after everything.
const NOW: Duration = Duration::from_secs(1_000);

fn timing() -> Timing {
    Timing::for_beat(SECOND)
}

/// A state with the reasons that make a difference to what comes next.
#[derive(Debug, Clone, Copy)]
struct Situation {
    name: &'static str,
    state: Availability,
    why: Why,
    /// The grace still runs.
    grace: bool,
}

const fn situation(name: &'static str, state: Availability, why: Why) -> Situation {
    Situation {
        name,
        state,
        why,
        grace: false,
    }
}

const SITUATIONS: &[Situation] = &[
    Situation {
        grace: true,
        ..situation(
            "WarmingUp, in its grace",
            Availability::WarmingUp,
            Why::NotHeardSinceStart,
        )
    },
    situation(
        "WarmingUp, grace over",
        Availability::WarmingUp,
        Why::NotHeardSinceStart,
    ),
    situation("Online", Availability::Online, Why::Beating),
    situation("Suspect, silent", Availability::Suspect, Why::Silent),
    situation(
        "Suspect, stream closed",
        Availability::Suspect,
        Why::StreamClosed,
    ),
    situation(
        "Suspect, restarting",
        Availability::Suspect,
        Why::Restarting,
    ),
    situation("Suspect, going down", Availability::Suspect, Why::GoingDown),
    situation("Suspect, banned", Availability::Suspect, Why::Banned),
    situation(
        "Suspect, stabilizing",
        Availability::Suspect,
        Why::Stabilizing,
    ),
    situation("Unreachable", Availability::Unreachable, Why::Silent),
    situation("Fenced", Availability::Fenced, Why::Silent),
];

/// An input with what makes a difference to its effect.
#[derive(Debug, Clone, Copy)]
struct Happening {
    name: &'static str,
    input: Input,
    /// Since the node was heard last.
    silence: Silence,
    /// It has been heard for `stable_for` without a gap.
    steady: bool,
}

/// Lengths of silence, by what they mean.
#[derive(Debug, Clone, Copy)]
enum Silence {
    Short,
    Suspicious,
    Long,
    BeyondRestart,
    BeyondWarmUp,
}

impl Silence {
    fn length(self) -> Duration {
        let t = timing();
        match self {
            Self::Short => t.beat,
            Self::Suspicious => t.suspect_after,
            Self::Long => t.unreachable_after,
            Self::BeyondRestart => t.restart_within,
            Self::BeyondWarmUp => t.warm_up,
        }
    }
}

const fn happening(name: &'static str, input: Input, silence: Silence) -> Happening {
    Happening {
        name,
        input,
        silence,
        steady: false,
    }
}

const HAPPENINGS: &[Happening] = &[
    happening("heard", Input::Heard, Silence::Short),
    happening("heard after a gap", Input::Heard, Silence::Suspicious),
    Happening {
        steady: true,
        ..happening(
            "heard, steady for `stable_for`",
            Input::Heard,
            Silence::Short,
        )
    },
    happening("stream closed", Input::StreamClosed, Silence::Short),
    happening("goodbye, it restarts", Input::Goodbye, Silence::Short),
    happening(
        "goodbye, the server goes down",
        Input::GoingDown,
        Silence::Short,
    ),
    happening("banned", Input::Banned, Silence::Short),
    happening("tick, heard lately", Input::Tick, Silence::Short),
    happening(
        "tick, silent for `suspect_after`",
        Input::Tick,
        Silence::Suspicious,
    ),
    happening(
        "tick, silent for `unreachable_after`",
        Input::Tick,
        Silence::Long,
    ),
    happening(
        "tick, silent for `restart_within`",
        Input::Tick,
        Silence::BeyondRestart,
    ),
    happening(
        "tick, silent for `warm_up`",
        Input::Tick,
        Silence::BeyondWarmUp,
    ),
    happening("amnesty", Input::Amnesty, Silence::Short),
];

fn watch(s: Situation, h: Happening) -> Watch {
    let t = timing();
    let last_heard = NOW - h.silence.length();
    Watch {
        state: s.state,
        why: s.why,
        last_heard,
        heard_since: if h.steady {
            NOW - t.stable_for
        } else {
            last_heard
        },
        grace_until: if s.grace { NOW + t.beat } else { NOW - t.beat },
        since: Duration::ZERO,
    }
}

/// The answer of the machine: what it says to have changed, and what it is then.
fn step(s: Situation, h: Happening) -> Watch {
    let before = watch(s, h);
    let mut after = before;
    let said = after.apply(h.input, NOW, &timing());
    let changed = (before.state != after.state).then_some(Transition {
        from: before.state,
        to: after.state,
        why: after.why,
    });
    assert_eq!(said, changed, "{} + {}", s.name, h.name);
    let since = if said.is_some() { NOW } else { before.since };
    assert_eq!(after.since, since, "{} + {}", s.name, h.name);
    after
}

/// The lines of the table in docs/availability.md.
fn table() -> String {
    let names = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut head = vec!["What happens".to_owned()];
    head.extend(SITUATIONS.iter().map(|s| s.name.to_owned()));
    let mut text = names(head);
    text += &"|---".repeat(SITUATIONS.len() + 1);
    text += "|\n";
    for h in HAPPENINGS {
        let mut row = vec![h.name.to_owned()];
        row.extend(SITUATIONS.iter().map(|s| {
            let (before, after) = (watch(*s, *h), step(*s, *h));
            if (before.state, before.why) == (after.state, after.why) {
                "·".to_owned()
            } else {
                format!("{} ({:?})", after.state, after.why)
            }
        }));
        text += &names(row);
    }
    text
}

#[test]
fn the_table_in_the_documentation_is_the_machine() {
    let page = include_str!("../../../docs/availability.md");
    let table = table();
    assert!(
        page.contains(&table),
        "docs/availability.md is behind the code; its table is now:\n\n{table}"
    );
}

#[test]
fn the_defaults_in_the_documentation_are_the_code() {
    let page = include_str!("../../../docs/availability.md");
    let (one, ten) = (timing(), Timing::for_beat(SECOND * 10));
    let rows = [
        ("suspect_after", one.suspect_after, ten.suspect_after),
        (
            "unreachable_after",
            one.unreachable_after,
            ten.unreachable_after,
        ),
        ("stable_for", one.stable_for, ten.stable_for),
        ("restart_within", one.restart_within, ten.restart_within),
        ("warm_up", one.warm_up, ten.warm_up),
    ];
    for (name, one, ten) in rows {
        let cells = format!("| {} s | {} s |", one.as_secs_f64(), ten.as_secs_f64());
        let found = page
            .lines()
            .any(|l| l.starts_with(&format!("| `{name}` ")) && l.ends_with(&cells));
        assert!(found, "docs/availability.md lacks `{name}` with{cells}");
    }
}

/// Which states may follow which, by hand and not from the code: a second opinion.
fn may_follow(from: Availability, input: Input) -> &'static [Availability] {
    use Availability as A;
    match (from, input) {
        (A::Fenced, _) => &[A::Fenced],
        (_, Input::Amnesty) => &[A::WarmingUp],
        (_, Input::Banned) => &[A::Suspect],
        (A::Online | A::WarmingUp, Input::Heard) => &[A::Online],
        (A::Suspect, Input::Heard) => &[A::Suspect, A::Online],
        (A::Unreachable, Input::Heard) => &[A::Suspect],
        (A::Online | A::Suspect, Input::StreamClosed) => &[A::Suspect],
        (A::Online | A::Suspect, Input::Goodbye | Input::GoingDown) => &[A::Suspect],
        (A::Online, Input::Tick) => &[A::Online, A::Suspect, A::Unreachable],
        (A::Suspect, Input::Tick) => &[A::Suspect, A::Unreachable],
        (A::WarmingUp, Input::Tick) => &[A::WarmingUp, A::Unreachable],
        (A::WarmingUp, Input::StreamClosed | Input::Goodbye | Input::GoingDown) => &[A::WarmingUp],
        (A::Unreachable, _) => &[A::Unreachable],
    }
}

#[test]
fn every_state_with_every_input_leads_only_where_it_may() {
    for state in Availability::ALL {
        let there: Vec<_> = SITUATIONS.iter().filter(|s| s.state == *state).collect();
        assert!(!there.is_empty(), "{state} is in no situation");
        let inputs = [
            Input::Heard,
            Input::StreamClosed,
            Input::Goodbye,
            Input::GoingDown,
            Input::Banned,
            Input::Tick,
            Input::Amnesty,
        ];
        for input in inputs {
            let allowed = may_follow(*state, input);
            let mut reached = Vec::new();
            for h in HAPPENINGS.iter().filter(|h| h.input == input) {
                reached.extend(there.iter().map(|s| step(**s, *h).state()));
            }
            for to in &reached {
                assert!(allowed.contains(to), "{state} + {input:?} led to {to}");
            }
            for to in allowed {
                assert!(
                    reached.contains(to),
                    "{state} + {input:?} never led to {to}"
                );
            }
        }
    }
}

#[test]
fn one_lost_beat_is_no_news_and_an_instant_before_the_limit_none_either() {
    let t = timing();
    let instant = Duration::from_millis(1);
    let mut watch = Watch::new(Duration::ZERO, &t);
    watch.apply(Input::Heard, SECOND, &t);
    let tick = |watch: &mut Watch, silence| {
        watch.apply(Input::Tick, SECOND + silence, &t);
        watch.state()
    };
    assert_eq!(tick(&mut watch, t.beat * 2), Availability::Online);
    assert_eq!(
        tick(&mut watch, t.suspect_after - instant),
        Availability::Online
    );
    assert_eq!(tick(&mut watch, t.suspect_after), Availability::Suspect);
    assert_eq!(
        tick(&mut watch, t.unreachable_after - instant),
        Availability::Suspect
    );
    assert_eq!(
        tick(&mut watch, t.unreachable_after),
        Availability::Unreachable
    );
}

#[test]
fn a_node_that_flaps_five_seconds_on_and_five_off_never_counts_as_well() {
    let t = timing();
    let mut watch = Watch::new(Duration::ZERO, &t);
    watch.apply(Input::Heard, SECOND, &t);
    watch.apply(Input::Tick, SECOND * 10, &t);
    assert_eq!(watch.state(), Availability::Unreachable);
    for s in 10..600 {
        let now = SECOND * s;
        if s % 10 < 5 {
            watch.apply(Input::Heard, now, &t);
        }
        watch.apply(Input::Tick, now, &t);
        assert_ne!(watch.state(), Availability::Online, "at {s} s");
    }
}

#[test]
fn an_announced_restart_has_its_time_and_comes_back_at_once() {
    let t = timing();
    let mut watch = Watch::new(Duration::ZERO, &t);
    watch.apply(Input::Heard, SECOND, &t);
    watch.apply(Input::Goodbye, SECOND, &t);
    // The stream closes behind the goodbye only when the connection is lost as well.
    watch.apply(Input::Tick, SECOND + t.restart_within - SECOND, &t);
    assert_eq!(
        (watch.state(), watch.why()),
        (Availability::Suspect, Why::Restarting)
    );
    watch.apply(Input::Heard, SECOND + t.restart_within - SECOND, &t);
    assert_eq!(watch.state(), Availability::Online);
}

#[test]
fn nothing_that_is_heard_or_missed_leaves_fenced() {
    let timing = Timing::for_beat(Duration::from_secs(1));
    for input in [
        Input::Heard,
        Input::StreamClosed,
        Input::Goodbye,
        Input::GoingDown,
        Input::Banned,
        Input::Tick,
        Input::Amnesty,
    ] {
        let mut w = Watch::new(Duration::ZERO, &timing);
        w.state = Availability::Fenced;
        assert_eq!(w.apply(input, Duration::from_secs(3600), &timing), None);
        assert_eq!(w.state(), Availability::Fenced, "{input:?}");
    }
}

#[test]
fn a_watch_is_small_because_there_is_one_for_each_node() {
    assert!(size_of::<Watch>() <= 80, "{}", size_of::<Watch>());
}
