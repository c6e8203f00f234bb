//! Ids of traces and spans, and which traces are recorded.
//!
//! What must be found again by another process (the root of a delivery, its attempts) is derived from what every process knows; the rest is
//! random. Whether a trace is recorded follows from its id alone, so that all processes agree without telling each other.

use sha2::{Digest as _, Sha256};
use std::fmt;

/// Identity of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

impl SpanId {
    /// One that nobody else has.
    #[must_use]
    pub fn random() -> Self {
        Self::of(rand::random())
    }

    /// The same for the same parts, whoever asks.
    #[must_use]
    pub fn derived(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&digest[..8]);
        Self::of(bytes)
    }

    /// All zeros means "none" on the wire.
    fn of(bytes: [u8; 8]) -> Self {
        Self(if bytes == [0; 8] { [0, 0, 0, 0, 0, 0, 0, 1] } else { bytes })
    }

    pub(super) fn bytes(self) -> Vec<u8> {
        self.0.to_vec()
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

/// Identity of a trace. The last seven bytes are random, as W3C Trace Context level 2 asks: UUIDs of version 4 and 7 are such ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// One that nobody else has.
    #[must_use]
    pub fn random() -> Self {
        Self(*uuid::Uuid::new_v4().as_bytes())
    }

    /// A UUID as it is, so that a trace is found by the id of what it is about.
    #[must_use]
    pub const fn of_uuid(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(self) -> Vec<u8> {
        self.0.to_vec()
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Bits of a trace id that are sure to be random.
const RANDOM_BITS: u32 = 56;

/// Which traces are recorded: those whose random part is at or above a threshold (OpenTelemetry's consistent sampling).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    reject_below: u64,
}

impl Sampling {
    /// A share of all traces: 0 none, 1 all; what lies outside is cut.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of 2^56 is a whole number above 0, and a bit more or less is no matter"
    )]
    pub fn of(ratio: f64) -> Self {
        let all = 1_u64 << RANDOM_BITS;
        let rejected = (1.0 - ratio.clamp(0.0, 1.0)) * all as f64;
        Self { reject_below: rejected as u64 }
    }

    /// Whether this trace is recorded.
    #[must_use]
    pub fn takes(self, trace: TraceId) -> bool {
        let random = trace.0[9..].iter().fold(0, |number: u64, byte| (number << 8) | u64::from(*byte));
        random >= self.reject_below
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_derived_is_the_same_for_all_and_for_nothing_else() {
        let id = SpanId::derived(&[b"dlv", b"attempt", &1_u32.to_be_bytes()]);
        assert_eq!(id, SpanId::derived(&[b"dlv", b"attempt", &1_u32.to_be_bytes()]));
        assert_ne!(id, SpanId::derived(&[b"dlv", b"attempt", &2_u32.to_be_bytes()]));
        assert_ne!(SpanId::derived(&[b"ab", b"c"]), SpanId::derived(&[b"a", b"bc"]));
        assert_eq!(id.to_string().len(), 16);
    }

    #[test]
    fn no_id_is_the_one_that_means_none() {
        assert_eq!(SpanId::of([0; 8]).to_string(), "0000000000000001");
    }

    #[test]
    fn a_uuid_reads_the_same_as_a_trace() {
        let uuid = uuid::Uuid::now_v7();
        assert_eq!(TraceId::of_uuid(*uuid.as_bytes()).to_string(), uuid.simple().to_string());
    }

    #[test]
    fn sampling_takes_its_share_and_a_larger_share_takes_no_less() {
        let traces: Vec<TraceId> = (0..10_000).map(|_| TraceId::random()).collect();
        let taken = |ratio: f64| traces.iter().filter(|trace| Sampling::of(ratio).takes(**trace)).count();
        assert_eq!((taken(1.0), taken(0.0), taken(2.0), taken(-1.0)), (10_000, 0, 10_000, 0));
        // Nine standard deviations to either side.
        assert!((2_100..2_900).contains(&taken(0.25)), "{}", taken(0.25));
        let (few, many) = (Sampling::of(0.1), Sampling::of(0.4));
        assert!(traces.iter().all(|trace| !few.takes(*trace) || many.takes(*trace)));
    }
}
