//! A coordinator in this process, agents and operators that speak to it as they please.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use h8lio_coordinator::app::{self, Running};
use h8lio_coordinator::clock::{Clock, SystemClock};
use h8lio_coordinator::config;
use h8lio_coordinator::init::{Init, init};
use h8lio_coordinator::store::memory::MemoryStore;
use h8lio_coordinator::store::{
    KeyRange, KeyValue, Lease, LeaseId, RangePage, Revision, Store, StoreError, Txn, TxnResult,
    WatchStream,
};
use h8lio_proto::v1;
use h8lio_proto::v1::connect_request::Message as Up;
use h8lio_proto::v1::connect_response::Message as Down;
use h8lio_proto::v1::enrollment_service_client::EnrollmentServiceClient;
use h8lio_proto::v1::fleet_service_client::FleetServiceClient;
use h8lio_proto::v1::node_service_client::NodeServiceClient;
use h8lio_proto::v1::session_service_client::SessionServiceClient;
use h8lio_tls::bundle::TrustBundle;
use h8lio_tls::client::{self, ConnectOptions};
use h8lio_tls::identity::{Identity, csr, generate_key, key_to_der};
use h8lio_tls::token::JoinToken;
use rcgen::KeyPair;
use secrecy::ExposeSecret;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

/// What the agents are told to beat at.
pub(crate) const BEAT: Duration = Duration::from_millis(300);

/// Waits for `what`, at most ten seconds.
pub(crate) async fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if is() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within 10 s: {what}");
}

/// A store whose transactions can be held.
#[derive(Debug)]
pub(crate) struct SlowStore {
    inner: MemoryStore,
    held: watch::Sender<bool>,
    waiting: AtomicUsize,
}

impl SlowStore {
    pub(crate) fn hold(&self) {
        self.held.send_replace(true);
    }

    pub(crate) fn release(&self) {
        self.held.send_replace(false);
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Store for SlowStore {
    async fn revision(&self) -> Result<Revision, StoreError> {
        self.inner.revision().await
    }
    async fn get(&self, key: &str) -> Result<Option<KeyValue>, StoreError> {
        self.inner.get(key).await
    }
    async fn range(&self, range: KeyRange, limit: usize) -> Result<RangePage, StoreError> {
        self.inner.range(range, limit).await
    }
    async fn txn(&self, txn: Txn) -> Result<TxnResult, StoreError> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let _ = self.held.subscribe().wait_for(|held| !held).await;
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        self.inner.txn(txn).await
    }
    async fn watch(&self, range: KeyRange, from: Revision) -> Result<WatchStream, StoreError> {
        self.inner.watch(range, from).await
    }
    async fn compact(&self, upto: Revision) -> Result<(), StoreError> {
        self.inner.compact(upto).await
    }
    async fn lease_grant(&self, ttl: Duration) -> Result<Lease, StoreError> {
        self.inner.lease_grant(ttl).await
    }
    async fn lease_keep_alive(&self, id: LeaseId) -> Result<Duration, StoreError> {
        self.inner.lease_keep_alive(id).await
    }
    async fn lease_revoke(&self, id: LeaseId) -> Result<(), StoreError> {
        self.inner.lease_revoke(id).await
    }
    async fn tick(&self) -> Result<(), StoreError> {
        self.inner.tick().await
    }
}

/// An enrolled server.
pub(crate) struct Member {
    pub(crate) identity: Identity,
    pub(crate) token: JoinToken,
}

/// The coordinator and its first operator.
pub(crate) struct Bench {
    pub(crate) store: Arc<SlowStore>,
    running: Running,
    bundle: TrustBundle,
    admin: Identity,
    _dir: tempfile::TempDir,
}

pub(crate) fn change() -> v1::Change {
    v1::Change {
        reason: "a test".into(),
        ..Default::default()
    }
}

pub(crate) fn enroll_request(token: &JoinToken, key: &KeyPair, name: &str) -> v1::EnrollRequest {
    v1::EnrollRequest {
        token_id: token.id.to_string(),
        token_secret: token.secret.expose_secret().clone(),
        csr: csr(key).expect("request"),
        claims: Some(v1::Claims {
            hostname: name.into(),
            ..Default::default()
        }),
    }
}

fn identity(chain: Vec<Vec<u8>>, key: &KeyPair) -> Identity {
    let chain = chain.into_iter().map(Into::into).collect();
    Identity::new(chain, key_to_der(key)).expect("identity")
}

impl Bench {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let request = Init {
            dir: dir.path().join("c"),
            fleet: "demo".parse().expect("valid"),
            listen: "127.0.0.1:1".parse().expect("valid"),
            advertise: vec![],
            name: "c1".parse().expect("valid"),
            metrics: Some("off".into()),
            operator: "ada".parse().expect("valid"),
            context_out: dir.path().join("ada.toml"),
        };
        let made = init(&request, clock.now()).expect("init");
        let mut settings = config::load(&made.config).expect("settings");
        settings.listen = "127.0.0.1:0".parse().expect("valid");
        settings.advertise.clear();
        settings.session.beat = BEAT;
        let text = std::fs::read_to_string(&request.context_out).expect("context");
        let context: toml::Table = text.parse().expect("TOML");
        let part = |key: &str| context[key].as_str().expect("text").as_bytes().to_vec();
        let admin = Identity::from_pem(&part("certificate"), &part("key")).expect("admin");
        let bundle = TrustBundle::from_pem(&part("ca")).expect("bundle");
        let store = Arc::new(SlowStore {
            inner: MemoryStore::new(Arc::clone(&clock)),
            held: watch::Sender::new(false),
            waiting: AtomicUsize::new(0),
        });
        let shared: Arc<dyn Store> = Arc::clone(&store) as _;
        let running = app::start_on(settings, clock, shared)
            .await
            .expect("starts");
        Self {
            store,
            running,
            bundle,
            admin,
            _dir: dir,
        }
    }

    pub(crate) async fn stop(self) {
        self.running.stop().await;
    }

    async fn channel(&self, identity: &Identity) -> Channel {
        let fleet = "demo".parse().expect("valid");
        let tls = client::config(&fleet, &self.bundle, Some(identity)).expect("TLS");
        let address = self.running.address.to_string();
        client::connect(&address, tls, ConnectOptions::default())
            .await
            .expect("connected")
    }

    pub(crate) async fn nodes(&self) -> NodeServiceClient<Channel> {
        NodeServiceClient::new(self.channel(&self.admin).await)
    }

    pub(crate) async fn fleet(&self) -> FleetServiceClient<Channel> {
        self.fleet_as(&self.admin).await
    }

    pub(crate) async fn fleet_as(&self, who: &Identity) -> FleetServiceClient<Channel> {
        FleetServiceClient::new(self.channel(who).await)
    }

    pub(crate) async fn ban(&self, node: &str) {
        let request = v1::BanNodeRequest {
            node: node.into(),
            change: Some(change()),
        };
        self.nodes().await.ban_node(request).await.expect("banned");
    }

    pub(crate) async fn operator(&self, name: &str) -> Identity {
        let key = generate_key().expect("key");
        let request = v1::CreateOperatorRequest {
            name: name.into(),
            role: v1::OperatorRole::Viewer as i32,
            csr: csr(&key).expect("request"),
            change: Some(change()),
            ..Default::default()
        };
        let made = self.fleet().await.create_operator(request).await;
        identity(made.expect("created").into_inner().chain, &key)
    }

    pub(crate) async fn revoke(&self, name: &str) {
        let request = v1::RevokeOperatorRequest {
            name: name.into(),
            change: Some(change()),
        };
        let mut fleet = self.fleet().await;
        fleet.revoke_operator(request).await.expect("revoked");
    }

    pub(crate) async fn token(&self, name: &str, uses: u32) -> JoinToken {
        let request = v1::CreateTokenRequest {
            ttl: Some(h8lio_proto::convert::duration(Duration::from_secs(600))),
            max_uses: uses,
            node_name: name.into(),
            auto_approve: true,
            change: Some(change()),
            ..Default::default()
        };
        let made = self.fleet().await.create_token(request).await;
        made.expect("a token")
            .into_inner()
            .text
            .parse()
            .expect("valid")
    }

    /// A connection that shows no certificate.
    pub(crate) async fn anonymous(&self, token: &JoinToken) -> EnrollmentServiceClient<Channel> {
        let tls = client::bootstrap_config(token.pin).expect("TLS");
        let address = self.running.address.to_string();
        let channel = client::connect(&address, tls, ConnectOptions::default()).await;
        EnrollmentServiceClient::new(channel.expect("connected"))
    }

    pub(crate) async fn enroll(&self, name: &str) -> (Member, KeyPair) {
        let token = self.token(name, 1).await;
        let key = generate_key().expect("key");
        let mut client = self.anonymous(&token).await;
        let answer = client.enroll(enroll_request(&token, &key, name)).await;
        let Some(v1::enroll_response::Outcome::Issued(issued)) =
            answer.expect("enrolled").into_inner().outcome
        else {
            panic!("approved at once");
        };
        let identity = identity(issued.chain, &key);
        (Member { identity, token }, key)
    }

    pub(crate) async fn renew(&self, of: &Identity) -> Result<Identity, Status> {
        let key = generate_key().expect("key");
        let mut client = EnrollmentServiceClient::new(self.channel(of).await);
        let request = v1::RenewRequest {
            csr: csr(&key).expect("request"),
        };
        let issued = client.renew(request).await?.into_inner().issued;
        Ok(identity(issued.expect("issued").chain, &key))
    }

    /// Opens a stream and says nothing on it.
    pub(crate) async fn call(&self, who: &Identity) -> Session {
        let (up, receive) = mpsc::channel(16);
        let mut client = SessionServiceClient::new(self.channel(who).await);
        let down = client.connect(ReceiverStream::new(receive)).await;
        Session {
            up,
            down: down.expect("called").into_inner(),
        }
    }

    /// A session of the server's boot number `boot`.
    pub(crate) async fn session(&self, who: &Identity, boot: u128) -> Session {
        let session = self.call(who).await;
        session.hello(boot).await;
        session
    }
}

/// One stream.
pub(crate) struct Session {
    up: mpsc::Sender<v1::ConnectRequest>,
    down: Streaming<v1::ConnectResponse>,
}

impl Session {
    async fn say(&self, message: Up) {
        let message = v1::ConnectRequest {
            message: Some(message),
        };
        self.up.send(message).await.expect("the stream takes it");
    }

    pub(crate) async fn hello(&self, boot: u128) {
        self.say(Up::Hello(v1::Hello {
            boot_id: uuid::Uuid::from_u128(boot).to_string(),
            agent_instance: uuid::Uuid::from_u128(7).to_string(),
            agent_version: "1".into(),
            wall_clock: Some(h8lio_proto::convert::timestamp(SystemClock::new().now())),
            ..Default::default()
        }))
        .await;
    }

    pub(crate) async fn beat(&self, wall_clock_ms: i64) {
        self.say(Up::Beat(v1::Beat {
            seq: 1,
            wall_clock_ms,
        }))
        .await;
    }

    /// What the coordinator says first.
    pub(crate) async fn first(&mut self) -> Result<Option<Down>, Status> {
        let message = tokio::time::timeout(Duration::from_secs(10), self.down.message()).await;
        Ok(message.expect("an answer")?.and_then(|m| m.message))
    }

    pub(crate) async fn welcome(&mut self) {
        let first = self.first().await;
        assert!(matches!(first, Ok(Some(Down::Welcome(_)))), "{first:?}");
    }

    /// Reads until the stream ends.
    pub(crate) async fn end(&mut self) -> Result<(), Status> {
        while self.down.message().await?.is_some() {}
        Ok(())
    }
}
