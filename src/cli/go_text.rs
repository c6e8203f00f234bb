//! Tables and JSON as the Argo CD command line prints them: Go's `text/tabwriter` (cells at least five wide, two spaces between)
//! and `encoding/json` with two spaces, members in the order of the Go types, `<`, `>` and `&` escaped.
//!
//! Only for comparison with that command line, byte by byte.

use crate::notify::kind::{Record, Shape};
use serde_json::{Map, Value};
use std::ops::Range;

/// Narrowest column.
const CELL_MIN: usize = 5;
/// Blanks behind the widest cell of a column.
const PADDING: usize = 2;
/// Members of a notification, as the Go type declares them.
const NOTIFICATION: [&str; 17] = [
    "message",
    "awssqs",
    "gcppubsub",
    "email",
    "slack",
    "mattermost",
    "rocketchat",
    "teams",
    "teams-workflows",
    "webhook",
    "opsgenie",
    "github",
    "alertmanager",
    "googlechat",
    "pagerduty",
    "pagerdutyv2",
    "newrelic",
];
const WEBHOOK: [&str; 3] = ["method", "body", "path"];
const CONDITION: [&str; 4] = ["oncePer", "when", "description", "send"];

/// In which order members are printed.
#[derive(Clone, Copy)]
pub(super) enum Order {
    /// A map: by name.
    ByName,
    /// A template.
    Notification,
    /// A webhook's section.
    Webhook,
    /// A trigger's condition.
    Condition,
    /// A section of a service.
    Section(&'static Record),
}

impl Order {
    fn names(self) -> Vec<&'static str> {
        match self {
            Self::ByName => Vec::new(),
            Self::Notification => NOTIFICATION.to_vec(),
            Self::Webhook => WEBHOOK.to_vec(),
            Self::Condition => CONDITION.to_vec(),
            Self::Section(record) => record.fields.iter().map(|field| field.name).collect(),
        }
    }
    /// What a member's own members are ordered by; a list passes its order on.
    fn of(self, name: &str) -> Self {
        match self {
            Self::Notification if name == "webhook" => Self::ByName,
            Self::Notification => {
                let spec = crate::service::kinds().into_iter().find(|spec| spec.name == name);
                spec.and_then(|spec| spec.section.as_ref())
                    .map_or(Self::ByName, |section| Self::Section(&section.record))
            }
            Self::Section(record) => {
                match record.fields.iter().find(|field| field.name == name).map(|field| field.shape) {
                    Some(Shape::Record(inner) | Shape::Records(inner)) => Self::Section(inner),
                    _ => Self::ByName,
                }
            }
            _ => Self::ByName,
        }
    }
}

/// A map of values of one order, as indented JSON with a line break at its end.
pub(super) fn json_of_map(items: &Map<String, Value>, order: Order) -> String {
    let mut out = String::new();
    if items.is_empty() {
        out.push_str("{}");
    } else {
        out.push('{');
        for (nth, (name, value)) in items.iter().enumerate() {
            out.push_str(if nth > 0 { ",\n  " } else { "\n  " });
            string(&mut out, name);
            out.push_str(": ");
            json(&mut out, value, order, 1);
        }
        out.push_str("\n}");
    }
    out.push('\n');
    out
}

/// The first line of what a template holds, as the command line shows it.
pub(super) fn preview(template: &Value) -> Vec<u8> {
    let text = match template["message"].as_str().filter(|message| !message.is_empty()) {
        Some(message) => message.to_owned(),
        None => {
            let mut out = String::new();
            json_in_line(&mut out, template, Order::Notification);
            out
        }
    };
    let line = text.split('\n').next().unwrap_or_default();
    match line.as_bytes() {
        // Cut between bytes, as Go does.
        long if long.len() > 100 => [&long[..99], b"..."].concat(),
        short => short.to_vec(),
    }
}

fn json(out: &mut String, value: &Value, order: Order, depth: usize) {
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    };
    match value {
        Value::Array(items) if !items.is_empty() => {
            out.push('[');
            for (nth, item) in items.iter().enumerate() {
                out.push_str(if nth > 0 { "," } else { "" });
                line(out, depth + 1);
                json(out, item, order, depth + 1);
            }
            line(out, depth);
            out.push(']');
        }
        Value::Object(members) if !members.is_empty() => {
            out.push('{');
            for (nth, (name, member)) in sorted(members, order).into_iter().enumerate() {
                out.push_str(if nth > 0 { "," } else { "" });
                line(out, depth + 1);
                string(out, name);
                out.push_str(": ");
                json(out, member, below(order, name, member), depth + 1);
            }
            line(out, depth);
            out.push('}');
        }
        Value::String(text) => string(out, text),
        other => out.push_str(&other.to_string()),
    }
}

fn json_in_line(out: &mut String, value: &Value, order: Order) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (nth, item) in items.iter().enumerate() {
                out.push_str(if nth > 0 { "," } else { "" });
                json_in_line(out, item, order);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (nth, (name, member)) in sorted(members, order).into_iter().enumerate() {
                out.push_str(if nth > 0 { "," } else { "" });
                string(out, name);
                out.push(':');
                json_in_line(out, member, below(order, name, member));
            }
            out.push('}');
        }
        Value::String(text) => string(out, text),
        other => out.push_str(&other.to_string()),
    }
}

/// Webhook sections are a map of sections.
fn below(order: Order, name: &str, member: &Value) -> Order {
    match order {
        Order::ByName if member.get("method").is_some() && member.get("body").is_some() => Order::Webhook,
        order => order.of(name),
    }
}

fn sorted(members: &Map<String, Value>, order: Order) -> Vec<(&String, &Value)> {
    let names = order.names();
    let place = |name: &str| names.iter().position(|known| *known == name).unwrap_or(names.len());
    let mut all: Vec<_> = members.iter().collect();
    all.sort_by(|a, b| (place(a.0), a.0).cmp(&(place(b.0), b.0)));
    all
}

fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Rows under heads. A cell with line breaks breaks its row, as it does there.
pub(super) fn table(heads: &[&str], rows: &[Vec<Vec<u8>>]) -> Vec<u8> {
    let heads = heads.iter().map(|head| head.as_bytes().to_vec()).collect();
    let text: Vec<u8> = std::iter::once(&heads)
        .chain(rows)
        .flat_map(|row: &Vec<Vec<u8>>| [row.join(&b'\t'), vec![b'\n']].concat())
        .collect();
    let lines: Vec<Vec<&[u8]>> =
        text.split(|byte| *byte == b'\n').map(|line| line.split(|byte| *byte == b'\t').collect()).collect();
    let mut page = Page { lines, widths: Vec::new(), out: Vec::new() };
    page.format(0..page.lines.len());
    page.out
}

struct Page<'a> {
    lines: Vec<Vec<&'a [u8]>>,
    widths: Vec<usize>,
    out: Vec<u8>,
}

impl Page<'_> {
    /// Go's way: a column is a run of lines that have a cell in it which a tab ends; each run has its own width.
    fn format(&mut self, lines: Range<usize>) {
        let column = self.widths.len();
        let ends_in_tab = |page: &Self, line: usize| column + 1 < page.lines[line].len();
        let (mut written, mut line) = (lines.start, lines.start);
        while line < lines.end {
            if !ends_in_tab(self, line) {
                line += 1;
                continue;
            }
            self.write(written..line);
            let begin = line;
            let mut width = CELL_MIN;
            while line < lines.end && ends_in_tab(self, line) {
                width = width.max(characters(self.lines[line][column]) + PADDING);
                line += 1;
            }
            self.widths.push(width);
            self.format(begin..line);
            self.widths.pop();
            written = line;
        }
        self.write(written..lines.end);
    }

    fn write(&mut self, lines: Range<usize>) {
        for line in lines {
            for (nth, cell) in self.lines[line].iter().enumerate() {
                self.out.extend_from_slice(cell);
                if let Some(width) = self.widths.get(nth) {
                    self.out.extend(std::iter::repeat_n(b' ', width.saturating_sub(characters(cell))));
                }
            }
            if line + 1 < self.lines.len() {
                self.out.push(b'\n');
            }
        }
    }
}

/// Characters as Go counts them: a byte that is none counts as one.
fn characters(cell: &[u8]) -> usize {
    cell.utf8_chunks().map(|chunk| chunk.valid().chars().count() + chunk.invalid().len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(rows: &[&[&str]]) -> String {
        let rows: Vec<Vec<Vec<u8>>> =
            rows.iter().map(|row| row.iter().map(|cell| cell.as_bytes().to_vec()).collect()).collect();
        String::from_utf8(table(&["A", "LONG", "C"], &rows)).unwrap_or_default()
    }

    #[test]
    fn columns_are_as_wide_as_their_run() {
        assert_eq!(
            shown(&[&["x", "y", "z"], &["", "longer", "z"]]),
            "A    LONG    C\nx    y       z\n     longer  z\n"
        );
        // A line break ends the run of its column.
        assert_eq!(
            shown(&[&["x", "longer", "z\n"], &["x", "y", "z"]]),
            "A    LONG    C\nx    longer  z\n\nx    y    z\n"
        );
    }

    #[test]
    fn json_has_the_order_and_escapes_of_go() {
        let items =
            json!({"t": {"webhook": {"h": {"path": "p", "method": "m", "body": "<&>"}}, "message": "a\u{2028}"}});
        let text = json_of_map(items.as_object().unwrap_or(&Map::new()), Order::Notification);
        let expected = "{\n  \"t\": {\n    \"message\": \"a\\u2028\",\n    \"webhook\": {\n      \"h\": {\n        \"method\": \"m\",\n        \"body\": \"\\u003c\\u0026\\u003e\",\n        \"path\": \"p\"\n      }\n    }\n  }\n}\n";
        assert_eq!(text, expected);
        assert_eq!(json_of_map(&Map::new(), Order::ByName), "{}\n");
    }

    #[test]
    fn a_preview_is_one_line_of_at_most_a_hundred_bytes() {
        assert_eq!(preview(&json!({"message": "one\ntwo"})), b"one");
        assert_eq!(preview(&json!({"message": "x".repeat(101)})).len(), 102);
        assert_eq!(preview(&json!({"email": {"subject": "s"}})), br#"{"email":{"subject":"s"}}"#);
    }
}
