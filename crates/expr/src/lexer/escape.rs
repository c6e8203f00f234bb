//! What stands between quotes, decoded. [`super::scan`] has already refused malformed escapes.

use super::Lexer;
use crate::error::Error;

const UNABLE: &str = "unable to unescape string";

/// Which literal is decoded: text, where `\xff` is a character, or bytes, where it is a byte.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Literal {
    Text,
    Bytes,
}

impl Lexer {
    /// Decodes the characters `from..to` (without the quotes).
    pub(super) fn unescape(&self, from: usize, to: usize, literal: Literal) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(to.saturating_sub(from));
        let mut rest = self.chars.get(from..to).unwrap_or_default();
        while let Some((&c, tail)) = rest.split_first() {
            rest = match c {
                '\\' => unescape_one(tail, literal, &mut out).ok_or_else(|| self.fail(UNABLE))?,
                '\r' => push(&mut out, '\n', tail),
                _ => push(&mut out, c, tail),
            };
        }
        Ok(out)
    }
}

fn push<'a>(out: &mut Vec<u8>, c: char, tail: &'a [char]) -> &'a [char] {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    tail
}

/// Decodes what follows a backslash and returns what follows that.
fn unescape_one<'a>(after: &'a [char], literal: Literal, out: &mut Vec<u8>) -> Option<&'a [char]> {
    let (&c, tail) = after.split_first()?;
    let (value, tail) = match c {
        'x' => number(tail, 2, 16)?,
        'u' | 'U' if literal == Literal::Bytes => return None,
        'u' if tail.first() == Some(&'{') => {
            let digits = tail.iter().position(|c| *c == '}')?.checked_sub(1)?;
            let (value, tail) = number(tail.get(1..)?, digits, 16)?;
            (value, tail.get(1..)?)
        }
        'u' => number(tail, 4, 16)?,
        'U' => number(tail, 8, 16)?,
        '0'..='3' => number(after, 3, 8)?,
        _ => return Some(push(out, simple(c)?, tail)),
    };
    match literal {
        Literal::Bytes => out.push(u8::try_from(value).ok()?),
        Literal::Text => push_code_point(out, value)?,
    }
    Some(tail)
}

/// Go keeps code points in a signed 32-bit number: above its range they turn negative and are written as one byte, and
/// surrogates become U+FFFD.
fn push_code_point(out: &mut Vec<u8>, value: u32) -> Option<()> {
    if value > i32::MAX.cast_unsigned() {
        out.push(value.to_le_bytes()[0]);
    } else if value > u32::from(char::MAX) {
        return None;
    } else {
        push(out, char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER), &[]);
    }
    Some(())
}

fn number(chars: &[char], digits: usize, radix: u32) -> Option<(u32, &[char])> {
    let (head, tail) = chars.split_at_checked(digits)?;
    let value = head.iter().try_fold(0_u32, |value, c| Some(value.wrapping_mul(radix) + c.to_digit(radix)?))?;
    Some((value, tail))
}

fn simple(c: char) -> Option<char> {
    Some(match c {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        '\\' | '\'' | '"' => c,
        _ => return None,
    })
}
