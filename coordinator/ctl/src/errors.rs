//! What can go wrong, as one line for the operator and one exit code for scripts.

use std::io;

use tonic::{Code, Status};

use crate::connect::ConnectError;
use crate::context::ContextError;

/// Exit codes; `--help` and docs/h8lctl.md list them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done; nothing needs attention.
    Done = 0,
    /// Refused, failed, or (doctor, verify) something needs attention, or (what-if) they may not.
    Failed = 1,
    /// The command line or a file it names is wrong.
    Usage = 2,
    /// No such node, rollout, token, operator or context.
    NotFound = 3,
    /// The operator's certificate does not allow this.
    NotPermitted = 4,
    /// No coordinator answers.
    Unreachable = 5,
    /// Nothing was changed, because the operator said no.
    Aborted = 6,
}

/// The table of exit codes below `--help`.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  refused or failed; doctor, verify and recovery: something needs attention; what-if: they may not
  2  wrong usage, or a context that cannot be used
  3  no such node, rollout, token, operator or context
  4  not permitted for this operator or certificate
  5  no coordinator answers
  6  nothing changed: you said no";

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CtlError {
    #[error(transparent)]
    Context(#[from] ContextError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The command line asks for something that makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The coordinator would refuse it: what stands there already shows it, so nobody was asked.
    #[error("{0}")]
    Refused(String),
    /// The coordinator's answer cannot be read.
    #[error(
        "the coordinator's answer cannot be read; is this h8lctl older than the coordinator? (h8lctl version)"
    )]
    Answer(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Something local (a file, the terminal) failed.
    #[error("cannot {doing}")]
    Local {
        /// For example `write ada.context.toml`.
        doing: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Writing to standard output failed.
    #[error("cannot write the output")]
    Output(#[from] io::Error),
}

impl CtlError {
    /// A local failure while `doing`.
    pub fn local(
        doing: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Local {
            doing: doing.into(),
            source: source.into(),
        }
    }

    /// An answer that the model refuses.
    pub fn answer(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Answer(source.into())
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Context(e) => e.exit(),
            Self::Connect(e) => e.exit(),
            Self::Call(e) => e.exit(),
            Self::Ask(AskError::Declined) => Exit::Aborted,
            Self::Ask(_) | Self::Usage(_) => Exit::Usage,
            // The reader of a pipe went away: it has seen what it wanted.
            Self::Output(e) if e.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            Self::Refused(_) | Self::Answer(_) | Self::Local { .. } | Self::Output(_) => {
                Exit::Failed
            }
        }
    }

    /// Whether a command that stays goes on: the coordinator is away, or cannot answer now.
    pub fn passes(&self) -> bool {
        self.exit() == Exit::Unreachable
            || matches!(self, Self::Call(CallError::Unavailable { .. }))
    }

    /// The whole chain of causes as one line.
    pub fn line(&self) -> String {
        let mut line = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(c) = cause {
            let text = c.to_string();
            if !line.contains(&text) {
                line = format!("{line}: {text}");
            }
            cause = c.source();
        }
        line.lines().map(str::trim).collect::<Vec<_>>().join(" ")
    }
}

/// Why a question was not answered with yes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    #[error("nothing was changed")]
    Declined,
    #[error("say why with --reason: it is written to the audit log")]
    ReasonMissing,
    #[error("add --yes: nobody can be asked here, because this is not a terminal")]
    NotATerminal,
}

/// Why a call was not answered with what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    #[error("{message}")]
    Refused { message: String },
    #[error("{message}")]
    BadRequest { message: String },
    #[error("no {what} called {name:?}{}", did_you_mean(.suggestions, .list))]
    NotFound {
        what: &'static str,
        name: String,
        /// Names that look like it, the best first.
        suggestions: Vec<String>,
        /// The command that lists what there is.
        list: &'static str,
    },
    #[error(
        "not permitted: {message}; `h8lctl status` shows who you are, `h8lctl operator list` who may"
    )]
    NotPermitted { message: String },
    /// The coordinator answered that it cannot do this now: its own words.
    #[error("{message}")]
    Unavailable { message: String },
    /// Nobody answered: the connection broke.
    #[error("{message}; try again, `h8lctl status` shows whether it is back")]
    Lost { message: String },
    #[error(
        "the coordinator did not answer in time ({message}); a change may have been made: look before you repeat it"
    )]
    TimedOut { message: String },
}

fn did_you_mean(suggestions: &[String], list: &str) -> String {
    match suggestions {
        [] => format!("; `{list}` shows what there is"),
        some => format!("; did you mean {}?", some.join(", ")),
    }
}

impl CallError {
    /// The exit code.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Refused { .. } | Self::Unavailable { .. } => Exit::Failed,
            Self::BadRequest { .. } => Exit::Usage,
            Self::NotFound { .. } => Exit::NotFound,
            Self::NotPermitted { .. } => Exit::NotPermitted,
            Self::Lost { .. } | Self::TimedOut { .. } => Exit::Unreachable,
        }
    }

    /// Reads a refusal of a call about the `what` called `name`. `list` is the command that
    /// shows what there is.
    pub fn about(status: &Status, what: &'static str, name: &str, list: &'static str) -> Self {
        match status.code() {
            Code::NotFound => Self::NotFound {
                what,
                name: name.to_owned(),
                suggestions: Vec::new(),
                list,
            },
            _ => Self::from(status),
        }
    }
}

impl From<&Status> for CallError {
    fn from(status: &Status) -> Self {
        let said = match status.message() {
            "" => status.code().description().to_owned(),
            text => text.to_owned(),
        };
        // A certificate that the coordinator refuses shows only when it is first used (TLS 1.3).
        if h8lio_tls::cause::refusal(status).is_some() {
            return Self::NotPermitted {
                message: h8lio_tls::cause::explain(status),
            };
        }
        match status.code() {
            Code::InvalidArgument => Self::BadRequest { message: said },
            Code::PermissionDenied | Code::Unauthenticated => Self::NotPermitted { message: said },
            Code::DeadlineExceeded | Code::Cancelled => Self::TimedOut { message: said },
            // What the coordinator said has no source: tonic made the status here if there is one.
            Code::Unavailable | Code::Unknown if std::error::Error::source(status).is_some() => {
                Self::Lost {
                    message: broken(status),
                }
            }
            Code::Unavailable => Self::Unavailable { message: said },
            _ => Self::Refused { message: said },
        }
    }
}

/// How a connection broke, in an operator's words. Where the libraries below give no cause that the
/// operating system or TLS named, their own text (types, addresses of manuals) helps nobody.
fn broken(status: &Status) -> String {
    let mut next = std::error::Error::source(status);
    while let Some(e) = next {
        let io = e.downcast_ref::<io::Error>();
        let carried = io.and_then(io::Error::get_ref);
        if let (Some(io), None) = (io, carried)
            && !matches!(
                io.kind(),
                io::ErrorKind::ConnectionReset
                    | io::ErrorKind::BrokenPipe
                    | io::ErrorKind::UnexpectedEof
            )
        {
            let cause = h8lio_tls::cause::explain(io);
            return format!("the connection to the coordinator broke ({cause})");
        }
        next = carried
            .map(|c| c as &(dyn std::error::Error + 'static))
            .or_else(|| e.source());
    }
    CLOSED.to_owned()
}

/// A connection that ended without more to be said.
pub const CLOSED: &str = "the coordinator closed the connection";

impl From<Status> for CtlError {
    fn from(status: Status) -> Self {
        Self::Call(CallError::from(&status))
    }
}

impl From<h8lio_proto::convert::Invalid> for CtlError {
    fn from(e: h8lio_proto::convert::Invalid) -> Self {
        Self::answer(e)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_exit_code() {
        let exit = |code| CtlError::from(Status::new(code, "m")).exit();
        assert_eq!(exit(Code::PermissionDenied), Exit::NotPermitted);
        assert_eq!(exit(Code::Unauthenticated), Exit::NotPermitted);
        assert_eq!(exit(Code::InvalidArgument), Exit::Usage);
        assert_eq!(exit(Code::Unavailable), Exit::Failed);
        assert_eq!(exit(Code::DeadlineExceeded), Exit::Unreachable);
        assert_eq!(exit(Code::FailedPrecondition), Exit::Failed);
        assert_eq!(exit(Code::Internal), Exit::Failed);
        let e = CallError::about(&Status::not_found(""), "node", "s1", "h8lctl node list");
        assert_eq!(e.exit(), Exit::NotFound);
    }

    fn lost(source: io::Error) -> CtlError {
        let mut status = Status::unavailable("transport error");
        status.set_source(std::sync::Arc::new(source));
        CtlError::from(status)
    }

    #[test]
    fn a_broken_connection_is_told_without_the_libraries_text() {
        let url = "peer closed connection without sending TLS close_notify: https://docs.rs/rustls";
        for source in [
            io::Error::new(io::ErrorKind::UnexpectedEof, url),
            io::ErrorKind::ConnectionReset.into(),
            io::Error::other("stream closed: Error(GoAway(b\"\"))"),
        ] {
            let e = lost(source);
            assert_eq!(e.exit(), Exit::Unreachable);
            assert!(e.passes());
            assert_eq!(
                e.line(),
                format!("{CLOSED}; try again, `h8lctl status` shows whether it is back")
            );
        }
        let gone = lost(io::Error::other(io::Error::from(
            io::ErrorKind::ConnectionRefused,
        )));
        assert!(gone.line().contains("nothing listens there"), "{gone}");
    }

    #[test]
    fn what_the_coordinator_says_of_itself_is_told_as_it_is() {
        let full = "cannot record token.create in the audit log: no space left on device";
        let e = CtlError::from(Status::unavailable(full));
        assert_eq!((e.exit(), e.line().as_str()), (Exit::Failed, full));
        assert!(e.passes());
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let gone = io::Error::from(io::ErrorKind::BrokenPipe);
        assert_eq!(CtlError::Output(gone).exit(), Exit::Done);
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(CtlError::Output(full).exit(), Exit::Failed);
    }

    #[test]
    fn a_chain_of_causes_is_one_line_without_repetition() {
        let inner = io::Error::other("disk\nfull");
        let e = CtlError::local("write /tmp/x", inner);
        assert_eq!(e.line(), "cannot write /tmp/x: disk full");
    }
}
