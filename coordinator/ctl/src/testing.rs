//! A terminal for unit tests: scripted answers, recorded output.

use std::collections::VecDeque;
use std::io;

use crate::terminal::Terminal;

/// Records what is written and answers from a list.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) out: String,
    pub(crate) err: String,
    answers: Option<VecDeque<String>>,
}

impl Script {
    /// Nobody to ask.
    pub(crate) fn pipe() -> Self {
        Self::default()
    }

    /// A person who gives these answers, then closes the input.
    pub(crate) fn answering(answers: &[&str]) -> Self {
        let answers = answers.iter().map(|s| (*s).to_owned()).collect();
        Self {
            answers: Some(answers),
            ..Self::default()
        }
    }
}

impl Terminal for Script {
    fn out(&mut self, text: &str) -> io::Result<()> {
        self.out += text;
        Ok(())
    }

    fn err(&mut self, text: &str) -> io::Result<()> {
        self.err += text;
        Ok(())
    }

    fn is_interactive(&self) -> bool {
        self.answers.is_some()
    }

    fn is_screen(&self) -> bool {
        false
    }

    fn ask(&mut self, question: &str) -> io::Result<Option<String>> {
        self.err += question;
        Ok(self.answers.as_mut().and_then(VecDeque::pop_front))
    }
}
