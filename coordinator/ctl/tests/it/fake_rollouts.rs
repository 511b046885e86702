//! The fake coordinator's rollouts.

use h8lio_model::rollout::view::{RolloutView, WishView};
use h8lio_proto::v1;
use h8lio_proto::v1::control_rollout_request::Act;
use h8lio_proto::v1::rollout_service_server::RolloutService;
use tonic::{Request, Response, Status};

use crate::fake_fleet::Fake;
use crate::sample_rollouts::{explanation, halted};
use crate::samples::as_of;

type Answer<T> = Result<Response<T>, Status>;

fn json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("JSON")
}

#[tonic::async_trait]
impl RolloutService for Fake {
    async fn create_rollout(
        &self,
        request: Request<v1::CreateRolloutRequest>,
    ) -> Answer<v1::CreateRolloutResponse> {
        let m = request.into_inner();
        let spec: serde_json::Value = serde_json::from_slice(&m.spec).expect("JSON");
        let mut view = halted();
        view.spec = serde_json::from_slice(&m.spec).expect("a specification");
        let mut state = if m.dry_run {
            self.admit()?
        } else {
            self.admit_change("create_rollout", view.spec.name.as_str(), m.change)?
        };
        state.asked.push((m.dry_run, spec));
        Ok(Response::new(v1::CreateRolloutResponse {
            rollout: json(&view),
        }))
    }

    async fn list_rollouts(
        &self,
        _: Request<v1::ListRolloutsRequest>,
    ) -> Answer<v1::ListRolloutsResponse> {
        let state = self.admit()?;
        let rollouts = state.rollouts.iter().map(json).collect();
        Ok(Response::new(v1::ListRolloutsResponse { rollouts }))
    }

    async fn get_rollout(
        &self,
        request: Request<v1::GetRolloutRequest>,
    ) -> Answer<v1::GetRolloutResponse> {
        let state = self.admit()?;
        let view = find(&state.rollouts, &request.into_inner().name)?;
        Ok(Response::new(v1::GetRolloutResponse {
            rollout: json(view),
        }))
    }

    async fn control_rollout(
        &self,
        request: Request<v1::ControlRolloutRequest>,
    ) -> Answer<v1::ControlRolloutResponse> {
        let m = request.into_inner();
        let (by, at) = ("ada".to_owned(), as_of());
        let wish = match m.act() {
            Act::Pause => WishView::Pause { by, at },
            Act::Cancel => WishView::Cancel { by, at },
            Act::Resume | Act::Unspecified => WishView::Run,
        };
        let mut state = self.admit_change("control_rollout", &m.name, m.change)?;
        let found = state.rollouts.iter_mut();
        let mut found = found.filter(|v| v.spec.name.as_str() == m.name);
        let view = found.next().ok_or_else(|| Status::not_found("none"))?;
        view.wish = wish;
        Ok(Response::new(v1::ControlRolloutResponse {
            rollout: json(view),
        }))
    }

    async fn acknowledge_attempt(
        &self,
        request: Request<v1::AcknowledgeAttemptRequest>,
    ) -> Answer<v1::AcknowledgeAttemptResponse> {
        let m = request.into_inner();
        let target = format!("{}/{}/{}/{}", m.rollout, m.node, m.attempt, m.outcome);
        drop(self.admit_change("acknowledge_attempt", &target, m.change)?);
        known(&m.node)?;
        Ok(Response::new(v1::AcknowledgeAttemptResponse {}))
    }

    async fn retry_node(
        &self,
        request: Request<v1::RetryNodeRequest>,
    ) -> Answer<v1::RetryNodeResponse> {
        let m = request.into_inner();
        let target = format!("{}/{}", m.rollout, m.node);
        drop(self.admit_change("retry_node", &target, m.change)?);
        known(&m.node)?;
        Ok(Response::new(v1::RetryNodeResponse {}))
    }

    async fn explain(&self, request: Request<v1::ExplainRequest>) -> Answer<v1::ExplainResponse> {
        use v1::explain_request::About;
        let state = self.admit()?;
        match request.into_inner().about {
            Some(About::Node(node)) => known(&node)?,
            Some(About::Rollout(name)) => drop(find(&state.rollouts, &name)?),
            None => return Err(Status::invalid_argument("nothing")),
        }
        Ok(Response::new(v1::ExplainResponse {
            explanation: json(&explanation()),
        }))
    }

    async fn what_if(&self, request: Request<v1::WhatIfRequest>) -> Answer<v1::WhatIfResponse> {
        let state = self.admit()?;
        for node in request.into_inner().nodes {
            known(&node)?;
        }
        let objections = state.objections.iter().map(json).collect();
        Ok(Response::new(v1::WhatIfResponse { objections }))
    }
}

fn find<'s>(rollouts: &'s [RolloutView], name: &str) -> Result<&'s RolloutView, Status> {
    let found = rollouts.iter().find(|v| v.spec.name.as_str() == name);
    found.ok_or_else(|| Status::not_found("no such rollout"))
}

fn known(node: &str) -> Result<(), Status> {
    match node.starts_with("r1-s") {
        true => Ok(()),
        false => Err(Status::not_found(format!(
            "node {node} is not known; `h8lctl node list` shows the fleet"
        ))),
    }
}
