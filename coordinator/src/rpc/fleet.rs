//! `FleetService`: status, tokens, events, audit, operators.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use h8lio_model::condition::Status as ConditionStatus;
use h8lio_model::event::Severity;
use h8lio_model::ids::{NodeId, TokenId};
use h8lio_model::lifecycle::Admission;
use h8lio_model::operator::{Operator, OperatorRole};
use h8lio_model::section::Digest;
use h8lio_proto::convert::{
    non_empty, read_duration, read_operator_role, read_severity, timestamp,
};
use h8lio_proto::v1;
use h8lio_proto::v1::fleet_service_server::FleetService;
use h8lio_tls::token::JoinToken;
use secrecy::SecretBox;
use serde_json::json;
use tonic::{Request, Response, Status};

use super::act::{Act, Asked};
use super::services::Services;
use super::{authz, status, token_wish, view};
use crate::audit::patrol;
use crate::bans::Word;
use crate::events::EventFilter;
use crate::operators;
use crate::pki::csr;
use crate::registry::records::{self, TOKEN_USES, TOKENS, TokenRecord, token_key};
use crate::store::{self, Compare, KeyRange, Op};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// Most entries in one answer.
const MOST: u32 = 1_000;

/// The service.
#[derive(Debug, Clone)]
pub struct FleetServer(pub Arc<Services>);

#[tonic::async_trait]
impl FleetService for FleetServer {
    type FollowEventsStream =
        Pin<Box<dyn Stream<Item = Result<v1::FollowEventsResponse, Status>> + Send>>;

    async fn get_status(
        &self,
        request: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        let caller = self.0.viewer(&request)?;
        let s = &self.0;
        let mut nodes = BTreeMap::new();
        let mut conditions = BTreeMap::new();
        for node in s.registry.all() {
            let v = view::view(&node, s.clock.as_ref());
            let key = match v.admission {
                Admission::Enrolled => format!("{}/{}", v.admission, v.availability),
                other => other.to_string(),
            };
            *nodes.entry(key).or_insert(0) += 1;
            for c in v
                .conditions
                .iter()
                .filter(|c| c.status == ConditionStatus::True)
            {
                *conditions.entry(c.kind.name().to_owned()).or_insert(0) += 1;
            }
        }
        let head = *s.audit.heads().borrow();
        let up = s.clock.mono();
        Ok(Response::new(v1::GetStatusResponse {
            fleet: s.facts.fleet.to_string(),
            coordinator: s.facts.coordinator.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: Some(timestamp(s.facts.started_at)),
            as_of: Some(timestamp(s.clock.now())),
            incarnation: s.facts.incarnation.0.to_string(),
            epoch: s.facts.epoch,
            nodes,
            sessions: u32::try_from(s.table.len()).unwrap_or(u32::MAX),
            store: s.health.trouble(up).unwrap_or_else(|| "ok".to_owned()),
            store_revision: s.store.revision().await.map_err(|e| status::store(&e))?.0,
            audit_head: Some(head.into()),
            warming_up: if up < s.facts.warm_up {
                format!(
                    "the coordinator started {:.0} s ago and gives every node {:.0} s before any verdict",
                    up.as_secs_f64(),
                    s.facts.warm_up.as_secs_f64()
                )
            } else {
                String::new()
            },
            caller: caller.name.to_string(),
            caller_role: caller.role.to_string(),
            conditions,
        }))
    }

    async fn create_token(
        &self,
        request: Request<v1::CreateTokenRequest>,
    ) -> Result<Response<v1::CreateTokenResponse>, Status> {
        let s = &self.0;
        let wish = token_wish::read(request.get_ref())?;
        let act = Act::begin(
            s,
            &request,
            Asked {
                action: "token.create",
                target: format!("token/{}", wish.id),
                change: request.get_ref().change.clone(),
                request: json!({
                    "ttlSeconds": wish.ttl.as_secs(), "maxUses": wish.max_uses, "roles": wish.roles,
                    "topology": wish.topology, "nodeName": wish.node_name, "expect": wish.expect,
                    "autoApprove": wish.auto_approve,
                }),
            },
        )
        .await?;
        let now = s.clock.now();
        let token = wish.token(&act, now)?;
        let secret = token_wish::random_secret()?;
        let record = TokenRecord {
            token: token.clone(),
            uses: 0,
            secret_hash: Digest::of(&secret),
        };
        let key = token_key(&token.id);
        let op = Op::put(key.clone(), records::write(&record));
        act.commit(s, vec![op], vec![Compare::absent(key)]).await?;
        let text = JoinToken {
            id: token.id.clone(),
            secret: SecretBox::new(Box::new(secret)),
            pin: s.authority.load().pin(),
            addresses: s.facts.advertise.clone(),
        };
        Ok(Response::new(v1::CreateTokenResponse {
            token: Some(token.into()),
            text: text.expose(),
        }))
    }

    async fn list_tokens(
        &self,
        request: Request<v1::ListTokensRequest>,
    ) -> Result<Response<v1::ListTokensResponse>, Status> {
        let s = &self.0;
        s.viewer(&request)?;
        let (items, _) = store::list(s.store.as_ref(), KeyRange::prefix(TOKENS))
            .await
            .map_err(|e| status::store(&e))?;
        let mut tokens = Vec::with_capacity(items.len());
        for kv in items {
            let record: TokenRecord =
                records::read(&kv.key, &kv.value).map_err(|e| status::registry(&e.into()))?;
            let mut token = record.token;
            token.used_by.extend(self.used_by(&token.id).await?);
            tokens.push(token);
        }
        tokens.sort_by(|a, b| a.created_at.cmp(&b.created_at).then(a.id.cmp(&b.id)));
        Ok(Response::new(v1::ListTokensResponse {
            tokens: tokens.into_iter().map(Into::into).collect(),
            as_of: Some(timestamp(s.clock.now())),
        }))
    }

    async fn revoke_token(
        &self,
        request: Request<v1::RevokeTokenRequest>,
    ) -> Result<Response<v1::RevokeTokenResponse>, Status> {
        let s = &self.0;
        let id = request.get_ref().id.clone();
        let asked = Asked {
            action: "token.revoke",
            target: format!("token/{}", brief(&id)),
            change: request.get_ref().change.clone(),
            request: json!({ "id": id }),
        };
        let act = Act::begin(s, &request, asked).await?;
        let not_found = || {
            Status::not_found(format!(
                "join token {} is not known; `h8lctl token list` shows them",
                brief(&id)
            ))
        };
        let key = token_key(&id.parse().map_err(|_| not_found())?);
        let kv = s
            .store
            .get(&key)
            .await
            .map_err(|e| status::store(&e))?
            .ok_or_else(not_found)?;
        let mut record: TokenRecord =
            records::read(&key, &kv.value).map_err(|e| status::registry(&e.into()))?;
        record.token.revoked_at.get_or_insert(s.clock.now());
        let op = Op::put(key, records::write(&record));
        act.commit(s, vec![op], vec![Compare::unchanged(&kv)])
            .await?;
        let mut token = record.token;
        token.used_by.extend(self.used_by(&token.id).await?);
        Ok(Response::new(v1::RevokeTokenResponse {
            token: Some(token.into()),
        }))
    }

    async fn list_events(
        &self,
        request: Request<v1::ListEventsRequest>,
    ) -> Result<Response<v1::ListEventsResponse>, Status> {
        let s = &self.0;
        s.viewer(&request)?;
        let r = request.into_inner();
        let filter = self.filter(&r.node, r.min_severity)?;
        let limit = page(r.limit);
        let events = if r.after_seq == 0 {
            s.events.last(limit, filter).await
        } else {
            s.events
                .list(r.after_seq.saturating_add(1), limit, filter)
                .await
        };
        let events = events.map_err(|e| status::events(&e))?;
        Ok(Response::new(v1::ListEventsResponse {
            events: events.into_iter().map(Into::into).collect(),
            as_of: Some(timestamp(s.clock.now())),
        }))
    }

    async fn follow_events(
        &self,
        request: Request<v1::FollowEventsRequest>,
    ) -> Result<Response<Self::FollowEventsStream>, Status> {
        let s = &self.0;
        s.viewer(&request)?;
        let (parts, extensions, r) = request.into_parts();
        let filter = self.filter(&r.node, r.min_severity)?;
        // Who follows is asked for again at each event: an operator may be revoked meanwhile.
        let who = Request::from_parts(parts, extensions, ());
        let services = Arc::clone(s);
        let from = if r.after_seq == 0 {
            let newest = s.events.last(1, EventFilter::default()).await;
            newest
                .map_err(|e| status::events(&e))?
                .first()
                .map_or(1, |e| e.seq + 1)
        } else {
            r.after_seq.saturating_add(1)
        };
        let stream = s.events.follow(from);
        let stream = stream.filter_map(move |event| {
            let out = match event {
                Ok(_) if let Err(refusal) = services.viewer(&who) => Some(Err(refusal)),
                Ok(event) if !filter.shows(&event) => None,
                Ok(event) => Some(Ok(v1::FollowEventsResponse {
                    event: Some(event.into()),
                })),
                Err(e) => Some(Err(status::events(&e))),
            };
            futures::future::ready(out)
        });
        let mut stopping = s.stopping.clone();
        let end = async move {
            let _ = stopping.wait_for(|stop| *stop).await;
        };
        Ok(Response::new(Box::pin(stream.take_until(Box::pin(end)))))
    }

    async fn list_audit(
        &self,
        request: Request<v1::ListAuditRequest>,
    ) -> Result<Response<v1::ListAuditResponse>, Status> {
        let s = &self.0;
        s.viewer(&request)?;
        let r = request.into_inner();
        let limit = page(r.limit);
        let from = match r.after_seq {
            0 => (s.audit.heads().borrow().seq + 1).saturating_sub(limit as u64),
            after => after.saturating_add(1),
        };
        let entries = s
            .audit
            .read(from, limit)
            .await
            .map_err(|e| status::audit(&e))?;
        Ok(Response::new(v1::ListAuditResponse {
            entries: entries.into_iter().map(Into::into).collect(),
            as_of: Some(timestamp(s.clock.now())),
        }))
    }

    async fn verify_audit(
        &self,
        request: Request<v1::VerifyAuditRequest>,
    ) -> Result<Response<v1::VerifyAuditResponse>, Status> {
        let s = &self.0;
        s.viewer(&request)?;
        let mut witnesses = patrol::witnesses(&s.registry);
        let agents = u32::try_from(witnesses.len()).unwrap_or(u32::MAX);
        if let Some(remembered) = request.into_inner().remembered {
            witnesses.push(("the caller".to_owned(), remembered.try_into()?));
        }
        let head = *s.audit.heads().borrow();
        let faults = s
            .audit
            .verify(witnesses)
            .await
            .map_err(|e| status::audit(&e))?;
        Ok(Response::new(v1::VerifyAuditResponse {
            entries: head.seq,
            head: Some(head.into()),
            witnesses: agents,
            faults: faults.iter().map(ToString::to_string).collect(),
        }))
    }

    async fn create_operator(
        &self,
        request: Request<v1::CreateOperatorRequest>,
    ) -> Result<Response<v1::CreateOperatorResponse>, Status> {
        let s = &self.0;
        let r = request.get_ref();
        let name = r
            .name
            .parse()
            .map_err(|e| Status::invalid_argument(format!("{e}")))?;
        let role = read_operator_role(r.role)?;
        let ttl = operator_ttl(r.ttl)?;
        let key = csr::read(&r.csr)
            .map_err(|e| Status::invalid_argument(format!("field csr: {}", status::chain(&e))))?;
        let asked = Asked {
            action: "operator.create",
            target: format!("operator/{name}"),
            change: r.change.clone(),
            request: json!({ "name": name, "role": role, "ttlSeconds": ttl.as_secs() }),
        };
        let act = Act::begin(s, &request, asked).await?;
        let admin = if role < OperatorRole::Admin {
            self.keep_an_admin(&act, &name).await?
        } else {
            None
        };
        let now = s.clock.now();
        let authority = s.authority.load();
        let issued = authority
            .issue_operator(&key, &name, role, now, ttl)
            .map_err(|e| status::issue(&e))?;
        let before = s.operators.get(&name);
        let operator = Operator {
            name: name.clone(),
            role,
            certificate_serial: issued.serial.to_string(),
            created_at: before.as_ref().map_or(now, |b| b.value.created_at),
            expires_at: issued.not_after,
            revoked_at: None,
        };
        let store_key = operators::key(&name);
        let compare = match &before {
            Some(b) => Compare::modified_at(store_key.clone(), b.revision),
            None => Compare::absent(store_key.clone()),
        };
        if let Some(before) = &before {
            self.expel(&before.value).await?;
        }
        let op = Op::put(store_key, records::write(&operator));
        self.commit_operator(&act, op, compare, admin).await?;
        Ok(Response::new(v1::CreateOperatorResponse {
            operator: Some(operator.into()),
            chain: issued.chain.iter().map(|c| c.to_vec()).collect(),
            trust_bundle: Some(authz::bundle_to_wire(authority.bundle())),
        }))
    }

    async fn list_operators(
        &self,
        request: Request<v1::ListOperatorsRequest>,
    ) -> Result<Response<v1::ListOperatorsResponse>, Status> {
        let s = &self.0;
        s.viewer(&request)?;
        Ok(Response::new(v1::ListOperatorsResponse {
            operators: s.operators.list().into_iter().map(Into::into).collect(),
            as_of: Some(timestamp(s.clock.now())),
        }))
    }

    async fn revoke_operator(
        &self,
        request: Request<v1::RevokeOperatorRequest>,
    ) -> Result<Response<v1::RevokeOperatorResponse>, Status> {
        let s = &self.0;
        let text = request.get_ref().name.clone();
        let asked = Asked {
            action: "operator.revoke",
            target: format!("operator/{}", brief(&text)),
            change: request.get_ref().change.clone(),
            request: json!({ "name": text }),
        };
        let act = Act::begin(s, &request, asked).await?;
        let before = text.parse().ok().and_then(|name| s.operators.get(&name));
        let before = before.ok_or_else(|| {
            Status::not_found(format!(
                "operator {} is not known; `h8lctl operator list` shows them",
                brief(&text)
            ))
        })?;
        let admin = self.keep_an_admin(&act, &before.value.name).await?;
        let mut operator = before.value.clone();
        operator.revoked_at.get_or_insert(s.clock.now());
        self.expel(&before.value).await?;
        let key = operators::key(&operator.name);
        let op = Op::put(key.clone(), records::write(&operator));
        let compare = Compare::modified_at(key, before.revision);
        self.commit_operator(&act, op, compare, admin).await?;
        Ok(Response::new(v1::RevokeOperatorResponse {
            operator: Some(operator.into()),
        }))
    }
}

impl FleetServer {
    fn filter(&self, node: &str, severity: i32) -> Result<EventFilter, Status> {
        let node: Option<NodeId> = match non_empty(node.to_owned()) {
            None => None,
            Some(text) => Some(
                self.0
                    .registry
                    .find(&text)
                    .map_err(|e| status::registry(&e))?
                    .id,
            ),
        };
        let least = read_severity(severity);
        Ok(EventFilter {
            node,
            at_least: (least > Severity::Info).then_some(least),
        })
    }

    /// The nodes that used a join token.
    async fn used_by(&self, token: &TokenId) -> Result<Vec<NodeId>, Status> {
        let prefix = format!("{TOKEN_USES}{token}/");
        let range = KeyRange::prefix(&prefix);
        let (items, _) = store::list(self.0.store.as_ref(), range)
            .await
            .map_err(|e| status::store(&e))?;
        let nodes = items.iter().filter_map(|kv| kv.key.strip_prefix(&prefix));
        Ok(nodes.filter_map(|id| id.parse().ok()).collect())
    }

    /// Notes outside the store, before the store says so, that the operator's certificate is not good
    /// any more.
    async fn expel(&self, operator: &Operator) -> Result<(), Status> {
        let word = Word::Revoke {
            operator: operator.name.clone(),
            certificate_serial: operator.certificate_serial.clone(),
            at: self.0.clock.now(),
        };
        let noted = self.0.bans.noted(word).await;
        noted.map_err(|e| Status::unavailable(status::chain(&e)))
    }

    /// Refuses what would leave the fleet without an admin. The answer belongs into the transaction:
    /// that another admin is still as they are now. Two who revoke each other at the same moment
    /// each rely on the other, and only the first is done.
    async fn keep_an_admin(
        &self,
        act: &Act,
        name: &h8lio_model::ids::OperatorName,
    ) -> Result<Option<Compare>, Status> {
        let operators = &self.0.operators;
        let is_admin = operators
            .get(name)
            .is_some_and(|o| o.value.role == OperatorRole::Admin && o.value.revoked_at.is_none());
        if !is_admin {
            return Ok(None);
        }
        if let Some(other) = operators.other_admin(name, self.0.clock.now()) {
            let key = operators::key(&other.value.name);
            return Ok(Some(Compare::modified_at(key, other.revision)));
        }
        let refusal = Status::failed_precondition(format!(
            "operator {name} is the last admin; create another one first (h8lctl operator create)"
        ));
        Err(act.refuse(&self.0, refusal).await)
    }

    async fn commit_operator(
        &self,
        act: &Act,
        op: Op,
        compare: Compare,
        admin: Option<Compare>,
    ) -> Result<(), Status> {
        let compares = [compare].into_iter().chain(admin).collect();
        let done = act.commit(&self.0, vec![op], compares).await;
        self.0
            .operators
            .reload()
            .await
            .map_err(|e| status::registry(&e))?;
        done
    }
}

fn operator_ttl(wire: Option<prost_types::Duration>) -> Result<Duration, Status> {
    let ttl = match wire {
        None => Duration::ZERO,
        some => read_duration("ttl", some)?,
    };
    if ttl.is_zero() {
        return Ok(90 * DAY);
    }
    if !(HOUR..=400 * DAY).contains(&ttl) {
        return Err(Status::invalid_argument(
            "field ttl: an operator certificate lives 1 hour to 400 days",
        ));
    }
    Ok(ttl)
}

/// What a caller wrote, cut to what fits a message: a status travels in HTTP/2 headers, and one
/// that is too long breaks the caller's connection.
fn brief(text: &str) -> String {
    text.chars().take(80).collect()
}

fn page(limit: u32) -> usize {
    (if limit == 0 { 100 } else { limit.min(MOST) }) as usize
}
