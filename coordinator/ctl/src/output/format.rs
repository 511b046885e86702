//! `-o`: one answer in the five forms.

use clap::ValueEnum;
use jiff::Timestamp;
use serde::Serialize;

use super::table::Table;
use super::text::instant;
use crate::errors::CtlError;
use crate::terminal::Terminal;

/// The forms of `-o`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// One line each, for people
    #[default]
    Table,
    /// The table with more columns
    Wide,
    /// Stable JSON, as docs/json.md says
    Json,
    /// The same as YAML
    Yaml,
    /// Names only, one a line
    Name,
}

impl Format {
    /// For programs: no remarks for people beside it.
    pub const fn is_data(self) -> bool {
        matches!(self, Self::Json | Self::Yaml | Self::Name)
    }
}

/// Prints a list. `table` gets whether it is to be wide; `name` gives an item's name.
///
/// # Errors
/// When the output cannot be written.
pub fn list<T: Serialize>(
    terminal: &mut dyn Terminal,
    format: Format,
    items: &[T],
    as_of: Timestamp,
    table: impl FnOnce(bool) -> Table,
    name: impl Fn(&T) -> String,
) -> Result<(), CtlError> {
    match format {
        Format::Table | Format::Wide => {
            terminal.out(&table(format == Format::Wide).render(""))?;
            terminal.err(&format!("as of {} ({})\n", instant(as_of), items.len()))?;
        }
        Format::Json | Format::Yaml => value(terminal, format, &items)?,
        Format::Name => {
            let names: String = items.iter().map(|i| name(i) + "\n").collect();
            terminal.out(&names)?;
        }
    }
    Ok(())
}

/// Prints one thing. `text` gives the page for people.
///
/// # Errors
/// When the output cannot be written.
pub fn one<T: Serialize>(
    terminal: &mut dyn Terminal,
    format: Format,
    item: &T,
    name: &str,
    text: impl FnOnce(bool) -> String,
) -> Result<(), CtlError> {
    match format {
        Format::Table | Format::Wide => terminal.out(&text(format == Format::Wide))?,
        Format::Json | Format::Yaml => value(terminal, format, item)?,
        Format::Name => terminal.out(&format!("{name}\n"))?,
    }
    Ok(())
}

/// Prints JSON, or YAML when asked for.
///
/// # Errors
/// When it has no such form or cannot be written.
pub fn value<T: Serialize>(
    terminal: &mut dyn Terminal,
    format: Format,
    item: &T,
) -> Result<(), CtlError> {
    let text = if format == Format::Yaml {
        serde_saphyr::to_string(item).map_err(|e| CtlError::local("write YAML", e))?
    } else {
        serde_json::to_string_pretty(item).map_err(|e| CtlError::local("write JSON", e))?
    };
    terminal.out(&format!("{}\n", text.trim_end()))?;
    Ok(())
}
