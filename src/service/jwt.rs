//! JSON Web Tokens signed with an RSA key (RS256), as GitHub Apps and Google's service accounts want them.
//!
//! Signing draws random numbers to hide the key from those who measure time; the signature is the same each time.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value as Json, json};

/// A private key.
pub struct Key(RsaKeyPair);

impl Key {
    /// Reads a PEM of PKCS#1 or PKCS#8.
    ///
    /// # Errors
    /// The Go controller's words where it is no PEM; nothing of the key is in them.
    pub fn parse(pem: &str) -> Result<Self, String> {
        let failed = |cause: &str| format!("could not parse private key: {cause}");
        let pair = match PrivateKeyDer::from_pem_slice(pem.as_bytes()) {
            Ok(PrivateKeyDer::Pkcs1(key)) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            Ok(PrivateKeyDer::Pkcs8(key)) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
            Ok(_) => return Err(failed("key is not a valid RSA private key")),
            Err(_) => return Err(failed("invalid key: Key must be a PEM encoded PKCS1 or PKCS8 key")),
        };
        pair.map(Self).map_err(|rejected| failed(&rejected.to_string()))
    }

    /// A token with these claims.
    ///
    /// # Errors
    /// Where the system has no random numbers.
    pub fn token(&self, claims: &Json) -> Result<String, &'static str> {
        let header = json!({"alg": "RS256", "typ": "JWT"});
        let part = |json: &Json| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", part(&header), part(claims));
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| "the system has no random numbers to sign with")?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::service::testing::RSA_KEY;
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    #[test]
    fn a_token_can_be_verified_and_is_the_same_each_time() {
        let key = Key::parse(RSA_KEY).unwrap();
        let claims = json!({"iss": "1", "iat": 5});
        let token = key.token(&claims).unwrap();
        assert_eq!(token, key.token(&claims).unwrap());
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.0.public().as_ref());
        public.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
        let decoded = URL_SAFE_NO_PAD.decode(signed.split('.').nth(1).unwrap()).unwrap();
        assert_eq!(serde_json::from_slice::<Json>(&decoded).unwrap(), claims);
    }

    #[test]
    fn what_is_no_key_is_refused_in_gos_words() {
        let words = "could not parse private key: invalid key: Key must be a PEM encoded PKCS1 or PKCS8 key";
        assert_eq!(Key::parse("").err().unwrap(), words);
        assert_eq!(Key::parse("nonsense").err().unwrap(), words);
        let broken = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n";
        assert!(Key::parse(broken).err().unwrap().starts_with("could not parse private key: "));
    }
}
