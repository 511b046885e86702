//! `h8lctl rollout …`

use std::collections::BTreeMap;

use h8lio_model::plan::{Count, NodeState, RolloutState, SlotPhase};
use h8lio_model::rollout::view::{RolloutNodeView, RolloutView, SlotView, WishView};
use h8lio_model::rollout::{Lane, RolloutSpec, WaveSize};
use jiff::SignedDuration;

use super::explain;
use crate::output::{Cell, Table, Text, Tone, clean, count, duration, instant, joined};

/// Names in a line before the rest is counted.
const NAMED: usize = 5;
/// Blocked nodes in a preview before the rest is counted.
const BLOCKED: usize = 10;

/// One row per rollout.
pub fn table(all: &[RolloutView], wide: bool) -> Table {
    let mut header = vec![
        "NAME",
        "STATE",
        "TARGET",
        "WAVE",
        "NODES",
        "DONE",
        "IN SLOT",
        "FAILED",
        "EXPECTED END",
        "CREATED",
    ];
    if wide {
        header.extend(["SELECTOR", "LANE", "BY", "REASON", "HELD BY"]);
    }
    let mut table = Table::new(&header);
    for view in all {
        let c = &view.count;
        let end = view.forecast.as_ref().and_then(|f| f.finish);
        let failed = c.failed + c.rolled_back;
        let tone = if failed > 0 { Tone::Bad } else { Tone::Plain };
        let mut row = vec![
            view.spec.name.as_str().into(),
            Cell::toned(state(view), tone_of(view.state)),
            view.spec.target.to_string().into(),
            wave(view.wave).into(),
            whole(c).to_string().into(),
            (c.done + c.nothing_to_do).to_string().into(),
            c.in_slot.to_string().into(),
            Cell::toned(failed.to_string(), tone),
            end.map_or_else(|| "-".to_owned(), instant).into(),
            instant(view.created_at).into(),
        ];
        if wide {
            let held: Vec<&str> = view.waiting.iter().map(|w| w.what.as_str()).collect();
            row.extend([
                view.spec.selector.to_string().into(),
                lane(&view.spec).into(),
                view.created_by.as_str().into(),
                view.reason.as_str().into(),
                joined(&held).into(),
            ]);
        }
        table.row(row);
    }
    table
}

/// That nothing goes on, before anything else is said.
pub fn frozen(because: &str) -> String {
    format!("the coordinator is frozen, and nothing goes on: {because}")
}

/// One line: the rollout and how it stands.
pub fn line(view: &RolloutView) -> String {
    format!(
        "rollout {} is {}: {}",
        view.spec.name,
        state(view),
        counted(&view.count)
    )
}

/// Everything about one rollout.
pub fn page(view: &RolloutView) -> String {
    let mut text = Text::new();
    if let Some(because) = &view.frozen {
        text.heading(&frozen(because));
    }
    text.heading(&line(view));
    what(&mut text, view);
    when(&mut text, view);
    if !view.waiting.is_empty() {
        text.heading("what holds it");
        explain::reasons(&mut text, &view.waiting);
    }
    for note in &view.notes {
        text.line(1, note);
    }
    if !view.resolved.is_empty() {
        text.heading("versions");
        text.table(&versions(view), "none");
    }
    text.heading("nodes");
    text.table(&nodes(&view.nodes), "not planned yet");
    text.finish()
}

/// What is about to happen, before it is agreed to.
pub fn preview(view: &RolloutView) -> String {
    let mut text = String::new();
    if let Some(because) = &view.frozen {
        text += &format!("{}\n", frozen(because));
    }
    let nodes = count(view.nodes.len(), "node");
    text += &format!(
        "rollout {} brings {} to {nodes}\n",
        view.spec.name, view.spec.target
    );
    let mut waves: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
    for node in &view.nodes {
        waves.entry(node.wave).or_default().push(node.name.as_str());
    }
    for (number, names) in &waves {
        text += &format!("  {}: {}\n", wave_name(*number), named(names));
    }
    let first: Vec<&str> = view.in_slots().map(|n| n.name.as_str()).collect();
    let first = match first.is_empty() {
        true => "nobody can be begun now".to_owned(),
        false => named(&first),
    };
    text += &format!("  first: {first}\n  end: {}\n", end(view));
    for held in view.waiting.iter().map(|w| &w.what).chain(&view.notes) {
        text += &format!("  {held}\n");
    }
    text + &blocked(view)
}

/// Nodes that something of their own holds: not their wave, their turn or another node.
fn blocked(view: &RolloutView) -> String {
    let mut text = String::new();
    let held = view.nodes.iter().filter(|n| n.slot.is_none());
    let held: Vec<_> = held
        .filter_map(|n| Some((n, n.waiting.iter().find(|w| !passes(&w.on))?)))
        .collect();
    for (node, why) in held.iter().take(BLOCKED) {
        text += &format!(
            "  {} is held: {}; until: {}\n",
            node.name, why.what, why.unblocked_by
        );
    }
    match held.len().saturating_sub(BLOCKED) {
        0 => text,
        more => text + &format!("  and {more} more nodes are held; see them with --dry-run\n"),
    }
}

/// Whether a reason goes away as the rollout goes on.
fn passes(on: &serde_json::Value) -> bool {
    const PASSING: [&str; 9] = [
        "wave",
        "soak",
        "canarySoak",
        "quota",
        "domainTaken",
        "quorumTogether",
        "quorumLast",
        "after",
        "otherRollout",
    ];
    let is = on.get("is").and_then(|is| is.as_str());
    is.is_some_and(|is| PASSING.contains(&is))
}

/// Whether two looks tell an operator different things.
pub fn differ(before: &RolloutView, now: &RolloutView) -> bool {
    let essence = |view: &RolloutView| {
        let mut view = view.clone();
        view.as_of = before.as_of;
        view
    };
    essence(before) != essence(now)
}

fn what(text: &mut Text, view: &RolloutView) {
    let spec = &view.spec;
    text.field("target", spec.target.to_string());
    text.field("selector", spec.selector.to_string());
    let by = format!("{} by {}", instant(view.created_at), view.created_by);
    text.field("created", by);
    if !view.reason.is_empty() {
        text.field("reason", &view.reason);
    }
    match &view.wish {
        WishView::Run => {}
        WishView::Pause { by, at } => text.field("paused", format!("by {by} at {}", instant(*at))),
        WishView::Cancel { by, at } => {
            text.field("cancelled", format!("by {by} at {}", instant(*at)));
        }
    }
    text.field("pace", pace(spec));
    if !spec.health_checks.is_empty() {
        text.field("health checks", joined(&spec.health_checks));
    }
}

fn when(text: &mut Text, view: &RolloutView) {
    let spec = &view.spec;
    if spec.lane == Lane::Cve {
        text.field("lane", "CVE: windows are not waited for");
    }
    for window in &spec.windows {
        let lasts = words(window.lasts);
        text.field(
            "window",
            format!("{} for {lasts}, {}", window.cron, window.zone),
        );
    }
    if let Some(deadline) = spec.deadline {
        text.field("deadline", instant(deadline));
    }
    text.field("wave", wave(view.wave));
    text.field("expected end", end(view));
}

fn end(view: &RolloutView) -> String {
    let Some(forecast) = &view.forecast else {
        return "-".to_owned();
    };
    let at = forecast
        .finish
        .map_or_else(|| "none in sight".to_owned(), instant);
    let left_out = match forecast.left_out {
        0 => String::new(),
        n => format!(
            ", without {} held by something of their own",
            count(n as usize, "node")
        ),
    };
    format!("{at}, because of {}{left_out}", forecast.because)
}

fn pace(spec: &RolloutSpec) -> String {
    let canary = match spec.canary {
        0 => String::new(),
        n => format!("canary of {n}, then "),
    };
    let size = |w: &WaveSize| match w {
        WaveSize::Nodes(n) => n.to_string(),
        WaveSize::Percent(p) => format!("{p}%"),
    };
    let waves: Vec<String> = spec.waves.iter().map(size).collect();
    let waves = match waves.is_empty() {
        true => "all in one wave".to_owned(),
        false => format!("waves of {}", waves.join(", ")),
    };
    let failed = count(spec.failure_threshold as usize, "failed node");
    let soak = words(spec.soak);
    format!("{canary}{waves}; watched for {soak}; {failed} stop it")
}

fn words(time: SignedDuration) -> String {
    duration(std::time::Duration::try_from(time).unwrap_or_default())
}

fn versions(view: &RolloutView) -> Table {
    let mut table = Table::new(&["RELEASE", "PACKAGE", "ARCHITECTURE", "VERSION"]);
    for package in &view.resolved {
        table.row(vec![
            package.release.as_str().into(),
            package.name.as_str().into(),
            package.architecture.as_str().into(),
            package.to.as_str().into(),
        ]);
    }
    table
}

fn nodes(nodes: &[RolloutNodeView]) -> Table {
    let header = [
        "NAME", "WAVE", "STATE", "TRIES", "SINCE", "SLOT", "EXPECTED", "HELD BY",
    ];
    let mut table = Table::new(&header);
    for node in nodes {
        let held: Vec<&str> = node.waiting.iter().map(|w| w.what.as_str()).collect();
        let expected = node.expected.map_or_else(|| "-".to_owned(), instant);
        table.row(vec![
            node.name.as_str().into(),
            wave(node.wave).into(),
            Cell::toned(word(node.state), tone_of_node(node)),
            node.tries.to_string().into(),
            instant(node.since).into(),
            node.slot
                .as_ref()
                .map_or_else(|| "-".to_owned(), slot)
                .into(),
            expected.into(),
            held_by(&held).into(),
        ]);
    }
    table
}

/// The first reason, and how many more.
fn held_by(held: &[&str]) -> String {
    match held {
        [] => "-".to_owned(),
        [one] => (*one).to_owned(),
        [first, more @ ..] => format!("{first} (and {} more)", more.len()),
    }
}

fn slot(slot: &SlotView) -> String {
    let phase = match slot.phase {
        SlotPhase::Reserved => "reserved".to_owned(),
        SlotPhase::Ordered => "ordered".to_owned(),
        SlotPhase::Withdrawn { by_hand: true, .. } => "taken back (changed by hand)".to_owned(),
        SlotPhase::Withdrawn { .. } => "taken back".to_owned(),
        SlotPhase::Kept { outcome, .. } => return format!("kept: {outcome}"),
    };
    match (slot.outcome, &slot.step) {
        (Some(outcome), _) => format!("{phase}: {outcome}"),
        (None, Some(step)) => match &step.doing {
            Some(doing) => format!("{phase}: {} ({doing})", step.name),
            None => format!("{phase}: {}", step.name),
        },
        (None, None) => phase,
    }
}

fn state(view: &RolloutView) -> &'static str {
    match view.state {
        None => "not planned yet",
        Some(RolloutState::Waiting) => "waiting",
        Some(RolloutState::Running) => "running",
        Some(RolloutState::Halted) => "halted",
        Some(RolloutState::Paused) => "paused",
        Some(RolloutState::Cancelling) => "being cancelled",
        Some(RolloutState::Cancelled) => "cancelled",
        Some(RolloutState::Finished) => "finished",
    }
}

const fn tone_of(state: Option<RolloutState>) -> Tone {
    match state {
        Some(RolloutState::Halted) => Tone::Bad,
        Some(RolloutState::Paused | RolloutState::Cancelling) => Tone::Warn,
        Some(RolloutState::Running | RolloutState::Finished) => Tone::Good,
        Some(RolloutState::Cancelled) | None => Tone::Faint,
        Some(RolloutState::Waiting) => Tone::Plain,
    }
}

const fn word(state: NodeState) -> &'static str {
    match state {
        NodeState::Waiting => "waiting",
        NodeState::InSlot => "in its slot",
        NodeState::Done => "done",
        NodeState::NothingToDo => "nothing to do",
        NodeState::Failed => "failed",
        NodeState::RolledBack => "rolled back",
        NodeState::Gone => "gone",
    }
}

const fn tone_of_node(node: &RolloutNodeView) -> Tone {
    match node.state {
        NodeState::Failed | NodeState::RolledBack => Tone::Bad,
        NodeState::Done => Tone::Good,
        NodeState::Waiting | NodeState::InSlot => Tone::Plain,
        NodeState::NothingToDo | NodeState::Gone => Tone::Faint,
    }
}

fn wave(number: u32) -> String {
    match number {
        0 => "canary".to_owned(),
        n => n.to_string(),
    }
}

fn wave_name(number: u32) -> String {
    match number {
        0 => "canary".to_owned(),
        n => format!("wave {n}"),
    }
}

fn lane(spec: &RolloutSpec) -> &'static str {
    match spec.lane {
        Lane::Normal => "normal",
        Lane::Cve => "CVE",
    }
}

const fn whole(c: &Count) -> u32 {
    c.waiting + c.in_slot + c.done + c.nothing_to_do + c.failed + c.rolled_back + c.gone
}

/// Nodes by what became of them; what nobody is in is left out.
fn counted(c: &Count) -> String {
    let all = [
        (c.done, "done"),
        (c.in_slot, "in their slots"),
        (c.waiting, "waiting"),
        (c.nothing_to_do, "with nothing to do"),
        (c.failed, "failed"),
        (c.rolled_back, "rolled back"),
        (c.gone, "gone"),
    ];
    let some: Vec<String> = all
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{n} {what}"))
        .collect();
    match some.is_empty() {
        true => "no nodes".to_owned(),
        false => some.join(", "),
    }
}

/// Some names, and how many more.
fn named(names: &[&str]) -> String {
    let shown: Vec<String> = names.iter().take(NAMED).map(|n| clean(n)).collect();
    match names.len().saturating_sub(NAMED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample_rollouts::halted;
    use crate::report::samples::{as_of, before, plain};

    #[test]
    fn the_table_has_a_line_for_each_rollout() {
        let mut new = halted();
        new.spec.name = "april".parse().expect("valid");
        (new.state, new.forecast, new.count) = (None, None, Count::default());
        insta::assert_snapshot!(plain(&table(&[halted(), new], false).render("")));
    }

    #[test]
    fn the_wide_table_adds_who_and_why() {
        insta::assert_snapshot!(plain(&table(&[halted()], true).render("")));
    }

    #[test]
    fn the_page_of_a_halted_rollout() {
        insta::assert_snapshot!(plain(&page(&halted())));
    }

    #[test]
    fn the_page_of_a_frozen_paused_and_unplanned_rollout_says_so_first() {
        let mut view = halted();
        view.frozen = Some("it is behind its agents".into());
        view.state = None;
        view.wish = WishView::Pause {
            by: "bob".into(),
            at: before(60),
        };
        (view.nodes, view.resolved, view.forecast) = (Vec::new(), Vec::new(), None);
        (view.waiting, view.count) = (Vec::new(), Count::default());
        insta::assert_snapshot!(plain(&page(&view)));
    }

    #[test]
    fn the_preview_says_waves_who_goes_first_the_end_and_who_is_blocked() {
        insta::assert_snapshot!(plain(&preview(&halted())));
    }

    #[test]
    fn a_preview_of_a_large_fleet_stays_short() {
        let mut view = halted();
        let held = view.nodes[2].clone();
        view.nodes.extend(std::iter::repeat_n(held, 40));
        let text = preview(&view);
        assert!(text.contains("and 38 more"), "{text}");
        assert!(text.contains("and 31 more nodes are held"), "{text}");
    }

    #[test]
    fn time_alone_is_no_change_and_another_state_is_one() {
        let mut now = halted();
        now.as_of = as_of() + SignedDuration::from_secs(2);
        assert!(!differ(&halted(), &now));
        now.state = Some(RolloutState::Running);
        assert!(differ(&halted(), &now));
    }
}
