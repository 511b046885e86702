//! Power lost at every write of the identity: whatever is left can be used.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use h8lio_agent::entropy::SystemEntropy;
use h8lio_agent::identity::authority::{Authority, AuthorityError, Enrolled, Issued};
use h8lio_agent::identity::document::{Credential, Document};
use h8lio_agent::identity::enroll::{Enrollment, enroll};
use h8lio_agent::identity::vault::Vault;
use h8lio_agent::identity::{Disk, renewal};
use h8lio_model::ids::Rotation;
use h8lio_model::token::Claims;
use h8lio_tls::bundle::certificates_to_pem;
use h8lio_tls::files::FileError;
use h8lio_tls::identity::{csr, key_to_pem};
use h8lio_tls::pin::SpkiPin;
use h8lio_tls::token::JoinToken;
use jiff::{SignedDuration, Timestamp};
use rcgen::KeyPair;
use zeroize::Zeroizing;

use super::authority::{NODE, TestCa};
use super::rig::Rig;

/// Power goes off at one operation: before it has any effect, or just after it.
#[derive(Debug)]
struct CrashingDisk {
    real: Arc<dyn Disk>,
    left: AtomicUsize,
    after: bool,
}

impl CrashingDisk {
    fn new(rig: &Rig, at: usize, after: bool) -> Self {
        Self {
            real: Arc::clone(&rig.disk),
            left: AtomicUsize::new(at),
            after,
        }
    }

    fn power(&self, work: impl FnOnce() -> Result<(), FileError>) -> Result<(), FileError> {
        let off = || FileError::Write {
            path: "power".into(),
            source: std::io::Error::other("power lost"),
        };
        match self.left.fetch_sub(1, Ordering::SeqCst) {
            0 if self.after => work().and(Err(off())),
            0 => Err(off()),
            n if n > usize::MAX / 2 => Err(off()),
            _ => work(),
        }
    }
}

impl Disk for CrashingDisk {
    fn place(&self, name: &str) -> std::path::PathBuf {
        self.real.place(name)
    }

    fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
        self.real.read(name)
    }
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        self.power(|| self.real.write(name, bytes))
    }
    fn remove(&self, name: &str) -> Result<(), FileError> {
        self.power(|| self.real.remove(name))
    }
    fn probe(&self, name: &str) -> Result<(), FileError> {
        self.real.probe(name)
    }
}

/// Signs at once; remembers how many different keys it saw.
struct Direct {
    ca: TestCa,
    keys: std::sync::Mutex<std::collections::BTreeSet<Vec<u8>>>,
}

impl Direct {
    fn new() -> Self {
        Self {
            ca: TestCa::new("test"),
            keys: Default::default(),
        }
    }

    fn token(&self) -> JoinToken {
        JoinToken {
            id: "t1".parse().expect("valid"),
            secret: secrecy::SecretBox::new(Box::new(vec![7; 32])),
            pin: SpkiPin::of_certificate(&self.ca.root()).expect("a pin"),
            addresses: vec!["127.0.0.1:1".into()],
        }
    }

    fn issue(&self, key: &KeyPair) -> Issued {
        self.keys
            .lock()
            .expect("not poisoned")
            .insert(rcgen::PublicKeyData::der_bytes(key).to_vec());
        #[expect(
            clippy::disallowed_methods,
            reason = "certificates of the test need the time"
        )]
        let now = Timestamp::now();
        let life = (
            now - SignedDuration::from_mins(1),
            now + SignedDuration::from_hours(24),
        );
        let cert = self.ca.node(&csr(key).expect("a CSR"), life);
        Issued {
            credential: Credential {
                chain: certificates_to_pem(&[cert]),
                key: key_to_pem(key).to_string(),
            },
            bundle: self.ca.bundle(),
        }
    }
}

#[async_trait::async_trait]
impl Authority for Direct {
    async fn enroll(
        &self,
        _: &JoinToken,
        key: &KeyPair,
        _: &Claims,
    ) -> Result<Enrolled, AuthorityError> {
        Ok(Enrolled::Issued {
            fleet: self.ca.fleet.clone(),
            node_id: NODE,
            node_name: "s1".parse().expect("valid"),
            issued: self.issue(key),
        })
    }
    async fn renew(&self, key: &KeyPair) -> Result<Issued, AuthorityError> {
        Ok(self.issue(key))
    }
    async fn reattest(&self, key: &KeyPair, _: &Claims) -> Result<Issued, AuthorityError> {
        Ok(self.issue(key))
    }
}

async fn enroll_on(disk: &dyn Disk, authority: &Direct) -> bool {
    let (token, claims) = (authority.token(), Claims::default());
    let what = Enrollment {
        token: &token,
        claims: &claims,
        replace: false,
        patience: None,
    };
    enroll(disk, authority, &what, &SystemEntropy, |_| {})
        .await
        .is_ok()
}

#[tokio::test]
async fn power_lost_at_any_write_of_an_enrollment_ends_enrolled_with_one_key() {
    let mut crashes = 0;
    for at in 0..8 {
        for after in [false, true] {
            let (rig, authority) = (Rig::new(), Direct::new());
            let crashing = CrashingDisk::new(&rig, at, after);
            if enroll_on(&crashing, &authority).await {
                continue;
            }
            crashes += 1;
            assert!(
                enroll_on(rig.disk.as_ref(), &authority).await,
                "at {at}, after: {after}"
            );
            assert!(
                Vault::open(Arc::clone(&rig.disk))
                    .expect("readable")
                    .is_some()
            );
            assert_eq!(
                authority.keys.lock().expect("not poisoned").len(),
                1,
                "one use of the token"
            );
            assert!(rig.disk.read("enrolling.json").expect("readable").is_none());
        }
    }
    assert_eq!(
        crashes, 6,
        "key, identity and clean-up, before and after each"
    );
}

#[tokio::test]
async fn power_lost_at_any_write_of_a_renewal_never_goes_back_behind_what_was_used() {
    let mut crashes = 0;
    for at in 0..4 {
        for after in [false, true] {
            let (rig, authority) = (Rig::new(), Direct::new());
            assert!(enroll_on(rig.disk.as_ref(), &authority).await);
            let crashing = Arc::new(CrashingDisk::new(&rig, at, after));
            let vault = Vault::open(crashing).expect("readable").expect("enrolled");
            let vault = Arc::new(vault);
            let first = vault.member().identity.rotation();
            let renewed = renewal::renew(&vault, &authority).await.is_ok();
            // What the coordinator may have seen in use.
            let used = vault.member().identity.rotation();
            let acknowledged =
                renewed && vault.acknowledge(vault.member().identity.serial()).is_ok();
            if !acknowledged {
                crashes += 1;
            }
            let again = Vault::open(Arc::clone(&rig.disk))
                .expect("readable")
                .expect("enrolled");
            let now = again.member().identity.rotation();
            assert!(
                now >= used && now >= first,
                "at {at}, after: {after}: {now:?} behind {used:?}"
            );
            assert!(used == first || renewed, "used before it was kept");
            let kept = Document::load(rig.disk.as_ref())
                .expect("readable")
                .expect("enrolled");
            assert!(kept.current.identity().is_ok());
        }
    }
    assert_eq!(
        crashes, 4,
        "keeping the next one and acknowledging it, before and after each"
    );
}

#[tokio::test]
async fn a_renewed_certificate_that_is_refused_is_given_up_for_the_one_before_and_only_that() {
    let (rig, authority) = (Rig::new(), Direct::new());
    assert!(enroll_on(rig.disk.as_ref(), &authority).await);
    let vault = Arc::new(
        Vault::open(Arc::clone(&rig.disk))
            .expect("readable")
            .expect("enrolled"),
    );
    let first = vault.member().identity.serial();
    assert!(
        !vault.give_up_next(first).expect("saved"),
        "the acknowledged one is never given up"
    );
    renewal::renew(&vault, &authority).await.expect("renewed");
    let second = vault.member().identity.serial();
    assert!(vault.member().unacknowledged);
    assert!(vault.give_up_next(second).expect("saved"));
    assert_eq!(vault.member().identity.serial(), first);
    renewal::renew(&vault, &authority).await.expect("renewed");
    let third = vault.member().identity.serial();
    vault.acknowledge(third).expect("saved");
    assert!(!vault.give_up_next(third).expect("saved"), "acknowledged");
    assert_eq!(vault.member().identity.rotation(), Rotation(3));
}
