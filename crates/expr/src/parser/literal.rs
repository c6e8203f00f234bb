//! Literals and names: what an expression can begin with.

use super::{Parsed, Parser, Stop};
use crate::ast::{Kind, Target};
use crate::lexer::{Token, TokenKind, quote};

/// Go's strconv error for a number.
struct BadNumber {
    what: &'static str,
    function: &'static str,
    text: String,
    why: &'static str,
}

impl Parser {
    #[inline(never)]
    pub(super) fn literal(&mut self) -> Parsed {
        let token = self.current.clone();
        let node = match token.kind {
            TokenKind::Identifier => {
                self.next()?;
                return self.name(&token);
            }
            TokenKind::Number => {
                self.next()?;
                let kind = self.number(token.text())?;
                return self.node(kind, token.offset);
            }
            TokenKind::String => {
                self.next()?;
                self.node(Kind::Str(token.value), token.offset)?
            }
            TokenKind::Bytes => {
                self.next()?;
                self.node(Kind::Bytes(token.value.into_bytes()), token.offset)?
            }
            TokenKind::Bracket if token.is_bracket("[") => self.array(token.offset)?,
            TokenKind::Bracket if token.is_bracket("{") => self.map(token.offset)?,
            _ => return self.unexpected(),
        };
        self.postfix(node)
    }
    #[inline(never)]
    fn name(&mut self, token: &Token) -> Parsed {
        let constant = match token.text() {
            "true" => Some(Kind::Bool(true)),
            "false" => Some(Kind::Bool(false)),
            "nil" => Some(Kind::Nil),
            _ => None,
        };
        if let Some(kind) = constant {
            return self.node(kind, token.offset);
        }
        let node = if self.current.is_bracket("(") {
            self.call(token, Vec::new())?
        } else {
            self.node(Kind::Identifier { name: token.value.clone(), target: Target::Env }, token.offset)?
        };
        self.postfix(node)
    }
    #[inline(never)]
    fn number(&mut self, text: &str) -> Result<Kind, Stop> {
        parse_number(text).or_else(|bad| {
            let BadNumber { what, function, text, why } = bad;
            self.fail_here(format!("invalid {what} literal: strconv.{function}: parsing {}: {why}", quote(&text)))
        })
    }
}

fn parse_number(text: &str) -> Result<Kind, BadNumber> {
    let digits = text.replace('_', "");
    let lower = digits.to_lowercase();
    let (what, radix, body) = if let Some(body) = lower.strip_prefix("0x") {
        ("hex", 16, body)
    } else if lower.contains(['.', 'e']) {
        return parse_float(&digits);
    } else if let Some(body) = lower.strip_prefix("0b") {
        ("binary", 2, body)
    } else if let Some(body) = lower.strip_prefix("0o") {
        ("octal", 8, body)
    } else {
        ("integer", 10, lower.as_str())
    };
    let valid = !body.is_empty() && body.chars().all(|c| c.is_digit(radix));
    let why = if valid { "value out of range" } else { "invalid syntax" };
    let parsed = if valid { i64::from_str_radix(body, radix).ok() } else { None };
    parsed.map(Kind::Int).ok_or_else(|| BadNumber { what, function: "ParseInt", text: digits.clone(), why })
}

fn parse_float(text: &str) -> Result<Kind, BadNumber> {
    let plain = text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    let parsed = if plain { text.parse::<f64>().ok() } else { None };
    let why = match parsed {
        Some(number) if number.is_finite() => return Ok(Kind::Float(number)),
        Some(_) => "value out of range",
        None => "invalid syntax",
    };
    Err(BadNumber { what: "float", function: "ParseFloat", text: text.to_owned(), why })
}
