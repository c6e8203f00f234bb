//! The two cookies: that of a session, and that of a login on its way. Both belong to this very host (`__Host-`), to no script and to
//! no plain connection.
//!
//! The login's cookie comes back from another site's page, which a strict cookie would not; it holds what the login needs, sealed, so
//! that nothing of a login that nobody ends is kept here.

use crate::controller::identity::flow::Begun;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

/// Name of a session's cookie.
pub(super) const SESSION: &str = "__Host-gatepost";
/// Name of a login's cookie.
pub(super) const LOGIN: &str = "__Host-gatepost-login";
/// Seconds that a login's cookie lives.
const LOGIN_SECONDS: u32 = 600;
const NONCE_BYTES: usize = 24;

/// The cookie of a session; it ends with the browser.
pub(super) fn session(id: &str) -> String {
    format!("{SESSION}={id}; Path=/; Secure; HttpOnly; SameSite=Strict")
}

/// The cookie of a login on its way.
pub(super) fn login(sealed: &str) -> String {
    format!("{LOGIN}={sealed}; Path=/; Max-Age={LOGIN_SECONDS}; Secure; HttpOnly; SameSite=Lax")
}

/// Takes a cookie away.
pub(super) fn ended(name: &str) -> String {
    format!("{name}=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict")
}

/// The value of a cookie; of two with one name neither is believed.
pub(super) fn value<'a>(headers: impl Iterator<Item = &'a str>, name: &str) -> Option<&'a str> {
    let pairs = headers.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut found = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

/// Seals logins; with a key of its own in each process.
pub(super) struct Seal(XChaCha20Poly1305);

impl Seal {
    pub fn new() -> Self {
        Self(XChaCha20Poly1305::new(&rand::random::<[u8; 32]>().into()))
    }

    /// The text of a login; `None` if it cannot be made.
    pub fn close(&self, begun: &Begun) -> Option<String> {
        let nonce = rand::random::<[u8; NONCE_BYTES]>();
        let plain = serde_json::to_vec(begun).ok()?;
        let sealed = self.0.encrypt(&XNonce::from(nonce), plain.as_slice()).ok()?;
        Some(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// What was sealed by this process.
    pub fn open(&self, text: &str) -> Option<Begun> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES)?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().ok()?;
        let plain = self.0.decrypt(&XNonce::from(nonce), sealed).ok()?;
        serde_json::from_slice(&plain).ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn cookies_belong_to_this_host_and_to_no_script() {
        for (cookie, same_site) in [(session("x"), "Strict"), (login("x"), "Lax"), (ended(SESSION), "Strict")] {
            let attributes: Vec<&str> = cookie.split("; ").skip(1).collect();
            for needed in ["Path=/", "Secure", "HttpOnly", &format!("SameSite={same_site}")] {
                assert!(attributes.contains(&needed), "{cookie}");
            }
            assert!(cookie.starts_with("__Host-") && !cookie.contains("Domain"), "{cookie}");
        }
        assert!(!session("x").contains("Max-Age") && ended(SESSION).contains("Max-Age=0"));
    }

    #[test]
    fn one_cookie_of_a_name_is_believed() {
        let of = |headers: &[&'static str]| value(headers.iter().copied(), SESSION);
        assert_eq!(of(&["a=b; __Host-gatepost=x; c=d"]), Some("x"));
        assert_eq!(of(&["__Host-gatepost=x", "__Host-gatepost=y"]), None);
        assert_eq!(of(&["__Host-gatepost=x; __Host-gatepost=x"]), None);
        assert_eq!(of(&["x__Host-gatepost=x", "__host-gatepost=x", "__Host-gatepost-login=x"]), None);
    }

    #[test]
    fn a_login_is_opened_by_the_process_that_sealed_it_only() {
        let text = r#"{"state":"s","nonce":"n","verifier":"v","redirect":"r","until_ms":1,"next":"/"}"#;
        let begun: Begun = serde_json::from_str(text).unwrap();
        let (seal, other) = (Seal::new(), Seal::new());
        let sealed = seal.close(&begun).unwrap();
        assert!(seal.open(&sealed).is_some_and(|opened| opened == begun) && other.open(&sealed).is_none());
        let altered = sealed.replace(&sealed[40..41], if &sealed[40..41] == "A" { "B" } else { "A" });
        for wrong in ["", "x", "AAAA", &altered] {
            assert!(seal.open(wrong).is_none(), "{wrong}");
        }
        assert_ne!(sealed, seal.close(&begun).unwrap());
    }
}
