//! Reading format strings: flags, argument indexes, width, precision, and the words for what is wrong with them.

use super::printer::{Flags, Printer};
use super::types::type_name;
use crate::{Value, runes};

/// Go's limit for widths and precisions.
const LARGEST: i64 = 1_000_000;

/// Where in the format and in the arguments the reading is.
struct Reader<'a> {
    format: &'a [u8],
    at: usize,
    args: &'a [Value],
    arg: usize,
    /// An explicit index was used somewhere: unused arguments are no error then.
    reordered: bool,
    /// The verb at hand has no bad index.
    good_index: bool,
    /// An index such as `[3]` was read just now.
    after_index: bool,
}

/// Prints the arguments as the format says.
pub(super) fn printf(printer: &mut Printer<'_>, format: &[u8], args: &[Value]) {
    let mut reader = Reader { format, at: 0, args, arg: 0, reordered: false, good_index: true, after_index: false };
    while reader.at < format.len() && printer.step() {
        let text = &format[reader.at..];
        let plain = text.iter().position(|b| *b == b'%').unwrap_or(text.len());
        printer.write(&text[..plain]);
        reader.at += plain;
        if reader.at < format.len() {
            reader.at += 1;
            reader.verb(printer);
        }
    }
    if !reader.reordered && reader.arg < args.len() {
        extra(printer, &args[reader.arg..]);
    }
}

fn extra(printer: &mut Printer<'_>, args: &[Value]) {
    printer.flags = Flags::default();
    printer.write_str("%!(EXTRA ");
    for (i, arg) in args.iter().enumerate() {
        if i > 0 {
            printer.write_str(", ");
        }
        if !matches!(arg, Value::Nil) {
            printer.write_str(&type_name(arg));
            printer.write_str("=");
        }
        printer.print_arg(arg, 'v');
    }
    printer.write_str(")");
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.format.get(self.at).copied()
    }

    fn verb(&mut self, printer: &mut Printer<'_>) {
        self.good_index = true;
        self.after_index = false;
        printer.flags = self.flags();
        self.index();
        self.width(printer);
        self.precision(printer);
        if !self.after_index {
            self.index();
        }
        if self.at >= self.format.len() {
            return printer.write_str("%!(NOVERB)");
        }
        let (verb, size) = runes::decode(&self.format[self.at..]);
        self.at += size;
        self.apply(printer, verb);
    }

    fn apply(&mut self, printer: &mut Printer<'_>, verb: char) {
        if verb == '%' {
            return printer.write_str("%");
        }
        if !self.good_index || self.arg >= self.args.len() {
            let why = if self.good_index { "(MISSING)" } else { "(BADINDEX)" };
            printer.write_str("%!");
            printer.write_char(verb);
            return printer.write_str(why);
        }
        if matches!(verb, 'v' | 'w') {
            printer.flags.sharp_v = std::mem::take(&mut printer.flags.sharp);
            printer.flags.plus_v = std::mem::take(&mut printer.flags.plus);
        }
        printer.print_arg(&self.args[self.arg], verb);
        self.arg += 1;
    }

    fn flags(&mut self) -> Flags {
        let mut flags = Flags::default();
        while let Some(byte) = self.peek() {
            match byte {
                b'#' => flags.sharp = true,
                b'0' => flags.zero = true,
                b'+' => flags.plus = true,
                b'-' => flags.minus = true,
                b' ' => flags.space = true,
                _ => break,
            }
            self.at += 1;
        }
        flags
    }

    fn width(&mut self, printer: &mut Printer<'_>) {
        if self.peek() == Some(b'*') {
            self.at += 1;
            let width = self.number_from_arg();
            if width.is_none() {
                printer.write_str("%!(BADWIDTH)");
            }
            if width.is_some_and(|w| w < 0) {
                printer.flags.minus = true;
                printer.flags.zero = false;
            }
            printer.flags.width = width.map(magnitude);
            self.after_index = false;
        } else {
            printer.flags.width = self.number(self.format.len());
            if self.after_index && printer.flags.width.is_some() {
                self.good_index = false;
            }
        }
    }

    fn precision(&mut self, printer: &mut Printer<'_>) {
        // A point at the very end is the verb.
        if self.at + 1 >= self.format.len() || self.peek() != Some(b'.') {
            return;
        }
        self.at += 1;
        if self.after_index {
            self.good_index = false;
        }
        self.index();
        if self.peek() == Some(b'*') {
            self.at += 1;
            printer.flags.prec = self.number_from_arg().filter(|n| *n >= 0).map(magnitude);
            if printer.flags.prec.is_none() {
                printer.write_str("%!(BADPREC)");
            }
            self.after_index = false;
        } else {
            printer.flags.prec = Some(self.number(self.format.len()).unwrap_or(0));
        }
    }

    /// A decimal number up to `end`; one that is far too long swallows the rest.
    fn number(&mut self, end: usize) -> Option<usize> {
        let mut number: Option<i64> = None;
        while let Some(digit) = self.peek().filter(|b| self.at < end && b.is_ascii_digit()) {
            let so_far = number.unwrap_or(0);
            if so_far > LARGEST {
                self.at = end;
                return None;
            }
            number = Some(so_far * 10 + i64::from(digit - b'0'));
            self.at += 1;
        }
        number.map(magnitude)
    }

    fn number_from_arg(&mut self) -> Option<i64> {
        let arg = self.args.get(self.arg)?;
        self.arg += 1;
        let number = match arg {
            Value::Named(named) => whole(&named.base),
            _ => whole(arg),
        };
        number.filter(|n| (-LARGEST..=LARGEST).contains(n))
    }

    /// An explicit argument index, if one stands here.
    fn index(&mut self) {
        self.after_index = false;
        if self.peek() != Some(b'[') {
            return;
        }
        self.reordered = true;
        let start = self.at;
        let rest = &self.format[start..];
        let close = if rest.len() < 3 { None } else { rest.iter().position(|b| *b == b']') };
        let Some(close) = close else {
            self.at = start + 1;
            self.good_index = false;
            return;
        };
        self.at = start + 1;
        let number = self.number(start + close).filter(|_| self.at == start + close);
        self.at = start + close + 1;
        self.after_index = number.is_some();
        match number {
            Some(n) if n >= 1 && n <= self.args.len() => self.arg = n - 1,
            _ => self.good_index = false,
        }
    }
}

fn magnitude(n: i64) -> usize {
    usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX)
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Int(_, n) | Value::Duration(n) | Value::Month(n) | Value::Weekday(n) => Some(*n),
        Value::Uint(_, n) => i64::try_from(*n).ok(),
        _ => None,
    }
}
