//! The cluster's certificates: one authority, a certificate for each program, as files.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::{Value, json};

/// Whom a certificate names: Kubernetes reads user and group from it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) user: &'a str,
    pub(super) group: Option<&'a str>,
}

/// The authority of one cluster, and the folder of its files.
#[derive(Debug)]
pub(super) struct Pki {
    folder: PathBuf,
    authority: String,
    issuer: Issuer<'static, KeyPair>,
}

/// Certificate and key, as PEM.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Pki {
    /// Makes the authority in an existing folder, or takes the one that lies there.
    pub(super) fn at(folder: &Path) -> Result<Self> {
        let (certificate, key) = (folder.join("ca.crt"), folder.join("ca.key"));
        if !certificate.exists() {
            let (made, pair) = authority()?;
            write(&key, &pair.serialize_pem())?;
            write(&certificate, &made)?;
        }
        let read = |file: &Path| {
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
        };
        let (authority, key) = (read(&certificate)?, read(&key)?);
        let key = KeyPair::from_pem(&key).context("the authority's key is none")?;
        let issuer = Issuer::from_ca_cert_pem(&authority, key);
        let issuer = issuer.context("the authority's certificate is none")?;
        Ok(Self {
            folder: folder.to_owned(),
            authority,
            issuer,
        })
    }

    /// A certificate for a program that calls the API server.
    pub(super) fn client(&self, subject: Subject<'_>) -> Result<Issued> {
        let params = CertificateParams::default();
        self.issue(params, subject, ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// A certificate for the API server, under all its names and addresses.
    pub(super) fn server(&self, names: &[&str], addresses: &[IpAddr]) -> Result<Issued> {
        let names = names.iter().map(ToString::to_string);
        let addresses = addresses.iter().map(ToString::to_string);
        let all: Vec<String> = names.chain(addresses).collect();
        let params = CertificateParams::new(all).context("a name of the API server is none")?;
        let subject = Subject {
            user: "kube-apiserver",
            group: None,
        };
        self.issue(params, subject, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Writes `NAME.crt` and `NAME.key`.
    pub(super) fn save(&self, name: &str, issued: &Issued) -> Result<()> {
        write(&self.file(&format!("{name}.key")), &issued.key)?;
        write(&self.file(&format!("{name}.crt")), &issued.certificate)
    }

    /// Writes a bare key, for what signs without a certificate: `NAME.key`, `NAME.pub`.
    pub(super) fn save_key(&self, name: &str) -> Result<()> {
        let key = KeyPair::generate().context("cannot make a key")?;
        write(&self.file(&format!("{name}.pub")), &key.public_key_pem())?;
        write(&self.file(&format!("{name}.key")), &key.serialize_pem())
    }

    /// What a program needs to call the API server as its certificate says, in one file. JSON is
    /// YAML, so every program takes it.
    pub(super) fn kubeconfig(&self, server: &str, issued: &Issued) -> Value {
        let coded = |text: &str| base64(text.as_bytes());
        let user = json!({
            "client-certificate-data": coded(&issued.certificate),
            "client-key-data": coded(&issued.key),
        });
        let cluster =
            json!({"server": server, "certificate-authority-data": coded(&self.authority)});
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "lab", "cluster": cluster}],
            "users": [{"name": "me", "user": user}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "me"}}],
            "current-context": "lab",
        })
    }

    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn issue(
        &self,
        mut params: CertificateParams,
        subject: Subject<'_>,
        purpose: ExtendedKeyUsagePurpose,
    ) -> Result<Issued> {
        params
            .distinguished_name
            .push(DnType::CommonName, subject.user);
        if let Some(group) = subject.group {
            params
                .distinguished_name
                .push(DnType::OrganizationName, group);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().context("cannot make a key")?;
        let signed = params.signed_by(&key, &self.issuer);
        let certificate = signed
            .with_context(|| format!("cannot sign for {}", subject.user))?
            .pem();
        Ok(Issued {
            certificate,
            key: key.serialize_pem(),
        })
    }
}

/// A certificate that is valid from long ago until far off (rcgen's defaults): a server of the lab
/// may wake with its clock years behind.
fn authority() -> Result<(String, KeyPair)> {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "lab-kubernetes");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    let key = KeyPair::generate().context("cannot make a key")?;
    let certificate = params
        .self_signed(&key)
        .context("cannot sign the authority")?;
    Ok((certificate.pem(), key))
}

/// Writes a file that its owner alone can read.
pub(super) fn write(file: &Path, text: &str) -> Result<()> {
    let open = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file);
    let written = open.and_then(|mut open| std::io::Write::write_all(&mut open, text.as_bytes()));
    written.with_context(|| format!("cannot write {}", file.display()))
}

fn base64(bytes: &[u8]) -> String {
    use ::base64::Engine as _;
    ::base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_that_lies_there_signs_on() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let first = Pki::at(folder.path()).expect("it is made");
        let again = Pki::at(folder.path()).expect("it is found");
        assert_eq!(first.authority(), again.authority());
        let node = Subject {
            user: "system:node:s1",
            group: Some("system:nodes"),
        };
        let issued = again.client(node).expect("a certificate");
        again.save("s1", &issued).expect("its files");
        let text = fs::read_to_string(folder.path().join("s1.crt")).expect("its file");
        assert!(text.starts_with("-----BEGIN CERTIFICATE-----"), "{text}");
    }

    #[test]
    fn keys_are_for_their_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let pki = Pki::at(folder.path()).expect("it is made");
        pki.save_key("accounts").expect("a key");
        for key in ["ca.key", "accounts.key"] {
            let data = fs::metadata(folder.path().join(key)).expect("its file");
            assert_eq!(data.permissions().mode() & 0o777, 0o600, "{key}");
        }
    }
}
