//! `RolloutService`.

mod after;
mod change;
mod intake;
mod refusal;
mod show;
mod tell;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use h8lio_model::event::Severity;
use h8lio_model::ids::{NodeId, RolloutName};
use h8lio_model::rollout::RolloutSpec;
use h8lio_planner::what_if::{NoQuestion, what_if};
use h8lio_planner::{PlanningInput, Rollout, plan};
use h8lio_proto::v1;
use h8lio_proto::v1::rollout_service_server::RolloutService;
use serde_json::json;
use tonic::{Request, Response, Status};

use self::show::Scene;
use super::act::{Act, Asked};
use super::services::Services;
use super::{authz, roles, status};
use crate::maintenance::rollouts::{RolloutRecord, Rollouts, Stored};
use crate::registry::Node;
use crate::registry::records;

const CREATE: &str = "rollout.create";

/// The service.
#[derive(Debug, Clone)]
pub struct RolloutServer(pub Arc<Services>);

#[tonic::async_trait]
impl RolloutService for RolloutServer {
    async fn create_rollout(
        &self,
        request: Request<v1::CreateRolloutRequest>,
    ) -> Result<Response<v1::CreateRolloutResponse>, Status> {
        // A stranger learns nothing about what a specification may say.
        self.0.viewer(&request)?;
        let r = request.get_ref();
        let spec = intake::read(&r.spec)?;
        let rollout = match r.dry_run {
            true => self.dry_run(&request, spec).await?,
            false => self.create(&request, spec).await?,
        };
        Ok(Response::new(v1::CreateRolloutResponse { rollout }))
    }

    async fn list_rollouts(
        &self,
        request: Request<v1::ListRolloutsRequest>,
    ) -> Result<Response<v1::ListRolloutsResponse>, Status> {
        self.0.viewer(&request)?;
        let snapshot = self.0.maintenance.snapshot();
        let scene = Scene::of(&snapshot);
        let mut all = self.0.maintenance.rollouts.list();
        all.sort_by(|a, b| {
            let (a, b) = (&a.record, &b.record);
            b.created_at
                .cmp(&a.created_at)
                .then(a.spec.name.cmp(&b.spec.name))
        });
        let rollouts = all
            .iter()
            .map(|stored| records::write(&scene.view(&stored.record, false)))
            .collect();
        Ok(Response::new(v1::ListRolloutsResponse { rollouts }))
    }

    async fn get_rollout(
        &self,
        request: Request<v1::GetRolloutRequest>,
    ) -> Result<Response<v1::GetRolloutResponse>, Status> {
        self.0.viewer(&request)?;
        let stored = self.find(&request.get_ref().name)?;
        let snapshot = self.0.maintenance.snapshot();
        let rollout = records::write(&Scene::of(&snapshot).view(&stored.record, true));
        Ok(Response::new(v1::GetRolloutResponse { rollout }))
    }

    async fn control_rollout(
        &self,
        request: Request<v1::ControlRolloutRequest>,
    ) -> Result<Response<v1::ControlRolloutResponse>, Status> {
        // A stranger learns nothing about which acts there are.
        self.0.viewer(&request)?;
        let r = request.get_ref();
        let wish = change::Wish::read(r.act())?;
        let asked = asked(
            "rollout.control",
            &r.name,
            &r.change,
            json!({ "rollout": r.name, "act": wish.word() }),
        );
        let act = Act::begin(&self.0, &request, asked).await?;
        let stored = self.found(&act, &r.name).await?;
        let now = self.0.clock.now();
        let over = self.is_finished(&stored.record.spec.name);
        let (record, changed) = self
            .change(&act, stored, |record| {
                wish.apply(record, over, &act.caller.name, now)
            })
            .await?;
        if changed {
            self.tell(&act, wish.event(), &record.spec.name, wish.done());
        }
        let all = self.0.maintenance.rollouts.all();
        let rollout = self.preview(&record, all, false).await?;
        Ok(Response::new(v1::ControlRolloutResponse { rollout }))
    }

    async fn acknowledge_attempt(
        &self,
        request: Request<v1::AcknowledgeAttemptRequest>,
    ) -> Result<Response<v1::AcknowledgeAttemptResponse>, Status> {
        self.0.viewer(&request)?;
        let r = request.get_ref();
        let looked = after::Looked::read(&r.attempt, &r.outcome)?;
        let asked = asked(
            "rollout.acknowledge",
            &r.rollout,
            &r.change,
            json!({ "rollout": r.rollout, "node": r.node, "attempt": r.attempt, "outcome": r.outcome }),
        );
        let act = Act::begin(&self.0, &request, asked).await?;
        let stored = self.found(&act, &r.rollout).await?;
        let node = self.node(&act, &r.node).await?;
        let snapshot = self.0.maintenance.snapshot();
        let name = node.record().value.name.clone();
        let place = after::Place {
            snapshot: &snapshot,
            id: node.id,
            name: &name,
        };
        let now = self.0.clock.now();
        let (record, changed) = self
            .change(&act, stored, |record| {
                let by = act.caller.name.to_string();
                place
                    .acknowledge(record, &looked, &by, now)
                    .map_err(Status::from)
            })
            .await?;
        if changed {
            let what = format!("its end as {} was acknowledged", looked.outcome);
            self.tell_of(&act, "AttemptAcknowledged", &node, &record.spec.name, &what);
        }
        Ok(Response::new(v1::AcknowledgeAttemptResponse {}))
    }

    async fn retry_node(
        &self,
        request: Request<v1::RetryNodeRequest>,
    ) -> Result<Response<v1::RetryNodeResponse>, Status> {
        let r = request.get_ref();
        let asked = asked(
            "rollout.retry",
            &r.rollout,
            &r.change,
            json!({ "rollout": r.rollout, "node": r.node }),
        );
        let act = Act::begin(&self.0, &request, asked).await?;
        let stored = self.found(&act, &r.rollout).await?;
        let node = self.node(&act, &r.node).await?;
        let snapshot = self.0.maintenance.snapshot();
        let name = node.record().value.name.clone();
        let place = after::Place {
            snapshot: &snapshot,
            id: node.id,
            name: &name,
        };
        let (record, changed) = self
            .change(&act, stored, |record| {
                place.retry(record).map_err(Status::from)
            })
            .await?;
        if changed {
            let name = &record.spec.name;
            self.tell_of(&act, "RetryAllowed", &node, name, "it may try once more");
        }
        Ok(Response::new(v1::RetryNodeResponse {}))
    }

    async fn explain(
        &self,
        request: Request<v1::ExplainRequest>,
    ) -> Result<Response<v1::ExplainResponse>, Status> {
        use v1::explain_request::About;
        self.0.viewer(&request)?;
        let snapshot = self.0.maintenance.snapshot();
        let explained = match request.into_inner().about {
            Some(About::Node(text)) => {
                let node = self.0.registry.find(&text);
                let node = node.map_err(|e| status::registry(&e))?;
                tell::node(&snapshot, node.id, &node.record().value.name)
            }
            Some(About::Rollout(name)) => tell::rollout(&snapshot, &self.find(&name)?.record),
            None => {
                return Err(Status::invalid_argument(
                    "nothing was asked about; name a node or a rollout",
                ));
            }
        };
        Ok(Response::new(v1::ExplainResponse {
            explanation: records::write(&explained),
        }))
    }

    async fn what_if(
        &self,
        request: Request<v1::WhatIfRequest>,
    ) -> Result<Response<v1::WhatIfResponse>, Status> {
        self.0.viewer(&request)?;
        let mut nodes = BTreeSet::new();
        for text in &request.get_ref().nodes {
            let node = self.0.registry.find(text);
            nodes.insert(node.map_err(|e| status::registry(&e))?.id);
        }
        let snapshot = self.0.maintenance.snapshot();
        let found = what_if(&snapshot.input(), &nodes).map_err(|e| match e {
            NoQuestion::Nobody => Status::invalid_argument(e.to_string()),
            NoQuestion::Unknown(id) => tell::not_looked(&snapshot, &self.name_of(id)),
        })?;
        let objections = tell::objections(&snapshot, &found);
        Ok(Response::new(v1::WhatIfResponse {
            objections: objections.iter().map(records::write).collect(),
        }))
    }
}

/// The name as an operator gave it is the target, cut: a call with a name that is none is audited
/// too.
fn asked(
    action: &'static str,
    rollout: &str,
    change: &Option<v1::Change>,
    request: serde_json::Value,
) -> Asked {
    Asked {
        action,
        target: format!("rollout/{}", rollout.chars().take(80).collect::<String>()),
        change: change.clone(),
        request,
    }
}

impl RolloutServer {
    fn find(&self, text: &str) -> Result<Arc<Stored>, Status> {
        let name: Option<RolloutName> = text.parse().ok();
        name.and_then(|name| self.0.maintenance.rollouts.get(&name))
            .ok_or_else(|| refusal::no_rollout(text))
    }

    /// As [`RolloutServer::find`], for a change: that there is none is audited.
    async fn found(&self, act: &Act, text: &str) -> Result<Arc<Stored>, Status> {
        match self.find(text) {
            Ok(stored) => Ok(stored),
            Err(no) => Err(act.refuse(&self.0, no).await),
        }
    }

    async fn node(&self, act: &Act, text: &str) -> Result<Arc<Node>, Status> {
        match self.0.registry.find(text) {
            Ok(node) => Ok(node),
            Err(no) => Err(act.refuse(&self.0, status::registry(&no)).await),
        }
    }

    fn name_of(&self, id: NodeId) -> String {
        let known = self.0.registry.by_id(id);
        known.map_or_else(|| id.to_string(), |n| n.record().value.name.to_string())
    }

    fn tell(&self, act: &Act, reason: &str, rollout: &RolloutName, done: &str) {
        let (by, why) = (&act.caller.name, &act.change.reason);
        let message = format!("rollout {rollout} was {done} by {by}: {why}");
        self.0.feed.fleet(Severity::Info, reason, message);
    }

    fn tell_of(&self, act: &Act, reason: &str, node: &Node, rollout: &RolloutName, what: &str) {
        let name = &node.record().value.name;
        let (by, why) = (&act.caller.name, &act.change.reason);
        let message = format!("node {name} in rollout {rollout}: {what}, by {by}: {why}");
        let feed = &self.0.feed;
        feed.node(Severity::Info, reason, node.id, name, message);
    }
}

impl RolloutServer {
    /// All that would come of it; nothing is stored.
    async fn dry_run(
        &self,
        request: &Request<v1::CreateRolloutRequest>,
        spec: RolloutSpec,
    ) -> Result<Vec<u8>, Status> {
        let (now, least) = (self.0.clock.now(), roles::least(CREATE));
        let caller = authz::operator(request, &self.0.operators, least, now)?;
        let change = request.get_ref().change.clone().unwrap_or_default();
        let wish = intake::Wish {
            spec,
            by: caller.name.to_string(),
            reason: change.reason,
            at: now,
        };
        let rollouts = &self.0.maintenance.rollouts;
        let known = rollouts.get(&wish.spec.name);
        let mut all = rollouts.all();
        let record = match intake::same(known.as_deref(), &wish.spec)? {
            Some(same) => same.record.clone(),
            None => {
                all.push(self.check(&wish)?);
                wish.record()
            }
        };
        self.preview(&record, all, true).await
    }

    fn check(&self, wish: &intake::Wish) -> Result<Rollout, intake::NotTaken> {
        let known = intake::Known {
            snapshot: &self.0.maintenance.snapshot(),
            existing: &self.0.maintenance.rollouts.all(),
            health_checks: &self.0.facts.health_checks,
            has_nodes: !self.0.registry.all().is_empty(),
        };
        intake::check(wish, &known)
    }

    /// Takes a rollout in, under an entry of the audit log.
    async fn create(
        &self,
        request: &Request<v1::CreateRolloutRequest>,
        spec: RolloutSpec,
    ) -> Result<Vec<u8>, Status> {
        let change = &request.get_ref().change;
        let name = spec.name.clone();
        let asked = asked(CREATE, name.as_str(), change, json!({ "spec": spec }));
        let act = Act::begin(&self.0, request, asked).await?;
        let wish = intake::Wish {
            spec,
            by: act.caller.name.to_string(),
            reason: act.change.reason.clone(),
            at: self.0.clock.now(),
        };
        let (record, new) = self.take_in(&act, &wish).await?;
        if new {
            self.0.maintenance.wake();
            self.tell(&act, "RolloutCreated", &name, "created");
        }
        let all = self.0.maintenance.rollouts.all();
        self.preview(&record, all, true).await
    }

    /// Everything is checked before anything is written. Answers also whether it is new.
    async fn take_in(
        &self,
        act: &Act,
        wish: &intake::Wish,
    ) -> Result<(RolloutRecord, bool), Status> {
        let rollouts = &self.0.maintenance.rollouts;
        for _ in 0..change::TRIES {
            let known = rollouts.get(&wish.spec.name);
            let checked = intake::same(known.as_deref(), &wish.spec).and_then(|same| {
                if same.is_none() {
                    self.check(wish)?;
                }
                Ok(same)
            });
            match checked {
                Err(no) => return Err(act.refuse(&self.0, no.into()).await),
                Ok(Some(same)) => {
                    act.commit(&self.0, Vec::new(), Vec::new()).await?;
                    return Ok((same.record.clone(), false));
                }
                Ok(None) => {}
            }
            let record = wish.record();
            let (compares, ops) = Rollouts::create_ops(&record);
            let done = act.commit(&self.0, ops, compares).await;
            self.refresh(&wish.spec.name).await?;
            match done {
                Ok(()) => return Ok((record, true)),
                Err(e) if e.code() == tonic::Code::Aborted => {}
                Err(e) => return Err(e),
            }
        }
        Err(act.refuse(&self.0, contended()).await)
    }

    /// The rollout as JSON, as the next plan would have it. Off the threads that serve calls: a
    /// plan for a large fleet takes a while.
    async fn preview(
        &self,
        record: &RolloutRecord,
        all: Vec<Rollout>,
        with_nodes: bool,
    ) -> Result<Vec<u8>, Status> {
        let snapshot = self.0.maintenance.snapshot();
        let record = record.clone();
        let planned = tokio::task::spawn_blocking(move || {
            let input = PlanningInput {
                rollouts: &all,
                ..snapshot.input()
            };
            let (plan, report) = plan(&input);
            let scene = Scene::new(&snapshot, &plan, Some(&report));
            records::write(&scene.view(&record, with_nodes))
        });
        planned
            .await
            .map_err(|e| Status::internal(format!("the plan could not be made: {e}")))
    }
}

fn contended() -> Status {
    Status::aborted("the rollout's record keeps changing; try again")
}
