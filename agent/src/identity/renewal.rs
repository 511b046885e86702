//! When to renew the certificate, and doing it.

use std::time::Duration;

use h8lio_tls::identity::{IdentityError, Validity, generate_key};
use jiff::{SignedDuration, Timestamp};

use super::authority::{Authority, AuthorityError};
use super::vault::{Vault, VaultError};
use crate::entropy::Entropy;

/// First and longest wait after a renewal that failed.
const RETRY: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(15 * 60));

/// Why a certificate was not renewed.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    #[error("the coordinator gave no new certificate")]
    Authority(#[source] AuthorityError),
    #[error("cannot make a key")]
    Key(#[source] IdentityError),
    #[error("the new certificate was not taken into use")]
    Vault(#[source] VaultError),
}

/// When one certificate is due: at half of its life, and up to a tenth of its life later, so that
/// a fleet enrolled in one night does not renew in one minute.
pub fn due(validity: Validity, entropy: &dyn Entropy) -> Timestamp {
    let life = validity.not_after.duration_since(validity.issued());
    let spread = Duration::try_from(life / 10).unwrap_or_default();
    let later = SignedDuration::try_from(entropy.up_to(spread)).unwrap_or_default();
    let half = validity.half_life();
    half.checked_add(later).unwrap_or(half)
}

/// How long to wait after `failures` failures in a row: doubles, upper half spread.
pub fn retry(failures: u32, entropy: &dyn Entropy) -> Duration {
    let wait = RETRY
        .0
        .saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16)))
        .min(RETRY.1);
    wait / 2 + entropy.up_to(wait / 2)
}

/// Whether a certificate can no longer open a session, by this clock.
pub fn is_expired(validity: Validity, now: Timestamp) -> bool {
    now > validity.not_after
}

/// Renews with a fresh key: issued → on disk → published for use.
///
/// # Errors
/// [`RenewError`]; the identity in use stays as it is.
pub async fn renew(
    vault: &std::sync::Arc<Vault>,
    authority: &dyn Authority,
) -> Result<(), RenewError> {
    let key = generate_key().map_err(RenewError::Key)?;
    let issued = authority.renew(&key).await.map_err(RenewError::Authority)?;
    let vault = std::sync::Arc::clone(vault);
    crate::off_thread(move || vault.keep_next(issued))
        .await
        .map_err(RenewError::Vault)
}

/// Regains a certificate after the old one has expired, by showing that its key is still here.
///
/// # Errors
/// As [`renew`].
pub async fn reattest(
    vault: &std::sync::Arc<Vault>,
    authority: &dyn Authority,
    claims: &h8lio_model::token::Claims,
) -> Result<(), RenewError> {
    let key = generate_key().map_err(RenewError::Key)?;
    let issued = authority
        .reattest(&key, claims)
        .await
        .map_err(RenewError::Authority)?;
    let vault = std::sync::Arc::clone(vault);
    crate::off_thread(move || vault.keep_next(issued))
        .await
        .map_err(RenewError::Vault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use h8lio_model::token::Claims;
    use h8lio_tls::token::JoinToken;
    use rcgen::KeyPair;

    use crate::identity::PrivateFolder;
    use crate::identity::authority::{Enrolled, Issued};
    use crate::identity::testing::{Bits, TestCa, at, document, issued};

    const LEAST: Bits = Bits(u128::MIN);
    const MOST: Bits = Bits(u128::MAX);

    #[test]
    fn a_certificate_is_due_between_half_and_six_tenths_of_its_life() {
        let day = Validity {
            not_before: at(-300),
            not_after: at(86_400),
        };
        assert_eq!(due(day, &LEAST), at(43_200));
        assert_eq!(due(day, &MOST), at(51_840));
        assert!(!is_expired(day, at(86_399)));
        assert!(!is_expired(day, at(86_400)));
        assert!(is_expired(day, at(86_401)));
    }

    #[test]
    fn a_certificate_that_is_shorter_than_it_is_backdated_is_not_due_at_once() {
        let short = Validity {
            not_before: at(-300),
            not_after: at(60),
        };
        assert_eq!(due(short, &LEAST), at(30));
        assert_eq!(due(short, &MOST), at(36));
    }

    #[test]
    fn retries_slow_down_to_a_quarter_of_an_hour() {
        let secs = |n| {
            (
                retry(n, &LEAST).as_secs_f64(),
                retry(n, &MOST).as_secs_f64(),
            )
        };
        for (failures, least, most) in [
            (0, 7.5, 15.0),
            (1, 7.5, 15.0),
            (2, 15.0, 30.0),
            (3, 30.0, 60.0),
            (6, 240.0, 480.0),
            (7, 450.0, 900.0),
            (1000, 450.0, 900.0),
            (u32::MAX, 450.0, 900.0),
        ] {
            assert_eq!(secs(failures), (least, most), "{failures} failures");
        }
    }

    /// Signs whatever it is asked for.
    struct Signs(TestCa);

    #[async_trait::async_trait]
    impl Authority for Signs {
        async fn enroll(
            &self,
            _: &JoinToken,
            _: &KeyPair,
            _: &Claims,
        ) -> Result<Enrolled, AuthorityError> {
            unreachable!("not asked")
        }
        async fn renew(&self, _: &KeyPair) -> Result<Issued, AuthorityError> {
            Ok(issued(&self.0))
        }
        async fn reattest(&self, _: &KeyPair, _: &Claims) -> Result<Issued, AuthorityError> {
            Ok(issued(&self.0))
        }
    }

    #[tokio::test]
    async fn what_the_authority_gives_is_the_identity_to_use() {
        let dir = tempfile::tempdir().expect("a folder");
        let disk = Arc::new(PrivateFolder::new(dir.path()));
        let signs = Signs(TestCa::new("test"));
        document(&signs.0).save(disk.as_ref()).expect("saved");
        let vault = Vault::open(disk).expect("readable").expect("enrolled");
        let vault = Arc::new(vault);
        let rotation = || vault.member().identity.rotation().0;
        assert_eq!(rotation(), 1);
        renew(&vault, &signs).await.expect("renewed");
        assert_eq!(rotation(), 2);
        let claims = Claims::default();
        reattest(&vault, &signs, &claims).await.expect("regained");
        assert_eq!(rotation(), 3);
    }
}
