//! Words of a command, and what is wrong with them.

use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;

use crate::shape::{Budget, Shape};

/// A line that is not understood, in words.
pub(super) type No = String;

/// A number, from `least` on.
pub(super) fn number<T: FromStr + PartialOrd + std::fmt::Display + Copy>(
    what: &str,
    word: &str,
    least: T,
) -> Result<T, No> {
    let number = word.parse::<T>().ok().filter(|n| *n >= least);
    number.ok_or_else(|| format!("{what} is a number from {least} on, and not {word:?}"))
}

/// `90s`, `10m`, `1h30m`.
pub(super) fn span(word: &str) -> Result<Duration, No> {
    let span = word.parse::<SignedDuration>().ok();
    let span = span.and_then(|s| Duration::try_from(s).ok());
    span.ok_or_else(|| format!("{word:?} is no span of time; write 90s, 10m or 1h30m"))
}

/// The fleet's and the rollout's `KEY=VALUE`s.
pub(super) fn set(shape: &mut Shape, keys: &[&str], word: &str) -> Result<(), No> {
    let there_are = || format!("{word:?} is none of {}", keys.join("=, ") + "=");
    let (key, value) = word.split_once('=').ok_or_else(there_are)?;
    if !keys.contains(&key) {
        return Err(there_are());
    }
    match key {
        "nodes" => shape.nodes = number(key, value, 1)?,
        "racks" => shape.racks = number(key, value, 1)?,
        "quorum" => shape.quorum = number(key, value, 0)?,
        "budget" => shape.budget = budget(value)?,
        "kernel" => shape.kernel = yes(value)?,
        "canary" => shape.canary = number(key, value, 0)?,
        "wave" => shape.wave = Some(number(key, value, 1)?),
        "threshold" => shape.threshold = number(key, value, 1)?,
        "window" => shape.window = Some(number(key, value, 1)?),
        _ => return Err(there_are()),
    }
    Ok(())
}

fn yes(word: &str) -> Result<bool, No> {
    match word {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(format!("kernel is yes or no, and not {word:?}")),
    }
}

fn budget(word: &str) -> Result<Budget, No> {
    let no = || format!("{word:?} is no budget; write nodes:N, racks:N or per-rack:N");
    let (kind, most) = word.split_once(':').ok_or_else(no)?;
    let most = number("a budget", most, 1)?;
    match kind {
        "nodes" => Ok(Budget::Nodes(most)),
        "racks" => Ok(Budget::Racks(most)),
        "per-rack" => Ok(Budget::PerRack(most)),
        _ => Err(no()),
    }
}
