//! Private keys as sprig makes, reads and writes them: PKCS#1 for RSA, SEC 1 for elliptic curves, PKCS#8 for Ed25519, and
//! OpenSSL's old form for DSA.
//!
//! Decides which keys there are and how they look in PEM. Signing is left to ring (through rcgen), which also checks that
//! the parts of a key fit together. Keys of curves that ring lacks (P-224, P-521) are refused.

use super::primes::{Random, number, prime};
use num_bigint::BigUint;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use yasna::models::ObjectIdentifier;
use yasna::{ASN1Error, ASN1ErrorKind, Tag};

const RSA: &[u64] = &[1, 2, 840, 113_549, 1, 1, 1];
const ELLIPTIC: &[u64] = &[1, 2, 840, 10_045, 2, 1];
const ED25519: &[u64] = &[1, 3, 101, 112];
const EXPONENT: u32 = 65_537;

/// A private key in the form it has inside its PEM block.
pub(super) enum PrivateKey {
    /// PKCS#1.
    Rsa(Vec<u8>),
    /// SEC 1, with the curve.
    Elliptic(Vec<u8>, ObjectIdentifier),
    /// PKCS#8.
    Ed25519(Vec<u8>),
    /// The five numbers of OpenSSL's form.
    Dsa(Vec<u8>),
}

impl PrivateKey {
    /// A new RSA key; `None` where the random source gives no primes.
    pub(super) fn rsa(bits: u64, random: Random<'_>) -> Option<Self> {
        let (one, exponent) = (BigUint::from(1_u8), BigUint::from(EXPONENT));
        let odd = |n: BigUint| n | BigUint::from(1_u8);
        let fits = |p: &BigUint| (p - 1_u8) % &exponent != BigUint::ZERO;
        let p = prime(bits / 2, random, odd, fits)?;
        let q = prime(bits / 2, random, odd, |q| *q != p && fits(q))?;
        let (p, q) = if p > q { (p, q) } else { (q, p) };
        let (p1, q1) = (&p - &one, &q - &one);
        let private = exponent.modinv(&(&p1 * &q1))?;
        let parts = [&p * &q, exponent, private.clone(), p.clone(), q.clone(), &private % p1, &private % q1];
        let inverse = q.modinv(&p)?;
        Some(Self::Rsa(numbers(parts.iter().chain([&inverse]))))
    }
    /// A new DSA key with 2048 and 256 bits.
    pub(super) fn dsa(random: Random<'_>) -> Option<Self> {
        let one = BigUint::from(1_u8);
        let q = prime(256, random, |n| n | BigUint::from(1_u8), |_| true)?;
        let double = &q << 1_u8;
        let p = prime(2_048, random, |n| &n - (&n % &double) + 1_u8, |_| true)?;
        let power = (&p - &one) / &q;
        let g = (2_u8..100).map(|h| BigUint::from(h).modpow(&power, &p)).find(|g| *g != one)?;
        let x = number(320, random) % (&q - &one) + 1_u8;
        let y = g.modpow(&x, &p);
        Some(Self::Dsa(numbers([&p, &q, &g, &y, &x])))
    }
    /// A new key on the curve P-256; the randomness is the operating system's.
    pub(super) fn p256() -> Option<Self> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).ok()?;
        Self::from_pkcs8(pair.serialized_der()).ok()
    }
    /// A new Ed25519 key.
    pub(super) fn ed25519(random: Random<'_>) -> Self {
        let mut seed = [0; 32];
        random(&mut seed);
        Self::Ed25519(ed25519_pkcs8(&seed))
    }
    /// Reads the first PEM block.
    ///
    /// # Errors
    /// sprig's text; what Go's parsers say about broken contents is said in other words.
    pub(super) fn from_pem(text: &[u8]) -> Result<Self, String> {
        let block = first_block(text).ok_or("no PEM data in input")?;
        let der = block.contents();
        if block.tag() == "PRIVATE KEY" {
            return Self::from_pkcs8(der).map_err(|e| format!("decoding PEM as PKCS#8: {e}"));
        }
        let Some(kind) = block.tag().strip_suffix(" PRIVATE KEY") else {
            return Err(format!("no private key data in PEM block of type {}", block.tag()));
        };
        match kind {
            "RSA" => checked(der, 9, Self::Rsa).map_err(|e| format!("parsing RSA private key from PEM: {e}")),
            "DSA" => checked(der, 6, Self::Dsa).map_err(|e| format!("parsing DSA private key from PEM: {e}")),
            "EC" => Self::from_sec1(der, None).map_err(|e| format!("parsing EC private key from PEM: {e}")),
            other => Err(format!("invalid private key type {other}")),
        }
    }
    fn from_pkcs8(der: &[u8]) -> Result<Self, String> {
        let read = yasna::parse_ber(der, |reader| {
            reader.read_sequence(|reader| {
                reader.next().read_u8()?;
                let algorithm = reader.next().read_sequence(|reader| {
                    let kind = reader.next().read_oid()?;
                    let parameters = reader.read_optional(|reader| reader.read_der())?;
                    Ok((kind, parameters))
                })?;
                let key = reader.next().read_bytes()?;
                // Attributes and the public key, which some writers add.
                while reader.read_optional(|reader| reader.read_der())?.is_some() {}
                Ok((algorithm, key))
            })
        });
        let ((kind, parameters), key) = read.map_err(|e| malformed(&e))?;
        match &kind.components()[..] {
            RSA => checked(&key, 9, Self::Rsa),
            ELLIPTIC => {
                let curve = parameters.and_then(|der| yasna::parse_ber(&der, |reader| reader.read_oid()).ok());
                Self::from_sec1(&key, curve)
            }
            ED25519 => match yasna::parse_ber(&key, |reader| reader.read_bytes()) {
                Ok(seed) if seed.len() == 32 => Ok(Self::Ed25519(ed25519_pkcs8(&seed))),
                _ => Err("x509: invalid Ed25519 private key".to_owned()),
            },
            _ => Err(format!("x509: PKCS#8 wrapping contained private key with unknown algorithm: {kind}")),
        }
    }
    fn from_sec1(der: &[u8], curve: Option<ObjectIdentifier>) -> Result<Self, String> {
        let read = yasna::parse_ber(der, |reader| {
            reader.read_sequence(|reader| {
                reader.next().read_u8()?;
                let scalar = reader.next().read_bytes()?;
                let own =
                    reader.read_optional(|reader| reader.read_tagged(Tag::context(0), |reader| reader.read_oid()))?;
                let public = reader
                    .read_optional(|reader| reader.read_tagged(Tag::context(1), |reader| reader.read_bitvec_bytes()))?;
                Ok((scalar, own, public))
            })
        });
        let (scalar, own, public) = read.map_err(|e| malformed(&e))?;
        let curve = curve.or(own).ok_or("x509: unknown elliptic curve")?;
        let (public, bits) = public.ok_or("the key has no public part")?;
        let der = yasna::construct_der(|writer| {
            writer.write_sequence(|writer| {
                writer.next().write_u8(1);
                writer.next().write_bytes(&scalar);
                writer.next().write_tagged(Tag::context(0), |writer| writer.write_oid(&curve));
                writer.next().write_tagged(Tag::context(1), |writer| writer.write_bitvec_bytes(&public, bits));
            });
        });
        Ok(Self::Elliptic(der, curve))
    }
    /// The PEM block that sprig writes.
    pub(super) fn to_pem(&self) -> String {
        match self {
            Self::Rsa(der) => pem_block("RSA PRIVATE KEY", der),
            Self::Elliptic(der, _) => pem_block("EC PRIVATE KEY", der),
            Self::Ed25519(der) => pem_block("PRIVATE KEY", der),
            Self::Dsa(der) => pem_block("DSA PRIVATE KEY", der),
        }
    }
    /// The key as something that signs.
    ///
    /// # Errors
    /// A DSA key signs no certificates; a size or curve that ring lacks.
    pub(super) fn signer(&self) -> Result<KeyPair, String> {
        let null = yasna::construct_der(|writer| writer.write_null());
        let pkcs8 = match self {
            Self::Rsa(der) => pkcs8(RSA, &null, der),
            Self::Elliptic(der, curve) => pkcs8(ELLIPTIC, &yasna::construct_der(|w| w.write_oid(curve)), der),
            Self::Ed25519(der) => der.clone(),
            Self::Dsa(_) => return Err("x509: certificate private key does not implement crypto.Signer".to_owned()),
        };
        KeyPair::try_from(pkcs8).map_err(|e| {
            format!("{e}: RSA keys of 2048 to 4096 bits, the curves P-256 and P-384, and Ed25519 can sign here")
        })
    }
}

/// A DER sequence of a zero and these numbers, which is how RSA and DSA keys are written.
fn numbers<'n>(parts: impl IntoIterator<Item = &'n BigUint>) -> Vec<u8> {
    yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_u8(0);
            for part in parts {
                writer.next().write_biguint(part);
            }
        });
    })
}

/// The key, if its contents are a sequence of so many numbers.
fn checked(der: &[u8], count: usize, key: fn(Vec<u8>) -> PrivateKey) -> Result<PrivateKey, String> {
    let read = yasna::parse_ber(der, |reader| reader.collect_sequence_of(|reader| reader.read_bigint()));
    match read {
        Ok(found) if found.len() == count => Ok(key(der.to_vec())),
        Ok(found) => Err(format!("asn1: structure error: {} numbers where {count} belong", found.len())),
        Err(e) => Err(malformed(&e)),
    }
}

fn pkcs8(algorithm: &[u64], parameters: &[u8], key: &[u8]) -> Vec<u8> {
    yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_u8(0);
            writer.next().write_sequence(|writer| {
                writer.next().write_oid(&ObjectIdentifier::from_slice(algorithm));
                writer.next().write_der(parameters);
            });
            writer.next().write_bytes(key);
        });
    })
}

fn ed25519_pkcs8(seed: &[u8]) -> Vec<u8> {
    yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_u8(0);
            writer.next().write_sequence(|w| w.next().write_oid(&ObjectIdentifier::from_slice(ED25519)));
            writer.next().write_bytes(&yasna::construct_der(|writer| writer.write_bytes(seed)));
        });
    })
}

fn malformed(error: &ASN1Error) -> String {
    match error.kind() {
        ASN1ErrorKind::Eof => "asn1: syntax error: data truncated".to_owned(),
        _ => "asn1: structure error: malformed key".to_owned(),
    }
}

/// The first PEM block of a text, wherever it begins.
pub(super) fn first_block(text: &[u8]) -> Option<pem::Pem> {
    pem::parse(text).ok()
}

/// A PEM block with lines of 64 characters.
pub(super) fn pem_block(label: &str, der: &[u8]) -> String {
    let lines = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(label, der), lines)
}
