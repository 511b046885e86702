//! Joining a fleet as many servers, with one token.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use h8lio_model::section::Digest;
use h8lio_proto::v1;
use h8lio_proto::v1::enroll_response::Outcome;
use h8lio_proto::v1::enrollment_service_client::EnrollmentServiceClient;
use h8lio_tls::bundle::TrustBundle;
use h8lio_tls::client::{self, ConnectOptions};
use h8lio_tls::identity::{self, Identity};
use h8lio_tls::token::JoinToken;
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use secrecy::ExposeSecret as _;
use tokio::task::JoinSet;
use tonic::transport::Channel;
use uuid::Uuid;

/// Servers that join at the same time. More would only race each other for the token's record.
const AT_ONCE: usize = 4;

/// A server that has joined.
#[derive(Debug, Clone)]
pub struct Member {
    pub number: usize,
    pub address: Arc<str>,
    /// Kept over reconnections: it holds the session tickets.
    pub tls: Arc<ClientConfig>,
    pub boot: Uuid,
    pub instance: Uuid,
    pub bundle: Digest,
}

/// Joins as `count` servers named `PREFIX-N`.
pub async fn enroll(token: &str, prefix: &str, count: usize) -> anyhow::Result<Vec<Member>> {
    let token: Arc<JoinToken> = Arc::new(token.parse()?);
    let mut work = JoinSet::new();
    for lane in 0..AT_ONCE.min(count) {
        let (token, prefix) = (Arc::clone(&token), prefix.to_owned());
        work.spawn(async move {
            let address = token
                .addresses
                .first()
                .context("the token names no address")?;
            let mut members = Vec::new();
            let mut way: Option<EnrollmentServiceClient<Channel>> = None;
            for number in (lane..count).step_by(AT_ONCE) {
                // Strangers stay connected for two minutes at most: a fresh connection now and then.
                if way.is_none() || members.len() % 100 == 0 {
                    let tls = client::bootstrap_config(token.pin)?;
                    let channel = client::connect(address, tls, ConnectOptions::default()).await?;
                    way = Some(EnrollmentServiceClient::new(channel));
                }
                let way = way.as_mut().context("not connected")?;
                members.push(join(way, &token, format!("{prefix}-{number}"), number).await?);
            }
            Ok::<_, anyhow::Error>(members)
        });
    }
    let mut members = Vec::new();
    while let Some(lane) = work.join_next().await {
        members.extend(lane??);
    }
    members.sort_by_key(|m| m.number);
    Ok(members)
}

async fn join(
    way: &mut EnrollmentServiceClient<Channel>,
    token: &JoinToken,
    hostname: String,
    number: usize,
) -> anyhow::Result<Member> {
    let key = identity::generate_key()?;
    let request = v1::EnrollRequest {
        token_id: token.id.to_string(),
        token_secret: token.secret.expose_secret().clone(),
        csr: identity::csr(&key)?,
        claims: Some(v1::Claims {
            hostname,
            ..v1::Claims::default()
        }),
    };
    let mut attempt = 0;
    let answer = loop {
        match way.enroll(request.clone()).await {
            // Another lane was faster with the token's record.
            Err(e) if e.code() == tonic::Code::Aborted && attempt < 10 => attempt += 1,
            other => break other?.into_inner(),
        }
    };
    let Some(Outcome::Issued(issued)) = answer.outcome else {
        bail!("{} was not admitted at once", answer.node_name);
    };
    let roots = issued
        .trust_bundle
        .context("no trust bundle came with the certificate")?
        .roots;
    let bundle = TrustBundle::new(roots.into_iter().map(CertificateDer::from).collect())?;
    let chain = issued.chain.into_iter().map(CertificateDer::from).collect();
    let identity = Identity::new(chain, identity::key_to_der(&key))?;
    let address = token
        .addresses
        .first()
        .context("the token names no address")?;
    Ok(Member {
        number,
        address: address.as_str().into(),
        tls: client::config(&answer.fleet.parse()?, &bundle, Some(&identity))?,
        boot: Uuid::new_v4(),
        instance: Uuid::new_v4(),
        bundle: bundle.digest(),
    })
}
