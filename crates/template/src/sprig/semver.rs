//! Semantic versions and constraints by the rules of Masterminds/semver 3.3, which are neither npm's nor Cargo's.

use super::{Answer, fail};
use crate::function::{Call, FunctionSpec, Offered::Notifications, ParamType::*, SignatureSpec};
use gatepost_value::{CallContext, CallError, Str, StructView, UintKind, Value};
use regex::Regex;
use std::cmp::Ordering;
use std::sync::{Arc, OnceLock};

mod constraint;

pub(super) const TABLE: &[FunctionSpec] = &[
    FunctionSpec::new("semver", SignatureSpec::fixed(&[String]), |call| {
        let version = Version::parse(&call.text(0).to_lossy()).or_else(fail)?;
        Ok(Value::Struct(Arc::new(version)))
    })
    .offered(Notifications),
    FunctionSpec::new("semverCompare", SignatureSpec::fixed(&[String, String]), compare).offered(Notifications),
];

fn compare(call: &mut Call<'_>) -> Answer {
    // Each byte of a constraint meets several patterns.
    call.budget().step(100 + call.bytes(0).len() as u64 * 16)?;
    let constraint = constraint::Constraint::parse(&call.text(0).to_lossy()).or_else(fail)?;
    let version = Version::parse(&call.text(1).to_lossy()).or_else(fail)?;
    Ok(Value::Bool(constraint.allows(&version)))
}

/// Numbers, pre-release and metadata, and the text it was read from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Version {
    numbers: [u64; 3],
    pre: std::string::String,
    metadata: std::string::String,
    original: std::string::String,
}

/// A pattern of this module; the empty alternative is never taken since the patterns are constant.
fn pattern<'r>(cell: &'r OnceLock<Option<Regex>>, source: &str) -> Option<&'r Regex> {
    cell.get_or_init(|| Regex::new(source).ok()).as_ref()
}

/// Pre-release and metadata behind the numbers.
const SUFFIX: &str = r"(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?";

impl Version {
    fn parse(text: &str) -> Result<Self, std::string::String> {
        static PATTERN: OnceLock<Option<Regex>> = OnceLock::new();
        let source = format!(r"^v?([0-9]+)(\.[0-9]+)?(\.[0-9]+)?{SUFFIX}$");
        let Some(found) = pattern(&PATTERN, &source).and_then(|p| p.captures(text)) else {
            return Err("Invalid Semantic Version".to_owned());
        };
        let group = |n: usize| found.get(n).map_or("", |m| m.as_str());
        let version = Self {
            numbers: [number(group(1))?, number(group(2))?, number(group(3))?],
            pre: group(5).to_owned(),
            metadata: group(8).to_owned(),
            original: text.to_owned(),
        };
        let padded = |part: &str| part.len() > 1 && part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit());
        if version.pre.split('.').any(padded) {
            return Err("Version segment starts with 0".to_owned());
        }
        Ok(version)
    }

    fn text(&self) -> std::string::String {
        let [major, minor, patch] = self.numbers;
        let mut out = format!("{major}.{minor}.{patch}");
        for (mark, part) in [('-', &self.pre), ('+', &self.metadata)] {
            if !part.is_empty() {
                out.push(mark);
                out.push_str(part);
            }
        }
        out
    }

    /// Precedence; metadata does not count.
    fn order(&self, other: &Self) -> Ordering {
        let pre = || match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => order_pre(&self.pre, &other.pre),
        };
        self.numbers.cmp(&other.numbers).then_with(pre)
    }

    /// The next version at one of the three places.
    fn increased(&self, place: usize) -> Self {
        let mut numbers = self.numbers;
        // The release of a pre-release is its next patch.
        if place < 2 || self.pre.is_empty() {
            numbers[place] = numbers[place].wrapping_add(1);
        }
        numbers[place + 1..].fill(0);
        self.renamed(Self { numbers, ..Self::default() })
    }

    fn renamed(&self, next: Self) -> Self {
        let prefix = if self.original.starts_with('v') { "v" } else { "" };
        Self { original: format!("{prefix}{}", next.text()), ..next }
    }
}

fn number(text: &str) -> Result<u64, std::string::String> {
    let digits = text.strip_prefix('.').unwrap_or(text);
    if digits.is_empty() {
        return Ok(0);
    }
    digits.parse().map_err(|_| {
        format!("Error parsing version segment: strconv.ParseUint: parsing \"{digits}\": value out of range")
    })
}

fn order_pre(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(x), Some(y)) => match (x.parse::<u64>(), y.parse::<u64>()) {
                _ if x == y => Ordering::Equal,
                (Ok(x), Ok(y)) if x > y => Ordering::Greater,
                (Ok(_), Ok(_)) | (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => x.cmp(y),
            },
        };
        if order.is_ne() {
            return order;
        }
    }
}

const METHODS: [&str; 19] = [
    "Compare",
    "Equal",
    "GreaterThan",
    "GreaterThanEqual",
    "IncMajor",
    "IncMinor",
    "IncPatch",
    "LessThan",
    "LessThanEqual",
    "Major",
    "Metadata",
    "Minor",
    "Original",
    "Patch",
    "Prerelease",
    "SetMetadata",
    "SetPrerelease",
    "String",
    "Value",
];

impl StructView for Version {
    fn type_name(&self) -> &str {
        "*semver.Version"
    }
    fn field(&self, _name: &str) -> Option<Value> {
        None
    }
    fn fields(&self) -> Vec<(Str, Value)> {
        Vec::new()
    }
    fn has_method(&self, name: &str) -> bool {
        METHODS.contains(&name)
    }
    fn is_pointer(&self) -> bool {
        true
    }
    fn own_json(&self) -> Option<Value> {
        Some(Value::str(self.text()))
    }
    fn call(&self, name: &str, context: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
        let wanted = match name {
            "Compare" | "Equal" | "GreaterThan" | "GreaterThanEqual" | "LessThan" | "LessThanEqual" => 1,
            "SetMetadata" | "SetPrerelease" => 1,
            _ => 0,
        };
        if args.len() != wanted {
            return fail(format!("wrong number of args for {name}: want {wanted} got {}", args.len()));
        }
        match args.first() {
            None => self.plain_method(name),
            Some(Value::Str(text)) if name.starts_with("Set") => self.set(name, &text.to_lossy()),
            Some(Value::Struct(view)) if !name.starts_with("Set") => self.comparison(name, &**view, context),
            Some(_) => fail(format!("wrong type of argument for {name}")),
        }
    }
}

impl Version {
    fn plain_method(&self, name: &str) -> Answer {
        let [major, minor, patch] = self.numbers;
        let uint = |n| Ok(Value::Uint(UintKind::Uint64, n));
        match name {
            "Major" => uint(major),
            "Minor" => uint(minor),
            "Patch" => uint(patch),
            "Prerelease" => Ok(Value::str(self.pre.as_str())),
            "Metadata" => Ok(Value::str(self.metadata.as_str())),
            "Original" => Ok(Value::str(self.original.as_str())),
            "String" | "Value" => Ok(Value::str(self.text())),
            "IncMajor" => Ok(Value::Struct(Arc::new(self.increased(0)))),
            "IncMinor" => Ok(Value::Struct(Arc::new(self.increased(1)))),
            "IncPatch" => Ok(Value::Struct(Arc::new(self.increased(2)))),
            _ => fail(format!("no method {name}")),
        }
    }

    fn comparison(&self, name: &str, other: &dyn StructView, context: &CallContext<'_>) -> Answer {
        if other.type_name() != self.type_name() {
            return fail(format!("wrong type for value; expected *semver.Version; got {}", other.type_name()));
        }
        // The other one is known by its trait only; its text says all that precedence looks at.
        let Value::Str(text) = other.call("String", context, &[])? else { return fail("not a version") };
        let order = self.order(&Self::parse(&text.to_lossy()).or_else(fail)?);
        Ok(match name {
            "Compare" => Value::int(order as i64),
            "Equal" => Value::Bool(order.is_eq()),
            "GreaterThan" => Value::Bool(order.is_gt()),
            "GreaterThanEqual" => Value::Bool(order.is_ge()),
            "LessThan" => Value::Bool(order.is_lt()),
            _ => Value::Bool(order.is_le()),
        })
    }

    fn set(&self, name: &str, text: &str) -> Answer {
        let mut next = self.clone();
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
        if name == "SetMetadata" {
            if !text.bytes().all(allowed) {
                return fail("Invalid Metadata string");
            }
            next.metadata = text.to_owned();
        } else {
            let padded = |p: &str| p.len() > 1 && p.starts_with('0') && p.bytes().all(|b| b.is_ascii_digit());
            if text.split('.').any(padded) {
                return fail("Version segment starts with 0");
            }
            if !text.bytes().all(allowed) {
                return fail("Invalid Prerelease string");
            }
            next.pre = text.to_owned();
        }
        Ok(Value::Struct(Arc::new(self.renamed(next))))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).expect(text)
    }

    #[test]
    fn reading_and_writing() {
        assert_eq!(version("v1.2-rc.1+b").text(), "1.2.0-rc.1+b");
        assert_eq!(version("v1.2.3-rc").increased(2).original, "v1.2.3");
        assert_eq!(version("1.2.3").increased(1).text(), "1.3.0");
        for bad in ["", "1.2.3.4", "1.2.x", "a", "1.2.3-"] {
            assert_eq!(Version::parse(bad).expect_err(bad), "Invalid Semantic Version");
        }
        assert_eq!(Version::parse("1.2.3-01").expect_err("01"), "Version segment starts with 0");
    }

    #[test]
    fn precedence() {
        let rising = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0",
        ];
        for pair in rising.windows(2) {
            assert_eq!(version(pair[0]).order(&version(pair[1])), Ordering::Less, "{pair:?}");
        }
        assert!(version("1.0.0+a").order(&version("1.0.0+b")).is_eq());
    }

    #[test]
    fn comparing() {
        assert_eq!(shown("semverCompare", &[s("^1.2.0"), s("1.9.1")]), "true");
        assert_eq!(refused("semverCompare", &[s("bad>"), s("1.0.0")]), "improper constraint: bad>");
        assert_eq!(refused("semverCompare", &[s("1"), s("x")]), "Invalid Semantic Version");
    }
}
