//! One mutating call of an operator: judged, done and audited in one transaction.

use h8lio_proto::convert::{Change, read_change};
use h8lio_proto::v1;
use tonic::{Request, Status};

use super::authz::{self, OperatorCaller};
use super::services::Services;
use super::{roles, status};
use crate::audit::AuditDraft;
use crate::store::{Compare, Op};

/// Largest request, as JSON, that is acted on: all of it goes into the audit log, for ever.
const MAX_REQUEST: usize = 64 << 10;

/// What is being done, by whom and why.
#[derive(Debug, Clone)]
pub struct Act {
    pub caller: OperatorCaller,
    pub change: Change,
    pub action: &'static str,
    pub target: String,
    /// The request as JSON, without secrets.
    pub request: String,
}

/// What an act asks for, as the service reads it from its request. The role that it needs stands
/// in [`roles::CALLS`].
#[derive(Debug)]
pub struct Asked {
    pub action: &'static str,
    pub target: String,
    pub change: Option<v1::Change>,
    /// The request, without secrets.
    pub request: serde_json::Value,
}

impl Act {
    /// Judges the caller and the reason. A caller who may not is audited too, when known.
    ///
    /// # Errors
    /// As a status for the caller.
    pub async fn begin<T>(
        services: &Services,
        request: &Request<T>,
        asked: Asked,
    ) -> Result<Self, Status>
    where
        T: Sync,
    {
        // Anybody unknown is refused without an entry: strangers must not fill the log.
        let known = services.viewer(request)?;
        let change = read_change(asked.change)?;
        let text = asked.request.to_string();
        if text.len() > MAX_REQUEST {
            return Err(Status::invalid_argument(format!(
                "the request has {} bytes as the audit log would keep it, {MAX_REQUEST} are allowed",
                text.len()
            )));
        }
        let least = roles::least(asked.action);
        let act = Self {
            caller: known,
            change,
            action: asked.action,
            target: asked.target,
            request: text,
        };
        if let Err(refusal) =
            authz::operator(request, &services.operators, least, services.clock.now())
        {
            return Err(act.refuse(services, refusal).await);
        }
        Ok(act)
    }

    fn draft(&self, services: &Services) -> AuditDraft {
        AuditDraft {
            at: services.clock.now(),
            actor: format!("operator/{}", self.caller.name),
            action: self.action.to_owned(),
            target: self.target.clone(),
            reason: self.change.reason.clone(),
            ticket: self.change.ticket.clone(),
            request_id: self.change.request_id.clone(),
            request: self.request.clone(),
        }
    }

    /// Writes effect and entry together.
    ///
    /// # Errors
    /// `Aborted` when a comparison does not hold: the caller reads again.
    pub async fn commit(
        &self,
        services: &Services,
        effect: Vec<Op>,
        compares: Vec<Compare>,
    ) -> Result<(), Status> {
        let recorded = services
            .audit
            .append(self.draft(services), effect, compares)
            .await
            .map_err(|e| status::audit(&e))?;
        tracing::info!(
            actor = %self.caller.name,
            action = self.action,
            target = self.target,
            reason = self.change.reason,
            audit_seq = recorded.head.seq,
            audit_hash = %recorded.head.hash,
            "audited"
        );
        Ok(())
    }

    /// Records the refusal and hands it back.
    pub async fn refuse(&self, services: &Services, refusal: Status) -> Status {
        if let Err(e) = services
            .audit
            .append_refused(self.draft(services), refusal.message())
            .await
        {
            tracing::error!(error = status::chain(&e), "a refusal could not be audited");
        }
        refusal
    }
}
