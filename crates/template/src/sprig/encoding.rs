//! Base 64, base 32 and digests. Decoding errors are answered as text, which is how sprig does it.

use super::{Answer, text};
use crate::function::{Call, FunctionSpec, Offered::Notifications, ParamType::*, SignatureSpec};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gatepost_value::Value;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use std::fmt::Write;

const fn one(name: &'static str, run: fn(&mut Call<'_>) -> Answer) -> FunctionSpec {
    FunctionSpec::new(name, SignatureSpec::fixed(&[String]), run)
}

pub(super) const TABLE: &[FunctionSpec] = &[
    one("b64enc", |call| text(call, STANDARD.encode(call.bytes(0)))),
    one("b64dec", |call| {
        let decoded = decode_base64(call.bytes(0));
        text(call, decoded.unwrap_or_else(|at| format!("illegal base64 data at input byte {at}").into_bytes()))
    }),
    one("b32enc", |call| text(call, encode_base32(call.bytes(0)))),
    one("b32dec", |call| {
        let decoded = decode_base32(call.bytes(0));
        text(call, decoded.unwrap_or_else(|at| format!("illegal base32 data at input byte {at}").into_bytes()))
    }),
    one("sha1sum", |call| Ok(Value::str(hex(&Sha1::digest(call.bytes(0)))))),
    one("sha256sum", |call| Ok(Value::str(hex(&Sha256::digest(call.bytes(0)))))),
    one("sha512sum", |call| Ok(Value::str(hex(&Sha512::digest(call.bytes(0)))))).offered(Notifications),
    one("adler32sum", |call| Ok(Value::str(adler32(call.bytes(0)).to_string()))),
];

fn hex(bytes: &[u8]) -> std::string::String {
    bytes.iter().fold(std::string::String::new(), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn adler32(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    let (a, b) = bytes.iter().fold((1, 0), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % MODULUS;
        (a, (b + a) % MODULUS)
    });
    b << 16 | a
}

/// Standard base 64 with padding; line ends anywhere are skipped. The error is the offset that Go reports.
pub(super) fn decode_base64(source: &[u8]) -> Result<Vec<u8>, usize> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let mut out = Vec::with_capacity(source.len() / 4 * 3 + 3);
    let (mut bits, mut filled) = (0_u32, 0_usize);
    for (at, &byte) in source.iter().enumerate() {
        match byte {
            b'\r' | b'\n' => continue,
            b'=' => {
                padding(source, at, filled)?;
                let kept = (bits << (6 * (4 - filled))).to_be_bytes();
                out.extend_from_slice(&kept[1..filled]);
                return Ok(out);
            }
            _ => bits = bits << 6 | u32::from(value(byte).ok_or(at)?),
        }
        filled += 1;
        if filled == 4 {
            out.extend_from_slice(&bits.to_be_bytes()[1..]);
            (bits, filled) = (0, 0);
        }
    }
    // Without padding the fault lies where the last group begins.
    if filled == 0 { Ok(out) } else { Err(source.len() - filled) }
}

/// Checks what stands from the first `=` on.
fn padding(source: &[u8], at: usize, filled: usize) -> Result<(), usize> {
    let skip = |mut at: usize| {
        while matches!(source.get(at), Some(b'\r' | b'\n')) {
            at += 1;
        }
        at
    };
    if filled < 2 {
        return Err(at);
    }
    let mut next = at + 1;
    if filled == 2 {
        next = skip(next);
        match source.get(next) {
            None => return Err(source.len()),
            Some(b'=') => next += 1,
            Some(_) => return Err(next - 1),
        }
    }
    next = skip(next);
    if next < source.len() { Err(next) } else { Ok(()) }
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn encode_base32(source: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(source.len().div_ceil(5) * 8);
    for group in source.chunks(5) {
        let bits = (0..5).fold(0_u64, |bits, i| bits << 8 | u64::from(group.get(i).copied().unwrap_or(0)));
        let digits = (group.len() * 8).div_ceil(5);
        out.extend((0..8).map(|i| if i < digits { BASE32[(bits >> (35 - 5 * i) & 31) as usize] } else { b'=' }));
    }
    out
}

/// Standard base 32 with padding; line ends are taken out first. The error is the offset that Go reports.
fn decode_base32(source: &[u8]) -> Result<Vec<u8>, usize> {
    let source: Vec<u8> = source.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    let mut out = Vec::with_capacity(source.len() / 8 * 5 + 5);
    for (index, group) in source.chunks(8).enumerate() {
        let start = index * 8;
        let (mut bits, mut filled) = (0_u64, 0);
        let last = source.len() - start <= 8;
        for (j, &byte) in group.iter().enumerate() {
            if byte == b'=' && j >= 2 && last {
                base32_padding(&source, start, j)?;
                break;
            }
            let digit = BASE32.iter().position(|&d| d == byte).ok_or(start + j)?;
            bits = bits << 5 | digit as u64;
            filled += 1;
        }
        if filled == group.len() && filled < 8 {
            return Err(start);
        }
        let bytes = (bits << (5 * (8 - filled))).to_be_bytes();
        out.extend_from_slice(&bytes[3..3 + filled * 5 / 8]);
    }
    Ok(out)
}

/// Checks what stands from the first `=` on, the digit number `filled` of the last group.
fn base32_padding(source: &[u8], start: usize, filled: usize) -> Result<(), usize> {
    let after = &source[start + filled + 1..];
    if after.len() + filled < 7 {
        return Err(source.len());
    }
    if let Some(bad) = after.iter().position(|&byte| byte != b'=') {
        return Err(start + filled + bad);
    }
    if matches!(filled, 3 | 6) { Err(start + filled) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    #[test]
    fn base64_and_its_errors() {
        assert_eq!(shown("b64enc", &[s("a?>")]), "YT8+");
        assert_eq!(shown("b64dec", &[s("YT\n8+")]), "a?>");
        assert_eq!(shown("b64dec", &[s("YQ==\n")]), "a");
        let faults = [("YQ", 0), ("YQ=", 3), ("YQ==x", 4), ("Y*==", 1), ("=", 0), ("YWJjZ", 4), ("YQ=x", 2)];
        for (given, at) in faults {
            assert_eq!(shown("b64dec", &[s(given)]), format!("illegal base64 data at input byte {at}"), "{given}");
        }
    }

    #[test]
    fn base32_and_its_errors() {
        for (plain, coded) in [("", ""), ("f", "MY======"), ("foob", "MZXW6YQ="), ("foobar", "MZXW6YTBOI======")] {
            assert_eq!(shown("b32enc", &[s(plain)]), coded);
            assert_eq!(shown("b32dec", &[s(coded)]), plain);
        }
        for (given, at) in [("M", 0), ("!", 0), ("MY=====", 7), ("MY=A====", 2), ("MZX=====", 3)] {
            assert_eq!(shown("b32dec", &[s(given)]), format!("illegal base32 data at input byte {at}"), "{given}");
        }
    }

    #[test]
    fn digests() {
        assert_eq!(shown("sha1sum", &[s("abc")]), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert!(shown("sha256sum", &[s("abc")]).starts_with("ba7816bf8f01cfea"));
        assert!(shown("sha512sum", &[s("abc")]).starts_with("ddaf35a193617aba"));
        assert_eq!(shown("adler32sum", &[s("Wikipedia")]), "300286872");
    }
}
