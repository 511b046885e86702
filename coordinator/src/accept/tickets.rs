//! TLS session tickets that survive a restart, so that a whole fleet comes back without doing
//! its handshakes anew.
//!
//! The keys are derived from the issuing key and the time: nothing more to store or to lose, and
//! who could read them could issue certificates anyway. A ticket carries the client's
//! certificate chain; it is judged again at each resumption.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use rustls::server::ProducesTickets;
use rustls::time_provider::TimeProvider;
use zeroize::Zeroizing;

/// A key is used for this long, seconds; tickets hold until the end of the next one. An agent gets
/// its ticket when it connects and needs it when the coordinator restarts, up to half the life of
/// its certificate (12 h) later.
const PERIOD: u64 = 24 * 3_600;

/// Larger tickets are not ours: a chain of two P-256 certificates has about 1.2 KiB.
const MAX_TICKET: usize = 8 * 1024;

/// Where tickets come from: 32 secret bytes, see [`TicketSecret::derive`].
pub struct TicketSecret(Zeroizing<[u8; 32]>);

impl fmt::Debug for TicketSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketSecret")
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-SHA256 (RFC 5869). 32 bytes are far below its limit: it cannot fail.
fn hkdf(secret: &[u8], purpose: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    let prk = Salt::new(HKDF_SHA256, b"h8lio").extract(secret);
    let purpose = [purpose];
    if let Ok(okm) = prk.expand(&purpose, Length(32)) {
        // Leaves zeros if it fails, which `TicketSecret::key` refuses to use.
        let _ = okm.fill(out.as_mut());
    }
    out
}

impl TicketSecret {
    /// From the bytes of a private key.
    pub fn derive(private_key: &[u8]) -> Self {
        Self(hkdf(private_key, b"session tickets"))
    }

    fn key(&self, period: u64) -> Option<LessSafeKey> {
        let bytes = hkdf(self.0.as_ref(), &period.to_be_bytes());
        if bytes.iter().all(|b| *b == 0) {
            return None;
        }
        UnboundKey::new(&AES_256_GCM, bytes.as_ref())
            .ok()
            .map(LessSafeKey::new)
    }
}

/// Seals and opens tickets. Layout: period (8 bytes), nonce (12), sealed state, tag.
#[derive(Debug)]
pub(super) struct Tickets {
    secret: arc_swap::ArcSwap<TicketSecret>,
    time: Arc<dyn TimeProvider>,
}

impl Tickets {
    pub(super) fn new(secret: TicketSecret, time: Arc<dyn TimeProvider>) -> Self {
        Self {
            secret: arc_swap::ArcSwap::from_pointee(secret),
            time,
        }
    }

    /// Uses another secret from now on; tickets of the old one lead to full handshakes.
    pub(super) fn replace(&self, secret: TicketSecret) {
        self.secret.store(Arc::new(secret));
    }

    fn period(&self) -> Option<u64> {
        Some(self.time.current_time()?.as_secs() / PERIOD)
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        PERIOD as u32
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let period = self.period()?;
        let key = self.secret.load().key(period)?;
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).ok()?;
        let mut sealed = plain.to_vec();
        let period = period.to_be_bytes();
        let sealing = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(sealing, Aad::from(period), &mut sealed)
            .ok()?;
        Some([&period[..], &nonce[..], &sealed].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        if ticket.len() > MAX_TICKET {
            return None;
        }
        let (period, rest) = ticket.split_first_chunk::<8>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let (now, then) = (self.period()?, u64::from_be_bytes(*period));
        if then != now && then.checked_add(1) != Some(now) {
            return None;
        }
        let key = self.secret.load().key(then)?;
        let mut opened = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = key
            .open_in_place(nonce, Aad::from(*period), &mut opened)
            .ok()?
            .len();
        opened.truncate(length);
        Some(opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::UnixTime;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    #[derive(Debug, Default)]
    struct Hands(AtomicU64);

    impl TimeProvider for Hands {
        fn current_time(&self) -> Option<UnixTime> {
            Some(UnixTime::since_unix_epoch(Duration::from_secs(
                self.0.load(Ordering::Relaxed),
            )))
        }
    }

    fn tickets(key: &[u8], at: u64) -> (Tickets, Arc<Hands>) {
        let time = Arc::new(Hands(AtomicU64::new(at)));
        (
            Tickets::new(TicketSecret::derive(key), Arc::clone(&time) as _),
            time,
        )
    }

    #[test]
    fn a_ticket_is_good_after_a_restart_and_until_the_next_period_ends() {
        let ticket = tickets(b"key", PERIOD * 10)
            .0
            .encrypt(b"state")
            .expect("sealed");
        let (restarted, time) = tickets(b"key", PERIOD * 10 + 5);
        assert_eq!(restarted.decrypt(&ticket).as_deref(), Some(&b"state"[..]));
        time.0.store(PERIOD * 12 - 1, Ordering::Relaxed);
        assert!(restarted.decrypt(&ticket).is_some());
        time.0.store(PERIOD * 12, Ordering::Relaxed);
        assert_eq!(restarted.decrypt(&ticket), None);
        time.0.store(PERIOD * 9, Ordering::Relaxed);
        assert_eq!(restarted.decrypt(&ticket), None);
    }

    #[test]
    fn a_changed_cut_or_foreign_ticket_is_refused() {
        let (mine, _) = tickets(b"key", PERIOD);
        let ticket = mine.encrypt(b"state").expect("sealed");
        for n in 0..ticket.len() {
            assert_eq!(mine.decrypt(&ticket[..n]), None);
            let mut changed = ticket.clone();
            changed[n] ^= 1;
            assert_eq!(mine.decrypt(&changed), None, "byte {n}");
        }
        assert_eq!(tickets(b"other", PERIOD).0.decrypt(&ticket), None);
        mine.replace(TicketSecret::derive(b"rotated"));
        assert_eq!(mine.decrypt(&ticket), None);
    }

    #[test]
    fn the_same_state_never_gives_the_same_ticket() {
        let (mine, _) = tickets(b"key", PERIOD);
        assert_ne!(mine.encrypt(b"state"), mine.encrypt(b"state"));
    }
}
