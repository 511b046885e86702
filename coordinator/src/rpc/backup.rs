//! `BackupService`: a copy of the store as a stream, and the end of the freeze after a loss.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use aws_lc_rs::digest;
use futures::Stream;
use h8lio_model::event::Severity;
use h8lio_model::ids::NodeId;
use h8lio_model::lifecycle::Admission;
use h8lio_model::order::Epoch;
use h8lio_proto::convert::timestamp;
use h8lio_proto::v1;
use h8lio_proto::v1::backup_service_server::BackupService;
use h8lio_proto::v1::create_backup_response::Part;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::act::{Act, Asked};
use super::services::Services;
use super::status;
use crate::life;
use crate::recovery::{AHEAD, RESTORED, Recovery, State};
use crate::store::sqlite::backup;
use crate::store::{KeyRange, Op};

/// Bytes in one message.
const CHUNK: usize = 64 << 10;
/// Messages on their way to a slow reader.
const AHEAD_OF_READER: usize = 8;
/// Starts that a copy can lack.
const PLAUSIBLE: u64 = 1_000_000;
/// Names in a message to a person.
const NAMED: usize = 10;

/// The service.
#[derive(Debug, Clone)]
pub struct BackupServer {
    pub services: Arc<Services>,
    pub recovery: Arc<Recovery>,
    /// The file of the store.
    pub file: PathBuf,
    /// Becomes true when the coordinator is to start again in a new life.
    pub again: watch::Sender<bool>,
}

#[tonic::async_trait]
impl BackupService for BackupServer {
    type CreateBackupStream =
        Pin<Box<dyn Stream<Item = Result<v1::CreateBackupResponse, Status>> + Send>>;

    async fn create_backup(
        &self,
        request: Request<v1::CreateBackupRequest>,
    ) -> Result<Response<Self::CreateBackupStream>, Status> {
        let s = &self.services;
        let asked = Asked {
            action: "backup.create",
            target: "coordinator/store".to_owned(),
            change: request.get_ref().change.clone(),
            request: json!({}),
        };
        let act = Act::begin(s, &request, asked).await?;
        // First, so that the copy holds the entry about itself.
        act.commit(s, Vec::new(), Vec::new()).await?;
        let revision = s.store.revision().await.map_err(|e| status::store(&e))?;
        let draft = backup::draft(&self.file);
        let store = self.file.clone();
        let copied = tokio::task::spawn_blocking(move || taken(&store, &draft)).await;
        let (copy, bytes) = copied.map_err(|e| Status::internal(e.to_string()))??;
        let header = v1::BackupHeader {
            fleet: s.facts.fleet.to_string(),
            taken_at: Some(timestamp(s.clock.now())),
            bytes,
            store_revision: revision.0,
        };
        let (send, receive) = mpsc::channel(AHEAD_OF_READER);
        tokio::task::spawn_blocking(move || tell(header, copy, &send));
        Ok(Response::new(Box::pin(ReceiverStream::new(receive))))
    }

    async fn get_recovery(
        &self,
        request: Request<v1::GetRecoveryRequest>,
    ) -> Result<Response<v1::GetRecoveryResponse>, Status> {
        self.services.viewer(&request)?;
        let state = self.recovery.state();
        let frozen = state.lost().map(|lost| lost.to_string());
        Ok(Response::new(v1::GetRecoveryResponse {
            frozen: frozen.unwrap_or_default(),
            ahead: self.names(state.ahead.keys()),
            unheard: self.unheard(&state),
            busy: self.names(&state.busy),
            highest_epoch: state.highest().0,
        }))
    }

    async fn accept_recovery(
        &self,
        request: Request<v1::AcceptRecoveryRequest>,
    ) -> Result<Response<v1::AcceptRecoveryResponse>, Status> {
        let s = &self.services;
        let without_unheard = request.get_ref().without_unheard;
        let asked = Asked {
            action: "backup.accept",
            target: "coordinator/store".to_owned(),
            change: request.get_ref().change.clone(),
            request: json!({ "withoutUnheard": without_unheard }),
        };
        let act = Act::begin(s, &request, asked).await?;
        let state = self.recovery.state();
        if let Err(refusal) = self.may_accept(&state, without_unheard) {
            return Err(act.refuse(s, refusal).await);
        }
        let old = life::stored(s.store.as_ref()).await;
        let old = old.map_err(|e| Status::unavailable(status::chain(&e)))?;
        let (old, kv) = old.ok_or_else(|| Status::internal("the store has no life"))?;
        let new = old.above(state.highest());
        let (compare, op) = new.write(Some(&kv));
        let effect = vec![
            op,
            Op::delete(RESTORED),
            Op::delete_range(KeyRange::prefix(AHEAD)),
        ];
        act.commit(s, effect, vec![compare]).await?;
        let epoch = new.epoch + 1;
        let message = format!(
            "{} accepted what this coordinator has lost ({}); it starts again in epoch {epoch}, as \
             incarnation {}",
            act.caller.name, act.change.reason, new.incarnation.0
        );
        s.feed.fleet(Severity::Alert, "RecoveryAccepted", message);
        self.again.send_replace(true);
        Ok(Response::new(v1::AcceptRecoveryResponse { epoch }))
    }
}

impl BackupServer {
    fn may_accept(&self, state: &State, without_unheard: bool) -> Result<(), Status> {
        if state.lost().is_none() {
            return Err(Status::failed_precondition(
                "nothing waits to be accepted: this coordinator was not put back from a copy, and \
                 no server was ordered more than it knows",
            ));
        }
        let epoch = self.services.facts.epoch;
        let liars: Vec<NodeId> = state.beyond(Epoch(epoch.saturating_add(PLAUSIBLE)));
        if !liars.is_empty() {
            return Err(Status::failed_precondition(format!(
                "no coordinator of this fleet was started so often as {} says (epoch {}, and this one \
                 is at {epoch}): look at the server, and ban or decommission it",
                some(&self.names(&liars)),
                state.highest()
            )));
        }
        let busy = self.names(&state.busy);
        if !busy.is_empty() {
            return Err(Status::failed_precondition(format!(
                "{} in the middle of something that this coordinator may not know of: {}. Wait for \
                 the end (`h8lctl explain node NAME`), or stop the agent there",
                count(busy.len(), "server is", "servers are"),
                some(&busy)
            )));
        }
        let unheard = self.unheard(state);
        if !unheard.is_empty() && !without_unheard {
            return Err(Status::failed_precondition(format!(
                "{} not been heard since the coordinator started: {}. Wait for them, or go on \
                 without them (--without-unheard): one that is in the middle of something \
                 freezes the coordinator anew when it comes back",
                count(unheard.len(), "server has", "servers have"),
                some(&unheard)
            )));
        }
        Ok(())
    }

    /// Names, sorted.
    fn names<'a>(&self, ids: impl IntoIterator<Item = &'a NodeId>) -> Vec<String> {
        let name = |id: &NodeId| match self.services.registry.by_id(*id) {
            Some(node) => node.record().value.name.to_string(),
            None => id.to_string(),
        };
        let mut names: Vec<String> = ids.into_iter().map(name).collect();
        names.sort();
        names
    }

    fn unheard(&self, state: &State) -> Vec<String> {
        let all = self.services.registry.all();
        let unheard: Vec<NodeId> = all
            .iter()
            .filter(|node| {
                let record = node.record();
                record.value.admission == Admission::Enrolled
                    && record.value.restriction().is_none()
                    && !state.heard.contains(&node.id)
            })
            .map(|node| node.id)
            .collect();
        self.names(&unheard)
    }
}

fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

fn some(names: &[String]) -> String {
    let shown = names.iter().take(NAMED).cloned().collect::<Vec<_>>();
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// A copy that has no name any more: whoever reads it may go away in the middle.
fn taken(store: &Path, draft: &Path) -> Result<(File, u64), Status> {
    backup::copy(store, draft).map_err(|e| status::store(&e))?;
    let open = || {
        let copy = File::open(draft)?;
        let bytes = copy.metadata()?.len();
        Ok((copy, bytes))
    };
    let opened: std::io::Result<_> = open();
    let removed = std::fs::remove_file(draft);
    removed
        .and(opened)
        .map_err(|e| Status::unavailable(format!("cannot read {}: {e}", draft.display())))
}

/// Sends the copy, until it ends or nobody listens.
fn tell(
    header: v1::BackupHeader,
    mut copy: File,
    to: &mpsc::Sender<Result<v1::CreateBackupResponse, Status>>,
) {
    let send = |part| {
        let part = Some(part);
        to.blocking_send(Ok(v1::CreateBackupResponse { part }))
            .is_ok()
    };
    let mut hash = digest::Context::new(&digest::SHA256);
    let mut goes_on = send(Part::Header(header));
    while goes_on {
        let mut chunk = vec![0; CHUNK];
        match copy.read(&mut chunk) {
            Ok(0) => {
                send(Part::Digest(hash.finish().as_ref().to_vec()));
                return;
            }
            Ok(n) => {
                chunk.truncate(n);
                hash.update(&chunk);
                goes_on = send(Part::Bytes(chunk));
            }
            Err(e) => {
                let status = Status::unavailable(format!("cannot read the copy: {e}"));
                let _ = to.blocking_send(Err(status));
                return;
            }
        }
    }
}
