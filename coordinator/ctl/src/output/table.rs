//! Tables without borders, one line per row whatever the width of the terminal, so that `grep`
//! and `awk` work on them.

use anstyle::{AnsiColor, Style};

use super::text::clean;

/// What a cell wants to say with its colour; without colours nothing is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    #[default]
    Plain,
    Good,
    Warn,
    Bad,
    Faint,
}

impl Tone {
    fn style(self) -> Style {
        let colour = |c: AnsiColor| Style::new().fg_color(Some(c.into()));
        match self {
            Self::Plain => Style::new(),
            Self::Good => colour(AnsiColor::Green),
            Self::Warn => colour(AnsiColor::Yellow),
            Self::Bad => colour(AnsiColor::Red).bold(),
            Self::Faint => Style::new().dimmed(),
        }
    }
}

/// One cell: text that a server may have chosen, made safe for a terminal.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell with a tone.
    pub fn toned(text: impl AsRef<str>, tone: Tone) -> Self {
        Self {
            text: clean(text.as_ref()),
            tone,
        }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(text, Tone::Plain)
    }
}

/// A table that is being filled.
#[derive(Debug)]
pub struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// An empty table with these column names.
    pub fn new(header: &[&'static str]) -> Self {
        Self {
            header: header.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; it has as many cells as there are columns.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The whole table, each line behind `indent`, with escape codes for the tones. The header
    /// stands there even when there is no row.
    pub fn render(&self, indent: &str) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.set_header(self.header.clone());
        for row in &self.rows {
            table.add_row(row.iter().map(|c| c.text.clone()).collect::<Vec<_>>());
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let mut out = String::new();
        for (i, line) in table.lines().enumerate() {
            let line = line.trim_end();
            out.push_str(indent);
            match i.checked_sub(1).and_then(|i| self.rows.get(i)) {
                Some(row) => out.push_str(&paint(line, row)),
                None => out.push_str(line),
            }
            out.push('\n');
        }
        out
    }
}

/// Colours the cells of one rendered line. A line that does not look as expected stays plain.
fn paint(line: &str, row: &[Cell]) -> String {
    let mut out = String::new();
    let mut rest = line;
    for cell in row {
        if cell.text.is_empty() || cell.tone == Tone::Plain {
            continue;
        }
        let Some(at) = find_cell(rest, &cell.text) else {
            continue;
        };
        let style = cell.tone.style();
        out.push_str(&rest[..at]);
        out.push_str(&format!("{style}{}{style:#}", cell.text));
        rest = &rest[at + cell.text.len()..];
    }
    out.push_str(rest);
    out
}

/// Where a cell with this text begins: behind the line's start or two spaces, and before the
/// line's end or two spaces.
fn find_cell(line: &str, text: &str) -> Option<usize> {
    line.match_indices(text).map(|(at, _)| at).find(|at| {
        let before = &line[..*at];
        let after = &line[at + text.len()..];
        (before.is_empty() || before.ends_with("  "))
            && (after.is_empty() || after.starts_with("  "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_colours_do_not_move_them() {
        let mut t = Table::new(&["NAME", "STATE", "WHY"]);
        t.row(vec![
            "s1".into(),
            Cell::toned("Online", Tone::Good),
            "-".into(),
        ]);
        t.row(vec![
            "s2".into(),
            Cell::toned("Unreachable", Tone::Bad),
            "silent".into(),
        ]);
        let coloured = t.render("");
        assert!(coloured.contains("\u{1b}["));
        let plain = anstream::adapter::strip_str(&coloured).to_string();
        insta::assert_snapshot!(plain, @r"
        NAME  STATE        WHY
        s1    Online       -
        s2    Unreachable  silent
        ");
    }

    #[test]
    fn a_servers_text_cannot_steer_the_terminal_or_break_a_row() {
        let mut t = Table::new(&["MODEL"]);
        t.row(vec!["\u{1b}[2Jevil\nrow".into()]);
        assert_eq!(t.render(""), "MODEL\n\u{fffd}[2Jevil\u{fffd}row\n");
    }
}
