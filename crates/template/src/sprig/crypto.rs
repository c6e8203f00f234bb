//! Passwords, encryption and name resolution: what costs much time or reaches outside. Certificates are beside it.
//!
//! All of it is refused unless [`gatepost_value::CallContext::costly`] is set.

use super::encoding::decode_base64;
use super::{Answer, fail, text};
use crate::function::{Call, Effect, FunctionSpec, Offered::Notifications, ParamType, ParamType::*, SignatureSpec};
use aes::Aes256;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cbc::cipher::block_padding::{NoPadding, Pkcs7};
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use gatepost_value::{CallError, Value};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::net::ToSocketAddrs;

const BLOCK: usize = 16;
/// bcrypt's cost in Go's library.
const BCRYPT_COST: u32 = 10;
/// bcrypt looks at no more bytes of a password; Go refuses longer ones.
const BCRYPT_BYTES: usize = 72;

const fn spec(name: &'static str, params: &'static [ParamType], run: fn(&mut Call<'_>) -> Answer) -> FunctionSpec {
    FunctionSpec::new(name, SignatureSpec::fixed(params), run).offered(Notifications).costly()
}
/// Functions of which each call answers something else.
const fn random(name: &'static str, params: &'static [ParamType], run: fn(&mut Call<'_>) -> Answer) -> FunctionSpec {
    spec(name, params, run).effect(Effect::Random)
}

pub(super) const TABLE: &[FunctionSpec] = &[
    random("bcrypt", &[String], |call| text(call, hashed(call, call.bytes(0)))),
    random("htpasswd", &[String, String], htpasswd),
    spec("derivePassword", &[Uint32, String, String, String, String], derive_password),
    random("encryptAES", &[String, String], encrypt),
    spec("decryptAES", &[String, String], decrypt),
    spec("getHostByName", &[String], host_by_name).effect(Effect::Network),
];

fn hashed(call: &Call<'_>, password: &[u8]) -> std::string::String {
    if password.len() > BCRYPT_BYTES {
        let reason = "bcrypt: password length exceeds 72 bytes";
        return format!("failed to encrypt string with bcrypt: {reason}");
    }
    let mut salt = [0; 16];
    (call.context.random)(&mut salt);
    match bcrypt::hash_with_salt(password, BCRYPT_COST, salt) {
        Ok(parts) => parts.format_for_version(bcrypt::Version::TwoA),
        Err(e) => format!("failed to encrypt string with bcrypt: {e}"),
    }
}

fn htpasswd(call: &mut Call<'_>) -> Answer {
    let user = call.text(0);
    if user.as_bytes().contains(&b':') {
        return text(call, format!("invalid username: {user}"));
    }
    text(call, format!("{user}:{}", hashed(call, call.bytes(1))))
}

/// Password patterns of the Master Password algorithm, by kind; the letters name the sets of [`characters`].
fn patterns(kind: &[u8]) -> &'static [&'static str] {
    match kind {
        b"maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        b"long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        b"medium" => &["CvcnoCvc", "CvcCvcno"],
        b"short" => &["Cvcn"],
        b"basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        b"pin" => &["nnnn"],
        _ => &[],
    }
}

fn characters(class: u8) -> &'static [u8] {
    match class {
        b'V' => b"AEIOU",
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'A' => b"AEIOUBCDFGHJKLMNPQRSTVWXYZ",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

/// A text with its length in front, behind the algorithm's own name.
fn seed(name: &[u8], last: &[u8]) -> Vec<u8> {
    let length = u32::try_from(name.len()).unwrap_or(u32::MAX).to_be_bytes();
    [b"com.lyndir.masterpassword", &length[..], name, last].concat()
}

fn derive_password(call: &mut Call<'_>) -> Answer {
    let patterns = patterns(call.bytes(1));
    if patterns.is_empty() {
        return text(call, format!("cannot find password template {}", call.text(1)));
    }
    let refused = |e: &dyn std::fmt::Display| CallError::new(format!("failed to derive password: {e}"));
    // 32 MiB of memory, as the algorithm wants.
    let cost = scrypt::Params::new(15, 8, 2).map_err(|e| refused(&e))?;
    let mut key = [0; 64];
    scrypt::scrypt(call.bytes(2), &seed(call.bytes(3), b""), &cost, &mut key).map_err(|e| refused(&e))?;
    let counter = u32::try_from(call.int(0)).unwrap_or_default().to_be_bytes();
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&key).map_err(|e| refused(&e))?;
    mac.update(&seed(call.bytes(4), &counter));
    let digest = mac.finalize().into_bytes();
    let pick = |set: &[u8], at: usize| {
        let number = digest.get(at).copied().unwrap_or_default();
        set[usize::from(number) % set.len()]
    };
    let pattern = patterns[usize::from(digest[0]) % patterns.len()];
    let password: Vec<u8> = pattern.bytes().enumerate().map(|(i, class)| pick(characters(class), i + 1)).collect();
    text(call, password)
}

/// The password as a key of 32 bytes: cut off or filled up with zeros.
fn aes_key(password: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    let used = password.len().min(32);
    key[..used].copy_from_slice(&password[..used]);
    key
}

fn encrypt(call: &mut Call<'_>) -> Answer {
    let plain = call.bytes(1);
    if plain.is_empty() {
        return Ok(Value::str(""));
    }
    call.budget().allocate(plain.len() as u64 * 2)?;
    let mut start = [0; BLOCK];
    (call.context.random)(&mut start);
    let coder = cbc::Encryptor::<Aes256>::new(&aes_key(call.bytes(0)).into(), &start.into());
    let coded = coder.encrypt_padded_vec::<Pkcs7>(plain);
    text(call, STANDARD.encode([&start[..], &coded].concat()))
}

fn decrypt(call: &mut Call<'_>) -> Answer {
    if call.bytes(1).is_empty() {
        return Ok(Value::str(""));
    }
    let coded = decode_base64(call.bytes(1)).or_else(|at| fail(format!("illegal base64 data at input byte {at}")))?;
    let Some((start, body)) = coded.split_first_chunk::<BLOCK>() else {
        return fail(format!("runtime error: slice bounds out of range [:{BLOCK}] with capacity {}", coded.len()));
    };
    let coder = cbc::Decryptor::<Aes256>::new(&aes_key(call.bytes(0)).into(), &(*start).into());
    let Ok(plain) = coder.decrypt_padded_vec::<NoPadding>(body) else {
        return fail("crypto/cipher: input not full blocks");
    };
    // Go takes the last byte for the padding's length without looking at the padding.
    let padding = plain.last().copied().map_or(1, usize::from);
    match plain.len().checked_sub(padding) {
        Some(kept) => text(call, &plain[..kept]),
        None => fail("runtime error: slice bounds out of range"),
    }
}

fn host_by_name(call: &mut Call<'_>) -> Answer {
    let name = call.text(0).to_lossy().into_owned();
    let addresses = (name.as_str(), 0).to_socket_addrs();
    let Some(address) = addresses.ok().and_then(|mut found| found.next()) else {
        return fail(format!("getHostByName: no address found for {name}"));
    };
    Ok(Value::str(address.ip().to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    #[test]
    fn passwords_as_the_original_derives_them() {
        // One derivation only: without optimisation it takes seconds.
        let derived =
            |kind: &str| shown("derivePassword", &[i(1), s(kind), s("password"), s("user"), s("example.com")]);
        assert_eq!(derived("long"), "ZedaFaxcZaso9*");
        assert_eq!(derived("odd"), "cannot find password template odd");
    }

    #[test]
    fn encryption_and_back() {
        let coded = shown("encryptAES", &[s("secret"), s("plain text")]);
        assert_eq!(shown("decryptAES", &[s("secret"), s(&coded)]), "plain text");
        assert_eq!(
            shown("decryptAES", &[s("secretkey"), s("30tEfhuJSVRhpG97XCuWgz2okj7L8vQ1s6V9zVUPeDQ=")]),
            "plaintext"
        );
        assert!(refused("decryptAES", &[s("k"), s("YQ==")]).contains("out of range"));
    }

    #[test]
    fn hashes_and_refusals() {
        let line = shown("htpasswd", &[s("me"), s("pw")]);
        let hash = line.strip_prefix("me:").expect("user");
        assert!(hash.starts_with("$2a$10$") && bcrypt::verify("pw", hash).expect("hash"));
        assert_eq!(shown("htpasswd", &[s("a:b"), s("pw")]), "invalid username: a:b");
    }
}
