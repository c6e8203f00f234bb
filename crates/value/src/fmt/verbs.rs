//! What each verb does with booleans, numbers, text, bytes and pointers.

use super::float::format_float;
use super::printer::Printer;
use super::quote::{can_backquote, is_print, quote_rune, quote_text};
use super::types::type_name;
use crate::{FloatKind, GoType, Value, runes};

/// What stands for any address: real ones would make two renders of the same data differ.
const ADDRESS: u64 = 0xc0_0001_0000;

impl Printer<'_> {
    /// A value without elements; `whole` is what a bad verb names.
    pub(super) fn leaf(&mut self, whole: &Value, base: &Value, verb: char) {
        match base {
            Value::Bool(b) if matches!(verb, 't' | 'v') => self.pad(if *b { b"true" } else { b"false" }),
            Value::Int(_, n) | Value::Duration(n) | Value::Month(n) | Value::Weekday(n) => {
                self.integer(whole, n.unsigned_abs(), *n < 0, true, verb);
            }
            Value::Uint(_, n) => self.integer(whole, *n, false, false, verb),
            Value::Float(kind, f) => self.float(whole, *f, if *kind == FloatKind::Float32 { 32 } else { 64 }, verb),
            Value::Str(text) => self.string(whole, text.as_bytes(), verb),
            Value::Func(_) | Value::Location(_) | Value::Struct(_) | Value::TypedNil(_) => self.pointer(whole, verb),
            _ => self.bad_verb(whole, verb),
        }
    }

    /// `%s` of a text: cut to the precision, padded to the width.
    pub(super) fn text(&mut self, text: &[u8]) {
        let shown = self.cut(text);
        self.pad(shown);
    }

    fn cut<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        self.flags.prec.map_or(text, |prec| &text[..runes::offset(text, prec)])
    }

    /// A string under any verb.
    pub(super) fn string(&mut self, whole: &Value, text: &[u8], verb: char) {
        match verb {
            'v' if self.flags.sharp_v => self.quoted(text),
            'v' | 's' => self.text(text),
            'x' | 'X' => self.hex_text(text, verb == 'X'),
            'q' => self.quoted(text),
            _ => self.bad_verb(whole, verb),
        }
    }

    fn quoted(&mut self, text: &[u8]) {
        let shown = self.cut(text);
        if !self.room(shown.len()) {
            return;
        }
        if self.flags.sharp && can_backquote(shown) {
            let raw = [b"`", shown, b"`"].concat();
            self.pad(&raw);
        } else {
            let quoted = quote_text(shown, self.flags.plus);
            self.pad(quoted.as_bytes());
        }
    }

    fn hex_text(&mut self, text: &[u8], upper: bool) {
        let text = &text[..self.flags.prec.unwrap_or(text.len()).min(text.len())];
        if text.is_empty() {
            self.padding(self.flags.width.unwrap_or(0));
            return;
        }
        if !self.room(text.len().saturating_mul(2)) {
            return;
        }
        let prefix = match (self.flags.sharp, upper) {
            (false, _) => "",
            (true, false) => "0x",
            (true, true) => "0X",
        };
        let mut hex = String::from(prefix);
        for (i, byte) in text.iter().enumerate() {
            if i > 0 && self.flags.space {
                hex.push(' ');
                hex.push_str(prefix);
            }
            for digit in [byte >> 4, byte & 15] {
                hex.push(hex_digit(u64::from(digit), upper));
            }
        }
        self.pad(hex.as_bytes());
    }

    /// `[]byte` under the verbs that treat it as a whole; false where it prints element by element.
    pub(super) fn bytes(&mut self, whole: &Value, bytes: &[u8], verb: char) -> bool {
        match verb {
            's' => self.text(bytes),
            'x' | 'X' | 'q' => self.string(whole, bytes, verb),
            _ => return false,
        }
        true
    }

    fn integer(&mut self, whole: &Value, n: u64, negative: bool, signed: bool, verb: char) {
        let as_rune = if negative { u64::MAX } else { n };
        match verb {
            'v' if self.flags.sharp_v && !signed => self.hexadecimal(n, true),
            'v' | 'd' => self.digits(n, negative, 10, verb),
            'b' => self.digits(n, negative, 2, verb),
            'o' | 'O' => self.digits(n, negative, 8, verb),
            'x' | 'X' => self.digits(n, negative, 16, verb),
            'c' => self.pad(rune(as_rune).encode_utf8(&mut [0; 4]).as_bytes()),
            'q' => self.pad(quote_rune(rune(as_rune), self.flags.plus).as_bytes()),
            'U' => self.unicode(if negative { n.wrapping_neg() } else { n }),
            _ => self.bad_verb(whole, verb),
        }
    }

    fn hexadecimal(&mut self, n: u64, prefixed: bool) {
        let sharp = std::mem::replace(&mut self.flags.sharp, prefixed);
        self.digits(n, false, 16, 'v');
        self.flags.sharp = sharp;
    }

    fn digits(&mut self, n: u64, negative: bool, base: u64, verb: char) {
        let flags = self.flags;
        if flags.prec == Some(0) && n == 0 {
            let zero = std::mem::take(&mut self.flags.zero);
            self.padding(flags.width.unwrap_or(0));
            self.flags.zero = zero;
            return;
        }
        let sign = match (negative, flags.plus, flags.space) {
            (true, ..) => "-",
            (_, true, _) => "+",
            (_, _, true) => " ",
            _ => "",
        };
        // Zero padding is a precision that leaves room for the sign; an explicit precision wins over it.
        let least = match (flags.prec, flags.width) {
            (Some(prec), _) => prec,
            (None, Some(width)) if flags.zero && !flags.minus => width.saturating_sub(sign.len()),
            _ => 0,
        };
        if !self.room(least) {
            return;
        }
        let digits = digits_of(n, base, verb == 'X');
        let zeros = "0".repeat(least.saturating_sub(digits.len()));
        let prefix = match (flags.sharp, base) {
            (true, 2) => "0b",
            (true, 8) if zeros.is_empty() && !digits.starts_with('0') => "0",
            (true, 16) if verb == 'X' => "0X",
            (true, 16) => "0x",
            _ => "",
        };
        let octal = if verb == 'O' { "0o" } else { "" };
        self.pad_spaces(format!("{sign}{octal}{prefix}{zeros}{digits}").as_bytes());
    }

    fn unicode(&mut self, n: u64) {
        let least = self.flags.prec.unwrap_or(0).max(4);
        if !self.room(least) {
            return;
        }
        let mut out = format!("U+{:0>least$}", digits_of(n, 16, true), least = least.min(usize::from(u16::MAX)));
        if least > usize::from(u16::MAX) {
            let digits = digits_of(n, 16, true);
            out = format!("U+{}{digits}", "0".repeat(least - digits.len()));
        }
        if let Some(c) = u32::try_from(n).ok().and_then(char::from_u32).filter(|c| self.flags.sharp && is_print(*c)) {
            out.push_str(&format!(" '{c}'"));
        }
        self.pad_spaces(out.as_bytes());
    }

    fn float(&mut self, whole: &Value, f: f64, bits: u32, verb: char) {
        let (style, default) = match verb {
            'v' => ('g', None),
            'b' | 'g' | 'G' | 'x' | 'X' => (verb, None),
            'f' | 'e' | 'E' => (verb, Some(6)),
            'F' => ('f', Some(6)),
            _ => return self.bad_verb(whole, verb),
        };
        let prec = self.flags.prec.or(default);
        if !self.room(prec.unwrap_or(0)) {
            return;
        }
        let mut number = format_float(f, style, prec, bits);
        if !number.starts_with(['-', '+']) {
            number.insert(0, '+');
        }
        if self.flags.space && !self.flags.plus && number.starts_with('+') {
            number.replace_range(..1, " ");
        }
        if !f.is_finite() {
            // An infinity keeps its sign, NaN shows one only when asked for.
            let unsigned = f.is_nan() && !self.flags.space && !self.flags.plus;
            return self.pad_spaces(&number.as_bytes()[usize::from(unsigned)..]);
        }
        if self.flags.sharp && style != 'b' {
            number = with_point(&number, style, prec);
        }
        self.signed_number(&number);
    }

    /// Pads a number whose first character is its sign; `+` only shows when asked for.
    fn signed_number(&mut self, number: &str) {
        if !self.flags.plus && number.starts_with('+') {
            return self.pad(&number.as_bytes()[1..]);
        }
        match self.flags.width {
            Some(width) if self.flags.zero && !self.flags.minus && width > number.len() => {
                self.write_str(&number[..1]);
                self.padding(width - number.len());
                self.write_str(&number[1..]);
            }
            _ => self.pad(number.as_bytes()),
        }
    }

    /// Pointers, functions, and with `%p` maps and slices.
    pub(super) fn pointer(&mut self, value: &Value, verb: char) {
        let address = match value {
            Value::TypedNil(_) => 0,
            Value::Func(_) | Value::Location(_) => ADDRESS,
            Value::Struct(view) if view.is_pointer() => ADDRESS,
            Value::Map(_) | Value::AnyMap(_) | Value::List(_) | Value::Bytes(_) => ADDRESS,
            _ => return self.bad_verb(value, verb),
        };
        match verb {
            'v' if self.flags.sharp_v => {
                self.write_str(&format!("({})(", type_name(value)));
                if address == 0 {
                    self.write_str("nil")
                } else {
                    self.hexadecimal(address, true)
                }
                self.write_str(")");
            }
            'v' if address == 0 => self.pad(b"<nil>"),
            'v' | 'p' => self.hexadecimal(address, !self.flags.sharp),
            'b' | 'o' | 'd' | 'x' | 'X' => self.integer(value, address, false, false, verb),
            _ => self.bad_verb(value, verb),
        }
    }

    /// A nil slice, map or pointer that has a type.
    pub(super) fn typed_nil(&mut self, value: &Value, t: &GoType, verb: char) {
        let slice = matches!(t, GoType::Bytes | GoType::Slice(_));
        let map = matches!(t, GoType::Map(_) | GoType::AnyMap);
        if matches!(t, GoType::Bytes) && self.bytes(value, b"", verb) {
            return;
        }
        match (slice, map) {
            (false, false) if matches!(t, GoType::Any) && self.flags.sharp_v => self.write_str("interface {}(nil)"),
            (false, false) if matches!(t, GoType::Any) => self.write_str("<nil>"),
            (false, false) => self.pointer(value, verb),
            _ if self.flags.sharp_v => self.write_str(&format!("{}(nil)", type_name(value))),
            (true, _) => self.write_str("[]"),
            _ => self.write_str("map[]"),
        }
    }
}

fn rune(n: u64) -> char {
    u32::try_from(n).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn hex_digit(n: u64, upper: bool) -> char {
    let digit = char::from_digit(u32::try_from(n).unwrap_or(0), 16).unwrap_or('0');
    if upper { digit.to_ascii_uppercase() } else { digit }
}

fn digits_of(mut n: u64, base: u64, upper: bool) -> String {
    if base == 10 {
        return n.to_string();
    }
    let mut digits = Vec::new();
    loop {
        digits.push(hex_digit(n % base, upper));
        n /= base;
        if n == 0 {
            return digits.iter().rev().collect();
        }
    }
}

/// The `#` flag: a decimal point always, and for `%g` the trailing zeros up to the precision.
fn with_point(number: &str, style: char, prec: Option<usize>) -> String {
    let hex = matches!(style, 'x' | 'X');
    let tail_at = if hex { number.find(['p', 'P']) } else { number.find(['e', 'E']) };
    let (mantissa, tail) = number.split_at(tail_at.unwrap_or(number.len()));
    let wanted = match style {
        'g' | 'G' | 'x' => prec.unwrap_or(6),
        _ => 0,
    };
    let mut shown = mantissa.chars().skip(1).filter(|c| *c != '.').skip_while(|c| *c == '0').count();
    let mut out = mantissa.to_owned();
    if !mantissa.contains('.') {
        shown += usize::from(mantissa.len() == 2 && mantissa.ends_with('0'));
        out.push('.');
    }
    out.extend(std::iter::repeat_n('0', wanted.saturating_sub(shown)));
    out + tail
}
