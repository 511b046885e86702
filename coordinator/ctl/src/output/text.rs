//! Words for times, sizes and absent values, and a page of headed sections.

use std::time::Duration;

use jiff::Timestamp;

use super::table::Table;

/// `text` with every control character replaced: what a server reports (a disk's model, a
/// switch's name) must not steer the operator's terminal.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// As [`clean`], but line ends stay.
pub fn lines(text: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| match line.strip_suffix('\n') {
            Some(line) => clean(line) + "\n",
            None => clean(line),
        })
        .collect()
}

/// The value, or `-`.
pub fn or_dash<T: ToString>(value: Option<&T>) -> String {
    value
        .map(ToString::to_string)
        .filter(|s| !s.is_empty())
        .unwrap_or_else(|| "-".to_owned())
}

/// The values joined by a comma, or `-`.
pub fn joined<T: ToString>(values: &[T]) -> String {
    if values.is_empty() {
        return "-".to_owned();
    }
    let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
    texts.join(",")
}

/// `1 node`, `2 nodes`.
pub fn count(n: usize, noun: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{n} {noun}{s}")
}

/// A point in time, UTC, to the second.
pub fn instant(t: Timestamp) -> String {
    t.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// A duration in its two largest units: `3d 4h`, `12m`, `45s`.
pub fn duration(d: Duration) -> String {
    let s = d.as_secs();
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let Some(i) = units.iter().position(|(_, len)| s >= *len) else {
        return "0s".to_owned();
    };
    let (unit, len) = units[i];
    let first = format!("{}{unit}", s / len);
    match units.get(i + 1) {
        Some((next, next_len)) if s % len >= *next_len && i < 2 => {
            format!("{first} {}{next}", s % len / next_len)
        }
        _ => first,
    }
}

/// How long `then` was before `now`; times in the future count as now.
pub fn age(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}

/// How long ago, for a table; `never` when it is not known.
pub fn ago(then: Option<Timestamp>, now: Timestamp) -> String {
    then.map_or_else(|| "never".to_owned(), |t| duration(age(t, now)))
}

/// A size as drives and memory are labelled: decimal units for `decimal`, else binary.
pub fn bytes(n: u64, decimal: bool) -> String {
    let (step, names) = if decimal {
        (1000.0, ["B", "kB", "MB", "GB", "TB", "PB"])
    } else {
        (1024.0, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"])
    };
    let mut value = n as f64;
    let mut i = 0;
    while value >= step && i + 1 < names.len() {
        value /= step;
        i += 1;
    }
    if i == 0 || value >= 100.0 {
        format!("{value:.0} {}", names[i])
    } else {
        format!("{value:.1} {}", names[i])
    }
}

/// A page: headings, `key  value` lines and tables below them.
#[derive(Debug, Default)]
pub struct Text {
    out: String,
}

impl Text {
    /// An empty page.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a section.
    pub fn heading(&mut self, title: &str) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        let bold = anstyle::Style::new().bold();
        self.out
            .push_str(&format!("{bold}{}{bold:#}\n", clean(title)));
    }

    /// A `key  value` line.
    pub fn field(&mut self, key: &str, value: impl AsRef<str>) {
        let line = format!("  {key:<14} {}", clean(value.as_ref()));
        self.out.push_str(line.trim_end());
        self.out.push('\n');
    }

    /// A line of its own, indented by two spaces per `level`.
    pub fn line(&mut self, level: usize, text: impl AsRef<str>) {
        self.out.push_str(&"  ".repeat(level));
        self.out.push_str(&clean(text.as_ref()));
        self.out.push('\n');
    }

    /// A table; `none` in its place when it has no row.
    pub fn table(&mut self, table: &Table, none: &str) {
        if table.is_empty() {
            self.line(1, none);
        } else {
            self.out.push_str(&table.render("  "));
        }
    }

    /// The page.
    pub fn finish(self) -> String {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_at_most_two_units() {
        let text = |s| duration(Duration::from_secs(s));
        assert_eq!(text(0), "0s");
        assert_eq!(text(59), "59s");
        assert_eq!(text(61), "1m");
        assert_eq!(text(3 * 3600 + 20 * 60), "3h 20m");
        assert_eq!(text(86_400 * 4 + 3600), "4d 1h");
        assert_eq!(text(86_400 * 4 + 59), "4d");
    }

    #[test]
    fn one_is_singular() {
        assert_eq!(count(0, "node"), "0 nodes");
        assert_eq!(count(1, "node"), "1 node");
        assert_eq!(count(2, "node"), "2 nodes");
    }

    #[test]
    fn sizes_read_as_on_the_label() {
        assert_eq!(bytes(4_000_787_030_016, true), "4.0 TB");
        assert_eq!(bytes(960_197_124_096, true), "960 GB");
        assert_eq!(bytes(67_430_539_264, false), "62.8 GiB");
        assert_eq!(bytes(12, false), "12 B");
    }

    #[test]
    fn a_clock_ahead_of_the_coordinators_gives_no_negative_age() {
        let now = Timestamp::from_second(100).expect("in range");
        let later = Timestamp::from_second(200).expect("in range");
        assert_eq!(age(later, now), Duration::ZERO);
        assert_eq!(ago(None, now), "never");
    }
}
