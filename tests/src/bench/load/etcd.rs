//! A client of etcd: leases kept alive, and puts. Only the few messages that are needed, written
//! from etcd's published API (`etcdserverpb`, field numbers of v3).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use h8lio_tls::client::{self, ConnectOptions};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{IntoRequest as _, IntoStreamingRequest as _};
use tonic_prost::ProstCodec;

use super::super::clock;
use super::orders::{EtcdAccess, Puts};
use super::shared::Shared;
use super::store::VALUE_BYTES;

#[derive(Clone, PartialEq, prost::Message)]
struct LeaseGrantRequest {
    #[prost(int64, tag = "1")]
    ttl: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct LeaseGrantResponse {
    #[prost(int64, tag = "2")]
    id: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct LeaseKeepAliveRequest {
    #[prost(int64, tag = "1")]
    id: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct LeaseKeepAliveResponse {
    #[prost(int64, tag = "3")]
    ttl: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PutRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PutResponse {}

/// Seconds a lease lives without being kept alive.
const LEASE_SECONDS: i64 = 600;

/// An etcd and how to prove who one is.
#[derive(Debug, Clone)]
pub struct Peer {
    address: Arc<str>,
    tls: Arc<ClientConfig>,
}

impl Peer {
    /// Reads the files.
    pub fn new(access: &EtcdAccess) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        for root in certificates(&access.ca)? {
            roots.add(root)?;
        }
        let key = PrivateKeyDer::from_pem_file(&access.key).context("the key cannot be read")?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_client_auth_cert(certificates(&access.certificate)?, key)?;
        tls.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self {
            address: access.address.as_str().into(),
            tls: Arc::new(tls),
        })
    }

    async fn connect(&self) -> anyhow::Result<Grpc<Channel>> {
        let tls = Arc::clone(&self.tls);
        let channel = client::connect(&self.address, tls, ConnectOptions::default()).await?;
        let mut grpc = Grpc::new(channel);
        grpc.ready().await?;
        Ok(grpc)
    }
}

fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let all: Result<_, _> = CertificateDer::pem_file_iter(path)
        .with_context(|| format!("cannot read {}", path.display()))?
        .collect();
    all.with_context(|| format!("{} holds no certificate", path.display()))
}

/// Keeps one lease alive over one connection while it is to be.
pub async fn live(peer: Peer, number: usize, shared: Shared) {
    let mut told = shared.told();
    loop {
        if told.wait_for(|c| c.active).await.is_err() {
            return;
        }
        if let Err(e) = keep_alive(&peer, number, &shared).await {
            shared.failed(format!("{e:#}"));
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

async fn keep_alive(peer: &Peer, number: usize, shared: &Shared) -> anyhow::Result<()> {
    let mut grpc = peer.connect().await?;
    let path = http::uri::PathAndQuery::from_static("/etcdserverpb.Lease/LeaseGrant");
    let request = LeaseGrantRequest { ttl: LEASE_SECONDS }.into_request();
    let codec: ProstCodec<LeaseGrantRequest, LeaseGrantResponse> = ProstCodec::default();
    let id = grpc.unary(request, path, codec).await?.into_inner().id;

    let (up, queue) = mpsc::channel(4);
    up.try_send(LeaseKeepAliveRequest { id })
        .context("cannot begin")?;
    grpc.ready().await?;
    let path = http::uri::PathAndQuery::from_static("/etcdserverpb.Lease/LeaseKeepAlive");
    let codec: ProstCodec<LeaseKeepAliveRequest, LeaseKeepAliveResponse> = ProstCodec::default();
    let request = ReceiverStream::new(queue).into_streaming_request();
    let mut down = grpc.streaming(request, path, codec).await?.into_inner();
    down.message().await?.context("the stream ended at once")?;
    let _open = shared.opened();
    let mut told = shared.told();
    let mut control = *told.borrow_and_update();
    let mut tick = super::session::ticker(control.every, number, shared.count());
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {
                if up.try_send(LeaseKeepAliveRequest { id }).is_ok() {
                    shared.sent();
                }
            }
            answer = down.message() => {
                if answer?.context("etcd ended the stream")?.ttl <= 0 {
                    bail!("the lease has ended");
                }
                shared.answered();
            }
            changed = told.changed() => {
                changed?;
                let before = std::mem::replace(&mut control, *told.borrow_and_update());
                if !control.active {
                    return Ok(());
                }
                if control.every != before.every {
                    tick = super::session::ticker(control.every, number, shared.count());
                }
            }
        }
    }
}

/// Puts by `callers` at the same time, over four connections.
pub async fn puts(peer: &Peer, callers: usize, window: Duration) -> anyhow::Result<Puts> {
    let mut ways = Vec::new();
    for _ in 0..4 {
        ways.push(peer.connect().await?);
    }
    let mut work = JoinSet::new();
    let start = clock::now();
    for caller in 0..callers {
        let mut grpc = ways[caller % ways.len()].clone();
        work.spawn(async move {
            let mut times = Vec::new();
            while start.elapsed() < window {
                let key = format!("/bench/{caller}/{}", times.len() % 64).into_bytes();
                let request = PutRequest {
                    key,
                    value: vec![7; VALUE_BYTES],
                }
                .into_request();
                let path = http::uri::PathAndQuery::from_static("/etcdserverpb.KV/Put");
                let codec: ProstCodec<PutRequest, PutResponse> = ProstCodec::default();
                let from = clock::now();
                grpc.ready().await?;
                grpc.unary(request, path, codec).await?;
                times.push(from.elapsed().as_secs_f64() * 1_000.0);
            }
            Ok::<_, anyhow::Error>(times)
        });
    }
    let mut times = Vec::new();
    while let Some(caller) = work.join_next().await {
        times.extend(caller.context("a caller panicked")??);
    }
    Ok(Puts::from_times(times, start.elapsed()))
}
