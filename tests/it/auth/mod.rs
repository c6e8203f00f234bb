//! Who may use API and dashboard: on the real API server, at an issuer that the test runs, and what attackers try.

mod attacks;
mod browser;
mod cluster;
mod device;
mod oidc;

use browser::{Answer, Browser};
use sha2::{Digest as _, Sha256};

/// A token that may change, of the settings of [`tokens`].
const CHANGE: &str = "a-token-that-may-change-0123456789";
/// One that may read.
const READ: &str = "a-token-that-may-only-read-01234567";

/// Settings with both tokens.
fn tokens() -> String {
    let hex = |text: &str| data_encoding::HEXLOWER.encode(&Sha256::digest(text.as_bytes()));
    format!("[auth]\ntokens = [\"robot:change:{}\", \"viewer:read:{}\"]", hex(CHANGE), hex(READ))
}
