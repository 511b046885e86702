//! Renews the certificate at half of its life, or when the coordinator asks.

use std::sync::Arc;
use std::time::Duration;

use h8lio_model::condition::ConditionType;
use h8lio_tls::serial::Serial;
use jiff::Timestamp;

use super::Context;
use crate::identity::authority::RemoteAuthority;
use crate::identity::renewal;

/// Certificates live on the wall clock, which may jump: it is looked at this often.
const LOOK: Duration = Duration::from_secs(30);

/// Whatever it is told and whatever its clock says: no two renewals are closer than this.
const PAUSE: Duration = Duration::from_secs(5);

/// Runs for as long as the agent.
pub(super) async fn run(context: Arc<Context>) {
    let mut due: Option<(Serial, Timestamp)> = None;
    let mut failures = 0;
    let mut members = context.vault.watch();
    loop {
        let member = members.borrow_and_update().clone();
        let serial = member.identity.serial();
        let validity = member.identity.validity();
        let at = match due {
            Some((of, at)) if of == serial => at,
            _ => {
                failures = 0;
                let at = renewal::due(validity, context.entropy.as_ref());
                due = Some((serial, at));
                at
            }
        };
        let now = context.clock.now().wall;
        let left = Duration::try_from(at.duration_since(now)).unwrap_or_default();
        if !left.is_zero() || member.unacknowledged {
            // A certificate that nobody has welcomed yet is not replaced by a third.
            let wait = if member.unacknowledged {
                LOOK
            } else {
                left.clamp(Duration::from_millis(500), LOOK)
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = members.changed() => {}
                // Past dues are tried at once; the answer of the authority ends the hurry.
                () = context.status.renew.notified() => due = Some((serial, Timestamp::MIN)),
            }
            continue;
        }
        let channel = context.status.live.borrow().clone();
        let Some(channel) = channel else {
            not_renewed(
                &context,
                validity.half_life(),
                "no session with a coordinator",
            );
            let mut live = context.status.live.subscribe();
            let _ = tokio::time::timeout(LOOK, live.wait_for(Option::is_some)).await;
            continue;
        };
        match renewal::renew(&context.vault, &RemoteAuthority::new(channel)).await {
            Ok(()) => {
                tracing::info!("the node certificate was renewed");
                context
                    .board
                    .clear(ConditionType::CertificateNotRenewed, "");
                tokio::time::sleep(PAUSE).await;
            }
            Err(e) => {
                failures += 1;
                let why = crate::chain(&e);
                tracing::warn!("the node certificate was not renewed: {why}");
                not_renewed(&context, validity.half_life(), &why);
                let wait = renewal::retry(failures, context.entropy.as_ref());
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = context.status.renew.notified() => {}
                }
            }
        }
    }
}

fn not_renewed(context: &Context, half_life: Timestamp, why: &str) {
    let now = context.clock.now().wall;
    if now >= half_life {
        let message = format!("the node certificate is past half of its life: {why}");
        let kind = ConditionType::CertificateNotRenewed;
        context.board.raise(kind, "", "RenewalFailed", message, now);
    }
}
