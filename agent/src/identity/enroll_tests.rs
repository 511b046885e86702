use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::*;
use crate::identity::PrivateFolder;
use crate::identity::authority::Issued;
use crate::identity::testing::{Bits, TestCa};

/// Answers once so that it is asked again, and then refuses.
struct Once {
    asked: AtomicBool,
    silent: bool,
}

#[async_trait]
impl Authority for Once {
    async fn enroll(
        &self,
        _: &JoinToken,
        _: &KeyPair,
        _: &Claims,
    ) -> Result<Enrolled, AuthorityError> {
        let why = "no".to_owned();
        if self.asked.swap(true, Ordering::SeqCst) {
            let code = tonic::Code::PermissionDenied;
            Err(AuthorityError::Refused { why, code })
        } else if self.silent {
            Err(AuthorityError::Unreached { cause: why })
        } else {
            Ok(Enrolled::Pending {
                node_name: "s1".into(),
                explanation: why,
                retry_after: Duration::from_secs(8),
            })
        }
    }
    async fn renew(&self, _: &KeyPair) -> Result<Issued, AuthorityError> {
        unreachable!("not asked")
    }
    async fn reattest(&self, _: &KeyPair, _: &Claims) -> Result<Issued, AuthorityError> {
        unreachable!("not asked")
    }
}

/// How long it took until it was asked a second time.
#[expect(
    clippy::disallowed_methods,
    reason = "the paused clock of the test's runtime"
)]
async fn asked_again_after(silent: bool, bits: u128) -> Duration {
    let dir = tempfile::tempdir().expect("a folder");
    let token = JoinToken {
        id: "t1".parse().expect("valid"),
        secret: secrecy::SecretBox::new(Box::new(vec![7; 32])),
        pin: h8lio_tls::pin::SpkiPin::of_certificate(&TestCa::new("a").root()).expect("a pin"),
        addresses: Vec::new(),
    };
    let what = Enrollment {
        token: &token,
        claims: &Claims::default(),
        replace: false,
        patience: None,
    };
    let once = Once {
        asked: AtomicBool::new(false),
        silent,
    };
    let disk = PrivateFolder::new(dir.path());
    let began = tokio::time::Instant::now();
    let refused = enroll(&disk, &once, &what, &Bits(bits), |_| {}).await;
    assert!(
        matches!(refused, Err(EnrollError::Authority(_))),
        "{refused:?}"
    );
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_server_asks_again_when_it_was_told_to_and_up_to_a_quarter_later() {
    for (silent, least, most) in [(false, 8_000, 10_000), (true, 3_000, 3_750)] {
        for (bits, wait) in [(u128::MIN, least), (u128::MAX, most)] {
            let waited = asked_again_after(silent, bits).await.as_millis();
            // The clock of the tests goes on in whole milliseconds.
            assert!((wait..=wait + 2).contains(&waited), "{waited} for {wait}");
        }
    }
}
