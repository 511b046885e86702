//! A coordinator that does as the test says and writes down what it hears.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::StreamExt;
use h8lio_proto::convert::{duration, timestamp};
use h8lio_proto::v1;
use h8lio_proto::v1::connect_request::Message as Request;
use h8lio_proto::v1::connect_response::Message as Response;
use h8lio_proto::v1::enrollment_service_server::{EnrollmentService, EnrollmentServiceServer};
use h8lio_proto::v1::session_service_server::{SessionService, SessionServiceServer};
use h8lio_tls::serial::Serial;
use jiff::{SignedDuration, Timestamp};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DistinguishedName, HandshakeKind};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;
use tonic::{Code, Status, Streaming};

use super::authority::{NODE, TestCa};

/// What was heard, with the rotation of the certificate that said it.
#[derive(Debug, Clone)]
pub enum Heard {
    Enroll {
        key: Vec<u8>,
    },
    Renew {
        rotation: u64,
    },
    Reattest {
        rotation: u64,
    },
    Stream {
        rotation: u64,
        session: usize,
        message: v1::ConnectRequest,
    },
}

type Down = mpsc::Sender<Result<v1::ConnectResponse, Status>>;

/// How it behaves.
#[derive(Debug, Clone)]
pub struct Script {
    /// Enrollments answered with "pending" first.
    pub pending: usize,
    /// From now.
    pub life: (SignedDuration, SignedDuration),
    pub welcome: v1::Welcome,
    pub refuse_enrollments: Option<(Code, &'static str)>,
    pub refuse_sessions: Option<(Code, &'static str)>,
    pub refuse_renewals: bool,
    pub receipts: bool,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            pending: 0,
            life: (
                SignedDuration::from_mins(-1),
                SignedDuration::from_hours(24),
            ),
            welcome: v1::Welcome {
                coordinator: "c1".into(),
                incarnation: "00000000-0000-4000-8000-000000000001".into(),
                epoch: 1,
                pace: Some(v1::Pace {
                    beat: Some(duration(Duration::from_millis(200))),
                    report: Some(duration(Duration::from_millis(200))),
                    max_report_bytes: 1 << 20,
                }),
                wanted: vec![2],
                ..Default::default()
            },
            refuse_enrollments: None,
            refuse_sessions: None,
            refuse_renewals: false,
            receipts: true,
        }
    }
}

pub struct Fake {
    pub ca: TestCa,
    pub script: Mutex<Script>,
    heard: watch::Sender<Vec<Heard>>,
    streams: Mutex<Vec<Down>>,
    sessions: AtomicUsize,
    /// Connections that were tried, whatever came of the handshake.
    pub dialled: watch::Sender<usize>,
    /// Handshakes that resumed an earlier session.
    pub resumed: watch::Sender<usize>,
    /// Sessions that were refused as the script says.
    refused: watch::Sender<usize>,
}

#[derive(Clone)]
struct Service(Arc<Fake>);

/// A running fake.
pub struct Running {
    pub fake: Arc<Fake>,
    pub address: String,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Running {
    pub async fn start(fleet: &str, script: Script) -> Self {
        let fake = Arc::new(Fake {
            ca: TestCa::new(fleet),
            script: Mutex::new(script),
            heard: watch::Sender::new(Vec::new()),
            streams: Mutex::default(),
            sessions: AtomicUsize::new(0),
            dialled: watch::Sender::new(0),
            resumed: watch::Sender::new(0),
            refused: watch::Sender::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let task = tokio::spawn(serve(Arc::clone(&fake), listener));
        Self {
            fake,
            address,
            task,
        }
    }

    pub fn script(&self) -> MutexGuard<'_, Script> {
        self.fake.script.lock().expect("not poisoned")
    }

    /// Waits until something was heard that `wanted` takes, at most 20 s.
    pub async fn hear<T>(&self, what: &str, wanted: impl Fn(&Heard) -> Option<T>) -> T {
        let mut heard = self.fake.heard.subscribe();
        let found = async {
            loop {
                let hit = heard.borrow_and_update().iter().find_map(&wanted);
                if let Some(hit) = hit {
                    return hit;
                }
                heard.changed().await.expect("the fake lives");
            }
        };
        let Ok(hit) = tokio::time::timeout(Duration::from_secs(20), found).await else {
            panic!(
                "{what} was not heard; heard: {:#?}",
                self.fake.heard.borrow()
            );
        };
        hit
    }

    /// Waits until it was dialled `times`, at most 20 s.
    pub async fn dialled(&self, times: usize) {
        reaches(&self.fake.dialled, times).await;
    }

    /// Waits until so many handshakes were resumptions, at most 20 s.
    pub async fn resumed(&self, times: usize) {
        reaches(&self.fake.resumed, times).await;
    }

    /// Waits until it has refused so many sessions, at most 20 s.
    pub async fn refused(&self, times: usize) {
        reaches(&self.fake.refused, times).await;
    }

    /// Waits until a session has sent `more` beats than now.
    pub async fn beats_of(&self, session: usize, more: u64) {
        let of = |h: &Heard| match h {
            Heard::Stream { session: s, .. } if *s == session => beat(h),
            _ => None,
        };
        let now = self.heard().iter().filter_map(of).max().unwrap_or(0);
        self.hear("more beats", |h| of(h).filter(|n| *n >= now + more))
            .await;
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.fake.heard.borrow().clone()
    }

    /// Says something on the newest stream.
    pub async fn say(&self, message: Response) {
        let down = self
            .fake
            .streams
            .lock()
            .expect("not poisoned")
            .last()
            .cloned();
        let message = v1::ConnectResponse {
            message: Some(message),
        };
        down.expect("a stream")
            .send(Ok(message))
            .await
            .expect("open");
    }

    /// Cuts every stream.
    pub async fn cut(&self, status: Status) {
        let streams = std::mem::take(&mut *self.fake.streams.lock().expect("not poisoned"));
        for s in streams {
            let _ = s.send(Err(status.clone())).await;
        }
    }
}

async fn reaches(count: &watch::Sender<usize>, times: usize) {
    let mut count = count.subscribe();
    let wait = count.wait_for(|n| *n >= times);
    let waited = tokio::time::timeout(Duration::from_secs(20), wait).await;
    waited.expect("in time").expect("the fake lives");
}

async fn serve(fake: Arc<Fake>, listener: TcpListener) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    #[expect(
        clippy::disallowed_methods,
        reason = "certificates of the test need the time"
    )]
    let (chain, key) = fake.ca.coordinator(Timestamp::now());
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_client_cert_verifier(Arc::new(TakeAll(provider)))
        .with_single_cert(chain, key)
        .expect("usable");
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let from = (listener, acceptor, Arc::clone(&fake));
    let incoming = futures::stream::unfold(from, |(listener, acceptor, fake)| async {
        loop {
            let (tcp, _) = listener.accept().await.expect("accepted");
            let shaken = acceptor.accept(tcp).await;
            fake.dialled.send_modify(|n| *n += 1);
            if let Ok(tls) = shaken {
                if tls.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
                    fake.resumed.send_modify(|n| *n += 1);
                }
                return Some((
                    Ok::<_, std::io::Error>(Tls(tls)),
                    (listener, acceptor, fake),
                ));
            }
        }
    });
    let service = Service(fake);
    let _ = tonic::transport::Server::builder()
        .add_service(EnrollmentServiceServer::new(service.clone()))
        .add_service(SessionServiceServer::new(service))
        .serve_with_incoming(Box::pin(incoming))
        .await;
}

fn rotation<T>(request: &tonic::Request<T>) -> u64 {
    let peer = request.extensions().get::<Peer>().expect("connect info");
    let serial = peer.0.as_ref().and_then(|c| Serial::of_certificate(c));
    serial.map_or(0, |s| s.rotation().0)
}

impl Fake {
    fn note(&self, heard: Heard) {
        self.heard.send_modify(|h| h.push(heard));
    }

    fn issue(&self, csr: &[u8]) -> v1::IssuedCertificate {
        let life = self.script.lock().expect("not poisoned").life;
        #[expect(
            clippy::disallowed_methods,
            reason = "certificates of the test need the time"
        )]
        let now = Timestamp::now();
        let life = (now + life.0, now + life.1);
        v1::IssuedCertificate {
            chain: vec![self.ca.node(csr, life).to_vec()],
            trust_bundle: Some(v1::TrustBundle {
                roots: vec![self.ca.root().to_vec()],
                digest: Vec::new(),
            }),
            not_before: Some(timestamp(life.0)),
            not_after: Some(timestamp(life.1)),
            rotation: self.ca.rotations(),
        }
    }
}

#[tonic::async_trait]
impl EnrollmentService for Service {
    async fn enroll(
        &self,
        request: tonic::Request<v1::EnrollRequest>,
    ) -> Result<tonic::Response<v1::EnrollResponse>, Status> {
        use v1::enroll_response::Outcome;
        let request = request.into_inner();
        let fake = &self.0;
        if request.token_id != "t1" {
            return Err(Status::permission_denied(
                "the join token is not known; make a new one",
            ));
        }
        let csr = rcgen::CertificateSigningRequestParams::from_der(
            &rustls::pki_types::CertificateSigningRequestDer::from(request.csr.clone()),
        )
        .map_err(|e| Status::invalid_argument(e.to_string()))?;
        let key = rcgen::PublicKeyData::der_bytes(&csr.public_key).to_vec();
        fake.note(Heard::Enroll { key });
        let refusal = fake.script.lock().expect("not poisoned").refuse_enrollments;
        if let Some((code, why)) = refusal {
            return Err(Status::new(code, why));
        }
        let waits = {
            let mut script = fake.script.lock().expect("not poisoned");
            let waits = script.pending > 0;
            script.pending = script.pending.saturating_sub(1);
            waits
        };
        let outcome = if waits {
            Outcome::Pending(v1::PendingApproval {
                explanation: "nothing was expected; run h8lctl node approve s1".into(),
                retry_after: Some(duration(Duration::from_millis(10))),
            })
        } else {
            Outcome::Issued(fake.issue(&request.csr))
        };
        Ok(tonic::Response::new(v1::EnrollResponse {
            node_id: NODE.to_string(),
            node_name: "s1".into(),
            fleet: fake.ca.fleet.to_string(),
            outcome: Some(outcome),
        }))
    }

    async fn renew(
        &self,
        request: tonic::Request<v1::RenewRequest>,
    ) -> Result<tonic::Response<v1::RenewResponse>, Status> {
        self.0.note(Heard::Renew {
            rotation: rotation(&request),
        });
        if self.0.script.lock().expect("not poisoned").refuse_renewals {
            return Err(Status::failed_precondition("the store is read-only"));
        }
        let issued = Some(self.0.issue(&request.into_inner().csr));
        Ok(tonic::Response::new(v1::RenewResponse { issued }))
    }

    async fn reattest(
        &self,
        request: tonic::Request<v1::ReattestRequest>,
    ) -> Result<tonic::Response<v1::ReattestResponse>, Status> {
        self.0.note(Heard::Reattest {
            rotation: rotation(&request),
        });
        let mut script = self.0.script.lock().expect("not poisoned");
        script.refuse_sessions = None;
        script.life = Script::default().life;
        drop(script);
        let issued = Some(self.0.issue(&request.into_inner().csr));
        Ok(tonic::Response::new(v1::ReattestResponse { issued }))
    }
}

#[tonic::async_trait]
impl SessionService for Service {
    type ConnectStream = ReceiverStream<Result<v1::ConnectResponse, Status>>;

    async fn connect(
        &self,
        request: tonic::Request<Streaming<v1::ConnectRequest>>,
    ) -> Result<tonic::Response<Self::ConnectStream>, Status> {
        let rotation = rotation(&request);
        let script = self.0.script.lock().expect("not poisoned").clone();
        if let Some((code, why)) = script.refuse_sessions {
            self.0.refused.send_modify(|n| *n += 1);
            return Err(Status::new(code, why));
        }
        let (down, stream) = mpsc::channel(16);
        let streams = || self.0.streams.lock().expect("not poisoned");
        streams().push(down.clone());
        let session = self.0.sessions.fetch_add(1, Ordering::SeqCst) + 1;
        let mut up = request.into_inner();
        let fake = Arc::clone(&self.0);
        tokio::spawn(async move {
            while let Some(Ok(message)) = up.next().await {
                let answer = answer(&script, &message);
                fake.note(Heard::Stream {
                    rotation,
                    session,
                    message,
                });
                if let Some(message) = answer {
                    let message = v1::ConnectResponse {
                        message: Some(message),
                    };
                    let _ = down.send(Ok(message)).await;
                }
            }
        });
        Ok(tonic::Response::new(ReceiverStream::new(stream)))
    }
}

fn answer(script: &Script, message: &v1::ConnectRequest) -> Option<Response> {
    match message.message.as_ref()? {
        Request::Hello(_) => {
            let mut welcome = script.welcome.clone();
            #[expect(clippy::disallowed_methods, reason = "a coordinator tells its time")]
            let now = Timestamp::now();
            welcome.wall_clock.get_or_insert(timestamp(now));
            Some(Response::Welcome(welcome))
        }
        Request::Report(r) if script.receipts => {
            let each = |s: &v1::Section| v1::SectionDigest {
                kind: s.kind,
                digest: s.digest.clone(),
            };
            Some(Response::Receipt(v1::Receipt {
                received: r.sections.iter().map(each).collect(),
                refused: Vec::new(),
            }))
        }
        _ => None,
    }
}

/// Takes every client certificate, also expired ones and none: the script decides.
#[derive(Debug)]
struct TakeAll(Arc<CryptoProvider>);

impl ClientCertVerifier for TakeAll {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 only".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

struct Tls(TlsStream<TcpStream>);

#[derive(Clone)]
struct Peer(Option<CertificateDer<'static>>);

impl Connected for Tls {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        let chain = self.0.get_ref().1.peer_certificates();
        Peer(
            chain
                .and_then(|c| c.first())
                .map(|c| c.clone().into_owned()),
        )
    }
}

impl AsyncRead for Tls {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Tls {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// The greeting, with the rotation of the certificate that sent it.
pub fn hello(h: &Heard) -> Option<(u64, v1::Hello)> {
    match h {
        Heard::Stream {
            rotation, message, ..
        } => match &message.message {
            Some(Request::Hello(hello)) => Some((*rotation, hello.clone())),
            _ => None,
        },
        _ => None,
    }
}

/// A beat's number.
pub fn beat(h: &Heard) -> Option<u64> {
    match h {
        Heard::Stream { message, .. } => match &message.message {
            Some(Request::Beat(b)) => Some(b.seq),
            _ => None,
        },
        _ => None,
    }
}

/// A report.
pub fn report(h: &Heard) -> Option<v1::Report> {
    match h {
        Heard::Stream { message, .. } => match &message.message {
            Some(Request::Report(r)) => Some(r.clone()),
            _ => None,
        },
        _ => None,
    }
}
