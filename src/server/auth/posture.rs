//! Whether somebody has to log in, and where the listener may be. Pure.

use crate::settings::AuthMode;
use std::net::SocketAddr;

/// Whether somebody has to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posture {
    /// Whoever reaches the listener is local, and may do everything.
    Open,
    /// Nobody gets in without a login.
    Closed,
}

/// A listener that nobody could be kept from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody may be let in without a login there.
    #[error(
        "auth.mode = \"none\" is refused with server.api = \"{0}\": without a login API and dashboard are served with --files and on loopback only; set auth.mode = \"auto\""
    )]
    Open(SocketAddr),
    /// Nobody could log in.
    #[error(
        "server.api = \"{0}\" is refused: with --files nobody could log in there; set auth.issuer (OIDC) or auth.tokens (docs/security/people.md), or use 127.0.0.1:<port>"
    )]
    Exposed(SocketAddr),
}

/// What the settings come to. `has_way`: people or machines can log in by something that is set up.
///
/// # Errors
/// Everybody could do everything, or nobody anything.
pub fn posture(mode: AuthMode, on_cluster: bool, bind: SocketAddr, has_way: bool) -> Result<Posture, Refusal> {
    let is_loopback = bind.ip().to_canonical().is_loopback();
    match mode {
        AuthMode::None if on_cluster || !is_loopback => Err(Refusal::Open(bind)),
        AuthMode::None => Ok(Posture::Open),
        _ if on_cluster => Ok(Posture::Closed),
        _ if !is_loopback && !has_way => Err(Refusal::Exposed(bind)),
        AuthMode::Auto if is_loopback && !has_way => Ok(Posture::Open),
        _ => Ok(Posture::Closed),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn without_a_login_only_on_a_folder_and_on_loopback() {
        let (here, there): (SocketAddr, SocketAddr) =
            ("127.0.0.1:8080".parse().unwrap(), "0.0.0.0:8080".parse().unwrap());
        let [auto, required, none] = [AuthMode::Auto, AuthMode::Required, AuthMode::None];
        let cases = [
            (auto, false, here, false, Ok(Posture::Open)),
            (auto, false, here, true, Ok(Posture::Closed)),
            (auto, false, there, true, Ok(Posture::Closed)),
            (auto, false, there, false, Err(Refusal::Exposed(there))),
            (required, false, here, false, Ok(Posture::Closed)),
            (required, false, there, false, Err(Refusal::Exposed(there))),
            (none, false, here, true, Ok(Posture::Open)),
            (none, false, there, true, Err(Refusal::Open(there))),
            (none, true, here, true, Err(Refusal::Open(here))),
            (auto, true, here, false, Ok(Posture::Closed)),
            (auto, true, there, false, Ok(Posture::Closed)),
        ];
        for (mode, on_cluster, bind, has_way, expected) in cases {
            assert_eq!(posture(mode, on_cluster, bind, has_way), expected, "{mode:?} {on_cluster} {bind} {has_way}");
        }
    }
}
