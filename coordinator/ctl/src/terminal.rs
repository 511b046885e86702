//! The one door to standard output, standard error and the person at the keyboard.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

/// Where answers go and questions come from.
pub trait Terminal: Send {
    /// Writes the answer.
    ///
    /// # Errors
    /// When it cannot be written; a closed pipe is `BrokenPipe`.
    fn out(&mut self, text: &str) -> io::Result<()>;

    /// Writes a remark for people.
    ///
    /// # Errors
    /// When it cannot be written.
    fn err(&mut self, text: &str) -> io::Result<()>;

    /// Whether a person can be asked.
    fn is_interactive(&self) -> bool;

    /// Whether the answer is drawn on a screen (and may be drawn again).
    fn is_screen(&self) -> bool;

    /// Asks and returns the trimmed line; `None` at the end of the input.
    ///
    /// # Errors
    /// When the question or the answer fails.
    fn ask(&mut self, question: &str) -> io::Result<Option<String>>;
}

/// The real one. Colours follow `NO_COLOR`, `CLICOLOR` and whether it is a terminal.
#[derive(Debug, Default)]
pub struct Console;

impl Terminal for Console {
    fn out(&mut self, text: &str) -> io::Result<()> {
        let mut out = anstream::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    fn err(&mut self, text: &str) -> io::Result<()> {
        anstream::stderr().lock().write_all(text.as_bytes())
    }

    fn is_interactive(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    fn is_screen(&self) -> bool {
        io::stdout().is_terminal()
    }

    fn ask(&mut self, question: &str) -> io::Result<Option<String>> {
        self.err(question)?;
        io::stderr().flush()?;
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line)?;
        Ok((read > 0).then(|| line.trim().to_owned()))
    }
}
