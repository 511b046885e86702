//! `NodeService`.

use std::collections::BTreeMap;
use std::sync::Arc;

use h8lio_model::event::Severity;
use h8lio_model::ids::{NodeId, NodeName};
use h8lio_model::labels;
use h8lio_model::lifecycle::{Admission, Ban};
use h8lio_proto::convert::{read_roles, read_timestamp, timestamp};
use h8lio_proto::v1;
use h8lio_proto::v1::node_service_server::NodeService;
use jiff::Timestamp;
use serde_json::json;
use tonic::{Request, Response, Status};

use super::act::{Act, Asked};
use super::services::Services;
use super::{status, view};
use crate::bans::Word;
use crate::gather::inventory;
use crate::registry::records::{self, NodeRecord, section_key};
use crate::registry::{Node, Registry, StoredSection};
use crate::session::table::Cut;

/// How often a change is tried again when the record changed meanwhile.
const TRIES: usize = 8;

/// The service.
#[derive(Debug, Clone)]
pub struct NodeServer(pub Arc<Services>);

#[tonic::async_trait]
impl NodeService for NodeServer {
    async fn list_nodes(
        &self,
        request: Request<v1::ListNodesRequest>,
    ) -> Result<Response<v1::ListNodesResponse>, Status> {
        self.0.viewer(&request)?;
        let selector = request.into_inner().selector;
        let mut nodes: Vec<_> = self
            .0
            .registry
            .all()
            .iter()
            .filter(|n| selected(&n.record().value, &selector))
            .map(|n| view::view(n, self.0.clock.as_ref()))
            .collect();
        nodes.sort_by(|a, b| a.name.cmp(&b.name).then(a.id.cmp(&b.id)));
        Ok(Response::new(v1::ListNodesResponse {
            nodes: nodes.into_iter().map(Into::into).collect(),
            as_of: Some(timestamp(self.0.clock.now())),
        }))
    }

    async fn get_node(
        &self,
        request: Request<v1::GetNodeRequest>,
    ) -> Result<Response<v1::GetNodeResponse>, Status> {
        self.0.viewer(&request)?;
        let node = self.find(&request.into_inner().node)?;
        let inventory = self.inventory(&node).await?;
        Ok(Response::new(v1::GetNodeResponse {
            node: Some(self.view(&node)),
            inventory,
            as_of: Some(timestamp(self.0.clock.now())),
        }))
    }

    async fn approve_node(
        &self,
        request: Request<v1::ApproveNodeRequest>,
    ) -> Result<Response<v1::ApproveNodeResponse>, Status> {
        let r = request.get_ref();
        let asked = self.asked("node.approve", &r.node, &r.change);
        let (node, act) = self.begin(&request, asked).await?;
        let _turn = self.0.bans.turn().await;
        let apart = node.quarantined().is_some();
        // A quarantine that the store does not have yet ends here, too, and is not stored later.
        let aside = node.hold_aside(true);
        let done = self
            .change_and(aside, &act, Arc::clone(&node), |r| {
                match (r.admission, &r.banned) {
                    (Admission::Decommissioned, _) => Err(gone(r)),
                    (_, Some(_)) => Err(Status::failed_precondition(format!(
                        "node {} is banned; end the ban first (h8lctl node unban {})",
                        r.name, r.name
                    ))),
                    _ => {
                        r.admission = Admission::Enrolled;
                        r.quarantined = None;
                        r.pending_reason.clear();
                        Ok(())
                    }
                }
            })
            .await;
        match done {
            Ok(_) => node.end_aside(),
            Err(_) => {
                node.hold_aside(false);
            }
        }
        let (node, changed) = done?;
        if apart {
            self.keep(&node, |node, name, at| Word::Approve { node, name, at })
                .await?;
        }
        self.0.table.restrict(node.id, None);
        if changed {
            self.tell(&node, &act, Severity::Info, "NodeApproved", "approved");
        }
        Ok(Response::new(v1::ApproveNodeResponse {
            node: Some(self.view(&node)),
        }))
    }

    async fn ban_node(
        &self,
        request: Request<v1::BanNodeRequest>,
    ) -> Result<Response<v1::BanNodeResponse>, Status> {
        let r = request.get_ref();
        let asked = self.asked("node.ban", &r.node, &r.change);
        let (node, act) = self.begin(&request, asked).await?;
        let (reason, by, at) = (
            act.change.reason.clone(),
            act.caller.name.to_string(),
            self.0.clock.now(),
        );
        let ban = Ban {
            reason: reason.clone(),
            by: by.clone(),
            at,
        };
        let may_be = {
            let record = node.record();
            record.value.banned.is_none() && record.value.admission != Admission::Decommissioned
        };
        let _turn = self.0.bans.turn().await;
        if may_be {
            // Before the store: a copy of it that is put back must not let the node in again.
            let ban = ban.clone();
            self.keep(&node, |node, name, _| Word::Ban { node, name, ban })
                .await?;
        }
        let (node, changed) = self
            .change(&act, node, |r| {
                if r.admission == Admission::Decommissioned {
                    return Err(gone(r));
                }
                if r.banned.is_none() {
                    r.banned = Some(ban.clone());
                }
                Ok(())
            })
            .await?;
        self.0.table.cut(
            node.id,
            Cut::Barred(format!("this node was banned by {by}: {reason}")),
        );
        if changed {
            self.tell(&node, &act, Severity::Warning, "NodeBanned", "banned");
        }
        Ok(Response::new(v1::BanNodeResponse {
            node: Some(self.view(&node)),
        }))
    }

    async fn unban_node(
        &self,
        request: Request<v1::UnbanNodeRequest>,
    ) -> Result<Response<v1::UnbanNodeResponse>, Status> {
        let r = request.get_ref();
        let asked = self.asked("node.unban", &r.node, &r.change);
        let (node, act) = self.begin(&request, asked).await?;
        let _turn = self.0.bans.turn().await;
        let (node, changed) = self
            .change(&act, node, |r| match (&r.banned, &r.quarantined) {
                (None, Some(_)) => Err(Status::failed_precondition(format!(
                    "node {} is quarantined, not banned: find the copy, then `h8lctl node approve {}`",
                    r.name, r.name
                ))),
                _ => {
                    r.banned = None;
                    Ok(())
                }
            })
            .await?;
        // Also where the store has it already: the note of the first time may have failed.
        if changed || self.is_noted_as_banned(&node).await? {
            self.keep(&node, |node, name, at| Word::Unban { node, name, at })
                .await?;
        }
        if changed {
            self.tell(&node, &act, Severity::Info, "NodeUnbanned", "unbanned");
        }
        Ok(Response::new(v1::UnbanNodeResponse {
            node: Some(self.view(&node)),
        }))
    }

    async fn decommission_node(
        &self,
        request: Request<v1::DecommissionNodeRequest>,
    ) -> Result<Response<v1::DecommissionNodeResponse>, Status> {
        let r = request.get_ref();
        let asked = self.asked("node.decommission", &r.node, &r.change);
        let (node, act) = self.begin(&request, asked).await?;
        let _turn = self.0.bans.turn().await;
        if node.record().value.admission != Admission::Decommissioned {
            self.keep(&node, |node, name, at| Word::Decommission {
                node,
                name,
                at,
            })
            .await?;
        }
        let (node, changed) = self
            .change(&act, node, |r| {
                r.admission = Admission::Decommissioned;
                Ok(())
            })
            .await?;
        self.0.table.cut(
            node.id,
            Cut::Barred("this node was decommissioned".to_owned()),
        );
        if changed {
            self.tell(
                &node,
                &act,
                Severity::Warning,
                "NodeDecommissioned",
                "decommissioned",
            );
        }
        Ok(Response::new(v1::DecommissionNodeResponse {
            node: Some(self.view(&node)),
        }))
    }

    async fn update_node(
        &self,
        request: Request<v1::UpdateNodeRequest>,
    ) -> Result<Response<v1::UpdateNodeResponse>, Status> {
        let r = request.get_ref();
        for (key, value) in &r.set_labels {
            labels::check(key, value).map_err(|e| Status::invalid_argument(e.to_string()))?;
        }
        let roles = read_roles(&r.roles)?;
        let topology = r.topology.clone().map(TryInto::try_into).transpose()?;
        let (set, remove) = (r.set_labels.clone(), r.remove_labels.clone());
        let mut asked = self.asked("node.update", &r.node, &r.change);
        asked.request = json!({ "node": r.node, "setLabels": set, "removeLabels": remove, "roles": roles, "topology": topology });
        let (node, act) = self.begin(&request, asked).await?;
        let (node, _) = self
            .change(&act, node, |r| {
                if r.admission == Admission::Decommissioned {
                    return Err(gone(r));
                }
                r.labels.extend(set.clone());
                r.labels.retain(|k, _| !remove.contains(k));
                if !roles.is_empty() {
                    r.roles.clone_from(&roles);
                }
                if topology.is_some() {
                    r.topology.clone_from(&topology);
                }
                Ok(())
            })
            .await?;
        Ok(Response::new(v1::UpdateNodeResponse {
            node: Some(self.view(&node)),
        }))
    }

    async fn allow_recovery(
        &self,
        request: Request<v1::AllowRecoveryRequest>,
    ) -> Result<Response<v1::AllowRecoveryResponse>, Status> {
        let r = request.get_ref();
        let until = read_timestamp("until", r.until)?;
        let mut asked = self.asked("node.allowRecovery", &r.node, &r.change);
        asked.request = json!({ "node": r.node, "until": until });
        let (node, act) = self.begin(&request, asked).await?;
        let (node, changed) = self
            .change(&act, node, |r| {
                r.recovery_until = Some(until);
                Ok(())
            })
            .await?;
        if changed {
            self.tell(
                &node,
                &act,
                Severity::Info,
                "RecoveryAllowed",
                "allowed to re-attest",
            );
        }
        Ok(Response::new(v1::AllowRecoveryResponse {
            node: Some(self.view(&node)),
        }))
    }
}

fn gone(r: &NodeRecord) -> Status {
    Status::failed_precondition(format!(
        "node {} was decommissioned; enroll the server anew instead",
        r.name
    ))
}

/// Whether a record has everything the selector asks for.
fn selected(r: &NodeRecord, selector: &BTreeMap<String, String>) -> bool {
    selector
        .iter()
        .all(|(key, want)| match (key.as_str(), &r.topology) {
            ("role", _) => r.roles.iter().any(|role| role.as_str() == want),
            ("region", Some(t)) => t.region == *want,
            ("datacenter", Some(t)) => t.datacenter == *want,
            ("zone", Some(t)) => t.zone == *want,
            ("rack", Some(t)) => t.rack == *want,
            ("region" | "datacenter" | "zone" | "rack", None) => false,
            _ => r.labels.get(key) == Some(want),
        })
}

impl NodeServer {
    fn find(&self, text: &str) -> Result<Arc<Node>, Status> {
        self.0.registry.find(text).map_err(|e| status::registry(&e))
    }

    fn view(&self, node: &Node) -> v1::Node {
        view::view(node, self.0.clock.as_ref()).into()
    }

    fn asked(&self, action: &'static str, node: &str, change: &Option<v1::Change>) -> Asked {
        // The name as an operator knows it; the text as given when nobody has it.
        let target = match self.0.registry.find(node) {
            Ok(n) => format!("node/{}", n.record().value.name),
            Err(_) => format!("node/{}", node.chars().take(80).collect::<String>()),
        };
        Asked {
            action,
            target,
            change: change.clone(),
            request: json!({ "node": node }),
        }
    }

    async fn begin<T: Sync + NamesNode>(
        &self,
        request: &Request<T>,
        asked: Asked,
    ) -> Result<(Arc<Node>, Act), Status> {
        let act = Act::begin(&self.0, request, asked).await?;
        let node = self.find(request.get_ref().node())?;
        Ok((node, act))
    }

    /// Changes a record under the act's name; answers whether there was anything to change. What
    /// changes nothing is audited too, and tells nobody.
    async fn change(
        &self,
        act: &Act,
        node: Arc<Node>,
        edit: impl FnMut(&mut NodeRecord) -> Result<(), Status> + Send,
    ) -> Result<(Arc<Node>, bool), Status> {
        self.change_and(false, act, node, edit).await
    }

    /// As [`NodeServer::change`]. With `touch` the record is written although it stays the same, so
    /// that a change of it which is under way fails.
    async fn change_and(
        &self,
        touch: bool,
        act: &Act,
        node: Arc<Node>,
        mut edit: impl FnMut(&mut NodeRecord) -> Result<(), Status> + Send,
    ) -> Result<(Arc<Node>, bool), Status> {
        let mut last = Status::aborted("the node's record keeps changing; try again");
        for _ in 0..TRIES {
            let before = node.record();
            let mut after = before.value.clone();
            if let Err(refusal) = edit(&mut after) {
                return Err(act.refuse(&self.0, refusal).await);
            }
            if after == before.value && !touch {
                act.commit(&self.0, Vec::new(), Vec::new()).await?;
                return Ok((node, false));
            }
            let (compares, ops) = Registry::replace_ops(&before, &after);
            let done = act.commit(&self.0, ops, compares).await;
            let now = self.0.clock.now();
            self.0
                .registry
                .refresh(node.id, now)
                .await
                .map_err(|e| status::registry(&e))?;
            match done {
                Ok(()) => return Ok((node, true)),
                Err(e) if e.code() == tonic::Code::Aborted => last = e,
                Err(e) => return Err(e),
            }
        }
        Err(last)
    }

    /// Notes who is out, or in again, outside the store.
    async fn keep(
        &self,
        node: &Node,
        word: impl FnOnce(NodeId, NodeName, Timestamp) -> Word,
    ) -> Result<(), Status> {
        let name = node.record().value.name.clone();
        let word = word(node.id, name, self.0.clock.now());
        let noted = self.0.bans.noted(word).await;
        noted.map_err(|e| Status::unavailable(status::chain(&e)))
    }

    /// Whether the last word on the node outside the store is a ban.
    async fn is_noted_as_banned(&self, node: &Node) -> Result<bool, Status> {
        let out = self.0.bans.heard().await;
        let out = out.map_err(|e| Status::unavailable(status::chain(&e)))?;
        Ok(out.banned.contains_key(&node.id))
    }

    fn tell(&self, node: &Node, act: &Act, severity: Severity, reason: &str, done: &str) {
        let name = &node.record().value.name;
        let message = format!(
            "node {name} was {done} by {}: {}",
            act.caller.name, act.change.reason
        );
        self.0.feed.node(severity, reason, node.id, name, message);
    }

    async fn inventory(&self, node: &Node) -> Result<Vec<u8>, Status> {
        let mut bodies = Vec::new();
        for (kind, at) in node.observed() {
            if !kind.is_durable() {
                let volatile = node.volatile(kind);
                bodies.extend(volatile.map(|body| (kind, body.to_vec(), at)));
                continue;
            }
            let key = section_key(node.id, kind);
            let kv = self
                .0
                .store
                .get(&key)
                .await
                .map_err(|e| status::store(&e))?;
            if let Some(kv) = kv {
                let stored: StoredSection =
                    records::read(&key, &kv.value).map_err(|e| status::registry(&e.into()))?;
                bodies.push((kind, stored.body.get().as_bytes().to_vec(), at));
            }
        }
        let (facts, bad) =
            inventory::assemble(bodies.iter().map(|(k, b, at)| (*k, b.as_slice(), *at)));
        for b in bad {
            tracing::warn!(node = %node.record().value.name, error = %b, "a stored section cannot be read");
        }
        Ok(records::write(&facts))
    }
}

/// Requests that name a node.
trait NamesNode {
    fn node(&self) -> &str;
}

macro_rules! names_node {
    ($($request:ident),*) => { $(
        impl NamesNode for v1::$request {
            fn node(&self) -> &str {
                &self.node
            }
        }
    )* };
}

names_node!(
    ApproveNodeRequest,
    BanNodeRequest,
    UnbanNodeRequest,
    DecommissionNodeRequest,
    UpdateNodeRequest,
    AllowRecoveryRequest
);
