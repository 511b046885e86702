//! An operator's calls.

use std::sync::Arc;

use h8lio_model::event::Severity;
use h8lio_proto::v1;
use h8lio_proto::v1::backup_service_client::BackupServiceClient;
use h8lio_proto::v1::fleet_service_client::FleetServiceClient;
use h8lio_proto::v1::node_service_client::NodeServiceClient;
use h8lio_proto::v1::rollout_service_client::RolloutServiceClient;
use h8lio_tls::identity::{self, Identity};
use tonic::Status;
use tonic::transport::Channel;

use super::client::{self, Dial};
use super::wait::until;

/// Somebody with an operator's certificate.
#[derive(Debug, Clone)]
pub struct Operator {
    pub name: String,
    pub identity: Arc<Identity>,
    pub dial: Dial,
}

/// What every mutating call carries.
pub fn change(reason: &str) -> Option<v1::Change> {
    let request_id = uuid::Uuid::new_v4().to_string();
    Some(v1::Change {
        reason: reason.to_owned(),
        ticket: String::new(),
        request_id,
    })
}

impl Operator {
    /// An operator who has a certificate already.
    pub fn new(name: &str, identity: Arc<Identity>, dial: Dial) -> Self {
        Self {
            name: name.to_owned(),
            identity,
            dial,
        }
    }

    /// A fresh connection.
    ///
    /// # Panics
    /// When the coordinator cannot be reached.
    pub async fn channel(&self) -> Channel {
        client::dial(&self.dial, Some(&self.identity))
            .await
            .expect("connected")
    }

    /// The calls on nodes.
    pub async fn nodes(&self) -> NodeServiceClient<Channel> {
        NodeServiceClient::new(self.channel().await)
    }

    /// The calls on the fleet.
    pub async fn fleet(&self) -> FleetServiceClient<Channel> {
        FleetServiceClient::new(self.channel().await)
    }

    /// The calls on rollouts.
    pub async fn rollouts(&self) -> RolloutServiceClient<Channel> {
        RolloutServiceClient::new(self.channel().await)
    }

    /// The calls on copies of the store.
    pub async fn backups(&self) -> BackupServiceClient<Channel> {
        BackupServiceClient::new(self.channel().await)
    }

    /// The state of the coordinator.
    ///
    /// # Errors
    /// As the coordinator says.
    pub async fn status(&self) -> Result<v1::GetStatusResponse, Status> {
        let answer = self
            .fleet()
            .await
            .get_status(v1::GetStatusRequest {})
            .await?;
        Ok(answer.into_inner())
    }

    /// One node as it is now.
    ///
    /// # Panics
    /// When it is not there.
    pub async fn node(&self, name: &str) -> v1::Node {
        let request = v1::GetNodeRequest {
            node: name.to_owned(),
        };
        let answer = self.nodes().await.get_node(request).await.expect("a node");
        answer.into_inner().node.expect("a node")
    }

    /// Waits until a node is as wanted, and shows it.
    ///
    /// # Panics
    /// When it never is.
    pub async fn sees(&self, name: &str, what: &str, is: impl Fn(&v1::Node) -> bool) -> v1::Node {
        let mut nodes = self.nodes().await;
        let last = std::sync::Mutex::new(None);
        let request = v1::GetNodeRequest {
            node: name.to_owned(),
        };
        let looked = tokio::time::timeout(super::PATIENCE, async {
            loop {
                let answer = nodes.get_node(request.clone()).await.expect("a node");
                let node = answer.into_inner().node.expect("a node");
                if is(&node) {
                    return node;
                }
                *last.lock().expect("lock") = Some(node);
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        });
        match looked.await {
            Ok(node) => node,
            Err(_) => panic!(
                "node {name} never was {what}: {:?}",
                last.lock().expect("lock")
            ),
        }
    }

    /// Waits until a node has this availability.
    pub async fn sees_availability(&self, name: &str, wanted: v1::Availability) -> v1::Node {
        self.sees(name, wanted.as_str_name(), |n| n.availability() == wanted)
            .await
    }

    /// All events, the oldest first.
    ///
    /// # Panics
    /// When they cannot be read.
    pub async fn events(&self) -> Vec<v1::Event> {
        let request = v1::ListEventsRequest {
            limit: 1_000,
            ..Default::default()
        };
        let answer = self
            .fleet()
            .await
            .list_events(request)
            .await
            .expect("events");
        answer.into_inner().events
    }

    /// Events with this reason about a node (or the fleet: an empty name).
    pub async fn events_of(&self, node: &str, reason: &str) -> Vec<v1::Event> {
        let all = self.events().await;
        all.into_iter()
            .filter(|e| e.node_name == node && e.reason == reason)
            .collect()
    }

    /// Waits for an event about a node (or the fleet: an empty name).
    pub async fn sees_event(&self, node: &str, reason: &str) -> v1::Event {
        until(reason, || async {
            self.events_of(node, reason).await.pop()
        })
        .await
    }

    /// The audit log.
    ///
    /// # Panics
    /// When it cannot be read.
    pub async fn audit(&self) -> Vec<v1::AuditEntry> {
        let request = v1::ListAuditRequest {
            limit: 1_000,
            ..Default::default()
        };
        let answer = self
            .fleet()
            .await
            .list_audit(request)
            .await
            .expect("the audit log");
        answer.into_inner().entries
    }

    /// Has the coordinator check the audit log.
    ///
    /// # Panics
    /// When it cannot be read.
    pub async fn verify(&self) -> v1::VerifyAuditResponse {
        let request = v1::VerifyAuditRequest::default();
        self.fleet()
            .await
            .verify_audit(request)
            .await
            .expect("verified")
            .into_inner()
    }

    /// Lets a node in, or ends a quarantine.
    ///
    /// # Errors
    /// As the coordinator says.
    pub async fn approve(&self, node: &str) -> Result<v1::Node, Status> {
        let request = v1::ApproveNodeRequest {
            node: node.to_owned(),
            change: change("it is ours"),
        };
        let answer = self.nodes().await.approve_node(request).await?;
        Ok(answer.into_inner().node.unwrap_or_default())
    }

    /// Bans a node.
    ///
    /// # Errors
    /// As the coordinator says.
    pub async fn ban(&self, node: &str) -> Result<v1::Node, Status> {
        let request = v1::BanNodeRequest {
            node: node.to_owned(),
            change: change("it misbehaves"),
        };
        let answer = self.nodes().await.ban_node(request).await?;
        Ok(answer.into_inner().node.unwrap_or_default())
    }

    /// Ends a ban.
    ///
    /// # Errors
    /// As the coordinator says.
    pub async fn unban(&self, node: &str) -> Result<v1::Node, Status> {
        let request = v1::UnbanNodeRequest {
            node: node.to_owned(),
            change: change("repaired"),
        };
        let answer = self.nodes().await.unban_node(request).await?;
        Ok(answer.into_inner().node.unwrap_or_default())
    }

    /// Ends a node's membership.
    ///
    /// # Errors
    /// As the coordinator says.
    pub async fn decommission(&self, node: &str) -> Result<v1::Node, Status> {
        let request = v1::DecommissionNodeRequest {
            node: node.to_owned(),
            change: change("scrapped"),
        };
        let answer = self.nodes().await.decommission_node(request).await?;
        Ok(answer.into_inner().node.unwrap_or_default())
    }

    /// Sets a label.
    ///
    /// # Errors
    /// As the coordinator says.
    pub async fn label(&self, node: &str, key: &str, value: &str) -> Result<v1::Node, Status> {
        let request = v1::UpdateNodeRequest {
            node: node.to_owned(),
            set_labels: [(key.to_owned(), value.to_owned())].into(),
            change: change("an order of things"),
            ..Default::default()
        };
        let answer = self.nodes().await.update_node(request).await?;
        Ok(answer.into_inner().node.unwrap_or_default())
    }

    /// Makes another operator, whose key stays here. The same name again replaces the certificate.
    ///
    /// # Errors
    /// As the coordinator says.
    ///
    /// # Panics
    /// When the answer is not a certificate.
    pub async fn create_operator(
        &self,
        name: &str,
        role: v1::OperatorRole,
        ttl: Option<std::time::Duration>,
    ) -> Result<Self, Status> {
        let key = identity::generate_key().expect("a key");
        let request = v1::CreateOperatorRequest {
            name: name.to_owned(),
            role: role as i32,
            csr: identity::csr(&key).expect("a request"),
            ttl: ttl.map(h8lio_proto::convert::duration),
            change: change("a new colleague"),
        };
        let answer = self
            .fleet()
            .await
            .create_operator(request)
            .await?
            .into_inner();
        let chain = answer.chain.into_iter().map(Into::into).collect();
        let made = Identity::new(chain, identity::key_to_der(&key)).expect("an identity");
        Ok(Self::new(name, Arc::new(made), self.dial.clone()))
    }

    /// Ends an operator's access.
    ///
    /// # Errors
    /// As the coordinator says.
    pub async fn revoke_operator(&self, name: &str) -> Result<(), Status> {
        let request = v1::RevokeOperatorRequest {
            name: name.to_owned(),
            change: change("left"),
        };
        self.fleet().await.revoke_operator(request).await.map(drop)
    }
}

/// Whether an event is an alert.
pub fn is_alert(event: &v1::Event) -> bool {
    h8lio_proto::convert::read_severity(event.severity) == Severity::Alert
}
