//! Real mutual TLS over loopback: what the operator reads when certificates do not fit.

use std::sync::Arc;

use h8lctl::connect::TlsDial;
use h8lctl::errors::Exit;
use h8lio_proto::v1::fleet_service_server::FleetServiceServer;
use h8lio_proto::v1::node_service_server::NodeServiceServer;
use rcgen::KeyPair;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::bench::{Bench, Said};
use crate::pki::Ca;

/// Serves the bench's fake coordinator; its certificate is from `ca`, and it takes clients of
/// `clients` only. Returns its address.
async fn serve(bench: &Bench, ca: &Ca, clients: &Ca) -> String {
    let key = KeyPair::generate().expect("key");
    let der = ca.sign("spiffe://demo/coordinator/c1", &key, 4096);
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from(clients.der.clone()))
        .expect("root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .expect("verifier");
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![der.into()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .expect("certificate");
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("address").to_string();
    let fake = bench.fake.clone();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let Ok(mut tls) = acceptor.accept(tcp).await else {
                continue;
            };
            // tonic takes no foreign TLS streams; a pipe it does.
            let (mut near, far) = tokio::io::duplex(64 << 10);
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut tls, &mut near).await });
            let stream = tokio_stream::once(Ok::<_, std::io::Error>(far));
            tokio::spawn(
                tonic::transport::Server::builder()
                    .add_service(NodeServiceServer::new(fake.clone()))
                    .add_service(FleetServiceServer::new(fake.clone()))
                    .serve_with_incoming(stream),
            );
        }
    });
    address
}

async fn status(bench: &Bench, ca: &Ca, addresses: &[&str]) -> Said {
    let context = ca.context("demo", addresses, 4096);
    bench.write("demo.toml", &context.to_toml().expect("TOML"));
    let file = bench.path("demo.toml").display().to_string();
    let args = ["h8lctl", "--context-file", &file, "status", "-o", "name"];
    let args: Vec<String> = args.iter().map(ToString::to_string).collect();
    bench.run_with(Arc::new(TlsDial), &args).await
}

#[tokio::test]
async fn both_sides_prove_who_they_are_and_the_call_is_answered() {
    let bench = Bench::without_context();
    let ca = bench.fake.ca();
    let address = serve(&bench, ca, ca).await;
    let said = status(&bench, ca, &["127.0.0.1:1", &address]).await;
    assert_eq!(
        (said.exit, said.out.as_str()),
        (Exit::Done, "demo\n"),
        "{}",
        said.err
    );
}

#[tokio::test]
async fn a_coordinator_of_an_unknown_ca_is_not_believed() {
    let bench = Bench::without_context();
    let stranger = Ca::new();
    let address = serve(&bench, &stranger, bench.fake.ca()).await;
    let said = status(&bench, bench.fake.ca(), &[&address]).await;
    assert_eq!(said.exit, Exit::NotPermitted);
    assert!(said.err.contains("not signed by the CA"), "{}", said.err);
    assert_eq!(said.err.lines().count(), 1);
}

#[tokio::test]
async fn a_coordinator_that_does_not_know_our_ca_says_so_in_one_line() {
    let bench = Bench::without_context();
    let theirs = Ca::new();
    let address = serve(&bench, bench.fake.ca(), &theirs).await;
    let said = status(&bench, bench.fake.ca(), &[&address]).await;
    assert_eq!(said.exit, Exit::NotPermitted, "{}", said.err);
    assert!(said.err.contains("does not know the CA"), "{}", said.err);
    assert_eq!(said.err.lines().count(), 1);
}

#[tokio::test]
async fn nobody_there_is_told_with_the_address() {
    let bench = Bench::without_context();
    // Bound and released: nobody listens there.
    let free = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        listener.local_addr().expect("address").to_string()
    };
    let said = status(&bench, bench.fake.ca(), &[&free]).await;
    assert_eq!(said.exit, Exit::Unreachable);
    assert!(said.err.contains(&free), "{}", said.err);
    assert!(said.err.contains("connection refused"), "{}", said.err);
}
