//! The printer's state and its only ways to write: everything that can grow the output passes [`Printer::room`], which
//! refuses before allocating.

use super::types::type_name;
use crate::{Budget, LimitError, Value, runes};

/// Flags, width and precision of one verb.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flags {
    pub(super) plus: bool,
    pub(super) minus: bool,
    pub(super) sharp: bool,
    pub(super) space: bool,
    pub(super) zero: bool,
    /// `%+v`
    pub(super) plus_v: bool,
    /// `%#v`
    pub(super) sharp_v: bool,
    pub(super) width: Option<usize>,
    pub(super) prec: Option<usize>,
}

/// Bytes that a call without a budget may make. A small value that holds the same list again and again prints as gigabytes.
const UNMETERED: usize = 4 << 20;

/// One call of a print function.
pub(super) struct Printer<'b> {
    pub(super) out: Vec<u8>,
    pub(super) flags: Flags,
    pub(super) budget: Option<&'b Budget>,
    /// Set while a bad verb's operand is printed: methods are not called then.
    pub(super) erroring: bool,
    error: Option<LimitError>,
    most: usize,
}

impl<'b> Printer<'b> {
    /// A printer that appends to `out` as much as one call may make.
    pub(super) fn new(out: Vec<u8>, budget: Option<&'b Budget>) -> Self {
        let more = budget.map_or(UNMETERED, |b| usize::try_from(b.limits().call_bytes).unwrap_or(usize::MAX));
        let most = out.len().saturating_add(more);
        Self { out, flags: Flags::default(), budget, erroring: false, error: None, most }
    }

    /// Whether `more` bytes may still be written; if not, the run is over.
    pub(super) fn room(&mut self, more: usize) -> bool {
        let fits = self.out.len().saturating_add(more) <= self.most;
        if !fits && self.error.is_none() {
            let allowed = self.budget.map_or(0, |b| b.limits().call_bytes);
            self.error = Some(LimitError { limit: "call_bytes", allowed });
        }
        fits && self.error.is_none()
    }

    /// Counts one element; false once a limit was hit.
    pub(super) fn step(&mut self) -> bool {
        if let (Some(budget), None) = (self.budget, &self.error) {
            self.error = budget.step(1).err();
        }
        self.error.is_none()
    }

    /// The output and what stopped it; what is new in it is charged to the budget.
    pub(super) fn finish(self, before: usize) -> (Vec<u8>, Option<LimitError>) {
        let made = u64::try_from(self.out.len().saturating_sub(before)).unwrap_or(u64::MAX);
        let error = self.error.or_else(|| self.budget.and_then(|b| b.allocate(made).err()));
        (self.out, error)
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        if self.room(bytes.len()) {
            self.out.extend_from_slice(bytes);
        }
    }

    pub(super) fn write_str(&mut self, text: &str) {
        self.write(text.as_bytes());
    }

    pub(super) fn write_char(&mut self, c: char) {
        self.write(c.encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// `n` bytes of padding: zeros only to the left.
    pub(super) fn padding(&mut self, n: usize) {
        if self.room(n) {
            let byte = if self.flags.zero && !self.flags.minus { b'0' } else { b' ' };
            self.out.resize(self.out.len() + n, byte);
        }
    }

    /// Writes the text, padded to the width in runes.
    pub(super) fn pad(&mut self, text: &[u8]) {
        let missing = match self.flags.width {
            None | Some(0) => 0,
            Some(width) => width.saturating_sub(runes::count(text)),
        };
        if missing > 0 && !self.flags.minus {
            self.padding(missing);
        }
        self.write(text);
        if missing > 0 && self.flags.minus {
            self.padding(missing);
        }
    }

    /// As [`Printer::pad`], but never with zeros.
    pub(super) fn pad_spaces(&mut self, text: &[u8]) {
        let zero = std::mem::take(&mut self.flags.zero);
        self.pad(text);
        self.flags.zero = zero;
    }

    /// `%!d(string=x)`
    pub(super) fn bad_verb(&mut self, value: &Value, verb: char) {
        self.write_str("%!");
        self.write_char(verb);
        self.write_str("(");
        if matches!(value, Value::Nil) {
            self.write_str("<nil>");
        } else {
            self.write_str(&type_name(value));
            self.write_str("=");
            let before = std::mem::replace(&mut self.erroring, true);
            self.print_arg(value, 'v');
            self.erroring = before;
        }
        self.write_str(")");
    }

    /// Prints one operand.
    pub(super) fn print_arg(&mut self, value: &Value, verb: char) {
        match (value, verb) {
            (Value::Nil, 'T' | 'v') => self.pad(b"<nil>"),
            (Value::Nil, _) => self.bad_verb(value, verb),
            (_, 'T') => self.text(type_name(value).as_bytes()),
            (_, 'p') => self.pointer(value, verb),
            (Value::NoValue, _) => self.write_str("<invalid reflect.Value>"),
            _ => self.walk(value, verb),
        }
    }
}
