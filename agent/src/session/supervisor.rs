//! Keeps one session open, and replaces it when the identity changes: the new session is welcomed
//! before the old one says goodbye.

use std::sync::Arc;
use std::time::Duration;

use h8lio_model::condition::ConditionType;
use h8lio_model::section::Digest;
use h8lio_tls::client;
use h8lio_tls::serial::Serial;
use h8lio_tls::verify::Trust;
use rustls::ClientConfig;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::machine::Goodbye;
use super::policy::{Dialing, Outcome};
use super::stream::{Attempt, Ended, Opened};
use super::{Context, renewer};
use crate::clock::{SharedClock, sleep_until};
use crate::identity::vault::Member;

/// The same complaint is logged again after this long.
const REPEAT: Duration = Duration::from_secs(600);

/// A renewed certificate that is refused this often in a row, never having been welcomed, is
/// given up for the one before.
const GIVE_UP_NEXT_AFTER: u32 = 3;

/// A fleet greets anew over this time after a change of its trust bundle.
const BUNDLE_SPREAD: Duration = Duration::from_secs(15);

/// How long a session may take to say goodbye.
const LEAVE_WITHIN: Duration = Duration::from_millis(900);

/// A session task and the strings to it.
#[derive(Debug)]
struct Running {
    task: JoinHandle<Ended>,
    leave: watch::Sender<Option<Goodbye>>,
    serial: Serial,
    bundle: Digest,
}

impl Running {
    /// Asks it to go; does not wait.
    fn dismiss(self, why: Goodbye) -> JoinHandle<Ended> {
        self.leave.send_replace(Some(why));
        self.task
    }
}

/// Keeps the session until `leave` says why to stop; then takes at most a second.
pub async fn run(context: Arc<Context>, mut leave: watch::Receiver<Option<Goodbye>>) {
    let renewing = tokio::spawn(renewer::run(Arc::clone(&context)));
    let mut s = Supervisor::new(context);
    let why = loop {
        tokio::select! {
            why = leave.wait_for(Option::is_some) => {
                break why.ok().and_then(|w| *w).unwrap_or(Goodbye::Restart);
            }
            () = s.turn() => {}
        }
    };
    renewing.abort();
    if let Some((dialled, _)) = s.dialled.take() {
        dialled.task.abort();
    }
    if let Some(open) = s.open.take() {
        let _ = tokio::time::timeout(LEAVE_WITHIN, open.dismiss(why)).await;
    }
}

struct Supervisor {
    context: Arc<Context>,
    members: watch::Receiver<Arc<Member>>,
    dialing: Dialing,
    /// When to dial next, on the steady clock.
    dial_at: Duration,
    open: Option<Running>,
    dialled: Option<(Running, oneshot::Receiver<Opened>)>,
    tls: Option<((Serial, Digest), Arc<ClientConfig>)>,
    complaint: Option<(String, Duration)>,
    certificate_refusals: u32,
}

impl Supervisor {
    fn new(context: Arc<Context>) -> Self {
        let mut members = context.vault.watch();
        let member = members.borrow_and_update().clone();
        let addresses = context.coordinators.iter().chain(&member.coordinators);
        Self {
            dialing: Dialing::new(addresses.cloned()),
            dial_at: Duration::ZERO,
            members,
            context,
            open: None,
            dialled: None,
            tls: None,
            complaint: None,
            certificate_refusals: 0,
        }
    }

    /// Waits for the next thing that happens, and deals with it. Cancel-safe: what an arm
    /// consumed is acted on before the next await.
    async fn turn(&mut self) {
        let wants_dial = self.dialled.is_none() && self.wants_session();
        let clock = Arc::clone(&self.context.clock);
        tokio::select! {
            ended = finished(&mut self.open), if self.open.is_some() => {
                self.open = None;
                self.context.status.live.send_replace(None);
                self.context.status.coordinator.send_replace(None);
                self.ended(ended);
            }
            came = arrived(&mut self.dialled), if self.dialled.is_some() => match came {
                Arrived::Welcomed(opened) => self.welcomed(opened),
                Arrived::Ended(ended) => {
                    self.dialled = None;
                    self.ended(ended);
                }
            },
            // Whatever changed, `wants_session` looks at the newest; a sender that is gone means
            // that the agent stops.
            _ = self.members.changed() => self.dial_at = self.soon(),
            () = sleep_until(clock.as_ref(), self.dial_at), if wants_dial => self.dial(),
        }
    }

    /// No session, or one with an identity or a bundle that is not the newest. (A new greeting is
    /// how the coordinator learns that the bundle was adopted.)
    fn wants_session(&self) -> bool {
        let newest = self.context.vault.member();
        self.open.as_ref().is_none_or(|open| {
            open.serial != newest.identity.serial() || open.bundle != newest.bundle.digest()
        })
    }

    /// When to dial for the newest member: at once for a new identity; spread for a new bundle,
    /// which reaches the whole fleet at one moment.
    fn soon(&self) -> Duration {
        let now = self.context.clock.now().steady;
        let newest = self.context.vault.member().identity.serial();
        match &self.open {
            Some(open) if open.serial == newest => now + self.context.entropy.up_to(BUNDLE_SPREAD),
            _ => now,
        }
    }

    fn dial(&mut self) {
        let member = self.context.vault.member();
        let now = self.context.clock.now().steady;
        let Some(address) = self.dialing.address().map(str::to_owned) else {
            self.complain("no coordinator is known: set coordinators in /etc/h8lio/agent.toml");
            self.dial_at = now + Duration::from_secs(60);
            return;
        };
        let tls = match self.tls(&member) {
            Ok(tls) => tls,
            Err(e) => {
                self.complain(&crate::chain(&e));
                self.dial_at = now + Duration::from_secs(60);
                return;
            }
        };
        let (leave, left) = watch::channel(None);
        let (welcomed, was_welcomed) = oneshot::channel();
        let attempt = Attempt {
            context: Arc::clone(&self.context),
            member: Arc::clone(&member),
            address,
            tls,
            welcomed: Some(welcomed),
            leave: left,
        };
        let running = Running {
            task: tokio::spawn(attempt.run()),
            leave,
            serial: member.identity.serial(),
            bundle: member.bundle.digest(),
        };
        self.dialled = Some((running, was_welcomed));
    }

    /// One configuration for each identity and bundle: it holds the session tickets, and so lives
    /// on when the member is published anew for another reason, as at an acknowledgement.
    fn tls(&mut self, member: &Member) -> Result<Arc<ClientConfig>, client::TlsError> {
        let wanted = (member.identity.serial(), member.bundle.digest());
        if let Some((of, config)) = &self.tls
            && *of == wanted
        {
            return Ok(Arc::clone(config));
        }
        let trust = Trust::Fleet {
            fleet: member.fleet.clone(),
            bundle: member.bundle.clone(),
        };
        let time = Arc::new(WallClock(Arc::clone(&self.context.clock)));
        let config = client::config_at(trust, Some(&member.identity), time)?;
        self.tls = Some((wanted, Arc::clone(&config)));
        Ok(config)
    }

    /// Make before break: the new session is open, the old one may go.
    fn welcomed(&mut self, opened: Opened) {
        let Some((newer, _)) = self.dialled.take() else {
            return;
        };
        let c = &self.context;
        c.status.live.send_replace(Some(opened.channel));
        c.status.coordinator.send_replace(Some(opened.coordinator));
        if c.clock.now().wall < c.vault.member().identity.validity().half_life() {
            c.board.clear(ConditionType::CertificateNotRenewed, "");
        }
        self.complaint = None;
        self.certificate_refusals = 0;
        if let Some(old) = self.open.replace(newer) {
            old.dismiss(Goodbye::Moved);
        }
    }

    fn ended(&mut self, ended: Ended) {
        let now = self.context.clock.now().steady;
        let outcome = match ended {
            Ended::Left => Outcome::Ended(Duration::ZERO),
            Ended::Reattested => {
                self.dial_at = now;
                return;
            }
            Ended::Unreached(why) => {
                self.complain(&why);
                Outcome::Unreached
            }
            Ended::Refused { why, certificate } => {
                self.complain(&why);
                self.refused(certificate);
                Outcome::Refused
            }
            Ended::Replaced { .. } if self.dialled.is_some() => {
                // By the one that is being dialled, whose welcome is on its way.
                tracing::debug!("the session gave way to a newer one");
                return;
            }
            Ended::Replaced { lived } => {
                tracing::warn!("a newer session of this server took over; dialling again");
                Outcome::Ended(lived)
            }
            Ended::Lost { lived, why } => {
                tracing::warn!("the session ended: {why}; dialling again");
                Outcome::Ended(lived)
            }
        };
        self.dial_at = now + self.dialing.ended(outcome, self.context.entropy.as_ref());
    }

    fn refused(&mut self, certificate: bool) {
        let member = self.context.vault.member();
        if !certificate || !member.unacknowledged {
            return;
        }
        self.certificate_refusals += 1;
        if self.certificate_refusals >= GIVE_UP_NEXT_AFTER {
            self.certificate_refusals = 0;
            tracing::warn!("the renewed certificate is refused; going back to the one before");
            self.context.keeper.give_up(member.identity.serial());
        }
    }

    /// Logs once, and again only when it changes or has lasted.
    fn complain(&mut self, why: &str) {
        let now = self.context.clock.now().steady;
        let said = |(old, at): &(String, Duration)| old == why && now < *at + REPEAT;
        if !self.complaint.as_ref().is_some_and(said) {
            tracing::warn!("no session: {why}; trying again");
            self.complaint = Some((why.to_owned(), now));
        }
    }
}

async fn finished(running: &mut Option<Running>) -> Ended {
    match running {
        Some(r) => outcome((&mut r.task).await),
        None => std::future::pending().await,
    }
}

enum Arrived {
    Welcomed(Opened),
    Ended(Ended),
}

async fn arrived(dialled: &mut Option<(Running, oneshot::Receiver<Opened>)>) -> Arrived {
    let Some((running, welcomed)) = dialled else {
        return std::future::pending().await;
    };
    tokio::select! {
        biased;
        Ok(opened) = welcomed => Arrived::Welcomed(opened),
        ended = &mut running.task => Arrived::Ended(outcome(ended)),
    }
}

fn outcome(joined: Result<Ended, tokio::task::JoinError>) -> Ended {
    joined.unwrap_or_else(|e| Ended::Lost {
        lived: Duration::ZERO,
        why: format!("its task failed: {e}"),
    })
}

/// The agent's wall clock as TLS wants it.
#[derive(Debug)]
struct WallClock(SharedClock);

impl TimeProvider for WallClock {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().wall.as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}
