//! Enrollment, renewal, re-attestation.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use h8lio_model::event::Severity;
use h8lio_model::ids::{NodeId, NodeName, TokenId};
use h8lio_model::lifecycle::{Admission, Scheduling};
use h8lio_model::section::Digest;
use h8lio_model::token::{Claims, Match, Token, TokenRefusal};
use h8lio_proto::convert::{duration, timestamp};
use h8lio_proto::v1;
use h8lio_proto::v1::enroll_response::Outcome as Answer;
use h8lio_proto::v1::enrollment_service_server::EnrollmentService;
use jiff::Timestamp;
use tonic::{Request, Response, Status};

use super::attempts::Attempts;
use super::authz::{self, NodeCaller};
use super::services::Services;
use super::status;
use crate::accept::Peer;
use crate::audit::{AuditDraft, AuditError};
use crate::pki::Issued;
use crate::pki::csr::{self, PublicKey};
use crate::registry::records::{
    self, IssuedRecord, NodeRecord, TokenRecord, token_key, token_use_key,
};
use crate::registry::{Node, Registry, Versioned};
use crate::store::{Compare, Op, Revision};

/// How soon a waiting server asks again.
const POLL: Duration = Duration::from_secs(5);
/// How often a lost race is run again.
const TRIES: usize = 16;

/// The service.
#[derive(Debug)]
pub struct EnrollmentServer {
    services: Arc<Services>,
    attempts: Attempts,
}

impl EnrollmentServer {
    /// The service over these parts.
    pub fn new(services: Arc<Services>) -> Self {
        Self {
            services,
            attempts: Attempts::default(),
        }
    }
}

/// A checked request.
struct Wish {
    token: TokenId,
    secret: Digest,
    key: PublicKey,
    claims: Claims,
}

fn read_wish(request: v1::EnrollRequest) -> Result<Wish, Status> {
    let token = request
        .token_id
        .parse()
        .map_err(|_| Status::invalid_argument("the token id is not one"))?;
    let key = read_csr(&request.csr)?;
    let claims = request
        .claims
        .ok_or_else(|| Status::invalid_argument("field claims: is missing"))?
        .try_into()?;
    Ok(Wish {
        token,
        secret: Digest::of(&request.token_secret),
        key,
        claims,
    })
}

fn read_csr(der: &[u8]) -> Result<PublicKey, Status> {
    csr::read(der)
        .map_err(|e| Status::invalid_argument(format!("field csr: {}", status::chain(&e))))
}

/// What a wish comes to, before it is written. Pure.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Approve,
    /// Waits for a person; why.
    Wait(String),
}

fn decide(token: &Token, claims: &Claims) -> Decision {
    match token.expect.compare(claims) {
        Match::Matches => Decision::Approve,
        Match::NothingExpected if token.auto_approve => Decision::Approve,
        Match::NothingExpected => Decision::Wait(
            "the join token expects no particular server, so a person decides (h8lctl node approve)"
                .to_owned(),
        ),
        Match::Differs { what, expected, found } => Decision::Wait(format!(
            "the join token expects {what} {expected:?}, the server says {found:?}; a person decides (h8lctl node approve)"
        )),
    }
}

/// The name for a new node: the token's, else the claimed hostname in lower case.
fn choose_name(token: &Token, claims: &Claims) -> Result<NodeName, Status> {
    if let Some(name) = &token.node_name {
        return Ok(name.clone());
    }
    claims.hostname.to_ascii_lowercase().parse().map_err(|e| {
        Status::invalid_argument(format!(
            "the server's hostname cannot be a node name ({e}); give the token one (h8lctl token create --name)"
        ))
    })
}

#[tonic::async_trait]
impl EnrollmentService for EnrollmentServer {
    async fn enroll(
        &self,
        request: Request<v1::EnrollRequest>,
    ) -> Result<Response<v1::EnrollResponse>, Status> {
        let peer = Peer::of(&request).map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |p| p.address.ip());
        let s = &self.services;
        if !self.attempts.may_try(peer, s.clock.mono()) {
            return Err(Status::resource_exhausted(
                "too many failed attempts to enroll from this address; wait a minute",
            ));
        }
        let answer = self.enroll_wish(request.into_inner(), peer).await;
        if let Err(e) = &answer
            && matches!(
                e.code(),
                tonic::Code::PermissionDenied | tonic::Code::InvalidArgument
            )
        {
            self.attempts.failed(peer, s.clock.mono());
            tracing::warn!(%peer, why = e.message(), "enrollment refused");
        }
        answer.map(Response::new)
    }

    async fn renew(
        &self,
        request: Request<v1::RenewRequest>,
    ) -> Result<Response<v1::RenewResponse>, Status> {
        let caller = authz::node(&request, &self.services.registry, self.services.clock.now())?;
        self.refuse_restricted(&caller.node)?;
        refuse_outdated(&caller).inspect_err(|refusal| {
            tracing::warn!(why = refusal.message(), "renewal refused");
        })?;
        self.allow(&caller.node)?;
        let key = read_csr(&request.into_inner().csr)?;
        let issued = self.issue(&caller.node, &key).await?;
        Ok(Response::new(v1::RenewResponse {
            issued: Some(self.issued(&issued)),
        }))
    }

    async fn reattest(
        &self,
        request: Request<v1::ReattestRequest>,
    ) -> Result<Response<v1::ReattestResponse>, Status> {
        let s = &self.services;
        let caller = authz::maybe_expired_node(&request, &s.registry)?;
        self.refuse_restricted(&caller.node)?;
        self.allow(&caller.node)?;
        let record = caller.node.record();
        self.refuse_valid(&record.value, caller.not_after)?;
        self.refuse_copy(&caller).await?;
        self.within_recovery(&caller.node, caller.not_after)?;
        let key = read_csr(&request.into_inner().csr)?;
        let issued = self.issue(&caller.node, &key).await?;
        let name = &record.value.name;
        s.feed.node(
            Severity::Info,
            "NodeReattested",
            caller.node.id,
            name,
            format!(
                "node {name} came back with a certificate that had ended at {} and got a new one",
                caller.not_after
            ),
        );
        Ok(Response::new(v1::ReattestResponse {
            issued: Some(self.issued(&issued)),
        }))
    }
}

impl EnrollmentServer {
    async fn enroll_wish(
        &self,
        request: v1::EnrollRequest,
        peer: IpAddr,
    ) -> Result<v1::EnrollResponse, Status> {
        let wish = read_wish(request)?;
        for _ in 0..TRIES {
            let (record, revision) = self.token(&wish).await?;
            let s = &self.services;
            let key = Digest::of(&wish.key.spki());
            let known = s.registry.by_enrolled_key(key, s.clock.now()).await;
            if let Some(node) = known.map_err(|e| status::registry(&e))? {
                return self.known(&node, &record.token, &wish).await;
            }
            if let Some(answer) = self.admit(&wish, record, revision, peer).await? {
                return Ok(answer);
            }
        }
        Err(Status::aborted(
            "others use this join token at the same time; try again",
        ))
    }

    /// The token, if the secret is right. An unknown token and a wrong secret are one answer.
    async fn token(&self, wish: &Wish) -> Result<(TokenRecord, Revision), Status> {
        let key = token_key(&wish.token);
        let kv = self
            .services
            .store
            .get(&key)
            .await
            .map_err(|e| status::store(&e))?;
        let foreign = || {
            Status::permission_denied(format!(
                "join token {} is not known to this coordinator: it is of another fleet, mistyped, or was removed",
                wish.token
            ))
        };
        let kv = kv.ok_or_else(foreign)?;
        let mut record: TokenRecord =
            records::read(&key, &kv.value).map_err(|e| status::registry(&e.into()))?;
        // Earlier records name their users themselves.
        let named = u32::try_from(record.token.used_by.len()).unwrap_or(u32::MAX);
        record.uses = record.uses.max(named);
        // Hashes of 32 random bytes: comparing them in any time tells nothing about the secret.
        if record.secret_hash != wish.secret {
            return Err(foreign());
        }
        Ok((record, kv.mod_revision))
    }

    /// The server asked before: its present state.
    async fn known(
        &self,
        node: &Arc<Node>,
        token: &Token,
        wish: &Wish,
    ) -> Result<v1::EnrollResponse, Status> {
        let record = node.record();
        let r = &record.value;
        if r.token != token.id {
            return Err(Status::permission_denied(format!(
                "this key belongs to node {}, which asked with another join token; use that one, or a fresh key (h8lio-agent enroll --replace)",
                r.name
            )));
        }
        self.refuse_restricted(node)?;
        let answer = match r.admission {
            Admission::Pending => self.pending(r),
            Admission::Enrolled if r.current.is_some() => {
                // A crash between answer and disk comes before the first use. Whoever asks later has
                // a copy of the key, or would get around the recovery limit.
                return Err(Status::permission_denied(format!(
                    "node {} has used its certificate already and renews with that; to join anew, decommission it (h8lctl node decommission {}) and use a fresh key and token",
                    r.name, r.name
                )));
            }
            Admission::Enrolled => {
                self.allow(node)?;
                Answer::Issued(self.issued(&self.issue(node, &wish.key).await?))
            }
            Admission::Decommissioned => {
                return Err(Status::permission_denied(format!(
                    "node {} was decommissioned; its identity is never accepted again: enroll with a fresh key and token",
                    r.name
                )));
            }
        };
        Ok(self.answer(r, answer))
    }

    /// Lets a new server in, or has it wait. `None`: somebody was faster, look again.
    async fn admit(
        &self,
        wish: &Wish,
        mut used: TokenRecord,
        revision: Revision,
        peer: IpAddr,
    ) -> Result<Option<v1::EnrollResponse>, Status> {
        let s = &self.services;
        let now = s.clock.now();
        let token = used.token.clone();
        if let Err(refusal) = token.check(used.uses, now) {
            self.tell_misuse(&refusal, wish, peer);
            return Err(Status::permission_denied(refusal.to_string()));
        }
        let name = choose_name(&token, &wish.claims)?;
        if s.registry.name_taken(&name) {
            return Err(Status::failed_precondition(format!(
                "a node called {name} exists; decommission it first (h8lctl node decommission {name}), or make a token with another name (h8lctl token create --name)"
            )));
        }
        let id = NodeId::new(uuid::Uuid::new_v4());
        let decision = decide(&token, &wish.claims);
        let mut record = NodeRecord {
            id,
            name,
            admission: Admission::Pending,
            scheduling: Scheduling::Active,
            banned: None,
            quarantined: None,
            roles: token.roles.clone(),
            topology: token.topology.clone(),
            labels: Default::default(),
            created_at: now,
            token: token.id.clone(),
            enrolled_key: Digest::of(&wish.key.spki()),
            claims: wish.claims.clone(),
            pending_reason: String::new(),
            current: None,
            pending: None,
            recovery_until: None,
        };
        let issued = match &decision {
            Decision::Wait(why) => {
                record.pending_reason.clone_from(why);
                None
            }
            Decision::Approve => {
                record.admission = Admission::Enrolled;
                let issued = self.sign(&record, &wish.key, now)?;
                record.pending = Some(issued_record(&issued));
                Some(issued)
            }
        };
        used.uses += 1;
        if !self.write_admission(&record, &used, revision, peer).await? {
            return Ok(None);
        }
        let node = s
            .registry
            .refresh(id, now)
            .await
            .map_err(|e| status::registry(&e))?;
        self.tell_admission(&node, &decision, peer);
        let answer = match &issued {
            Some(issued) => Answer::Issued(self.issued(issued)),
            None => self.pending(&record),
        };
        Ok(Some(self.answer(&record, answer)))
    }

    /// Writes node, token and audit entry together; `false` when a comparison failed.
    async fn write_admission(
        &self,
        record: &NodeRecord,
        used: &TokenRecord,
        revision: Revision,
        peer: IpAddr,
    ) -> Result<bool, Status> {
        let token = &used.token;
        let key = token_key(&token.id);
        let request = serde_json::json!({
            "token": token.id, "name": record.name, "claims": record.claims, "peer": peer.to_string(),
        });
        let draft = AuditDraft {
            at: self.services.clock.now(),
            actor: format!("node/{}", record.id),
            action: "node.enroll".to_owned(),
            target: format!("node/{}", record.name),
            reason: format!("join token {} of {}", token.id, token.created_by),
            ticket: None,
            request_id: String::new(),
            request: request.to_string(),
        };
        let (mut compares, mut effect) = Registry::create_ops(record);
        compares.push(Compare::modified_at(key.clone(), revision));
        effect.push(Op::put(key, records::write(used)));
        effect.push(Op::put(token_use_key(&token.id, record.id), Vec::new()));
        match self.services.audit.append(draft, effect, compares).await {
            Ok(_) => Ok(true),
            Err(AuditError::Conflict { .. }) => Ok(false),
            Err(e) => Err(status::audit(&e)),
        }
    }

    fn tell_misuse(&self, refusal: &TokenRefusal, wish: &Wish, peer: IpAddr) {
        let severity = match refusal {
            TokenRefusal::UsedUp { .. } | TokenRefusal::Revoked(_) => Severity::Alert,
            TokenRefusal::Expired(..) => Severity::Warning,
        };
        let message = format!(
            "a server calling itself {:?} at {peer} tried join token {}: {refusal}",
            wish.claims.hostname, wish.token
        );
        self.services.feed.fleet(severity, "TokenMisused", message);
    }

    fn tell_admission(&self, node: &Node, decision: &Decision, peer: IpAddr) {
        let name = node.record().value.name.clone();
        let (severity, reason, message) = match decision {
            Decision::Approve => (
                Severity::Info,
                "NodeEnrolled",
                format!("node {name} enrolled from {peer}"),
            ),
            Decision::Wait(why) => (
                Severity::Warning,
                "NodePending",
                format!("node {name} asks to join from {peer}: {why}"),
            ),
        };
        self.services
            .feed
            .node(severity, reason, node.id, &name, message);
    }

    fn pending(&self, r: &NodeRecord) -> Answer {
        Answer::Pending(v1::PendingApproval {
            explanation: r.pending_reason.clone(),
            retry_after: Some(duration(POLL)),
        })
    }

    fn answer(&self, r: &NodeRecord, outcome: Answer) -> v1::EnrollResponse {
        v1::EnrollResponse {
            node_id: r.id.to_string(),
            node_name: r.name.to_string(),
            fleet: self.services.facts.fleet.to_string(),
            outcome: Some(outcome),
        }
    }

    /// Quarantines an identity whose ended certificate is older than one that was used: its owner
    /// has the newer one and would show that.
    async fn refuse_copy(&self, caller: &NodeCaller) -> Result<(), Status> {
        let Err(refusal) = refuse_outdated(caller) else {
            return Ok(());
        };
        self.services
            .quarantine
            .set(&caller.node, refusal.message())
            .await;
        Err(refusal)
    }

    /// Refuses to replace a certificate that this clock holds good: by renewing it, its owner shows
    /// more. An agent whose clock is ahead learns here that it may use what it has; one whose clock
    /// is behind comes because its session was refused by this same clock.
    fn refuse_valid(&self, r: &NodeRecord, not_after: Timestamp) -> Result<(), Status> {
        let now = self.services.clock.now();
        if now > not_after {
            return Ok(());
        }
        Err(Status::failed_precondition(format!(
            "the certificate of node {} is valid until {not_after} and it is {now} here: open a session with it and renew it there; if that is refused, compare the clocks (timedatectl)",
            r.name
        )))
    }

    /// Counts a certificate that is asked for: each is a signature, and a write to the store.
    fn allow(&self, node: &Node) -> Result<(), Status> {
        let counted = node.allowance.certificate(self.services.clock.mono());
        counted.map_err(|e| Status::resource_exhausted(e.to_string()))
    }

    fn refuse_restricted(&self, node: &Node) -> Result<(), Status> {
        match node.restriction() {
            None => Ok(()),
            Some(r) => Err(Status::permission_denied(format!(
                "{}; no certificate is issued until an operator ends it",
                crate::session::service::restricted(&r).explanation
            ))),
        }
    }

    fn within_recovery(&self, node: &Node, not_after: Timestamp) -> Result<(), Status> {
        let s = &self.services;
        let record = node.record();
        let r = &record.value;
        let now = s.clock.now();
        let expired = s.outages.expired_for(not_after, now);
        let limit = s.facts.recovery_limit;
        if expired <= limit || r.recovery_until.is_some_and(|until| now < until) {
            return Ok(());
        }
        let days = |d: Duration| d.as_secs() / 86_400;
        let name = &r.name;
        if node.allowance.tells_refusal(s.clock.mono()) {
            s.feed.node(
                Severity::Warning,
                "RecoveryRefused",
                r.id,
                name,
                format!(
                    "node {name} came back {} days after its certificate ended; the limit is {} days",
                    days(expired),
                    days(limit)
                ),
            );
        }
        Err(Status::failed_precondition(format!(
            "the certificate of node {name} ended {} days ago, the recovery limit is {} days; an operator can let it in (h8lctl node allow-recovery {name})",
            days(expired),
            days(limit)
        )))
    }

    fn sign(&self, r: &NodeRecord, key: &PublicKey, now: Timestamp) -> Result<Issued, Status> {
        let s = &self.services;
        s.authority
            .load()
            .issue_node(key, r.id, r.next_rotation(), now, s.facts.node_certificate)
            .map_err(|e| status::issue(&e))
    }

    /// Issues the next certificate of a node; it is pending until used.
    async fn issue(&self, node: &Arc<Node>, key: &PublicKey) -> Result<Issued, Status> {
        let s = &self.services;
        let now = s.clock.now();
        for _ in 0..TRIES {
            let before: Arc<Versioned<NodeRecord>> = node.record();
            let issued = self.sign(&before.value, key, now)?;
            let mut after = before.value.clone();
            after.pending = Some(issued_record(&issued));
            let (compares, ops) = Registry::replace_ops(&before, &after);
            let txn = crate::store::Txn::when(compares).then(ops);
            let result = s.store.txn(txn).await.map_err(|e| status::store(&e))?;
            s.registry
                .refresh(node.id, now)
                .await
                .map_err(|e| status::registry(&e))?;
            if result.succeeded {
                return Ok(issued);
            }
        }
        Err(Status::aborted(
            "the node's record keeps changing; try again",
        ))
    }

    fn issued(&self, issued: &Issued) -> v1::IssuedCertificate {
        v1::IssuedCertificate {
            chain: issued.chain.iter().map(|c| c.to_vec()).collect(),
            trust_bundle: Some(authz::bundle_to_wire(
                self.services.authority.load().bundle(),
            )),
            not_before: Some(timestamp(issued.not_before)),
            not_after: Some(timestamp(issued.not_after)),
            rotation: issued.serial.rotation().0,
        }
    }
}

/// Refuses whoever shows an older certificate than one that was used: a copy could otherwise renew
/// itself past the owner. For a renewal that is enough. It proves no copy: the owner's own request
/// may be on its way over the old connection while its new certificate is welcomed on another.
fn refuse_outdated(caller: &NodeCaller) -> Result<(), Status> {
    let acknowledged = caller.node.acknowledged();
    if caller.serial.rotation() >= acknowledged {
        return Ok(());
    }
    Err(Status::permission_denied(format!(
        "a certificate with rotation {} was shown for another one after rotation {} had been used: this is a copy, or the agent has a newer one",
        caller.serial.rotation().0,
        acknowledged.0
    )))
}

fn issued_record(issued: &Issued) -> IssuedRecord {
    IssuedRecord {
        serial: issued.serial.to_string(),
        rotation: issued.serial.rotation(),
        not_after: issued.not_after,
        authority: issued.authority,
    }
}
