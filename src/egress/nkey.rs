//! NATS nkeys: an Ed25519 seed in base32 with a checksum, such as `SUAL…`.
//!
//! A seed is read, its public key is told, and a server's nonce is signed. The seed is never printed.

use data_encoding::BASE32_NOPAD;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

/// Bits that mark a seed.
const SEED: u8 = 18 << 3;
/// Bytes: two of prefix, the seed, two of checksum.
const LENGTH: usize = 2 + 32 + 2;

/// A key pair made of a seed.
pub(super) struct Seed {
    /// What kind of public key it is: user, account and so on.
    kind: u8,
    pair: Ed25519KeyPair,
}

impl Seed {
    /// Reads a seed. The error names no byte of it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let raw = BASE32_NOPAD.decode(text.trim().as_bytes()).map_err(|_| "it is not base32")?;
        let raw: [u8; LENGTH] = raw.try_into().map_err(|_| "it has not the length of one")?;
        let (body, checksum) = raw.split_at(LENGTH - 2);
        if crc16(body).to_le_bytes() != checksum {
            return Err("its checksum is wrong");
        }
        let (prefix, seed) = body.split_at(2);
        if prefix[0] & 0b1111_1000 != SEED {
            return Err("it is another kind of key; a seed begins with S");
        }
        let kind = (prefix[0] & 0b0000_0111) << 5 | (prefix[1] & 0b1111_1000) >> 3;
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| "it has not the length of one")?;
        Ok(Self { kind, pair })
    }

    /// The public key as servers know it.
    pub(super) fn public_key(&self) -> String {
        let mut raw = vec![self.kind];
        raw.extend_from_slice(self.pair.public_key().as_ref());
        raw.extend_from_slice(&crc16(&raw).to_le_bytes());
        BASE32_NOPAD.encode(&raw)
    }

    /// A signature.
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn checksums_are_those_of_the_catalogue() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
    }

    #[test]
    fn a_seed_tells_its_public_key() {
        // From the documentation of NATS ("NKeys").
        let seed = Seed::parse("SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY\n").unwrap();
        assert_eq!(seed.public_key(), "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4");
        assert_eq!(seed.sign(b"nonce").len(), 64);
    }

    #[test]
    fn what_is_no_seed_is_told_without_it() {
        for text in ["", "abc", "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4"] {
            assert!(Seed::parse(text).is_err(), "{text}");
        }
        let wrong = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VA";
        assert_eq!(Seed::parse(wrong).err(), Some("its checksum is wrong"));
    }
}
