//! JSON that cannot break: what templates print into a JSON text stays where it was printed.
//!
//! A value printed inside a string stays inside it, a value printed elsewhere stays one value; whoever can write an
//! error message cannot add a member. The rules are in `spec/delivery.md`. Never here: whether a text is meant as JSON
//! (content types are the service's affair), and sending.

mod lexer;
mod repair;

pub use repair::{Outcome, repair};

/// Where a piece of a rendered text comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentKind {
    /// The template's own text.
    Fixed,
    /// Printed by an action.
    Printed,
}

/// A piece of a rendered text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Where it comes from.
    pub kind: SegmentKind,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Line of the action in the template, from 1; 0 for fixed text.
    pub line: u32,
    /// Column of the action, from 1; 0 for fixed text.
    pub column: u32,
    /// The action's source; empty for fixed text.
    pub action: String,
}

impl Segment {
    /// The template's own text.
    #[must_use]
    pub const fn fixed(bytes: Vec<u8>) -> Self {
        Self { kind: SegmentKind::Fixed, bytes, line: 0, column: 0, action: String::new() }
    }
    /// Printed by an action.
    #[must_use]
    pub fn printed(bytes: impl Into<Vec<u8>>, line: u32, column: u32, action: &str) -> Self {
        Self { kind: SegmentKind::Printed, bytes: bytes.into(), line, column, action: action.to_owned() }
    }
    /// Whether the template's own text fixes the bytes: text, or an action that is a string constant.
    #[must_use]
    pub fn is_own_text(&self) -> bool {
        self.kind == SegmentKind::Fixed || is_constant(&self.action)
    }
}

/// Whether an action is nothing but a quoted string.
fn is_constant(action: &str) -> bool {
    let inner = action.trim_start_matches("{{").trim_end_matches("}}").trim_matches(['-', ' ', '\t', '\n', '\r']);
    let Some(quote @ ('"' | '`')) = inner.chars().next() else { return false };
    let Some(body) = inner.get(1..).and_then(|rest| rest.strip_suffix(quote)) else { return false };
    let mut escaped = false;
    !body.chars().any(|c| {
        let ends = c == quote && !escaped;
        escaped = quote == '"' && c == '\\' && !escaped;
        ends
    }) && !escaped
}

/// How JSON bodies are treated (`delivery.json`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JsonMode {
    /// Values are kept in their place; what cannot be mended is sent as the Go controller would.
    #[default]
    Repair,
    /// As `Repair`, but what cannot be mended is not sent.
    Strict,
    /// Exactly the Go controller's bytes.
    Off,
}

/// What was done to a printed value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Escaped inside a string.
    Escaped,
    /// Made a JSON string outside of one.
    Quoted,
    /// `<no value>` outside a string became null.
    Nulled,
    /// The text as a whole could not be mended.
    GaveUp,
}

/// A change made to a rendered text, or the admission that none helps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    /// Line of the action in its template, from 1; 0 where the text as a whole is meant.
    pub line: u32,
    /// Column of the action.
    pub column: u32,
    /// Source of the action.
    pub source: String,
    /// What was done.
    pub action: Action,
}

impl std::fmt::Display for Repair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let done = match self.action {
            Action::Escaped => "its value was escaped to stay inside the JSON string",
            Action::Quoted => "its value was made a JSON string",
            Action::Nulled => "its missing value was made null",
            Action::GaveUp => return f.write_str("the rendered text is no JSON and could not be mended"),
        };
        write!(f, "line {}, column {}: {}: {done}", self.line, self.column, self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::is_constant;

    #[test]
    fn constants_are_own_text() {
        assert!(is_constant(r#"{{ "," }}"#));
        assert!(is_constant(r#"{{- "\"" -}}"#));
        assert!(is_constant("`x`"));
        assert!(!is_constant(r#"{{ "a" | printf "b" }}"#));
        assert!(!is_constant("{{ .app }}"));
        assert!(!is_constant(""));
    }
}
