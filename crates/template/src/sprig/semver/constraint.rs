//! Constraints: `>=1.2, <2 || ~3.1`, hyphen ranges, `x` for any number.

use super::{SUFFIX, Version, pattern};
use regex::Regex;
use std::sync::OnceLock;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

/// One comparison, and from which place on its version is a wildcard.
#[derive(Debug)]
struct Comparison {
    operator: Operator,
    version: Version,
    /// Anything left open.
    open: bool,
    /// `1` or `1.x`.
    minor_open: bool,
    /// `1.2` or `1.2.x`.
    patch_open: bool,
}

/// Alternatives of comparisons that must all hold.
#[derive(Debug)]
pub(super) struct Constraint(Vec<Vec<Comparison>>);

const OPERATORS: &str = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^";

fn version_source() -> String {
    format!(r"v?([0-9|x|X|\*]+)(\.[0-9|x|X|\*]+)?(\.[0-9|x|X|\*]+)?{SUFFIX}")
}

fn improper<T>(text: &str) -> Result<T, String> {
    Err(format!("improper constraint: {text}"))
}

impl Constraint {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        static VALID: OnceLock<Option<Regex>> = OnceLock::new();
        static FIND: OnceLock<Option<Regex>> = OnceLock::new();
        let version = version_source();
        let one = format!(r"(?:{OPERATORS})[\t\n\f\r ]*(?:{version})");
        let valid = format!(r"^[\t\n\f\r ]*{one}[\t\n\f\r ]*(?:(?:[\t\n\f\r ]+|,[\t\n\f\r ]*){one}[\t\n\f\r ]*)*$");
        let mut alternatives = Vec::new();
        for part in hyphens_rewritten(text).split("||") {
            if !pattern(&VALID, &valid).is_some_and(|p| p.is_match(part)) {
                return improper(part);
            }
            let found = pattern(&FIND, &one).into_iter().flat_map(|p| p.find_iter(part));
            alternatives.push(found.map(|m| Comparison::parse(m.as_str())).collect::<Result<_, _>>()?);
        }
        Ok(Self(alternatives))
    }

    pub(super) fn allows(&self, version: &Version) -> bool {
        self.0.iter().any(|all| all.iter().all(|one| one.allows(version)))
    }
}

/// `1.2 - 2.0` as `>= 1.2, <= 2.0 `.
fn hyphens_rewritten(text: &str) -> String {
    static RANGE: OnceLock<Option<Regex>> = OnceLock::new();
    let version = version_source();
    let source = format!(r"[\t\n\f\r ]*({version})[\t\n\f\r ]+-[\t\n\f\r ]+({version})[\t\n\f\r ]*");
    let Some(range) = pattern(&RANGE, &source) else { return text.to_owned() };
    let mut out = text.to_owned();
    for found in range.captures_iter(text) {
        let group = |n: usize| found.get(n).map_or("", |m| m.as_str());
        out = out.replacen(group(0), &format!(">= {}, <= {} ", group(1), group(11)), 1);
    }
    out
}

fn is_wildcard(number: &str) -> bool {
    matches!(number.strip_prefix('.').unwrap_or(number), "" | "x" | "X" | "*")
}

impl Comparison {
    fn parse(text: &str) -> Result<Self, String> {
        static ONE: OnceLock<Option<Regex>> = OnceLock::new();
        let source = format!(r"^[\t\n\f\r ]*({OPERATORS})[\t\n\f\r ]*({})[\t\n\f\r ]*$", version_source());
        let Some(found) = pattern(&ONE, &source).and_then(|p| p.captures(text)) else { return improper(text) };
        let group = |n: usize| found.get(n).map_or("", |m| m.as_str());
        let (major, minor, patch, pre) = (group(3), group(4), group(5), group(6));
        let (mut minor_open, mut patch_open) = (false, false);
        let (closed, version) = if is_wildcard(major) {
            (false, format!("0.0.0{pre}"))
        } else if is_wildcard(minor) {
            minor_open = true;
            (false, format!("{major}.0.0{pre}"))
        } else if is_wildcard(patch) {
            patch_open = true;
            (false, format!("{major}{minor}.0{pre}"))
        } else {
            (true, group(2).to_owned())
        };
        let version = Version::parse(&version).map_err(|_| "constraint Parser Error".to_owned())?;
        Ok(Self { operator: operator(group(1)), version, open: !closed, minor_open, patch_open })
    }

    fn allows(&self, version: &Version) -> bool {
        // A constraint without a pre-release is not for pre-releases.
        let release_only = !version.pre.is_empty() && self.version.pre.is_empty();
        if release_only && (self.operator != Operator::NotEqual || self.open) {
            return false;
        }
        let order = version.order(&self.version);
        match self.operator {
            Operator::Equal if self.open => self.tilde(version),
            Operator::Equal => order.is_eq(),
            Operator::NotEqual => self.differs(version),
            Operator::Greater => self.greater(version),
            Operator::Less => order.is_lt(),
            Operator::GreaterEqual => order.is_ge(),
            Operator::LessEqual => self.at_most(version),
            Operator::Tilde => self.tilde(version),
            Operator::Caret => self.caret(version),
        }
    }

    fn differs(&self, version: &Version) -> bool {
        let ([major, minor, _], [own_major, own_minor, _]) = (version.numbers, self.version.numbers);
        if self.open && major != own_major {
            return true;
        }
        if self.open && self.minor_open {
            return false;
        }
        if self.open && minor != own_minor {
            return true;
        }
        if self.patch_open {
            return version.pre != self.version.pre;
        }
        version.order(&self.version).is_ne()
    }

    fn greater(&self, version: &Version) -> bool {
        let ([major, minor, _], [own_major, own_minor, _]) = (version.numbers, self.version.numbers);
        if !self.open || major == own_major && !self.minor_open && !self.patch_open {
            return version.order(&self.version).is_gt();
        }
        // ">11" starts at 12, ">11.1" at 11.2.
        major > own_major || major == own_major && self.patch_open && minor > own_minor
    }

    fn at_most(&self, version: &Version) -> bool {
        let ([major, minor, _], [own_major, own_minor, _]) = (version.numbers, self.version.numbers);
        if !self.open {
            return version.order(&self.version).is_le();
        }
        major < own_major || major == own_major && (self.minor_open || minor <= own_minor)
    }

    fn tilde(&self, version: &Version) -> bool {
        let ([major, minor, _], [own_major, own_minor, _]) = (version.numbers, self.version.numbers);
        if version.order(&self.version).is_lt() {
            return false;
        }
        if self.version.numbers == [0, 0, 0] && !self.minor_open && !self.patch_open {
            return true;
        }
        major == own_major && (self.minor_open || minor == own_minor)
    }

    fn caret(&self, version: &Version) -> bool {
        let ([major, minor, patch], [own_major, own_minor, own_patch]) = (version.numbers, self.version.numbers);
        if version.order(&self.version).is_lt() || major != own_major {
            return false;
        }
        if own_major > 0 || self.minor_open {
            return true;
        }
        minor == own_minor && (own_minor > 0 || self.patch_open || patch == own_patch)
    }
}

fn operator(text: &str) -> Operator {
    match text {
        "!=" => Operator::NotEqual,
        ">" => Operator::Greater,
        "<" => Operator::Less,
        ">=" | "=>" => Operator::GreaterEqual,
        "<=" | "=<" => Operator::LessEqual,
        "~" | "~>" => Operator::Tilde,
        "^" => Operator::Caret,
        _ => Operator::Equal,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn constraints_hold_or_not() {
        let cases = [
            ("*", "0.0.1", true),
            ("=2.0.0", "2.0.0", true),
            ("!=4.1", "4.1.3", false),
            ("!=4.x", "5.1.0", true),
            (">11", "11.1.0", false),
            (">11.1", "11.2.1", true),
            ("<=1.1", "1.1.9", true),
            ("<1.1", "1.1.0", false),
            ("~1.2.3", "1.2.9", true),
            ("~1", "1.9.0", true),
            ("~1.1", "1.2.0", false),
            ("^0.2.3", "0.3.0", false),
            ("^0.0.3", "0.0.4", false),
            ("^1.2", "1.9.9", true),
            ("^0", "0.9.9", true),
            (">=1.1, <2 || >=3", "3.1.0", true),
            ("1.2 - 1.4.5", "1.4.0", true),
            ("1.1 - 2", "3.0.0", false),
            (">=1.0", "1.1.0-beta", false),
            (">=1.0-0", "1.1.0-beta", true),
            ("^*", "1.2.3", false),
            (">1.0 <2.0", "1.5.0", true),
        ];
        for (constraint, version, wanted) in cases {
            let allowed = Constraint::parse(constraint).unwrap().allows(&Version::parse(version).unwrap());
            assert_eq!(allowed, wanted, "{constraint} {version}");
        }
        for bad in ["", "foo", ">= bar", "BAR >= 1.2.3", "1.2.3 || ", ">1.2;<2"] {
            assert!(Constraint::parse(bad).is_err(), "{bad}");
        }
    }
}
