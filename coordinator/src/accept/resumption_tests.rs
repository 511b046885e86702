//! Certificates that change while callers come and go, and sessions that are resumed.

use super::*;

#[tokio::test]
async fn a_new_certificate_is_shown_without_a_restart() {
    let mut port = open_port(|_| {});
    let shown = async |port: &mut Port| {
        let tls = port.dial(port.client(None)).await.expect("connected");
        port.next().await;
        tls.get_ref().1.peer_certificates().expect("shown")[0].clone()
    };
    let before = shown(&mut port).await;
    assert_eq!(shown(&mut port).await, before);
    let next = port
        .authority
        .issue_coordinator("c1", start(), DAY)
        .expect("issued");
    port.tls.show(&next).expect("shown");
    assert_eq!(shown(&mut port).await, next.chain()[0]);
}

/// Dials, waits for the ticket, closes.
async fn visit(port: &mut Port, config: &Arc<ClientConfig>) -> Option<HandshakeKind> {
    let mut tls = port.dial(Arc::clone(config)).await.expect("connected");
    let mut accepted = port.next().await;
    accepted.write_all(b"hello").await.expect("sent");
    accepted.flush().await.expect("sent");
    tls.read_exact(&mut [0; 5])
        .await
        .expect("read, and the ticket before it");
    tls.get_ref().1.handshake_kind()
}

#[tokio::test]
async fn a_session_resumes_at_a_restarted_coordinator_as_the_same_caller() {
    let mut port = open_port(|_| {});
    let node = node(&port.authority, 7);
    let config = port.client(Some(&node));
    assert_eq!(visit(&mut port, &config).await, Some(HandshakeKind::Full));
    // The same authority behind a new process.
    let server = port
        .authority
        .issue_coordinator("c1", start(), DAY)
        .expect("issued");
    let bundle = port.authority.bundle().clone();
    let secret = port.authority.ticket_secret();
    let tls = LiveTls::new(
        fleet(),
        &server,
        bundle,
        secret,
        Arc::clone(&port.clock) as _,
    );
    let listener = listen(([127, 0, 0, 1], 0).into()).expect("a free port");
    port.address = listener.local_addr().expect("bound");
    port.tls = Arc::new(tls.expect("made"));
    port.counters = Arc::new(Counters::default());
    let parts = AcceptorParts {
        listener,
        tls: Arc::clone(&port.tls),
        limits: Limits::default(),
        counters: Arc::clone(&port.counters),
        clock: Arc::clone(&port.clock) as _,
    };
    port.incoming = Some(Acceptor::new(parts).incoming());
    let _tls = port.dial(Arc::clone(&config)).await.expect("connected");
    let accepted = port.next().await;
    assert!(matches!(accepted.caller(), Caller::Node { id, .. } if id.as_uuid().as_u128() == 7));
    assert_eq!(port.counters.snapshot().resumed, 1);
}

#[tokio::test]
async fn a_resumed_session_is_judged_anew() {
    let mut port = open_port(|_| {});
    let operator = operator(&port.authority);
    let config = port.client(Some(&operator));
    visit(&mut port, &config).await;
    assert_eq!(
        visit(&mut port, &config).await,
        Some(HandshakeKind::Resumed)
    );
    // One hour before the end a ticket is issued; two hours later it is still good, the
    // certificate is not.
    port.clock.advance(DAY - Duration::from_secs(3_600));
    visit(&mut port, &config).await;
    port.clock.advance(Duration::from_secs(7_200));
    let mut tls = port
        .dial(config)
        .await
        .expect("the handshake itself passes");
    refused(&mut tls).await;
    assert_eq!(port.counters.refused(Reason::Certificate), 1);
}

#[tokio::test]
async fn a_resumed_session_of_a_root_that_is_gone_is_refused() {
    let mut port = open_port(|_| {});
    let node = node(&port.authority, 7);
    let config = port.client(Some(&node));
    visit(&mut port, &config).await;
    let other = authority_of(&fleet());
    // The ticket keys stay, so that the ticket itself is accepted.
    port.tls
        .trust(other.bundle().clone(), port.authority.ticket_secret());
    let mut tls = port
        .dial(config)
        .await
        .expect("the handshake itself passes");
    refused(&mut tls).await;
    assert_eq!(port.counters.refused(Reason::Certificate), 1);
}
