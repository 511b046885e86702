//! How answers look: table, wide, JSON, YAML or names; and times, sizes and colours.

mod format;
mod table;
mod text;

pub use format::{Format, list, one, value};
pub use table::{Cell, Table, Tone};
pub use text::{Text, age, ago, bytes, clean, count, duration, instant, joined, lines, or_dash};
