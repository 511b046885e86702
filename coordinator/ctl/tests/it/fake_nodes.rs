//! The fake coordinator's nodes.

use h8lio_model::lifecycle::{Admission, Restriction};
use h8lio_model::node::NodeView;
use h8lio_proto::convert::timestamp;
use h8lio_proto::v1;
use h8lio_proto::v1::node_service_server::NodeService;
use tonic::{Request, Response, Status};

use crate::fake_fleet::Fake;
use crate::samples::as_of;

type Answer<T> = Result<Response<T>, Status>;

impl Fake {
    /// Carries out a change of one node, found by name or id.
    fn change(
        &self,
        call: &'static str,
        node: &str,
        change: Option<v1::Change>,
        edit: impl FnOnce(&mut NodeView),
    ) -> Result<Option<v1::Node>, Status> {
        let mut state = self.admit_change(call, node, change)?;
        let found = state
            .nodes
            .iter_mut()
            .find(|n| n.node.id.to_string() == node || n.node.name.as_str() == node)
            .ok_or_else(|| Status::not_found("no such node"))?;
        edit(&mut found.node);
        Ok(Some(found.node.clone().into()))
    }
}

#[tonic::async_trait]
impl NodeService for Fake {
    async fn list_nodes(
        &self,
        request: Request<v1::ListNodesRequest>,
    ) -> Answer<v1::ListNodesResponse> {
        let state = self.admit()?;
        let selector = request.into_inner().selector;
        let matches = |n: &NodeView| selector.iter().all(|(k, v)| n.labels.get(k) == Some(v));
        let nodes = state.nodes.iter().map(|d| d.node.clone());
        Ok(Response::new(v1::ListNodesResponse {
            nodes: nodes.filter(matches).map(Into::into).collect(),
            as_of: Some(timestamp(as_of())),
        }))
    }

    async fn get_node(&self, request: Request<v1::GetNodeRequest>) -> Answer<v1::GetNodeResponse> {
        let state = self.admit()?;
        let name = request.into_inner().node;
        let found = state
            .nodes
            .iter()
            .find(|n| n.node.name.as_str() == name || n.node.id.to_string() == name)
            .ok_or_else(|| Status::not_found("no such node"))?;
        let inventory = serde_json::to_vec(&found.inventory).expect("JSON");
        Ok(Response::new(v1::GetNodeResponse {
            node: Some(found.node.clone().into()),
            inventory,
            as_of: Some(timestamp(as_of())),
        }))
    }

    async fn approve_node(
        &self,
        request: Request<v1::ApproveNodeRequest>,
    ) -> Answer<v1::ApproveNodeResponse> {
        let m = request.into_inner();
        let node = self.change("approve", &m.node, m.change, |n| {
            n.admission = Admission::Enrolled;
        })?;
        Ok(Response::new(v1::ApproveNodeResponse { node }))
    }

    async fn ban_node(&self, request: Request<v1::BanNodeRequest>) -> Answer<v1::BanNodeResponse> {
        let m = request.into_inner();
        let node = self.change("ban", &m.node, m.change, |n| {
            n.restriction = Some(Restriction::Banned {
                reason: "stolen".into(),
                by: "ada".into(),
                at: as_of(),
            });
        })?;
        Ok(Response::new(v1::BanNodeResponse { node }))
    }

    async fn unban_node(
        &self,
        request: Request<v1::UnbanNodeRequest>,
    ) -> Answer<v1::UnbanNodeResponse> {
        let m = request.into_inner();
        let node = self.change("unban", &m.node, m.change, |n| n.restriction = None)?;
        Ok(Response::new(v1::UnbanNodeResponse { node }))
    }

    async fn decommission_node(
        &self,
        request: Request<v1::DecommissionNodeRequest>,
    ) -> Answer<v1::DecommissionNodeResponse> {
        let m = request.into_inner();
        let node = self.change("decommission", &m.node, m.change, |n| {
            n.admission = Admission::Decommissioned;
        })?;
        Ok(Response::new(v1::DecommissionNodeResponse { node }))
    }

    async fn update_node(
        &self,
        request: Request<v1::UpdateNodeRequest>,
    ) -> Answer<v1::UpdateNodeResponse> {
        let m = request.into_inner();
        let node = self.change("update", &m.node, m.change.clone(), |n| {
            n.labels.extend(m.set_labels.clone());
            n.labels.retain(|k, _| !m.remove_labels.contains(k));
        })?;
        self.state().updates.push(m);
        Ok(Response::new(v1::UpdateNodeResponse { node }))
    }

    async fn allow_recovery(
        &self,
        request: Request<v1::AllowRecoveryRequest>,
    ) -> Answer<v1::AllowRecoveryResponse> {
        let m = request.into_inner();
        let until = m.until.unwrap_or_default().seconds;
        let target = format!("{}@{until}", m.node);
        drop(self.admit_change("recovery", &target, m.change.clone())?);
        let node = self.change("allow_recovery", &m.node, m.change, |_| {})?;
        Ok(Response::new(v1::AllowRecoveryResponse { node }))
    }
}
