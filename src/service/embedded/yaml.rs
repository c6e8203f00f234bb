//! YAML that a template's field holds as text: what is printed into it stays where it was printed.
//!
//! The text is read with a mark in place of each printed value; the values then go into the tree. So a quote, a colon or
//! a line break in a value ends nothing and begins nothing. A value that stands alone where a text belongs is that text;
//! where a group, a list or a number belongs it is read as YAML, since there the template prints structure on purpose.

use crate::notify::Text;
use crate::notify::configuration::Fault;
use crate::notify::json::{self, Action, Repair, Segment};
use crate::notify::yaml::{self, Kind, Node, Scalar};
use serde_json::Value as Json;

/// What a mark ends with: inside double quotes it is read as a semicolon, elsewhere as it stands.
const END: &str = "\\x3b";

/// A text as the Go controller reads it.
pub fn plain(text: &Text) -> Result<Json, Fault> {
    yaml::parse(&text.lossy()).map(|node| node.to_json())
}

/// A text with every printed value in its place. `is_text` tells the keys whose values are texts.
pub fn kept(text: &Text, is_text: fn(&str) -> bool) -> Result<Json, Fault> {
    let marked = Marked::of(text);
    let node = yaml::parse(&marked.text)?;
    Ok(marked.fill(&node, false, is_text))
}

/// The values that YAML would have taken for something else than themselves.
pub fn repairs(text: &Text) -> impl Iterator<Item = Repair> {
    let printed = text.segments.iter().filter(|segment| !segment.is_own_text() && !is_ordinary(&segment.bytes));
    printed.map(|segment| Repair {
        line: segment.line,
        column: segment.column,
        source: segment.action.clone(),
        action: Action::Escaped,
    })
}

/// A word or some, which YAML reads as they are wherever they stand.
fn is_ordinary(value: &[u8]) -> bool {
    let text = String::from_utf8_lossy(value);
    let tame = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '_' | '.' | '/' | '-');
    text.chars().all(tame) && text.trim() == text && matches!(yaml::resolve(&text, true, ""), Scalar::Text(_))
}

/// A text with marks, and what they stand for.
struct Marked<'a> {
    text: String,
    mark: String,
    values: Vec<&'a Segment>,
}

/// A piece of a scalar.
enum Piece<'a> {
    Own(&'a str),
    Value { segment: &'a Segment, quoted: bool },
}

impl<'a> Marked<'a> {
    fn of(text: &'a Text) -> Self {
        let whole = text.lossy();
        let mut mark = "mark".to_owned();
        while whole.contains(&mark) {
            mark.push('q');
        }
        let (mut out, mut values) = (String::with_capacity(whole.len()), Vec::new());
        for segment in &text.segments {
            if segment.is_own_text() {
                out.push_str(&String::from_utf8_lossy(&segment.bytes));
            } else {
                out.push_str(&format!("{mark}{}{END}", values.len()));
                values.push(segment);
            }
        }
        Self { text: out, mark, values }
    }

    fn fill(&self, node: &Node, text_belongs: bool, is_text: fn(&str) -> bool) -> Json {
        match &node.kind {
            Kind::List(items) => items.iter().map(|item| self.fill(item, text_belongs, is_text)).collect(),
            Kind::Map(pairs) => {
                let filled = pairs.iter().map(|(key, value)| {
                    let key = self.joined(&self.pieces(&key.key_text()));
                    let value = self.fill(value, is_text(&key), is_text);
                    (key, value)
                });
                Json::Object(filled.collect())
            }
            Kind::Scalar { text, plain, .. } => {
                let pieces = self.pieces(text);
                match pieces.as_slice() {
                    [] | [Piece::Own(_)] => node.to_json(),
                    [Piece::Value { segment, quoted: false }] if *plain && text_belongs => alone(segment).into(),
                    [Piece::Value { segment, quoted: false }] if *plain => structure(segment),
                    pieces => self.joined(pieces).into(),
                }
            }
        }
    }

    fn pieces<'t>(&'t self, text: &'t str) -> Vec<Piece<'t>> {
        let mut parts = text.split(&self.mark);
        let mut pieces: Vec<Piece<'t>> =
            parts.next().filter(|own| !own.is_empty()).map(Piece::Own).into_iter().collect();
        for part in parts {
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            let (number, rest) = part.split_at(digits);
            let (quoted, rest) = match rest.strip_prefix(';') {
                Some(rest) => (true, rest),
                None => (false, rest.strip_prefix(END).unwrap_or(rest)),
            };
            let value = number.parse().ok().and_then(|at: usize| self.values.get(at));
            pieces.extend(value.map(|segment| Piece::Value { segment, quoted }));
            pieces.extend(Some(rest).filter(|rest| !rest.is_empty()).map(Piece::Own));
        }
        pieces
    }

    fn joined(&self, pieces: &[Piece<'_>]) -> String {
        let piece = |piece: &Piece<'_>| match piece {
            Piece::Own(text) => (*text).to_owned(),
            Piece::Value { segment, quoted: true } => between_quotes(segment),
            Piece::Value { segment, quoted: false } => lossy(segment),
        };
        pieces.iter().map(piece).collect()
    }
}

fn lossy(segment: &Segment) -> String {
    String::from_utf8_lossy(&segment.bytes).into_owned()
}

/// A value inside double quotes: people's own escaping keeps its meaning, all else is the text itself.
fn between_quotes(segment: &Segment) -> String {
    let quote = || Segment::fixed(b"\"".to_vec());
    let outcome = json::repair(&[quote(), segment.clone(), quote()]);
    serde_json::from_slice(&outcome.bytes).unwrap_or_else(|_| lossy(segment))
}

/// A value that stands alone where a text belongs; one that `toJson`, `quote` or `%q` made is unquoted.
fn alone(segment: &Segment) -> String {
    let text = lossy(segment).trim().to_owned();
    if !text.starts_with('"') {
        return text;
    }
    let outcome = json::repair(&[Segment { bytes: text.clone().into_bytes(), ..segment.clone() }]);
    serde_json::from_slice(&outcome.bytes).unwrap_or(text)
}

/// A value that stands alone where no text belongs.
fn structure(segment: &Segment) -> Json {
    let text = lossy(segment);
    yaml::parse(&text).map_or_else(|_| text.into(), |node| node.to_json())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// `@` stands for a printed value, which follows in `values`.
    fn text(template: &str, values: &[&str]) -> Text {
        let mut segments = Vec::new();
        let mut values = values.iter();
        for (index, own) in template.split('@').enumerate() {
            if index > 0 {
                segments.push(Segment::printed(*values.next().unwrap(), 1, 1, "{{.x}}"));
            }
            segments.push(Segment::fixed(own.as_bytes().to_vec()));
        }
        Text { segments }
    }
    fn read(template: &str, values: &[&str]) -> Json {
        kept(&text(template, values), |key| matches!(key, "text" | "url")).unwrap()
    }

    #[test]
    fn a_value_stays_in_its_place() {
        let nasty = "a \"b\": 'c'\n- d: [e] # f \\ %";
        for template in
            ["text: @\n", "text: '@'\n", "text: \"@\"\n", "text: |-\n  @\n", "{text: @}", "{\"text\": \"@\"}"]
        {
            assert_eq!(read(template, &[nasty]), json!({"text": nasty}), "{template}");
        }
        assert_eq!(read("text: see @ and @\n", &["a: b", "c"]), json!({"text": "see a: b and c"}));
        assert_eq!(read("@: {text: x}\n", &["a: b"]), json!({"a: b": {"text": "x"}}));
        assert_eq!(read("text: x # @\n", &["\nurl: evil"]), json!({"text": "x"}));
    }

    #[test]
    fn texts_stay_texts() {
        for value in ["1.20", "yes", "{\"a\": 1}", "<no value>", "0123"] {
            assert_eq!(read("text: @\n", &[value]), json!({"text": value}));
        }
        assert_eq!(read("text: @\n", &["\"quoted \\\" once\""]), json!({"text": "quoted \" once"}));
        assert_eq!(read("text: \"@\"\n", &["a\\nb"]), json!({"text": "a\nb"}));
    }

    #[test]
    fn structure_is_read_where_no_text_belongs() {
        assert_eq!(
            read("sections: @\n", &["\n  - text: a\n  - text: b"]),
            json!({"sections": [{"text": "a"}, {"text": "b"}]})
        );
        assert_eq!(read("maxLines: @\nwrap: @\n", &["3", "true"]), json!({"maxLines": 3, "wrap": true}));
    }

    #[test]
    fn marks_are_none_of_the_texts_own() {
        assert_eq!(read("text: mark0 @ markq\n", &["mark0\\x3b"]), json!({"text": "mark0 mark0\\x3b markq"}));
    }

    #[test]
    fn what_yaml_would_misread_is_reported() {
        let reported = |value| repairs(&text("text: @\n", &[value])).count();
        assert_eq!((reported("plain words"), reported("a: b"), reported("1.20"), reported("x ")), (0, 1, 1, 1));
        assert_eq!(plain(&text("text: @\n", &["1.20"])).unwrap(), json!({"text": 1.2}));
        assert!(plain(&text("text: @\n", &["a: b"])).is_err());
    }

    proptest! {
        #[test]
        fn no_value_leaves_its_place(value in any::<String>()) {
            for template in ["text: '@'\n", "text: |-\n  @\nurl: x\n", "- {url: x, text: '@'}\n", "text: >-\n  @\n"] {
                let read = read(template, &[&value]);
                let found = read.get("text").or_else(|| read[0].get("text"));
                prop_assert_eq!(found, Some(&Json::from(value.as_str())), "{}", template);
            }
            prop_assert_eq!(read("text: a @ b\nurl: x\n", &[&value]), json!({"text": format!("a {value} b"), "url": "x"}));
            prop_assert!(read("text: @\nurl: \"@\"\n", &[&value, &value]).as_object().is_some_and(|pairs| pairs.len() == 2));
        }
    }
}
