//! One pass over a rendered text: each printed value is kept, escaped or encoded for the place where it stands.

use super::lexer::{self, State};
use super::{Action, Repair, Segment};
use serde::de::IgnoredAny;

/// What became of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The text to send: mended if that gave JSON, else the Go controller's bytes.
    pub bytes: Vec<u8>,
    /// Whether `bytes` are JSON.
    pub valid: bool,
    /// What was done; not empty if the bytes differ from Go's.
    pub repairs: Vec<Repair>,
}

/// Mends a rendered JSON text.
#[must_use]
pub fn repair(segments: &[Segment]) -> Outcome {
    for empties in [Empties::Keep, Empties::Quote] {
        if let Some((bytes, repairs)) = pass(segments, empties)
            && is_json(&bytes)
        {
            return Outcome { bytes, valid: true, repairs };
        }
    }
    let bytes: Vec<u8> = segments.iter().flat_map(|segment| segment.bytes.iter().copied()).collect();
    let valid = is_json(&bytes);
    let gave_up = Repair { line: 0, column: 0, source: String::new(), action: Action::GaveUp };
    Outcome { bytes, valid, repairs: vec![gave_up] }
}

fn is_json(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok() && serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

/// What becomes of a value that printed nothing outside of strings.
#[derive(Clone, Copy, PartialEq)]
enum Empties {
    /// Nothing: most such actions print nothing on purpose.
    Keep,
    /// The empty string: where a value must stand.
    Quote,
}

/// `None` where a value follows an unfinished `\u` of the template's own and does not finish it.
fn pass(segments: &[Segment], empties: Empties) -> Option<(Vec<u8>, Vec<Repair>)> {
    let mut out = Vec::with_capacity(segments.iter().map(|s| s.bytes.len()).sum::<usize>() + 64);
    let mut repairs = Vec::new();
    let mut state = State::Outside;
    for segment in segments {
        let done = if segment.is_own_text() {
            out.extend_from_slice(&segment.bytes);
            state = lexer::own_text(state, &segment.bytes);
            None
        } else if state == State::Outside {
            place_value(&mut out, &segment.bytes, empties)
        } else {
            let done = place_text(&mut out, state, &segment.bytes)?;
            state = State::String;
            done
        };
        repairs.extend(done.map(|action| Repair {
            line: segment.line,
            column: segment.column,
            source: segment.action.clone(),
            action,
        }));
    }
    Some((out, repairs))
}

/// A value inside a string.
fn place_text(out: &mut Vec<u8>, state: State, bytes: &[u8]) -> Option<Option<Action>> {
    if bytes.is_empty() && state == State::String || lexer::stays_inside(state, bytes) {
        out.extend_from_slice(bytes);
        return Some(None);
    }
    match state {
        // The backslash before the value is the template's: it becomes a backslash of the text.
        State::Escape => out.push(b'\\'),
        State::Unicode(_) => return None,
        State::String | State::Outside => {}
    }
    let quoted = quote(bytes);
    out.extend_from_slice(&quoted[1..quoted.len() - 1]);
    Some(Some(Action::Escaped))
}

/// A value outside of strings.
fn place_value(out: &mut Vec<u8>, bytes: &[u8], empties: Empties) -> Option<Action> {
    let trimmed = bytes.trim_ascii();
    if is_json(bytes) || trimmed.is_empty() && empties == Empties::Keep {
        out.extend_from_slice(bytes);
        return None;
    }
    if trimmed == b"<no value>" {
        out.extend_from_slice(b"null");
        return Some(Action::Nulled);
    }
    out.extend_from_slice(&match unquote(trimmed) {
        Some(text) => quote(&text),
        None => quote(bytes),
    });
    Some(Action::Quoted)
}

/// A JSON string, quotes included; bad UTF-8 becomes U+FFFD.
fn quote(bytes: &[u8]) -> Vec<u8> {
    serde_json::to_vec(&String::from_utf8_lossy(bytes)).unwrap_or_else(|_| b"\"\"".to_vec())
}

/// Undoes Go's `%q`; `None` where the text is not in that form.
fn unquote(bytes: &[u8]) -> Option<Vec<u8>> {
    let body = std::str::from_utf8(bytes).ok()?.strip_prefix('"')?.strip_suffix('"')?;
    let mut out = Vec::with_capacity(body.len());
    let mut chars = body.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return None,
            '\\' => escape(&mut chars, &mut out)?,
            c => push(&mut out, c),
        }
    }
    Some(out)
}

fn push(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn escape(chars: &mut std::str::Chars<'_>, out: &mut Vec<u8>) -> Option<()> {
    let kind = chars.next()?;
    let digits = match kind {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => 0,
    };
    if digits == 0 {
        let byte = match kind {
            'a' => 7,
            'b' => 8,
            'f' => 12,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 11,
            '\\' | '"' => kind as u8,
            _ => return None,
        };
        out.push(byte);
        return Some(());
    }
    let text: String = chars.take(digits).collect();
    let code = u32::from_str_radix(&text, 16).ok().filter(|_| text.len() == digits)?;
    match kind {
        'x' => out.push(u8::try_from(code).ok()?),
        _ => push(out, char::from_u32(code)?),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn parts(template: &[(&str, Option<&str>)]) -> Vec<Segment> {
        let mut out = Vec::new();
        for (text, value) in template {
            out.push(Segment::fixed(text.as_bytes().to_vec()));
            out.extend(value.map(|value| Segment::printed(value, 1, 2, "{{.x}}")));
        }
        out
    }
    fn mended(template: &[(&str, Option<&str>)]) -> (String, Vec<Action>) {
        let outcome = repair(&parts(template));
        (String::from_utf8(outcome.bytes).unwrap(), outcome.repairs.into_iter().map(|r| r.action).collect())
    }

    #[test]
    fn values_inside_strings_are_kept_or_escaped() {
        let case = |value| mended(&[(r#"{"a":""#, Some(value)), (r#""}"#, None)]);
        assert_eq!(case("plain"), (r#"{"a":"plain"}"#.into(), vec![]));
        assert_eq!(case(r"already \n escaped \u00e9"), (r#"{"a":"already \n escaped \u00e9"}"#.into(), vec![]));
        assert_eq!(case("a\nb"), (r#"{"a":"a\nb"}"#.into(), vec![Action::Escaped]));
        assert_eq!(case(r#"","s":"x"#), (r#"{"a":"\",\"s\":\"x"}"#.into(), vec![Action::Escaped]));
        assert_eq!(case("ends with \\"), (r#"{"a":"ends with \\"}"#.into(), vec![Action::Escaped]));
        assert_eq!(case("<no value>"), (r#"{"a":"<no value>"}"#.into(), vec![]));
    }

    #[test]
    fn values_outside_strings_stay_one_value() {
        let case = |value| mended(&[(r#"{"n":"#, Some(value)), ("}", None)]);
        assert_eq!(case("12"), (r#"{"n":12}"#.into(), vec![]));
        assert_eq!(case(r#"{"x":[1]}"#), (r#"{"n":{"x":[1]}}"#.into(), vec![]));
        assert_eq!(case(r#"1, "s": "c""#), (r#"{"n":"1, \"s\": \"c\""}"#.into(), vec![Action::Quoted]));
        assert_eq!(case("<no value>"), (r#"{"n":null}"#.into(), vec![Action::Nulled]));
        assert_eq!(case(r#""\x07\u00e9""#), ("{\"n\":\"\\u0007é\"}".into(), vec![Action::Quoted]));
        assert_eq!(case(""), (r#"{"n":""}"#.into(), vec![Action::Quoted]));
        assert_eq!(case("map[a:b]"), (r#"{"n":"map[a:b]"}"#.into(), vec![Action::Quoted]));
    }

    #[test]
    fn numbers_may_be_put_together() {
        assert_eq!(mended(&[("[", Some("1")), (".", Some("5")), ("]", None)]), ("[1.5]".into(), vec![]));
    }

    #[test]
    fn constants_and_empty_actions_are_the_templates_own() {
        let segments = [
            Segment::fixed(b"[1".to_vec()),
            Segment::printed(",", 1, 1, r#"{{ "," }}"#),
            Segment::printed("", 1, 1, "{{ .nothing }}"),
            Segment::fixed(b"2]".to_vec()),
        ];
        assert_eq!(repair(&segments).bytes, b"[1,2]");
    }

    #[test]
    fn a_value_that_prints_glue_is_no_glue() {
        assert_eq!(mended(&[("[1", Some(",2")), ("]", None)]), ("[1,2]".into(), vec![Action::GaveUp]));
        assert_eq!(mended(&[("[", Some("],[")), ("]", None)]), (r#"["],["]"#.into(), vec![Action::Quoted]));
    }

    #[test]
    fn what_cannot_be_mended_is_sent_as_go_would() {
        let outcome = repair(&parts(&[("{ not json ", Some("x")), ("", None)]));
        assert_eq!((outcome.bytes.as_slice(), outcome.valid), (b"{ not json x".as_slice(), false));
        assert_eq!(outcome.repairs[0].action, Action::GaveUp);
    }

    const SEED: [&str; 6] = [
        "{\n  \"recipients\": {\n    \"type\": \"entity\",\n    \"entityRef\": \"",
        "\"\n  },\n  \"payload\": {\n    \"title\": \"",
        " - Sync Failed\",\n    \"description\": \"Application **",
        "** sync has failed.\\n\\n**Message:** ",
        "\",\n    \"link\": \"",
        "\",\n    \"severity\": \"high\",\n    \"topic\": \"argocd.sync.failed\"\n  }\n}\n",
    ];

    fn seed(values: &[String]) -> Vec<Segment> {
        let mut out = vec![Segment::fixed(SEED[0].as_bytes().to_vec())];
        for (value, text) in values.iter().zip(&SEED[1..]) {
            out.push(Segment::printed(value.as_bytes(), 1, 1, "{{.x}}"));
            out.push(Segment::fixed(text.as_bytes().to_vec()));
        }
        out
    }
    fn shape(value: &Value) -> Value {
        match value {
            Value::Object(map) => Value::Object(map.iter().map(|(k, v)| (k.clone(), shape(v))).collect()),
            Value::Array(items) => Value::Array(items.iter().map(shape).collect()),
            Value::String(_) => json!(""),
            other => other.clone(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn any_text_in_any_field_keeps_the_structure(
            values in proptest::collection::vec(r#"(\PC|["\\{}:,\n\r\t]|\\u[0-9a-f]{0,4}|","severity":"critical){0,12}"#, 5)
        ) {
            let segments = seed(&values);
            let outcome = repair(&segments);
            let go: Vec<u8> = segments.iter().flat_map(|s| s.bytes.clone()).collect();
            let parsed: Value = serde_json::from_slice(&outcome.bytes).or_else(|error| {
                // Lone surrogates are legal JSON that serde_json's strings cannot hold.
                if is_json(&outcome.bytes) { Ok(shape(&plain())) } else { Err(error) }
            }).unwrap();
            prop_assert!(outcome.valid);
            prop_assert_eq!(shape(&parsed), shape(&plain()));
            let kept = values.iter().all(|value| lexer::stays_inside(State::String, value.as_bytes()));
            prop_assert_eq!(outcome.bytes == go, kept);
            prop_assert_eq!(outcome.repairs.is_empty(), kept);
        }

        #[test]
        fn a_value_outside_never_adds_a_member(value in r#"(\PC|["\\{}\[\]:,0-9]){0,16}"#) {
            let outcome = repair(&parts(&[(r#"{"n": "#, Some(&value)), (r#", "m": 1}"#, None)]));
            prop_assert!(outcome.valid, "{:?}", outcome);
            if let Ok(Value::Object(map)) = serde_json::from_slice(&outcome.bytes) {
                prop_assert_eq!(map.len(), 2);
                prop_assert_eq!(&map["m"], &json!(1));
            }
        }
    }

    fn plain() -> Value {
        let bytes: Vec<u8> = seed(&vec!["x".to_owned(); 5]).into_iter().flat_map(|s| s.bytes).collect();
        serde_json::from_slice(&bytes).unwrap()
    }
}
