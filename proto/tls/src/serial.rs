//! Certificate serial numbers that carry the rotation counter.

use std::fmt;
use std::str::FromStr;

use h8lio_model::ids::Rotation;

/// 16 bytes, big-endian: 8 random (top bit clear and never zero, so that DER needs neither
/// padding nor shortening), then the rotation. Random enough to be unguessable (62 bits, RFC 5280
/// asks for uniqueness, CA/B for 64 bits in public PKI), and the counter that clone detection
/// needs is signed by the CA instead of being a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Serial(pub [u8; 16]);

impl Serial {
    /// Builds a serial from random bytes and a rotation.
    pub fn new(random: [u8; 8], rotation: Rotation) -> Self {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&random);
        bytes[0] = (bytes[0] & 0x7f) | 0x40;
        bytes[8..].copy_from_slice(&rotation.0.to_be_bytes());
        Self(bytes)
    }

    /// Reads the serial of a DER certificate; `None` when it is not one of ours (16 bytes).
    pub fn of_certificate(der: &[u8]) -> Option<Self> {
        let certificate = crate::spiffe::parse(der).ok()?;
        certificate.raw_serial().try_into().ok().map(Self)
    }

    /// The rotation inside.
    pub fn rotation(&self) -> Rotation {
        let mut low = [0; 8];
        low.copy_from_slice(&self.0[8..]);
        Rotation(u64::from_be_bytes(low))
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for Serial {
    type Err = hex::FromHexError;

    fn from_str(s: &str) -> Result<Self, hex::FromHexError> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(s, &mut bytes)?;
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rotation_is_inside_and_the_first_byte_needs_no_padding() {
        for random in [[0; 8], [0xff; 8]] {
            let s = Serial::new(random, Rotation(41));
            assert_eq!(s.rotation(), Rotation(41));
            assert!((0x40..0x80).contains(&s.0[0]));
            assert_eq!(s.to_string().parse::<Serial>(), Ok(s));
        }
    }
}
