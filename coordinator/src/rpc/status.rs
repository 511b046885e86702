//! Errors of the coordinator's parts as gRPC statuses. Each is logged here when it is the
//! coordinator's own trouble, and nowhere else.

use tonic::Status;

use crate::audit::AuditError;
use crate::events::EventsError;
use crate::pki::IssueError;
use crate::registry::RegistryError;
use crate::store::StoreError;

/// An error with all its causes, one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(e) = next {
        text = format!("{text}: {e}");
        next = e.source();
    }
    text
}

fn ours(error: &dyn std::error::Error) -> Status {
    let text = chain(error);
    tracing::error!(error = text, "a request failed");
    Status::unavailable(text)
}

/// A store error: the coordinator's trouble, the caller may try again.
pub fn store(e: &StoreError) -> Status {
    ours(e)
}

/// A registry error.
pub fn registry(e: &RegistryError) -> Status {
    match e {
        RegistryError::NotFound(_) => Status::not_found(e.to_string()),
        RegistryError::Contended { .. } => Status::aborted(e.to_string()),
        RegistryError::Store(_) | RegistryError::BadRecord(_) => ours(e),
    }
}

/// An audit error.
pub fn audit(e: &AuditError) -> Status {
    match e {
        AuditError::Conflict { .. } => Status::aborted(e.to_string()),
        _ => ours(e),
    }
}

/// An error of the event log.
pub fn events(e: &EventsError) -> Status {
    match e {
        EventsError::Gone { .. } => Status::out_of_range(e.to_string()),
        _ => ours(e),
    }
}

/// A certificate that could not be issued.
pub fn issue(e: &IssueError) -> Status {
    ours(e)
}
