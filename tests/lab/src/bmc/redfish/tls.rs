//! The certificate of one BMC: signed by itself, as BMCs come from the factory, and kept in its
//! folder, where clients that check find it.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;

use anyhow::Context as _;
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::bmc::folder::BmcFolder;

/// Takes the folder's certificate, or makes it: a BMC that restarts keeps its own.
pub fn acceptor(folder: &BmcFolder, address: IpAddr) -> anyhow::Result<TlsAcceptor> {
    if !folder.certificate().exists() {
        make(folder, address).context("cannot make the certificate of a BMC")?;
    }
    let config = config(folder).context("cannot use the certificate of a BMC")?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn make(folder: &BmcFolder, address: IpAddr) -> anyhow::Result<()> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![address.to_string()])?;
    params
        .distinguished_name
        .push(DnType::CommonName, address.to_string());
    let certificate = params.self_signed(&key)?;
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(folder.key())?;
    file.write_all(key.serialize_pem().as_bytes())?;
    // Last, so that a certificate that is there has its key.
    let new = folder.certificate().with_extension("new");
    fs::write(&new, certificate.pem())?;
    fs::rename(new, folder.certificate())?;
    Ok(())
}

fn config(folder: &BmcFolder) -> anyhow::Result<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(folder.certificate())?;
    let key = PrivateKeyDer::from_pem_file(folder.key())?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
