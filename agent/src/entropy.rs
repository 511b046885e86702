//! The only door to randomness outside key generation.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

/// A source of random numbers.
pub trait Entropy: Send + Sync + std::fmt::Debug {
    /// 128 random bits.
    fn bits(&self) -> u128;

    /// A random version 4 UUID.
    fn uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.bits().to_ne_bytes()).into_uuid()
    }

    /// Evenly spread over `0..=span`.
    fn up_to(&self, span: Duration) -> Duration {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let wide = u128::from(self.bits() as u64) * (u128::from(nanos) + 1);
        Duration::from_nanos((wide >> 64) as u64)
    }
}

/// A source that many parts share.
pub type SharedEntropy = Arc<dyn Entropy>;

/// The kernel's generator, through the cryptographic library.
#[derive(Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn bits(&self) -> u128 {
        let mut bytes = [0; 16];
        // Fails only where the kernel has no generator. Jitter and instance ids want to be
        // different, not secret: the seed of this process's hash maps is the last resort.
        if aws_lc_rs::rand::fill(&mut bytes).is_err() {
            let salt = std::hash::RandomState::new();
            let half = std::hash::BuildHasher::hash_one(&salt, 1_u8).to_ne_bytes();
            bytes[..8].copy_from_slice(&half);
            bytes[8..].copy_from_slice(&half);
        }
        u128::from_ne_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Fixed(u128);
    impl Entropy for Fixed {
        fn bits(&self) -> u128 {
            self.0
        }
    }

    #[test]
    fn jitter_covers_its_span_and_never_leaves_it() {
        let span = Duration::from_secs(10);
        assert_eq!(Fixed(0).up_to(span), Duration::ZERO);
        assert_eq!(Fixed(u128::MAX).up_to(span), span);
        assert_eq!(Fixed(u128::MAX).up_to(Duration::ZERO), Duration::ZERO);
        for _ in 0..100 {
            assert!(SystemEntropy.up_to(span) <= span);
        }
        assert_ne!(SystemEntropy.uuid(), SystemEntropy.uuid());
    }
}
