//! Before anything is changed: why, and are you sure.

use clap::Args;
use h8lio_proto::v1;

use crate::errors::{AskError, CtlError};
use crate::terminal::Terminal;

/// The options of every command that changes something.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Change")]
pub struct ChangeArgs {
    /// Why; written to the audit log. Asked for on a terminal
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Ticket or change number
    #[arg(long, value_name = "ID")]
    pub ticket: Option<String>,
    /// Do not ask; for scripts
    #[arg(short, long)]
    pub yes: bool,
}

/// How sure the operator has to be.
#[derive(Debug, Clone, Copy)]
pub enum Consent<'a> {
    /// `y` is enough.
    Yes,
    /// It cannot be undone: this name has to be typed.
    TypeName(&'a str),
}

impl ChangeArgs {
    /// Refuses, before a coordinator is asked, what could not be completed without a person.
    ///
    /// # Errors
    /// [`AskError`] when a reason or a consent is missing and nobody can be asked.
    pub fn check(&self, terminal: &dyn Terminal) -> Result<(), AskError> {
        let given = self.reason.as_ref().is_some_and(|r| !r.trim().is_empty());
        if self.reason.is_some() && !given {
            return Err(AskError::ReasonMissing);
        }
        if terminal.is_interactive() {
            return Ok(());
        }
        if !given {
            return Err(AskError::ReasonMissing);
        }
        if self.yes {
            Ok(())
        } else {
            Err(AskError::NotATerminal)
        }
    }

    /// Shows `preview`, asks for the reason where none was given, and for consent.
    ///
    /// # Errors
    /// [`AskError`] when the operator says no, or cannot be asked.
    pub fn confirm(
        &self,
        terminal: &mut dyn Terminal,
        preview: &str,
        consent: Consent<'_>,
    ) -> Result<v1::Change, CtlError> {
        self.check(terminal)?;
        terminal.err(preview)?;
        let reason = match &self.reason {
            Some(reason) => reason.trim().to_owned(),
            None => terminal.ask("Reason: ")?.unwrap_or_default(),
        };
        if reason.is_empty() {
            return Err(AskError::ReasonMissing.into());
        }
        if !self.yes && !agree(terminal, consent)? {
            return Err(AskError::Declined.into());
        }
        Ok(v1::Change {
            reason,
            ticket: self.ticket.clone().unwrap_or_default(),
            request_id: uuid::Uuid::new_v4().to_string(),
        })
    }
}

/// Asks once; anything but a clear yes is a no.
///
/// # Errors
/// When the terminal fails.
pub fn agree(terminal: &mut dyn Terminal, consent: Consent<'_>) -> std::io::Result<bool> {
    let answer = match consent {
        Consent::Yes => terminal.ask("Proceed? [y/N] ")?,
        Consent::TypeName(name) => terminal.ask(&format!("Type {name} to proceed: "))?,
    };
    let answer = answer.unwrap_or_default();
    Ok(match consent {
        Consent::Yes => matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"),
        Consent::TypeName(name) => answer == name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Script;

    fn args(reason: Option<&str>, yes: bool) -> ChangeArgs {
        ChangeArgs {
            reason: reason.map(str::to_owned),
            ticket: None,
            yes,
        }
    }

    fn refusal(args: &ChangeArgs, terminal: &mut Script, consent: Consent<'_>) -> AskError {
        match args.confirm(terminal, "ban s1\n", consent) {
            Err(CtlError::Ask(e)) => e,
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    #[test]
    fn a_script_must_give_a_reason_and_yes() {
        let mut t = Script::pipe();
        let missing = refusal(&args(None, true), &mut t, Consent::Yes);
        assert_eq!(missing, AskError::ReasonMissing);
        let blank = refusal(&args(Some(" "), true), &mut t, Consent::Yes);
        assert_eq!(blank, AskError::ReasonMissing);
        let unsure = refusal(&args(Some("r"), false), &mut t, Consent::Yes);
        assert_eq!(unsure, AskError::NotATerminal);
        assert_eq!(t.err, "", "nothing is shown when nothing can be asked");
        let change = args(Some(" r "), true)
            .confirm(&mut t, "ban s1\n", Consent::Yes)
            .expect("complete");
        assert_eq!(change.reason, "r");
        assert_eq!(change.request_id.len(), 36);
    }

    #[test]
    fn a_person_is_shown_the_change_and_asked_for_reason_and_consent() {
        let mut t = Script::answering(&["disk swap", "y"]);
        let change = args(None, false)
            .confirm(&mut t, "ban s1\n", Consent::Yes)
            .expect("agreed");
        assert_eq!(change.reason, "disk swap");
        assert_eq!(t.err, "ban s1\nReason: Proceed? [y/N] ");
    }

    #[test]
    fn anything_but_a_clear_yes_is_a_no() {
        for answer in ["", "n", "yeah", "Y E S"] {
            let mut t = Script::answering(&[answer]);
            let e = refusal(&args(Some("r"), false), &mut t, Consent::Yes);
            assert_eq!(e, AskError::Declined, "{answer:?}");
        }
        let mut end_of_input = Script::answering(&[]);
        let e = refusal(&args(Some("r"), false), &mut end_of_input, Consent::Yes);
        assert_eq!(e, AskError::Declined);
    }

    #[test]
    fn what_cannot_be_undone_wants_the_whole_name() {
        let mut t = Script::answering(&["y"]);
        let e = refusal(&args(Some("r"), false), &mut t, Consent::TypeName("s1"));
        assert_eq!(e, AskError::Declined);
        let mut t = Script::answering(&["s1"]);
        args(Some("r"), false)
            .confirm(&mut t, "", Consent::TypeName("s1"))
            .expect("typed");
    }
}
