//! An etcd server beside the coordinator, with client certificates as strict as its own.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use tokio::net::TcpStream;

use super::load::orders::EtcdAccess;
use super::process::{Process, command, free_port};

/// Where Debian's package puts it.
pub const PROGRAM: &str = "/usr/bin/etcd";
const UP_WITHIN: Duration = Duration::from_secs(30);

/// Certificates of an etcd and its clients, made once for all repeats.
#[derive(Debug)]
pub struct Certificates {
    dir: std::path::PathBuf,
}

impl Certificates {
    /// Makes an authority, a server's and a client's certificate (ECDSA P-256, as the fleet's).
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn make(dir: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(dir).context("cannot make a folder for etcd's certificates")?;
        let write = |name: &str, text: String| {
            std::fs::write(dir.join(name), text).context("cannot write etcd's certificates")
        };
        let ca_key = KeyPair::generate()?;
        let mut ca = CertificateParams::new(Vec::new())?;
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        write("ca.crt", ca.self_signed(&ca_key)?.pem())?;
        let issuer = Issuer::new(ca, ca_key);
        // The name is the one that the bench's connector asks for.
        let names = vec!["coordinator.h8lio".to_owned(), "127.0.0.1".to_owned()];
        for (name, names) in [("server", names), ("client", vec!["client".to_owned()])] {
            let key = KeyPair::generate()?;
            let mut leaf = CertificateParams::new(names)?;
            leaf.extended_key_usages = vec![
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
            ];
            write(&format!("{name}.crt"), leaf.signed_by(&key, &issuer)?.pem())?;
            write(&format!("{name}.key"), key.serialize_pem())?;
        }
        Ok(Self {
            dir: dir.to_owned(),
        })
    }
}

/// A running etcd.
#[derive(Debug)]
pub struct Etcd {
    pub process: Process,
    pub access: EtcdAccess,
}

impl Etcd {
    /// Starts one with an empty data folder and waits until it listens.
    ///
    /// # Errors
    /// When it ends, or does not listen in time.
    pub async fn start(data: &Path, certificates: &Certificates) -> anyhow::Result<Self> {
        let file = |name: &str| certificates.dir.join(name);
        let address = format!("127.0.0.1:{}", free_port()?);
        let client = format!("https://{address}");
        let peer = format!("http://127.0.0.1:{}", free_port()?);
        let mut command = command(Path::new(PROGRAM));
        command
            .args(["--name", "bench", "--logger", "zap", "--client-cert-auth"])
            .args([
                "--listen-client-urls",
                &client,
                "--advertise-client-urls",
                &client,
            ])
            .args([
                "--listen-peer-urls",
                &peer,
                "--initial-advertise-peer-urls",
                &peer,
            ])
            .args(["--initial-cluster", &format!("bench={peer}")])
            .arg("--data-dir")
            .arg(data)
            .arg("--trusted-ca-file")
            .arg(file("ca.crt"))
            .arg("--cert-file")
            .arg(file("server.crt"))
            .arg("--key-file")
            .arg(file("server.key"));
        let mut process = Process::start("etcd", &mut command, &data.with_extension("log"))?;
        let step = Duration::from_millis(50);
        for _ in 0..UP_WITHIN.as_millis() / step.as_millis() {
            if TcpStream::connect(&address).await.is_ok() {
                let (ca, certificate, key) =
                    (file("ca.crt"), file("client.crt"), file("client.key"));
                return Ok(Self {
                    process,
                    access: EtcdAccess {
                        address,
                        ca,
                        certificate,
                        key,
                    },
                });
            }
            if process.has_ended() {
                bail!("etcd ended: {}", process.last_words());
            }
            tokio::time::sleep(step).await;
        }
        bail!("etcd does not listen: {}", process.last_words())
    }
}
