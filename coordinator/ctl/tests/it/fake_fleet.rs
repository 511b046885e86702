//! A coordinator with its answers laid out by the test, which remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use h8lio_model::audit::{AuditEntry, AuditHead, Outcome};
use h8lio_model::event::{Event, Severity};
use h8lio_model::node::NodeDetail;
use h8lio_model::operator::{Operator, OperatorRole};
use h8lio_model::rollout::view::{ObjectionView, RolloutView};
use h8lio_model::section::Digest;
use h8lio_model::token::Token;
use h8lio_proto::convert::{self, timestamp};
use h8lio_proto::v1;
use h8lio_proto::v1::fleet_service_server::FleetService;
use rcgen::CertificateSigningRequestParams;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use crate::pki::Ca;
use crate::sample_rollouts::{halted, objections};
use crate::samples::{as_of, before, healthy, sick};

/// What the fake answers from.
pub(crate) struct State {
    pub(crate) nodes: Vec<NodeDetail>,
    pub(crate) faults: Vec<String>,
    /// Answers the next call with this refusal.
    pub(crate) refuse: Option<Status>,
    /// Answers the call after the next one with this refusal.
    pub(crate) refuse_second: Option<Status>,
    /// Events of each coming `FollowEvents` stream, which ends after them.
    pub(crate) streams: VecDeque<Vec<Event>>,
    /// How many coming `FollowEvents` streams break at once.
    pub(crate) broken_streams: u32,
    /// Changes that were asked for: the call, and what it named.
    pub(crate) changes: Vec<(&'static str, String, v1::Change)>,
    pub(crate) dialled: Vec<String>,
    pub(crate) followed: Vec<u64>,
    pub(crate) updates: Vec<v1::UpdateNodeRequest>,
    pub(crate) tokens: Vec<v1::CreateTokenRequest>,
    pub(crate) rollouts: Vec<RolloutView>,
    /// Rollouts that were to be created: only planned, and the specification.
    pub(crate) asked: Vec<(bool, serde_json::Value)>,
    pub(crate) objections: Vec<ObjectionView>,
}

/// The fake; clones share the state.
#[derive(Clone)]
pub(crate) struct Fake {
    ca: Arc<Ca>,
    state: Arc<Mutex<State>>,
}

impl Fake {
    pub(crate) fn new(ca: Ca) -> Self {
        let mut second = sick();
        second.node.name = "r1-s2".parse().expect("valid");
        second.node.id = crate::samples::node(2, "x").id;
        let state = State {
            nodes: vec![healthy(), second],
            faults: vec![],
            refuse: None,
            refuse_second: None,
            streams: VecDeque::new(),
            broken_streams: 0,
            changes: vec![],
            dialled: vec![],
            followed: vec![],
            updates: vec![],
            tokens: vec![],
            rollouts: vec![halted()],
            asked: vec![],
            objections: objections(),
        };
        Self {
            ca: Arc::new(ca),
            state: Arc::new(Mutex::new(state)),
        }
    }

    pub(crate) fn ca(&self) -> &Ca {
        &self.ca
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("lock")
    }

    pub(crate) fn dialled(&self, address: &str) {
        self.state().dialled.push(address.to_owned());
    }

    /// Takes the refusal that the test laid out.
    pub(crate) fn admit(&self) -> Result<MutexGuard<'_, State>, Status> {
        let mut state = self.state();
        let second = state.refuse_second.take();
        match std::mem::replace(&mut state.refuse, second) {
            Some(status) => Err(status),
            None => Ok(state),
        }
    }

    /// As [`Self::admit`], for a change: checked as a coordinator does, and remembered.
    pub(crate) fn admit_change(
        &self,
        call: &'static str,
        target: &str,
        change: Option<v1::Change>,
    ) -> Result<MutexGuard<'_, State>, Status> {
        let mut state = self.admit()?;
        convert::read_change(change.clone())?;
        let change = change.unwrap_or_default();
        state.changes.push((call, target.to_owned(), change));
        Ok(state)
    }
}

pub(crate) fn event(seq: u64, reason: &str) -> Event {
    Event {
        seq,
        at: before(60),
        severity: Severity::Warning,
        reason: reason.into(),
        node: None,
        node_name: Some("r1-s1".into()),
        message: "sdb appeared".into(),
    }
}

pub(crate) fn token() -> Token {
    Token {
        id: "t1".parse().expect("valid"),
        created_at: before(60),
        created_by: "operator/ada".into(),
        expires_at: as_of() + jiff::SignedDuration::from_hours(1),
        max_uses: 2,
        used_by: vec![healthy().node.id],
        roles: vec![],
        topology: None,
        node_name: None,
        expect: Default::default(),
        auto_approve: false,
        revoked_at: None,
    }
}

pub(crate) fn operator(name: &str, role: OperatorRole) -> Operator {
    Operator {
        name: name.parse().expect("valid"),
        role,
        certificate_serial: "41".repeat(16),
        created_at: before(60),
        expires_at: as_of() + jiff::SignedDuration::from_hours(24),
        revoked_at: None,
    }
}

pub(crate) fn audit() -> AuditEntry {
    AuditEntry {
        seq: 0,
        previous: Digest([0; 32]),
        at: before(60),
        actor: "operator/ada".into(),
        action: "node.ban".into(),
        target: "node/r1-s1".into(),
        reason: "stolen".into(),
        ticket: None,
        request_id: "q1".into(),
        request: "{}".into(),
        outcome: Outcome::Refused {
            why: "not an approver".into(),
        },
        hash: Digest([0; 32]),
    }
    .link(AuditHead::EMPTY)
}

fn now() -> Option<prost_types::Timestamp> {
    Some(timestamp(as_of()))
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl FleetService for Fake {
    async fn get_status(&self, _: Request<v1::GetStatusRequest>) -> Answer<v1::GetStatusResponse> {
        drop(self.admit()?);
        Ok(Response::new(v1::GetStatusResponse {
            fleet: "demo".into(),
            coordinator: "c1".into(),
            version: "0.1.0".into(),
            started_at: Some(timestamp(before(60))),
            as_of: now(),
            incarnation: "i".into(),
            epoch: 1,
            nodes: [("Enrolled/Online".to_owned(), 2)].into(),
            sessions: 2,
            store: "ok".into(),
            store_revision: 7,
            audit_head: Some(audit().head().into()),
            warming_up: String::new(),
            caller: "ada".into(),
            caller_role: "admin".into(),
            conditions: [("DiskFailing".to_owned(), 1)].into(),
        }))
    }

    async fn create_token(
        &self,
        request: Request<v1::CreateTokenRequest>,
    ) -> Answer<v1::CreateTokenResponse> {
        let message = request.into_inner();
        self.admit_change("create_token", "", message.change.clone())?
            .tokens
            .push(message);
        Ok(Response::new(v1::CreateTokenResponse {
            token: Some(token().into()),
            text: "h8lio1.secret".into(),
        }))
    }

    async fn list_tokens(
        &self,
        _: Request<v1::ListTokensRequest>,
    ) -> Answer<v1::ListTokensResponse> {
        let state = self.admit()?;
        let mut token = token();
        token.revoked_at = state
            .changes
            .iter()
            .any(|c| c.0 == "revoke_token")
            .then(as_of);
        let tokens = vec![token.into()];
        Ok(Response::new(v1::ListTokensResponse {
            tokens,
            as_of: now(),
        }))
    }

    async fn revoke_token(
        &self,
        request: Request<v1::RevokeTokenRequest>,
    ) -> Answer<v1::RevokeTokenResponse> {
        let message = request.into_inner();
        drop(self.admit_change("revoke_token", &message.id, message.change)?);
        if message.id != "t1" {
            return Err(Status::not_found("no such token"));
        }
        let mut token = token();
        token.revoked_at = Some(as_of());
        Ok(Response::new(v1::RevokeTokenResponse {
            token: Some(token.into()),
        }))
    }

    async fn list_events(
        &self,
        request: Request<v1::ListEventsRequest>,
    ) -> Answer<v1::ListEventsResponse> {
        drop(self.admit()?);
        let after = request.into_inner().after_seq;
        let events = [event(1, "LinkDown"), event(2, "DiskAppeared")];
        let events = events.into_iter().filter(|e| e.seq > after);
        Ok(Response::new(v1::ListEventsResponse {
            events: events.map(Into::into).collect(),
            as_of: now(),
        }))
    }

    type FollowEventsStream =
        std::pin::Pin<Box<dyn Stream<Item = Result<v1::FollowEventsResponse, Status>> + Send>>;

    async fn follow_events(
        &self,
        request: Request<v1::FollowEventsRequest>,
    ) -> Answer<Self::FollowEventsStream> {
        let mut state = self.admit()?;
        state.followed.push(request.into_inner().after_seq);
        if state.broken_streams > 0 {
            state.broken_streams -= 1;
            let end = Err(Status::unavailable("the coordinator stops"));
            return Ok(Response::new(Box::pin(tokio_stream::once(end))));
        }
        let Some(events) = state.streams.pop_front() else {
            return Ok(Response::new(Box::pin(tokio_stream::pending())));
        };
        let answers = events.into_iter().map(|e| {
            Ok(v1::FollowEventsResponse {
                event: Some(e.into()),
            })
        });
        let answers: Vec<_> = answers.collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(answers))))
    }

    async fn list_audit(&self, _: Request<v1::ListAuditRequest>) -> Answer<v1::ListAuditResponse> {
        drop(self.admit()?);
        Ok(Response::new(v1::ListAuditResponse {
            entries: vec![audit().into()],
            as_of: now(),
        }))
    }

    async fn verify_audit(
        &self,
        request: Request<v1::VerifyAuditRequest>,
    ) -> Answer<v1::VerifyAuditResponse> {
        let mut faults = self.admit()?.faults.clone();
        if let Some(head) = request.into_inner().remembered {
            faults.push(format!(
                "the log ends at entry 1, but you remember {}",
                head.seq
            ));
        }
        Ok(Response::new(v1::VerifyAuditResponse {
            entries: 1,
            head: Some(audit().head().into()),
            witnesses: 2,
            faults,
        }))
    }

    async fn create_operator(
        &self,
        request: Request<v1::CreateOperatorRequest>,
    ) -> Answer<v1::CreateOperatorResponse> {
        let m = request.into_inner();
        drop(self.admit_change("create_operator", &m.name, m.change.clone())?);
        let csr = CertificateSigningRequestParams::from_der(&m.csr.as_slice().into())
            .map_err(|e| Status::invalid_argument(e.to_string()))?;
        let role = convert::read_operator_role(m.role)?;
        let uri = format!("spiffe://demo/operator/{}/{role}", m.name);
        let leaf = self.ca.sign(&uri, &csr.public_key, 4096);
        Ok(Response::new(v1::CreateOperatorResponse {
            operator: Some(operator(&m.name, role).into()),
            chain: vec![leaf],
            trust_bundle: Some(v1::TrustBundle {
                roots: vec![self.ca.der.clone()],
                digest: Default::default(),
            }),
        }))
    }

    async fn list_operators(
        &self,
        _: Request<v1::ListOperatorsRequest>,
    ) -> Answer<v1::ListOperatorsResponse> {
        let state = self.admit()?;
        let mut ada = operator("ada", OperatorRole::Admin);
        ada.revoked_at = state
            .changes
            .iter()
            .any(|c| c.0 == "revoke_operator")
            .then(as_of);
        Ok(Response::new(v1::ListOperatorsResponse {
            operators: vec![ada.into()],
            as_of: now(),
        }))
    }

    async fn revoke_operator(
        &self,
        request: Request<v1::RevokeOperatorRequest>,
    ) -> Answer<v1::RevokeOperatorResponse> {
        let m = request.into_inner();
        drop(self.admit_change("revoke_operator", &m.name, m.change)?);
        let mut revoked = operator(&m.name, OperatorRole::Admin);
        revoked.revoked_at = Some(as_of());
        Ok(Response::new(v1::RevokeOperatorResponse {
            operator: Some(revoked.into()),
        }))
    }
}
