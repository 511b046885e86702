//! What was measured, as JSON and as a table.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use comfy_table::{Table, presets};
use serde::Serialize;

use super::kinds::{Kind, Target};
use super::machine::Machine;

/// Everything on record.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub machine: Machine,
    pub nodes: usize,
    pub quick: bool,
    pub figures: Vec<Figure>,
    /// What helps to understand the figures, by name.
    pub details: BTreeMap<String, serde_json::Value>,
}

/// One figure with all its repeats.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figure {
    pub id: &'static str,
    pub what: &'static str,
    pub unit: &'static str,
    pub repeats: Vec<f64>,
    pub median: Option<f64>,
    pub target: Target,
    /// `None`: no target, or not measured.
    pub met: Option<bool>,
    pub peer: Option<Peer>,
    /// Why it was not measured.
    pub not_run: Option<String>,
}

/// The same of a peer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Peer {
    pub what: &'static str,
    pub repeats: Vec<f64>,
    pub median: Option<f64>,
    /// Ours by theirs.
    pub ratio: Option<f64>,
    pub not_run: Option<String>,
}

/// The middle of some numbers.
pub fn median(numbers: &[f64]) -> Option<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    let even = sorted.len().is_multiple_of(2);
    Some(if even {
        sorted[middle - 1].midpoint(upper)
    } else {
        upper
    })
}

impl Figure {
    /// From what was measured; no repeats of a peer: it is not installed.
    pub fn new(kind: &Kind, repeats: Vec<f64>, theirs: Vec<f64>) -> Self {
        let middle = median(&repeats);
        let peer = kind.peer.map(|what| {
            let their_median = median(&theirs);
            let package = kind.package.unwrap_or_default();
            Peer {
                what,
                repeats: theirs,
                median: their_median,
                ratio: middle.zip(their_median).map(|(a, b)| a / b),
                not_run: their_median
                    .is_none()
                    .then(|| format!("apt-get install {package}")),
            }
        });
        let ratio = peer.as_ref().and_then(|p| p.ratio);
        let met = match kind.target {
            Target::AtLeast(least) => middle.map(|m| m >= least),
            Target::AtMost(most) => middle.map(|m| m <= most),
            Target::TimesPeer(times) => ratio.map(|r| r >= times),
            Target::None => None,
        };
        let not_run = middle.is_none().then(|| "nothing was measured".to_owned());
        let Kind {
            id,
            what,
            unit,
            target,
            ..
        } = *kind;
        Self {
            id,
            what,
            unit,
            repeats,
            median: middle,
            target,
            met,
            peer,
            not_run,
        }
    }

    /// One that could not be measured.
    pub fn not_run(kind: &Kind, why: &str) -> Self {
        Self {
            not_run: Some(why.to_owned()),
            ..Self::new(kind, Vec::new(), Vec::new())
        }
    }

    fn is_whole(&self) -> bool {
        self.not_run.is_none() && self.peer.as_ref().is_none_or(|p| p.not_run.is_none())
    }
}

impl Report {
    /// Notes a detail.
    pub fn detail(&mut self, name: &str, value: impl Serialize) {
        let value = serde_json::to_value(value).unwrap_or_default();
        self.details.insert(name.to_owned(), value);
    }

    /// What is missing: figures and peers that were not run.
    pub fn missing(&self) -> Vec<&str> {
        self.figures
            .iter()
            .filter(|f| !f.is_whole())
            .map(|f| f.what)
            .collect()
    }

    /// Writes the JSON.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let mut text = serde_json::to_string_pretty(self).context("the report has no JSON form")?;
        text.push('\n');
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// The table for people.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header([
            "figure",
            "measured",
            "spread",
            "target",
            "met",
            "beside it",
            "ratio",
        ]);
        for f in &self.figures {
            table.add_row([
                f.what.to_owned(),
                f.median.map_or_else(
                    || format!("not run: {}", f.not_run.as_deref().unwrap_or("?")),
                    |m| format!("{} {}", show(m), f.unit),
                ),
                spread(&f.repeats),
                target(f.target, f.unit),
                f.met
                    .map_or("–", |met| if met { "yes" } else { "NO" })
                    .to_owned(),
                f.peer
                    .as_ref()
                    .map_or_else(String::new, |p| peer(p, f.unit)),
                f.peer
                    .as_ref()
                    .and_then(|p| p.ratio)
                    .map_or_else(String::new, |r| format!("× {}", show(r))),
            ]);
        }
        format!("{table}")
    }
}

fn show(n: f64) -> String {
    match n.abs() {
        a if a >= 100.0 => format!("{n:.0}"),
        a if a >= 10.0 => format!("{n:.1}"),
        a if a >= 1.0 => format!("{n:.2}"),
        0.0 => "0".to_owned(),
        _ => format!("{n:.3}"),
    }
}

fn spread(repeats: &[f64]) -> String {
    let low = repeats.iter().copied().reduce(f64::min);
    let high = repeats.iter().copied().reduce(f64::max);
    match low.zip(high) {
        Some((low, high)) if repeats.len() > 1 => format!("{} to {}", show(low), show(high)),
        _ => String::new(),
    }
}

fn target(target: Target, unit: &str) -> String {
    match target {
        Target::AtLeast(n) => format!("≥ {} {unit}", show(n)),
        Target::AtMost(n) => format!("≤ {} {unit}", show(n)),
        Target::TimesPeer(n) => format!("≥ {} × peer", show(n)),
        Target::None => String::new(),
    }
}

fn peer(p: &Peer, unit: &str) -> String {
    match (&p.not_run, p.median) {
        (None, Some(m)) => format!("{}: {} {unit}", p.what, show(m)),
        (why, _) => format!("{}: not run: {}", p.what, why.as_deref().unwrap_or("?")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::kinds;
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_middle_ones() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn a_target_is_judged_by_the_median_and_a_ratio_needs_its_peer() {
        let met = |kind, ours: &[f64], theirs: &[f64]| {
            Figure::new(kind, ours.to_vec(), theirs.to_vec()).met
        };
        assert_eq!(
            met(&kinds::BEATS, &[39_000.0, 41_000.0, 42_000.0], &[1.0]),
            Some(true)
        );
        assert_eq!(met(&kinds::MEMORY, &[46.0], &[1.0]), Some(false));
        assert_eq!(met(&kinds::PUTS, &[100.0], &[10.0]), Some(true));
        assert_eq!(met(&kinds::PUTS, &[100.0], &[11.0]), Some(false));
        assert_eq!(met(&kinds::PUTS, &[100.0], &[]), None);
    }

    #[test]
    fn a_missing_peer_is_named_with_its_package_and_makes_the_figure_incomplete() {
        let figure = Figure::new(&kinds::BEATS, vec![1.0], Vec::new());
        assert!(!figure.is_whole());
        let peer = figure.peer.expect("etcd is its peer");
        assert_eq!(peer.not_run.as_deref(), Some("apt-get install etcd-server"));
        assert!(Figure::new(&kinds::FALSE_VERDICTS, vec![0.0], Vec::new()).is_whole());
    }
}
