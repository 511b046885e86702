use std::convert::Infallible;
use std::net::SocketAddr;

use h8lio_model::ids::{FleetName, NodeId, Rotation};
use h8lio_tls::client;
use h8lio_tls::identity;
use h8lio_tls::verify::Trust;
use rustls::pki_types::ServerName;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::*;
use crate::accept::counters::Counters;
use crate::accept::tls::ClockTime;
use crate::accept::{Accepted, Acceptor, AcceptorParts, listen};
use crate::clock::ManualClock;
use crate::pki::acknowledge::Acknowledgements;
use crate::pki::caller::Caller;
use crate::pki::csr::PublicKey;
use crate::pki::generation::Generation;

const DAY: Duration = Duration::from_secs(86_400);
const PATIENCE: Duration = Duration::from_secs(20);

fn fleet() -> FleetName {
    "prod".parse().expect("valid")
}

/// A running coordinator's authority and port.
struct Place {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    live: Arc<LivePki>,
    address: SocketAddr,
    incoming: ReceiverStream<Result<Accepted, Infallible>>,
}

fn place() -> Place {
    let dir = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(ManualClock::new(
        "2026-11-22T10:00:00Z".parse().expect("valid"),
    ));
    let mut settings = Settings::defaults(fleet());
    settings.pki = dir.path().join("pki");
    std::fs::create_dir(&settings.pki).expect("made");
    let generation = Generation::make(&fleet(), 1, clock.now()).expect("made");
    generation.write(&settings.pki).expect("written");
    let live = LivePki::open(&settings, Arc::clone(&clock) as _).expect("opened");
    let listener = listen(([127, 0, 0, 1], 0).into()).expect("a free port");
    let address = listener.local_addr().expect("bound");
    let parts = AcceptorParts {
        listener,
        tls: live.tls(),
        limits: settings.limits,
        counters: Arc::new(Counters::default()),
        clock: Arc::clone(&clock) as _,
    };
    let incoming = Acceptor::new(parts).incoming();
    Place {
        dir,
        clock,
        live,
        address,
        incoming,
    }
}

/// What an agent has on its disk.
struct Agent {
    identity: Identity,
    bundle: TrustBundle,
}

impl Place {
    fn pki(&self) -> PathBuf {
        self.dir.path().join("pki")
    }

    /// A certificate and the bundle, as enrollment or renewal hands them out now.
    fn enroll(&self, number: u128) -> Agent {
        let pair = identity::generate_key().expect("key");
        let key = PublicKey::of_pair(&pair).expect("P-256");
        let id = NodeId::new(uuid::Uuid::from_u128(number));
        let a = self.live.authority();
        let issued = a
            .issue_node(&key, id, Rotation(1), self.clock.now(), DAY)
            .expect("issued");
        let identity = Identity::new(issued.chain, identity::key_to_der(&pair));
        Agent {
            identity: identity.expect("an identity"),
            bundle: a.bundle().clone(),
        }
    }

    /// One attempt to connect: who the coordinator says it is, or why not.
    async fn dial(&mut self, agent: &Agent) -> Result<Caller, String> {
        let trust = Trust::Fleet {
            fleet: fleet(),
            bundle: agent.bundle.clone(),
        };
        let time = Arc::new(ClockTime(Arc::clone(&self.clock) as _));
        let config = client::config_at(trust, Some(&agent.identity), time).expect("made");
        let tcp = TcpStream::connect(self.address).await.expect("connected");
        let name = ServerName::try_from("coordinator.h8lio").expect("a name");
        let explain = |e: std::io::Error| h8lio_tls::cause::explain(&e);
        let mut tls = TlsConnector::from(config)
            .connect(name, tcp)
            .await
            .map_err(explain)?;
        tokio::select! {
            accepted = self.incoming.next() => {
                let accepted = accepted.expect("open").unwrap_or_else(|e| match e {});
                Ok(accepted.caller().clone())
            }
            refused = tls.read_u8() => Err(explain(refused.expect_err("refused"))),
            () = tokio::time::sleep(PATIENCE) => panic!("neither accepted nor refused"),
        }
    }

    fn rotate(&self) -> UnderWay {
        let state = rotation::begin(&self.pki(), &fleet(), None, self.clock.now());
        assert!(self.live.reload().expect("reloaded"));
        state.expect("begun")
    }

    fn finish(&self, state: UnderWay) {
        let report = self.dir.path().join("report.json");
        let all_ready = Acknowledgements {
            bundle: state.bundle,
            as_of: self.clock.now(),
            known: 3,
            waiting: Vec::new(),
        };
        all_ready.write(&report).expect("written");
        rotation::finish(&self.pki(), &fleet(), &report, 0).expect("finished");
        assert!(self.live.reload().expect("reloaded"));
    }
}

fn is_node(caller: &Result<Caller, String>, late: bool) -> bool {
    matches!(caller, Ok(Caller::Node { expired, .. }) if *expired == late)
}

/// scenario: 37 (integration)
#[tokio::test]
async fn a_third_of_the_fleet_that_was_off_during_a_rotation_comes_back() {
    let mut place = place();
    let (mut on, mut off) = (place.enroll(1), place.enroll(2));
    let state = place.rotate();
    assert!(
        is_node(&place.dial(&on).await, false),
        "old bundle, old certificate"
    );
    on = place.enroll(1);
    assert!(
        is_node(&place.dial(&on).await, false),
        "new bundle, new certificate"
    );
    // The other one was off for weeks: it knows only the old root and its certificate is over.
    place.clock.advance(DAY * 20);
    place.live.renew_own().expect("renewed");
    assert!(
        is_node(&place.dial(&off).await, true),
        "old bundle, ended old certificate"
    );
    off = place.enroll(2);
    place.finish(state);
    assert!(
        is_node(&place.dial(&off).await, false),
        "after the end, with what it was given"
    );
}

/// scenario: 37 (integration)
#[tokio::test]
async fn after_the_end_the_old_root_opens_nothing() {
    let mut place = place();
    let forgotten = place.enroll(3);
    let state = place.rotate();
    let current = place.enroll(4);
    place.finish(state);
    let why = place
        .dial(&forgotten)
        .await
        .expect_err("does not trust the coordinator any more");
    assert!(
        why.contains("not signed by the CA that is trusted here"),
        "{why}"
    );
    let forged = Agent {
        identity: forgotten.identity,
        bundle: current.bundle.clone(),
    };
    let why = place.dial(&forged).await.expect_err("refused");
    assert!(why.contains("does not know the CA"), "{why}");
    assert!(is_node(&place.dial(&current).await, false));
}

#[tokio::test]
async fn a_rotation_reaches_who_sends_the_bundle_to_the_agents() {
    let place = place();
    let mut bundles = place.live.subscribe_bundle();
    assert!(!place.live.reload().expect("nothing to do"));
    assert_eq!(place.live.under_way(), None);
    let state = place.rotate();
    assert!(bundles.has_changed().expect("alive"));
    assert_eq!(bundles.borrow_and_update().digest(), state.bundle);
    assert_eq!(place.live.under_way(), Some(state));
    place.finish(state);
    assert_eq!(bundles.borrow_and_update().roots().len(), 1);
    assert_eq!(place.live.under_way(), None);
}

#[tokio::test]
async fn damaged_files_leave_the_running_authority_as_it_was() {
    let mut place = place();
    let agent = place.enroll(1);
    std::fs::write(place.pki().join(files::ISSUING_CERTIFICATE), b"torn").expect("written");
    place.live.reload().expect_err("said so");
    place
        .live
        .reload()
        .expect_err("and again, until it is repaired");
    assert!(is_node(&place.dial(&agent).await, false));
    place.enroll(2);
}

#[tokio::test]
async fn the_own_certificate_is_renewed_at_half_of_its_life() {
    let mut place = place();
    let agent = place.enroll(1);
    assert!(!place.live.renew_own().expect("not yet"));
    place.clock.advance(DAY * 15);
    assert!(place.live.renew_own().expect("due"));
    assert!(!place.live.renew_own().expect("just done"));
    place.clock.advance(DAY * 20);
    assert!(
        is_node(&place.dial(&agent).await, true),
        "the first one would have ended by now"
    );
}

#[tokio::test]
async fn the_own_certificate_is_made_anew_when_it_begins_in_the_future() {
    let mut place = place();
    let agent = place.enroll(1);
    let right = place.clock.now();
    place.clock.jump_wall(right + DAY * 20);
    assert!(place.live.renew_own().expect("half of its life is over"));
    place.clock.jump_wall(right);
    assert!(place.live.renew_own().expect("it has not begun"));
    assert!(!place.live.renew_own().expect("just done"));
    assert!(is_node(&place.dial(&agent).await, false));
}

#[tokio::test]
async fn an_authority_that_has_ended_is_refused_at_the_start() {
    let place = place();
    place.clock.advance(DAY * 3_651);
    let mut settings = Settings::defaults(fleet());
    settings.pki = place.pki();
    let refusal = LivePki::open(&settings, Arc::clone(&place.clock) as _).expect_err("refused");
    assert!(refusal.to_string().contains("ca rotate begin"), "{refusal}");
}
