//! Prime numbers for RSA and DSA keys: random candidates, trial division, Miller-Rabin.
//!
//! Decides nothing about keys. The random source is the caller's; one that repeats itself ends the search, never hangs it.

use num_bigint::BigUint;

/// Fills a buffer with random bytes.
pub(super) type Random<'r> = &'r dyn Fn(&mut [u8]);

/// Candidates are divided by the primes below this before they are tested in earnest.
const SIEVED: u32 = 8_192;
/// Rounds of Miller-Rabin: a composite number passes with a chance below 4^-20.
const ROUNDS: usize = 20;
/// A good random source needs about 1,500 candidates for the largest primes made here.
const ATTEMPTS: usize = 200_000;

/// A number of that many bits; the two highest are set, so that a product of two has twice as many.
pub(super) fn number(bits: u64, random: Random<'_>) -> BigUint {
    let mut bytes = vec![0; usize::try_from(bits.div_ceil(8)).unwrap_or_default()];
    random(&mut bytes);
    let mut number = BigUint::from_bytes_be(&bytes);
    let excess = bytes.len() as u64 * 8 - bits;
    number >>= excess;
    number.set_bit(bits - 1, true);
    number.set_bit(bits.saturating_sub(2), true);
    number
}

/// A prime of that many bits that `shape` may have moved and `accept` likes; `None` where the random source gives none.
pub(super) fn prime(
    bits: u64,
    random: Random<'_>,
    shape: impl Fn(BigUint) -> BigUint,
    accept: impl Fn(&BigUint) -> bool,
) -> Option<BigUint> {
    let small = small_primes();
    let candidates = (0..ATTEMPTS).map(|_| shape(number(bits, random)));
    let possible = |candidate: &BigUint| small.iter().all(|p| candidate % *p != BigUint::ZERO);
    let mut candidates = candidates.filter(|n| n.bits() == bits && possible(n));
    candidates.find(|candidate| accept(candidate) && is_prime(candidate, random))
}

fn small_primes() -> Vec<u32> {
    let mut primes: Vec<u32> = Vec::new();
    for n in 2..SIEVED {
        if primes.iter().take_while(|p| *p * *p <= n).all(|p| n % p != 0) {
            primes.push(n);
        }
    }
    primes
}

/// Miller-Rabin with random bases, for odd numbers above the sieve.
fn is_prime(n: &BigUint, random: Random<'_>) -> bool {
    let one = BigUint::from(1_u8);
    let last = n - &one;
    let Some(twos) = last.trailing_zeros() else { return false };
    let odd = &last >> twos;
    (0..ROUNDS).all(|_| {
        let base = number(n.bits() - 1, random);
        let mut power = base.modpow(&odd, n);
        if power == one || power == last {
            return true;
        }
        (1..twos).any(|_| {
            power = &power * &power % n;
            power == last
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// splitmix64 bytes: repeatable, and good enough to look for primes.
    fn random() -> impl Fn(&mut [u8]) {
        let state = std::cell::Cell::new(7_u64);
        move |buffer: &mut [u8]| {
            for byte in buffer {
                state.set(state.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
                let z = (state.get() ^ (state.get() >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                *byte = (z >> 56) as u8;
            }
        }
    }

    #[test]
    fn primes_are_told_from_composites() {
        let random = random();
        let mersenne = |exponent: u32| (BigUint::from(1_u8) << exponent) - 1_u8;
        assert!(is_prime(&mersenne(127), &random) && is_prime(&mersenne(521), &random));
        assert!(!is_prime(&mersenne(129), &random));
        // A Carmichael number: Fermat's test alone takes it for a prime.
        assert!(!is_prime(&BigUint::from(349_407_515_342_287_435_050_603_204_719_587_201_u128), &random));
    }

    #[test]
    fn a_prime_has_the_bits_asked_for() {
        let random = random();
        let found = prime(256, &random, |n| n | BigUint::from(1_u8), |_| true).expect("a prime");
        assert_eq!(found.bits(), 256);
        assert!(is_prime(&found, &random));
    }

    #[test]
    fn a_source_that_repeats_itself_ends_the_search() {
        assert!(prime(64, &|buffer| buffer.fill(0), |n| n, |_| true).is_none());
    }
}
