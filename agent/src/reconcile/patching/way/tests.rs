use std::collections::{BTreeMap, BTreeSet};

use h8lio_model::order::{Act, OnFailure, Outcome, SafePoint};

use super::gates::{Answers, Gate, Health, health, passed};
use super::machine::{Again, Boot, Cause, End, Event, Found, State, Terms, Through, Why, next};

const CAUSES: [Cause; 6] = [
    Cause::PartlyApplied,
    Cause::DatabaseDamaged,
    Cause::NotBooted,
    Cause::OldKernelBooted,
    Cause::OtherKernelBooted,
    Cause::NotWell,
];

const EVENTS: [Event; 30] = [
    Event::Fit,
    Event::Interrupted,
    Event::Refused,
    Event::Repaired,
    Event::NotRepaired,
    Event::Downloaded,
    Event::DownloadFailed,
    Event::Secured,
    Event::NoWayBack,
    Event::Released,
    Event::Applied(Boot::Needed),
    Event::Applied(Boot::NotNeeded),
    Event::NothingApplied,
    Event::PartlyApplied,
    Event::Damaged,
    Event::Unconfigured,
    Event::Settled,
    Event::NotBooted,
    Event::NewBoot(Found::Expected),
    Event::NewBoot(Found::Old),
    Event::NewBoot(Found::Other),
    Event::Well,
    Event::Unwell,
    Event::Committed,
    Event::NotCommitted,
    Event::PutBack(Boot::Needed),
    Event::PutBack(Boot::NotNeeded),
    Event::NotPutBack,
    Event::Untold,
    Event::Withdrawn,
];

fn states() -> Vec<State> {
    let mut all = vec![
        State::Preflight,
        State::Repairing,
        State::Downloading,
        State::Securing,
        State::Releasing,
        State::Applying,
        State::Mending,
        State::Settling,
        State::Booting,
        State::Checking(Boot::Needed),
        State::Checking(Boot::NotNeeded),
        State::Committing,
    ];
    for cause in CAUSES {
        for through in [Through::Services, Through::Boot, Through::ServicesAlone] {
            all.push(State::PuttingBack(through, cause));
        }
        all.push(State::SettlingBack(cause));
        all.push(State::BootingBack(cause));
        all.push(State::CheckingBack(cause));
    }
    all.push(State::Ended(End {
        outcome: Outcome::Done,
        as_before: false,
        why: Why::AllWell,
    }));
    all
}

fn all_terms() -> Vec<Terms> {
    let mut all = Vec::new();
    for act in [Act::Patch, Act::Reboot] {
        for on_failure in [OnFailure::FallBackOnce, OnFailure::Halt] {
            for bits in 0..8 {
                all.push(Terms {
                    act,
                    on_failure,
                    forward_only: bits & 1 != 0,
                    adds: bits & 2 != 0,
                    other_kernel: bits & 4 != 0,
                });
            }
        }
    }
    all
}

const USUAL: Terms = Terms {
    act: Act::Patch,
    on_failure: OnFailure::FallBackOnce,
    forward_only: false,
    adds: true,
    other_kernel: true,
};

/// States that can be come to, each with what can follow.
fn reachable(terms: &Terms) -> BTreeMap<State, Vec<(Event, State)>> {
    let mut found = BTreeMap::new();
    let mut todo = vec![State::FIRST];
    while let Some(state) = todo.pop() {
        if found.contains_key(&state) {
            continue;
        }
        let edges: Vec<_> = EVENTS
            .into_iter()
            .filter_map(|e| next(state, e, terms).ok().map(|to| (e, to)))
            .collect();
        todo.extend(edges.iter().map(|(_, to)| *to));
        found.insert(state, edges);
    }
    found
}

/// Every legal pair, as the table in the documentation.
fn table() -> String {
    let halting = Terms {
        on_failure: OnFailure::Halt,
        ..USUAL
    };
    let reboot = Terms {
        act: Act::Reboot,
        ..USUAL
    };
    let mut rows = BTreeSet::new();
    for (number, state) in states().into_iter().enumerate() {
        for (at, event) in EVENTS.into_iter().enumerate() {
            let to = [USUAL, halting, reboot].map(|t| next(state, event, &t).ok());
            let [usual, halt, reboot] = to;
            let Some(usual) = usual.filter(|_| to.iter().flatten().any(|to| *to != state)) else {
                continue;
            };
            let shown = |to: Option<State>| match to {
                Some(to) if to == usual => "·".to_owned(),
                Some(to) => name(to),
                None => "–".to_owned(),
            };
            rows.insert((
                number,
                at,
                format!(
                    "| {} | {event:?} | {} | {} | {} |\n",
                    name(state),
                    name(usual),
                    shown(halt),
                    shown(reboot)
                ),
            ));
        }
    }
    let mut text =
        "| State | Event | Patch, falls back once | Halts | Reboot only |\n|---|---|---|---|---|\n"
            .to_owned();
    let mut seen = BTreeSet::new();
    for (_, _, row) in rows {
        // Causes are carried along and decide nothing.
        if seen.insert(row.clone()) {
            text += &row;
        }
    }
    text
}

fn name(state: State) -> String {
    match state {
        State::Ended(End {
            outcome,
            as_before,
            why,
        }) => {
            let before = if as_before { ", as before" } else { "" };
            match why {
                Why::Back(_) if outcome == Outcome::RolledBack => format!("**{outcome}**{before}"),
                Why::Back(cause) => format!("**{outcome}**{before} ({cause:?})"),
                why => format!("**{outcome}**{before} ({why:?})"),
            }
        }
        State::PuttingBack(through, _) => format!("PuttingBack({through:?})"),
        State::SettlingBack(_) => "SettlingBack".into(),
        State::BootingBack(_) => "BootingBack".into(),
        State::CheckingBack(_) => "CheckingBack".into(),
        other => format!("{other:?}"),
    }
}

#[test]
fn the_table_in_the_documentation_is_the_machine() {
    let page = include_str!("../../../../../docs/patching.md");
    let table = table();
    assert!(
        page.contains(&table),
        "docs/patching.md is behind the code; its table is now:\n\n{table}"
    );
}

#[test]
fn every_pair_of_state_and_event_is_either_a_step_or_a_typed_refusal_that_names_both() {
    let (mut legal, mut illegal) = (0, 0);
    for terms in all_terms() {
        for state in states() {
            for event in EVENTS {
                match next(state, event, &terms) {
                    Ok(_) => legal += 1,
                    Err(e) => {
                        assert_eq!((e.state, e.event), (state, event));
                        illegal += 1;
                    }
                }
            }
        }
    }
    assert!(legal > 1000 && illegal > 10_000, "{legal} {illegal}");
}

#[test]
fn an_end_is_the_end_and_every_state_leads_to_one() {
    for terms in all_terms() {
        let graph = reachable(&terms);
        for (state, edges) in &graph {
            let ended = matches!(state, State::Ended(_));
            assert_eq!(ended, edges.is_empty(), "{state:?}");
            assert_eq!(ended, state.step().is_none(), "{state:?}");
        }
        // Backwards from the ends.
        let mut leads: BTreeSet<State> = graph
            .keys()
            .filter(|s| matches!(s, State::Ended(_)))
            .copied()
            .collect();
        while let Some(more) = graph
            .iter()
            .find(|(s, edges)| !leads.contains(s) && edges.iter().any(|(_, to)| leads.contains(to)))
        {
            leads.insert(*more.0);
        }
        assert_eq!(leads.len(), graph.len());
    }
}

/// The most boots asked for on any way, forward and back.
fn most_boots(state: State, terms: &Terms, seen: &mut Vec<State>) -> (u32, u32) {
    if seen.contains(&state) {
        return (0, 0);
    }
    seen.push(state);
    let mut most = (0, 0);
    for event in EVENTS {
        if let Ok(to) = next(state, event, terms) {
            let (forth, back) = most_boots(to, terms, seen);
            most = (most.0.max(forth), most.1.max(back));
        }
    }
    seen.pop();
    most.0 += u32::from(state == State::Booting);
    most.1 += u32::from(matches!(state, State::BootingBack(_)));
    most
}

#[test]
fn no_way_has_more_than_one_boot_forth_and_one_unattended_boot_back() {
    for terms in all_terms() {
        let most = most_boots(State::FIRST, &terms, &mut Vec::new());
        assert!(most.0 <= 1 && most.1 <= 1, "{terms:?} {most:?}");
    }
    assert_eq!(most_boots(State::FIRST, &USUAL, &mut Vec::new()), (1, 1));
}

#[test]
fn after_the_old_kernel_came_back_by_itself_a_further_boot_asks_again() {
    let old = next(State::Booting, Event::NewBoot(Found::Old), &USUAL).expect("legal");
    assert_eq!(
        old,
        State::PuttingBack(Through::ServicesAlone, Cause::OldKernelBooted)
    );
    assert_eq!(most_boots(old, &USUAL, &mut Vec::new()), (0, 0));
    let after = next(old, Event::PutBack(Boot::Needed), &USUAL).expect("legal");
    let State::Ended(end) = after else {
        panic!("{after:?}");
    };
    assert_eq!((end.outcome, end.why), (Outcome::Failed, Why::FurtherBoot));
}

#[test]
fn what_only_goes_forward_is_never_put_back() {
    for terms in all_terms() {
        let forward = terms.forward_only || terms.on_failure == OnFailure::Halt;
        let goes_back = reachable(&terms).keys().any(|s| {
            matches!(
                s,
                State::PuttingBack(..) | State::BootingBack(_) | State::CheckingBack(_)
            )
        });
        assert_eq!(goes_back, !forward, "{terms:?}");
    }
}

#[test]
fn nothing_is_called_as_before_once_packages_were_changed_and_not_put_back() {
    for terms in all_terms() {
        let touched = State::Settling;
        let mut todo = vec![touched, State::Committing, State::Checking(Boot::Needed)];
        let mut seen = BTreeSet::new();
        while let Some(state) = todo.pop() {
            if !seen.insert(state) {
                continue;
            }
            if let State::Ended(end) = state
                && end.as_before
            {
                assert_eq!(end.outcome, Outcome::RolledBack, "{terms:?} {end:?}");
                assert!(!terms.adds);
            }
            todo.extend(
                EVENTS
                    .into_iter()
                    .filter_map(|e| next(state, e, &terms).ok()),
            );
        }
    }
}

#[test]
fn an_attempt_is_withdrawn_at_once_before_it_changes_anything_and_finishes_afterwards() {
    for state in states() {
        let Some(step) = state.step() else {
            continue;
        };
        let after = next(state, Event::Withdrawn, &USUAL).expect("legal everywhere");
        match step.safe_point {
            SafePoint::Abort => {
                assert!(matches!(after, State::Ended(e) if e.why == Why::Withdrawn && e.as_before));
            }
            SafePoint::Undo => assert_eq!(after, State::Releasing),
            // Until it was begun, which the log knows.
            SafePoint::Finish if state == State::Applying => assert_eq!(after, State::Releasing),
            SafePoint::Finish => assert_eq!(after, state),
        }
    }
    let reboot = Terms {
        act: Act::Reboot,
        ..USUAL
    };
    for (terms, to) in [(reboot, State::Releasing), (USUAL, State::Booting)] {
        let after = next(State::Booting, Event::Withdrawn, &terms);
        assert_eq!(after, Ok(to), "packages were changed, or not");
    }
}

#[test]
fn only_what_happens_once_is_observed_after_a_crash() {
    let observed: BTreeSet<_> = states()
        .into_iter()
        .filter_map(State::step)
        .filter(|s| s.again == Again::Observe)
        .map(|s| s.name)
        .collect();
    assert_eq!(
        observed,
        BTreeSet::from(["apply", "boot", "boot-back", "put-back"])
    );
}

fn answers(all: &[(Gate, bool)]) -> Answers {
    all.iter().cloned().collect()
}

#[test]
fn a_gate_that_did_not_pass_before_may_not_fail_it() {
    let before = passed(&answers(&[
        (Gate::Runtime, true),
        (Gate::Kubelet, false),
        (Gate::Link("eth0".into()), true),
    ]));
    let now = answers(&[
        (Gate::Runtime, true),
        (Gate::Kubelet, false),
        (Gate::Link("eth0".into()), true),
        (Gate::Osd(3), false),
    ]);
    assert_eq!(health(&before, &now, true), Health::Well);
}

#[test]
fn a_gate_that_passed_before_is_waited_for_and_then_fails_it_by_name() {
    let link = Gate::Link("eth0".into());
    let before = passed(&answers(&[(link.clone(), true), (Gate::Runtime, true)]));
    let now = answers(&[(link.clone(), false), (Gate::Runtime, true)]);
    assert_eq!(
        health(&before, &now, false),
        Health::Wait(vec![link.clone()])
    );
    assert_eq!(health(&before, &now, true), Health::Unwell(vec![link]));
}

#[test]
fn a_gate_that_cannot_be_asked_any_more_does_not_pass() {
    let before = passed(&answers(&[(Gate::Osd(3), true)]));
    assert_eq!(
        health(&before, &Answers::new(), true),
        Health::Unwell(vec![Gate::Osd(3)])
    );
    assert_eq!(Gate::Osd(3).to_string(), "osd.3");
}
