//! Kubernetes label selectors as texts: `team=orders,tier!=x,env in (a, b),!old`.

use std::collections::BTreeMap;

/// A parsed selector: every requirement must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
    Above(i64),
    Below(i64),
}

impl Selector {
    /// Parses a selector; the empty one matches everything. The error is what Kubernetes says.
    pub fn parse(text: &str) -> Result<Self, String> {
        let tokens = tokens(text);
        let mut parser = Parser { tokens: &tokens, at: 0 };
        let mut requirements = Vec::new();
        while parser.peek() != END {
            requirements.push(parser.requirement()?);
            match parser.next() {
                "," if parser.peek() != END => {}
                "," => return Err("found '', expected: identifier after ','".to_owned()),
                END => break,
                other => return Err(format!("found '{other}', expected: ',' or 'end of string'")),
            }
        }
        Ok(Self(requirements))
    }
    /// Whether labels fit.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| requirement.test.holds(labels.get(&requirement.key)))
    }
}

impl Test {
    fn holds(&self, value: Option<&String>) -> bool {
        let number = || value.and_then(|text| text.parse::<i64>().ok());
        match self {
            Self::Exists => value.is_some(),
            Self::Absent => value.is_none(),
            Self::In(wanted) => value.is_some_and(|text| wanted.contains(text)),
            Self::NotIn(refused) => !value.is_some_and(|text| refused.contains(text)),
            Self::Above(bound) => number().is_some_and(|n| n > *bound),
            Self::Below(bound) => number().is_some_and(|n| n < *bound),
        }
    }
}

const END: &str = "";
const SYMBOLS: &str = "()!,=<>";

fn tokens(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = if rest.starts_with("==") || rest.starts_with("!=") {
            2
        } else if SYMBOLS.contains(first) {
            1
        } else {
            rest.find(|c: char| c.is_whitespace() || SYMBOLS.contains(c)).unwrap_or(rest.len())
        };
        let (token, after) = rest.split_at(end);
        out.push(token);
        rest = after.trim_start();
    }
    out
}

struct Parser<'a> {
    tokens: &'a [&'a str],
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> &'a str {
        self.tokens.get(self.at).copied().unwrap_or(END)
    }
    fn next(&mut self) -> &'a str {
        let token = self.peek();
        self.at += 1;
        token
    }
    fn is_name(token: &str) -> bool {
        !token.is_empty() && !token.starts_with(|c| SYMBOLS.contains(c))
    }
    fn requirement(&mut self) -> Result<Requirement, String> {
        let negated = self.peek() == "!";
        if negated {
            self.at += 1;
        }
        let key = self.next();
        if !Self::is_name(key) {
            return Err(format!("found '{key}', expected: !, identifier, or 'end of string'"));
        }
        let key = key.to_owned();
        if negated {
            return Ok(Requirement { key, test: Test::Absent });
        }
        let test = match self.peek() {
            END | "," => return Ok(Requirement { key, test: Test::Exists }),
            operator => {
                self.at += 1;
                self.test(operator)?
            }
        };
        Ok(Requirement { key, test })
    }
    fn test(&mut self, operator: &str) -> Result<Test, String> {
        Ok(match operator {
            "=" | "==" => Test::In(vec![self.value()?]),
            "!=" => Test::NotIn(vec![self.value()?]),
            "in" => Test::In(self.values()?),
            "notin" => Test::NotIn(self.values()?),
            ">" => Test::Above(self.number()?),
            "<" => Test::Below(self.number()?),
            other => return Err(format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt")),
        })
    }
    /// A value may be empty.
    fn value(&mut self) -> Result<String, String> {
        match self.peek() {
            END | "," => Ok(String::new()),
            token if Self::is_name(token) => Ok(self.next().to_owned()),
            token => Err(format!("found '{token}', expected: identifier")),
        }
    }
    fn number(&mut self) -> Result<i64, String> {
        let value = self.value()?;
        value.parse().map_err(|_| format!("for 'Gt', 'Lt' operators, the value must be an integer: '{value}'"))
    }
    fn values(&mut self) -> Result<Vec<String>, String> {
        if self.next() != "(" {
            return Err("found something else, expected: '('".to_owned());
        }
        let mut out = Vec::new();
        loop {
            match self.next() {
                ")" => return Ok(out),
                "," => {}
                token if Self::is_name(token) => out.push(token.to_owned()),
                token => return Err(format!("found '{token}', expected: ',', or identifier")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn matches(selector: &str) -> bool {
        let labels = [("team", "orders"), ("tier", "3"), ("app.kubernetes.io/name", "x")];
        let labels = labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        Selector::parse(selector).unwrap().matches(&labels)
    }

    #[test]
    fn every_operator() {
        for yes in [
            "",
            "team=orders",
            "team == orders, tier!=x",
            "team in (a, orders)",
            "nosuch notin (a)",
            "team",
            "!nosuch",
            "tier>2,tier<4",
            "app.kubernetes.io/name=x",
        ] {
            assert!(matches(yes), "{yes}");
        }
        for no in ["team=x", "team!=orders", "team notin (orders)", "nosuch", "!team", "nosuch=", "tier>3"] {
            assert!(!matches(no), "{no}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for bad in ["==", "a b", "a in b", "a in (b", "a,", "a>b", "!"] {
            assert!(Selector::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Selector::parse("==").unwrap_err(), "found '==', expected: !, identifier, or 'end of string'");
    }
}
