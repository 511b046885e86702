//! The end of a session whose place another one has taken, and what two servers get.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use h8lio_proto::v1;
use h8lio_proto::v1::connect_request::Message as Up;
use prost::Message as _;
use tonic::{Status, Streaming};

use super::remains::Remains;
use super::service::{End, Sessions};
use super::table::Open;
use crate::registry::Node;
use crate::rpc::authz;

impl Sessions {
    /// Listens to a session whose place was taken, in case a second server goes on there; `None`
    /// when it is as it should be.
    pub(super) async fn listen_on(
        &self,
        node: &Arc<Node>,
        open: &Arc<Open>,
        up: &mut Streaming<v1::ConnectRequest>,
    ) -> Option<End> {
        let newer = self.table.get(node.id).filter(|n| !Arc::ptr_eq(n, open))?;
        if newer.claim.rotation > open.claim.rotation {
            // Moved to a renewed certificate: whoever comes back with the old one is a copy.
            return None;
        }
        let beat = self.settings.beat;
        let mut remains = Remains::new(newer.greeted_ms, beat, self.clock.mono());
        loop {
            // Cancel-safe: `message` buffers in the stream. A second, so that the coordinator can stop.
            let look = (beat / 2).min(Duration::from_secs(1));
            let said = tokio::time::timeout(look, up.message()).await;
            let beats = newer.beats.load(Ordering::Relaxed);
            let now = self.clock.mono();
            let present = self.table.get(node.id);
            let stays = present.is_some_and(|p| Arc::ptr_eq(&p, &newer));
            // A ban holds for every session of the identity.
            if !stays || remains.is_over(beats, now) || authz::may_speak(node).is_err() {
                return None;
            }
            let message = match said {
                Err(_) => continue,
                Ok(Ok(Some(message))) => message,
                Ok(Ok(None)) => return Some(End::Moved),
                Ok(Err(_)) => return None,
            };
            if node.allowance.message(message.encoded_len(), now).is_err() {
                return None;
            }
            match message.message {
                Some(Up::Goodbye(_)) => return Some(End::Moved),
                Some(Up::Beat(b)) => {
                    node.live.heard(now);
                    if remains.beat(b.wall_clock_ms, beats, now) {
                        return Some(End::Refused(self.two_servers(node, open, &newer).await));
                    }
                }
                _ => {}
            }
        }
    }

    /// Quarantines an identity of which two servers are heard.
    pub(super) async fn two_servers(&self, node: &Arc<Node>, old: &Open, new: &Open) -> Status {
        let (a, b) = (old.claim.boot_id, new.claim.boot_id);
        let boots = if a == b {
            format!("both of boot {a}: a restored snapshot, or a copied container")
        } else {
            format!("boots {a} and {b}")
        };
        let why = format!("two servers use this identity at the same time ({boots})");
        self.quarantine.set(node, &why).await;
        Status::permission_denied(why)
    }
}
