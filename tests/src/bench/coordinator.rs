//! A fleet of its own for the bench: a folder, a coordinator that is started and killed at will,
//! and its first operator.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use h8lio_model::ids::FleetName;
use h8lio_proto::convert::duration;
use h8lio_proto::v1;
use h8lio_proto::v1::fleet_service_client::FleetServiceClient;
use h8lio_tls::bundle::TrustBundle;
use h8lio_tls::client::{self, ConnectOptions};
use h8lio_tls::identity::Identity;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::transport::Channel;

use super::process::{Process, command, free_port};

/// Longest wait for a coordinator to listen.
const UP_WITHIN: Duration = Duration::from_secs(60);

/// Settings that differ from the defaults. All servers of the bench have one address.
const SETTINGS: &[(&str, &str)] = &[("pending_handshakes_per_source", "1024")];

/// The coordinator's unit: what it sets in the environment is a part of what is measured.
const UNIT: &str = include_str!("../../../systemd/h8lio-coordinator.service");

/// The unit's environment.
fn environment() -> impl Iterator<Item = (&'static str, &'static str)> {
    let settings = UNIT.lines().filter_map(|l| l.strip_prefix("Environment="));
    settings.filter_map(|pair| pair.split_once('='))
}

/// A fleet on disk.
#[derive(Debug)]
pub struct Fleet {
    program: PathBuf,
    dir: PathBuf,
    metrics: String,
    context: Context,
}

/// An operator's context file.
#[derive(Debug, Deserialize)]
struct Context {
    fleet: FleetName,
    addresses: Vec<String>,
    ca: String,
    certificate: String,
    key: String,
}

/// What the coordinator counts, as it says itself.
#[derive(Debug)]
pub struct Scrape(String);

impl Fleet {
    /// Sets up a fleet in `dir` with the coordinator's own `init`.
    ///
    /// # Errors
    /// What `init` says.
    pub async fn init(programs: &Path, dir: &Path) -> anyhow::Result<Self> {
        let program = programs.join("h8lio-coordinator");
        let address = format!("127.0.0.1:{}", free_port()?);
        let metrics = format!("127.0.0.1:{}", free_port()?);
        let context = dir.with_extension("context");
        let done = command(&program)
            .args([
                "init",
                "--fleet",
                "bench",
                "--operator",
                "bench",
                "--listen",
                &address,
            ])
            .args(["--metrics", &metrics])
            .arg("--dir")
            .arg(dir)
            .arg("--context-out")
            .arg(&context)
            .stdin(Stdio::null())
            .output()
            .await
            .with_context(|| format!("cannot start {}; build it first", program.display()))?;
        ensure!(
            done.status.success(),
            "init failed: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        let config = dir.join("coordinator.toml");
        let text = std::fs::read_to_string(&config).context("init wrote no configuration")?;
        let set = |line: &str| {
            let key = line.split_once(" = ").map(|(key, _)| key);
            match SETTINGS.iter().find(|(k, _)| Some(*k) == key) {
                Some((key, value)) => format!("{key} = {value}\n"),
                None => format!("{line}\n"),
            }
        };
        let text: String = text.lines().map(set).collect();
        std::fs::write(&config, text).context("cannot write the configuration")?;
        let context = std::fs::read_to_string(&context).context("init wrote no context")?;
        let context = toml::from_str(&context).context("the context is not understood")?;
        Ok(Self {
            program,
            dir: dir.to_owned(),
            metrics,
            context,
        })
    }

    /// Starts the coordinator and returns at once.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn launch(&self) -> anyhow::Result<Process> {
        let mut command = command(&self.program);
        command
            .envs(environment())
            .arg("run")
            .arg("--config")
            .arg(self.dir.join("coordinator.toml"));
        Process::start("coordinator", &mut command, &self.dir.with_extension("log"))
    }

    /// Starts the coordinator and waits until it answers.
    ///
    /// # Errors
    /// When it ends, or does not answer in time.
    pub async fn start(&self) -> anyhow::Result<Process> {
        let mut coordinator = self.launch()?;
        let step = Duration::from_millis(20);
        for _ in 0..UP_WITHIN.as_millis() / step.as_millis() {
            if self.scrape().await.is_ok() {
                return Ok(coordinator);
            }
            if coordinator.has_ended() {
                bail!("the coordinator ended: {}", coordinator.last_words());
            }
            tokio::time::sleep(step).await;
        }
        bail!(
            "the coordinator does not answer: {}",
            coordinator.last_words()
        )
    }

    /// Asks for the metrics.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn scrape(&self) -> anyhow::Result<Scrape> {
        let text = http_get(&self.metrics, "/metrics").await?;
        Ok(Scrape(text))
    }

    /// Calls as the first operator.
    ///
    /// # Errors
    /// When it cannot connect.
    pub async fn operator(&self) -> anyhow::Result<FleetServiceClient<Channel>> {
        let c = &self.context;
        let identity = Identity::from_pem(c.certificate.as_bytes(), c.key.as_bytes())?;
        let bundle = TrustBundle::from_pem(c.ca.as_bytes())?;
        let tls = client::config(&c.fleet, &bundle, Some(&identity))?;
        let address = c
            .addresses
            .first()
            .context("the context names no address")?;
        let channel = client::connect(address, tls, ConnectOptions::default()).await?;
        Ok(FleetServiceClient::new(channel))
    }

    /// A join token for many servers that are admitted at once.
    ///
    /// # Errors
    /// When the coordinator refuses.
    pub async fn token(&self) -> anyhow::Result<String> {
        let change = v1::Change {
            reason: "bench".to_owned(),
            ticket: String::new(),
            request_id: uuid::Uuid::new_v4().to_string(),
        };
        let request = v1::CreateTokenRequest {
            ttl: Some(duration(Duration::from_secs(3_600))),
            max_uses: 10_000,
            auto_approve: true,
            change: Some(change),
            ..v1::CreateTokenRequest::default()
        };
        Ok(self
            .operator()
            .await?
            .create_token(request)
            .await?
            .into_inner()
            .text)
    }
}

impl Scrape {
    /// The value of a metric, with its labels as Prometheus writes them.
    ///
    /// # Errors
    /// When it is not there.
    pub fn value(&self, metric: &str) -> anyhow::Result<f64> {
        let value = self
            .0
            .lines()
            .find_map(|l| l.strip_prefix(metric)?.strip_prefix(' '));
        let number = value.and_then(|v| v.trim().parse().ok());
        number.with_context(|| format!("the coordinator does not count {metric}"))
    }

    /// Nodes that are `Online`.
    ///
    /// # Errors
    /// When it is not said.
    pub fn online(&self) -> anyhow::Result<usize> {
        Ok(self.value("h8lio_nodes_available{availability=\"Online\"}")? as usize)
    }
}

/// A plain HTTP request to loopback; the body.
///
/// # Errors
/// When nobody answers, or not with 200.
pub async fn http_get(address: &str, path: &str) -> anyhow::Result<String> {
    let mut tcp = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    tcp.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer in HTTP")?;
    ensure!(
        head.split(' ').nth(1) == Some("200"),
        "{address}{path} answers: {head}"
    );
    Ok(body.to_owned())
}
