//! Who speaks is in the certificate, and nowhere else.

use h8lio_model::section::SectionKind;
use h8lio_proto::v1;
use h8lio_proto::v1::enrollment_service_client::EnrollmentServiceClient;
use h8lio_proto::v1::fleet_service_client::FleetServiceClient;
use h8lio_proto::v1::node_service_client::NodeServiceClient;
use h8lio_proto::v1::session_service_client::SessionServiceClient;
use h8lio_tests::harness::{Fleet, Refused as _, dial, dial_as, says};
use h8lio_tls::verify::Trust;
use tonic::Code;
use tonic::transport::Channel;

/// Opens a session over any connection.
async fn connect(channel: Channel, hello: v1::Hello) -> Result<(), tonic::Status> {
    let message = Some(v1::connect_request::Message::Hello(hello));
    let up = tokio_stream::iter([v1::ConnectRequest { message }]);
    let mut down = SessionServiceClient::new(channel)
        .connect(up)
        .await?
        .into_inner();
    match down.message().await? {
        Some(_) => Ok(()),
        None => Err(tonic::Status::ok("ended")),
    }
}

/// scenario: 39 (integration)
#[tokio::test]
async fn a_node_that_claims_to_be_another_changes_only_itself() {
    let fleet = Fleet::start().await;
    let (mut liar, victim) = (fleet.enrolled("s1").await, fleet.enrolled("s2").await);
    victim.session().await.expect("a session");
    let before = fleet.admin.node("s2").await;
    liar.claims = victim.claims.clone();
    liar.instance = victim.instance;
    let mut hello = liar.hello();
    hello.agent_version = "9.9.9".to_owned();
    let mut session = liar.stream().await.expect("a stream");
    session
        .greet(hello)
        .await
        .expect("it is somebody, if not who it says");
    let lie = br#"[{"type":"DiskFailing","status":"true","reason":"Lie","subject":"s2","message":"a lie","since":"2026-11-22T10:00:00Z","observedAt":"2026-11-22T10:00:00Z"}]"#;
    session.report(SectionKind::Conditions, lie).await;
    let receipt = session.receipt().await;
    assert_eq!(receipt.received.len(), 1, "{receipt:?}");
    assert!(format!("{:?}", fleet.admin.node("s1").await.conditions).contains("a lie"));
    let node = fleet.admin.node("s1").await;
    assert_eq!(node.agent_version, "9.9.9");
    let after = fleet.admin.node("s2").await;
    assert_eq!(
        (after.boot_id, after.agent_version),
        (before.boot_id, before.agent_version)
    );
    assert_eq!(after.conditions, []);
    // Nor does it get the other's certificate, also when its own has ended.
    fleet.pass(std::time::Duration::from_secs(2 * 86_400));
    let identity = liar.reattest().await.expect("its own");
    assert_eq!(identity.spiffe(), liar.identity().spiffe());
    assert_ne!(identity.spiffe(), victim.identity().spiffe());
}

/// scenario: 39 (integration)
#[tokio::test]
async fn a_node_may_make_no_call_of_an_operator() {
    let fleet = Fleet::start().await;
    let server = fleet.enrolled("s1").await;
    let channel = server.channel().await;
    let mut nodes = NodeServiceClient::new(channel.clone());
    let mut calls = FleetServiceClient::new(channel);
    let node = "s1".to_owned();
    let refused = [
        nodes
            .list_nodes(v1::ListNodesRequest::default())
            .await
            .refused(),
        nodes
            .get_node(v1::GetNodeRequest { node: node.clone() })
            .await
            .refused(),
        nodes
            .approve_node(v1::ApproveNodeRequest {
                node: node.clone(),
                change: None,
            })
            .await
            .refused(),
        nodes
            .ban_node(v1::BanNodeRequest {
                node: node.clone(),
                change: None,
            })
            .await
            .refused(),
        nodes
            .unban_node(v1::UnbanNodeRequest {
                node: node.clone(),
                change: None,
            })
            .await
            .refused(),
        nodes
            .decommission_node(v1::DecommissionNodeRequest { node, change: None })
            .await
            .refused(),
        nodes
            .update_node(v1::UpdateNodeRequest::default())
            .await
            .refused(),
        calls.get_status(v1::GetStatusRequest {}).await.refused(),
        calls.list_tokens(v1::ListTokensRequest {}).await.refused(),
        calls
            .revoke_token(v1::RevokeTokenRequest::default())
            .await
            .refused(),
        calls
            .list_events(v1::ListEventsRequest::default())
            .await
            .refused(),
        calls
            .follow_events(v1::FollowEventsRequest::default())
            .await
            .map(drop)
            .refused(),
        calls
            .list_audit(v1::ListAuditRequest::default())
            .await
            .refused(),
        calls
            .verify_audit(v1::VerifyAuditRequest::default())
            .await
            .refused(),
        calls
            .list_operators(v1::ListOperatorsRequest {})
            .await
            .refused(),
        calls
            .revoke_operator(v1::RevokeOperatorRequest::default())
            .await
            .refused(),
    ];
    for status in refused {
        assert_eq!(status.code(), Code::Unauthenticated, "{status}");
        says(
            status.message(),
            &["operator certificate", "h8lctl context import"],
        );
    }
    // Strangers and nodes do not fill the audit log.
    let before = fleet.admin.audit().await.len();
    nodes
        .ban_node(v1::BanNodeRequest::default())
        .await
        .refused();
    assert_eq!(fleet.admin.audit().await.len(), before);
}

/// scenario: 39 (integration)
#[tokio::test]
async fn neither_an_operator_nor_nobody_can_open_a_session_or_renew() {
    let fleet = Fleet::start().await;
    let hello = fleet.server("s1").hello();
    let nobody = dial(&fleet.dial, None).await.expect("connected");
    for channel in [fleet.admin.channel().await, nobody] {
        let request = v1::RenewRequest::default();
        let mut enrollment = EnrollmentServiceClient::new(channel.clone());
        for status in [
            connect(channel, hello.clone()).await.refused(),
            enrollment.renew(request).await.refused(),
            enrollment
                .reattest(v1::ReattestRequest::default())
                .await
                .refused(),
        ] {
            assert_eq!(status.code(), Code::Unauthenticated, "{status}");
            says(
                status.message(),
                &["node certificate", "h8lio-agent enroll"],
            );
        }
    }
}

/// scenario: 41 (integration)
#[tokio::test]
async fn a_certificate_of_another_fleets_authority_is_refused_and_both_sides_say_so() {
    let fleet = Fleet::start().await;
    let other = Fleet::start().await;
    let stranger = other.enrolled("s1").await;
    // Trusts the coordinator, so that the coordinator's judgement is what is seen.
    let name = h8lio_tests::harness::FLEET.parse().expect("a name");
    let trust = Trust::Fleet {
        fleet: name,
        bundle: fleet.dial.bundle.clone(),
    };
    let told = match dial_as(&fleet.dial, trust, Some(stranger.identity())).await {
        Err(e) => e.to_string(),
        Ok(channel) => {
            h8lio_tls::cause::explain(&connect(channel, stranger.hello()).await.refused())
        }
    };
    says(&told, &["does not know the CA", "another fleet"]);
    let told = dial(&stranger.dial, None).await.map(drop);
    told.expect("the other coordinator is well");
    let mut astray = stranger.dial.clone();
    astray.address = fleet.dial.address;
    let told = dial(&astray, Some(stranger.identity()))
        .await
        .expect_err("not its coordinator");
    says(
        &told.to_string(),
        &["not signed by the CA that is trusted here"],
    );
}

/// scenario: 40 (integration)
#[tokio::test]
async fn what_a_request_for_a_certificate_asks_for_is_not_what_it_gets() {
    use rcgen::{
        BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, SanType,
    };
    let fleet = Fleet::start().await;
    let victim = fleet.enrolled("s2").await;
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "c1");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    for name in [
        victim.identity().spiffe().to_string(),
        "spiffe://test/operator/admin/admin".into(),
    ] {
        let name = name.as_str().try_into().expect("a name");
        params.subject_alt_names.push(SanType::URI(name));
    }
    let token = fleet.token().for_anybody().create().await;
    let mut server = fleet.server("s1");
    let mut request = server.request(&token);
    let csr = params.serialize_request(&*server.key).expect("a request");
    request.csr = csr.der().to_vec();
    let channel = dial(&fleet.dial, None).await.expect("connected");
    let identity = server
        .ask(channel, request)
        .await
        .expect("answered")
        .issued();
    let node = fleet.admin.node("s1").await;
    assert_eq!(
        identity.spiffe().to_string(),
        format!("spiffe://test/node/{}", node.id)
    );
    // It is a client and no operator, no server and no authority.
    let mut calls = FleetServiceClient::new(server.channel().await);
    let refused = calls.get_status(v1::GetStatusRequest {}).await.refused();
    assert_eq!(refused.code(), Code::Unauthenticated);
    server.session().await.expect("a session");
}

/// scenario: 40 (integration)
#[tokio::test]
async fn garbage_weak_and_huge_requests_are_refused_in_one_line_and_cost_no_use() {
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
    let fleet = Fleet::start().await;
    let token = fleet.token().for_anybody().create().await;
    let mut server = fleet.server("s1");
    let good = server.request(&token);
    let of = |algorithm| {
        let key = KeyPair::generate_for(algorithm).expect("a key");
        let params = CertificateParams::default();
        params
            .serialize_request(&key)
            .expect("a request")
            .der()
            .to_vec()
    };
    let mut cut = good.csr.clone();
    cut.truncate(cut.len() / 2);
    let mut forged = good.csr.clone();
    *forged.last_mut().expect("bytes") ^= 1;
    let channel = dial(&fleet.dial, None).await.expect("connected");
    let wrong: [(&str, Vec<u8>); 7] = [
        ("nothing", Vec::new()),
        ("junk", b"\xff\x00 this is no request".repeat(20)),
        ("cut", cut),
        ("a signature that does not hold", forged),
        ("another curve", of(&PKCS_ECDSA_P384_SHA384)),
        ("another algorithm", of(&PKCS_ED25519)),
        ("32 KiB", vec![0x30; 32 << 10]),
    ];
    for (what, csr) in wrong {
        let request = v1::EnrollRequest {
            csr,
            ..good.clone()
        };
        let refused = server.ask(channel.clone(), request).await.refused();
        assert_eq!(refused.code(), Code::InvalidArgument, "{what}: {refused}");
        says(refused.message(), &["csr"]);
    }
    // 1 MiB is not even read.
    let request = v1::EnrollRequest {
        csr: vec![0; 1 << 20],
        ..good.clone()
    };
    let refused = server.ask(channel, request).await.refused();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
    server.enroll(&token).await.expect("answered").issued();
}
