//! The fleet simulator by hand: what its lines answer, and what it says to lines that are wrong.

use std::io::Cursor;

use h8lio_fleetsim::repl::play;
use rstest::rstest;

/// All that is said, and whether nothing was wrong.
fn say(script: &str) -> (Vec<String>, bool) {
    let mut out = Vec::new();
    let fine = play(Cursor::new(script), &mut out, false).expect("played");
    let text = String::from_utf8(out).expect("text");
    (text.lines().map(str::to_owned).collect(), fine)
}

/// The answers alone.
fn answers(script: &str) -> Vec<String> {
    let (lines, fine) = say(script);
    assert!(fine, "{lines:?}");
    lines.into_iter().filter(|l| !l.starts_with('>')).collect()
}

/// The transcript in the documentation, where `…` stands for what differs from release to release.
#[test]
fn the_transcript_in_the_documentation_is_what_is_said() {
    let docs = include_str!("../../../docs/simulator.md");
    let (_, rest) = docs.split_once("```transcript\n").expect("a transcript");
    let (expected, _) = rest.split_once("```").expect("its end");
    let commands = expected.lines().filter_map(|line| line.strip_prefix("> "));
    let script: Vec<&str> = commands.collect();
    let (said, fine) = say(&script.join("\n"));
    assert!(fine, "{said:#?}");
    let expected: Vec<&str> = expected.lines().collect();
    assert_eq!(said.len(), expected.len(), "{said:#?}");
    for (said, expected) in said.iter().zip(&expected) {
        assert!(fits(said, expected), "{said:?} is not {expected:?}");
    }
}

/// Each part between two `…` comes, in this order.
fn fits(said: &str, expected: &str) -> bool {
    let mut parts = expected.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = said.strip_prefix(first) else {
        return false;
    };
    let mut is_exact = true;
    for part in parts {
        is_exact = part.is_empty();
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    is_exact || rest.is_empty()
}

#[test]
fn the_same_lines_give_the_same_answers_and_another_seed_another_trace() {
    let script = |seed| format!("seed {seed}\ncreate\nfault s1 agent.dies\nrun\nhash");
    let [a, b, c] = [7, 7, 8].map(|seed| answers(&script(seed)));
    assert_eq!(a, b);
    assert_ne!(a.last(), c.last());
}

#[test]
fn stepping_and_running_come_to_the_same_trace() {
    let run = answers("create\nrun\nhash");
    let stepped = answers("create\nstep 100\nrun for 5m\nstep 100000\nhash");
    assert_eq!(run.last(), stepped.last());
    assert!(
        run[1].ends_with("all is over, and every promise was kept"),
        "{run:?}"
    );
}

#[test]
fn a_paused_rollout_begins_nothing_and_goes_on_when_it_is_resumed() {
    let said = answers("create\npause\nrun\nexplain s0\nresume\nrun");
    assert!(said[1].ends_with("goes on"), "{said:?}");
    let paused = said.iter().any(|line| line.contains("paused"));
    assert!(paused, "{said:?}");
    let last = said.last().expect("an answer");
    assert!(
        last.ends_with("all is over, and every promise was kept"),
        "{said:?}"
    );
}

#[test]
fn a_cancelled_rollout_comes_to_its_end_without_the_nodes_that_waited() {
    let said = answers("create\nrun for 30s\ncancel\nrun\nplan");
    let waiting = said.iter().filter(|l| l.contains(": Waiting")).count();
    assert!(waiting > 0, "{said:?}");
    assert!(
        said.iter().any(|l| l.ends_with("every promise was kept")),
        "{said:?}"
    );
}

/// What a person does to a server by hand is no failure of anybody's promise.
///
/// scenario: 19 (simulator)
#[rstest]
#[case::installs_it("package.upgrade bash 1.5 2.0")]
#[case::holds_it("package.hold bash")]
#[case::boots_it("reboot 30s")]
#[case::cuts_a_link("link.down eno1")]
fn a_rollout_survives_what_somebody_does_by_hand(#[case] fault: &str) {
    for after in ["1s", "20s", "40s", "2m"] {
        let script =
            format!("fleet nodes=3\ncreate threshold=100\nrun for {after}\nfault s0 {fault}\nrun");
        let said = answers(&script);
        assert!(
            !said.iter().any(|l| l.contains("BROKEN")),
            "{after}: {said:?}"
        );
    }
}

#[rstest]
#[case("stp 3", "line 1: \"stp 3\" is no command; `help` lists them")]
#[case("step 3", "line 1: there is no rollout yet; `create` makes one")]
#[case(
    "\n# a remark\nfleet nodes=0",
    "line 3: nodes is a number from 1 on, and not \"0\""
)]
#[case(
    "fleet canary=1",
    "line 1: \"canary=1\" is none of nodes=, racks=, budget=, quorum=, kernel="
)]
#[case(
    "fleet nodes=2 quorum=3",
    "line 1: a quorum of 3 has no place in 2 nodes"
)]
#[case(
    "fleet nodes=999",
    "line 1: 999 nodes are too many; at most 200 are played"
)]
#[case(
    "fleet budget=some",
    "line 1: \"some\" is no budget; write nodes:N, racks:N or per-rack:N"
)]
#[case("fleet kernel=maybe", "line 1: kernel is yes or no, and not \"maybe\"")]
#[case("create wave=x", "line 1: wave is a number from 1 on, and not \"x\"")]
#[case(
    "create\ncreate",
    "line 2: the rollout is created; one is played at a time"
)]
#[case(
    "create\nseed 3",
    "line 2: the rollout is created; fleet, seed and rates stand"
)]
#[case(
    "create\nfault s9 reboot 1s",
    "line 2: there is no node \"s9\"; they are s0, s1, ..."
)]
#[case(
    "create\nrun for ever",
    "line 2: \"ever\" is no span of time; write 90s, 10m or 1h30m"
)]
#[case("create\nresume", "line 2: it is not paused")]
#[case("create\nstep 0", "line 2: step is a number from 1 on, and not \"0\"")]
fn a_bad_line_is_one_clear_error_with_its_number(#[case] script: &str, #[case] told: &str) {
    let (said, fine) = say(script);
    assert!(!fine);
    let wrong: Vec<_> = said.iter().filter(|l| l.starts_with("line ")).collect();
    assert_eq!(wrong, [told], "{said:?}");
}

#[test]
fn a_fault_that_there_is_not_and_a_rate_of_none_are_told_with_what_there_is() {
    let (said, _) = say("rate ledger=3\ncreate\nfault s0 explode");
    assert!(
        said[1].starts_with("line 1: ") && said[1].contains("ledgers"),
        "{said:?}"
    );
    let wrong = said.last().expect("an answer");
    assert!(
        wrong.starts_with("line 3: ") && wrong.contains("explode"),
        "{said:?}"
    );
}

#[test]
fn a_bad_line_changes_nothing_and_the_next_ones_are_played() {
    let (said, fine) = say("fleet nodes=4 racks=x\ncreate");
    assert!(!fine);
    let last = said.last().expect("an answer");
    assert_eq!(last, "rollout march over 3 nodes in 3 racks, seed 0");
}
