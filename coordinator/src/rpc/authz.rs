//! Who is calling. Identity comes from the certificate of the connection, and from nothing else.

use std::sync::Arc;

use h8lio_model::ids::OperatorName;
use h8lio_model::lifecycle::{Admission, Ban};
use h8lio_model::operator::OperatorRole;
use h8lio_proto::v1;
use h8lio_tls::bundle::TrustBundle;
use h8lio_tls::serial::Serial;
use jiff::Timestamp;
use tonic::{Request, Status};

use crate::accept::Peer;
use crate::operators::Operators;
use crate::pki::caller::Caller;
use crate::registry::{Node, Registry};

/// A node that may speak for itself.
#[derive(Debug, Clone)]
pub struct NodeCaller {
    pub node: Arc<Node>,
    pub serial: Serial,
    pub not_after: Timestamp,
    /// Generation of the authority that issued the certificate.
    pub authority: u64,
}

/// An operator who may do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorCaller {
    pub name: OperatorName,
    pub role: OperatorRole,
}

fn caller<T>(request: &Request<T>) -> Caller {
    Peer::of(request).map_or(Caller::Anonymous, |p| (*p.caller).clone())
}

/// What somebody else is told who calls as if he were an agent.
pub fn not_a_node() -> Status {
    Status::unauthenticated(
        "this call needs a node certificate of this fleet; enroll the server first (h8lio-agent enroll)",
    )
}

/// What somebody else is told who calls as if he were an operator.
pub fn not_an_operator() -> Status {
    Status::unauthenticated(
        "this call needs an operator certificate of this fleet; import a context (h8lctl context import)",
    )
}

/// The enrolled node behind the connection.
///
/// # Errors
/// When the caller is not a node, or one that may not speak.
pub fn node<T>(
    request: &Request<T>,
    registry: &Registry,
    now: Timestamp,
) -> Result<NodeCaller, Status> {
    let caller = known_node(request, registry)?;
    if now > caller.not_after {
        return Err(Status::unauthenticated(format!(
            "the node certificate expired at {}; the agent has to re-attest first",
            caller.not_after
        )));
    }
    may_speak(&caller.node)?;
    Ok(caller)
}

/// Whether a node may speak at this moment. A session asks again once it has its place in the
/// table: whoever bars the node later finds it there, and whoever did it before is seen here.
///
/// # Errors
/// When it is banned, decommissioned, or not admitted yet.
pub fn may_speak(node: &Node) -> Result<(), Status> {
    admitted(node)?;
    let record = node.record();
    let r = &record.value;
    if let Some(Ban { reason, by, at }) = &r.banned {
        return Err(Status::permission_denied(format!(
            "node {} was banned by {by} at {at}: {reason}; `h8lctl node unban {}` ends it",
            r.name, r.name
        )));
    }
    Ok(())
}

fn admitted(node: &Node) -> Result<(), Status> {
    let record = node.record();
    match record.value.admission {
        Admission::Enrolled => Ok(()),
        Admission::Pending => Err(Status::permission_denied("the node waits for approval")),
        Admission::Decommissioned => Err(Status::permission_denied(format!(
            "node {} was decommissioned; its identity is never accepted again",
            record.value.name
        ))),
    }
}

/// The node behind a connection whose certificate may have expired.
///
/// # Errors
/// As [`node`], but for expiry.
pub fn maybe_expired_node<T>(
    request: &Request<T>,
    registry: &Registry,
) -> Result<NodeCaller, Status> {
    known_node(request, registry)
}

fn known_node<T>(request: &Request<T>, registry: &Registry) -> Result<NodeCaller, Status> {
    let Caller::Node {
        id,
        serial,
        not_after,
        authority,
        ..
    } = caller(request)
    else {
        return Err(not_a_node());
    };
    let node = registry.by_id(id).ok_or_else(|| {
        Status::not_found(format!("node {id} is not known to this coordinator; was its store restored from an older backup?"))
    })?;
    admitted(&node)?;
    Ok(NodeCaller {
        node,
        serial,
        not_after,
        authority,
    })
}

/// The operator behind the connection, if the role suffices.
///
/// # Errors
/// When the caller is not an operator, was revoked or replaced, or has too small a role.
pub fn operator<T>(
    request: &Request<T>,
    operators: &Operators,
    least: OperatorRole,
    now: Timestamp,
) -> Result<OperatorCaller, Status> {
    let Caller::Operator {
        name,
        role,
        serial,
        not_after,
    } = caller(request)
    else {
        return Err(not_an_operator());
    };
    // A connection may outlive the certificate that it was made with.
    if now > not_after {
        return Err(Status::unauthenticated(format!(
            "the certificate of operator {name} expired at {not_after}; an admin can make a new one (h8lctl operator create)"
        )));
    }
    operators
        .check(&name, &serial.to_string())
        .map_err(|e| Status::permission_denied(e.to_string()))?;
    if role < least {
        return Err(Status::permission_denied(format!(
            "operator {name} has the role {role}; this needs {least}"
        )));
    }
    Ok(OperatorCaller { name, role })
}

/// A bundle as peers get it.
pub fn bundle_to_wire(bundle: &TrustBundle) -> v1::TrustBundle {
    v1::TrustBundle {
        roots: bundle.roots().iter().map(|r| r.to_vec()).collect(),
        digest: bundle.digest().0.to_vec(),
    }
}

#[cfg(test)]
#[path = "authz_tests.rs"]
mod tests;
