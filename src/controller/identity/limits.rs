//! How often somebody may come. Who fails is counted by address, who is known by name, so that a flood of wrong credentials
//! costs those who have right ones nothing.

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::net::IpAddr;
use std::num::NonZeroU32;

/// What the limiters' clock reads.
type Instant = <DefaultClock as governor::clock::Clock>::Instant;

/// Wrong credentials from one address: a burst, then one a second.
const WRONG_BURST: u32 = 60;
/// Questions to the cluster or an issuer about callers of one address, a second.
const ASKED_PER_SECOND: u32 = 200;
/// Requests for tokens of one client from one address in a minute.
const TOKENS_PER_MINUTE: u32 = 60;
/// Requests for tokens from one address in a minute, whatever the client.
const TOKENS_PER_ADDRESS: u32 = 600;
/// Longest part of a client's name that it is counted by.
const NAME_MAX: usize = 512;

/// Too often; come again after so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany(pub u32);

/// The limits of the callbacks listener.
pub struct Limits {
    wrong: DefaultKeyedRateLimiter<IpAddr>,
    callers: DefaultKeyedRateLimiter<String>,
    tokens: DefaultKeyedRateLimiter<(IpAddr, String)>,
    addresses: DefaultKeyedRateLimiter<IpAddr>,
    asking: DefaultKeyedRateLimiter<IpAddr>,
    clock: DefaultClock,
}

fn at_least_one(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

impl Limits {
    /// Limits with so many callbacks a second for one caller.
    #[must_use]
    pub fn new(per_caller: u32) -> Self {
        let second = |number| Quota::per_second(at_least_one(number));
        Self {
            wrong: RateLimiter::keyed(second(1).allow_burst(at_least_one(WRONG_BURST))),
            callers: RateLimiter::keyed(second(per_caller)),
            tokens: RateLimiter::keyed(Quota::per_minute(at_least_one(TOKENS_PER_MINUTE))),
            addresses: RateLimiter::keyed(Quota::per_minute(at_least_one(TOKENS_PER_ADDRESS))),
            asking: RateLimiter::keyed(second(ASKED_PER_SECOND)),
            clock: DefaultClock::default(),
        }
    }

    /// Counts wrong credentials.
    ///
    /// # Errors
    /// There were too many from this address.
    pub fn wrong(&self, from: IpAddr) -> Result<(), TooMany> {
        self.judge(self.wrong.check_key(&from))
    }

    /// Counts a question to the cluster or an issuer about somebody of this address.
    ///
    /// # Errors
    /// There were too many.
    pub fn ask(&self, from: IpAddr) -> Result<(), TooMany> {
        self.judge(self.asking.check_key(&from))
    }

    /// Counts a call of somebody known.
    ///
    /// # Errors
    /// There were too many of this caller.
    pub fn caller(&self, name: &str) -> Result<(), TooMany> {
        self.judge(self.callers.check_key(&name.to_owned()))
    }

    /// Counts a request for a token, before its secret is looked at.
    ///
    /// # Errors
    /// There were too many from this address, or of this client from it.
    pub fn token(&self, from: IpAddr, client: &str) -> Result<(), TooMany> {
        self.judge(self.addresses.check_key(&from))?;
        let name = client.chars().take(NAME_MAX).collect();
        self.judge(self.tokens.check_key(&(from, name)))
    }

    /// Forgets those who have not come for a while.
    pub fn tidy(&self) {
        self.wrong.retain_recent();
        self.callers.retain_recent();
        self.tokens.retain_recent();
        self.addresses.retain_recent();
        self.asking.retain_recent();
    }

    fn judge(&self, result: Result<(), governor::NotUntil<Instant>>) -> Result<(), TooMany> {
        result.map_err(|not_until| {
            let wait = not_until.wait_time_from(self.clock.now()).as_secs().saturating_add(1);
            TooMany(u32::try_from(wait).unwrap_or(u32::MAX))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_flood_from_one_address_is_its_own_trouble() {
        let (limits, bad, good): (_, IpAddr, IpAddr) = (Limits::new(5), [10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let granted = (0..1_000).filter(|_| limits.wrong(bad).is_ok()).count();
        assert!((WRONG_BURST as usize..70).contains(&granted), "{granted}");
        assert!(limits.wrong(good).is_ok() && limits.wrong(bad).unwrap_err().0 >= 1);
        let tokens = (0..1_000).filter(|_| limits.token(bad, "ci/a").is_ok()).count();
        assert!((TOKENS_PER_MINUTE as usize..70).contains(&tokens), "{tokens}");
        assert!(limits.token(good, "ci/a").is_ok(), "the client is not locked out elsewhere");
        limits.tidy();
    }
}
