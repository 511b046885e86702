//! `h8lctl explain` and `h8lctl what-if`

use std::collections::BTreeSet;

use h8lio_model::rollout::view::{ExplanationView, ObjectionView, ReasonView};

use crate::output::{Cell, Table, Text, Tone, count, instant};

/// What holds a node or a rollout.
pub fn page(told: &ExplanationView) -> String {
    let mut text = Text::new();
    text.heading(&told.about);
    reasons(&mut text, &told.reasons);
    if told.reasons.is_empty() {
        text.line(1, "nothing holds it");
    }
    let end = match (told.expected, &told.because) {
        (Some(at), Some(why)) => Some(format!(
            "expected to be over {}, because of {why}",
            instant(at)
        )),
        (Some(at), None) => Some(format!("its turn is expected {}", instant(at))),
        (None, Some(why)) => Some(format!("no end is in sight, because of {why}")),
        (None, None) => None,
    };
    if let Some(end) = end {
        text.line(1, end);
    }
    text.finish()
}

/// Each reason, and below it since when and until when it holds.
pub(super) fn reasons(text: &mut Text, reasons: &[ReasonView]) {
    for reason in reasons {
        let who = reason.node.as_ref().map(|n| format!("{n}: "));
        let who = who.unwrap_or_default();
        text.line(1, format!("{who}{}", reason.what));
        let expected = reason
            .expected
            .map(|at| format!("; expected {}", instant(at)))
            .unwrap_or_default();
        let since = instant(reason.since);
        let until = &reason.unblocked_by;
        text.line(2, format!("since {since}; until: {until}{expected}"));
    }
}

/// May they go down together?
pub fn objections(nodes: &[String], objections: &[ObjectionView]) -> String {
    let asked = count(nodes.len(), "node");
    if objections.is_empty() {
        return format!("{asked} may go down together now\n");
    }
    let mut table = Table::new(&["NODE", "WHY NOT", "UNTIL"]);
    for objection in objections {
        let node = objection.node.as_ref();
        table.row(vec![
            node.map_or("-", |n| n.as_str()).into(),
            Cell::toned(&objection.what, Tone::Bad),
            objection.unblocked_by.as_str().into(),
        ]);
    }
    format!(
        "{asked} may not go down together now\n{}",
        table.render("  ")
    )
}

/// Nodes that something speaks against, each once.
pub fn names(objections: &[ObjectionView]) -> String {
    let nodes = objections.iter().filter_map(|o| o.node.as_ref());
    let names: BTreeSet<&str> = nodes.map(|n| n.as_str()).collect();
    names.into_iter().map(|name| format!("{name}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample_rollouts;
    use crate::report::samples::plain;

    #[test]
    fn an_explanation_says_since_when_until_what_and_when() {
        insta::assert_snapshot!(plain(&page(&sample_rollouts::explanation())));
    }

    #[test]
    fn an_explanation_without_reasons_says_that_nothing_holds_it() {
        let mut told = sample_rollouts::explanation();
        told.reasons.clear();
        told.expected = None;
        told.because = Some("windows that end before the work does".into());
        let text = plain(&page(&told));
        assert!(text.contains("nothing holds it"), "{text}");
        assert!(
            text.contains("no end is in sight, because of windows"),
            "{text}"
        );
    }

    #[test]
    fn objections_name_node_reason_and_what_would_end_it() {
        let nodes = ["r1-s1".to_owned(), "r1-s2".to_owned()];
        let against = sample_rollouts::objections();
        insta::assert_snapshot!(plain(&objections(&nodes, &against)), @r"
        2 nodes may not go down together now
          NODE   WHY NOT                                         UNTIL
          r1-s2  constraint undeclared: 1 of 1 are taken in all  one of them is back
        ");
        assert_eq!(
            objections(&nodes[..1], &[]),
            "1 node may go down together now\n"
        );
        assert_eq!(names(&against), "r1-s2\n");
    }
}
