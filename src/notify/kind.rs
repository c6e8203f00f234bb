//! What a kind of service reads: its options and its section of a template.
//!
//! A kind is declared once, beside the code that sends (`crate::service`), and read here. Names are matched without
//! regard to case and come out as declared; what does not fit is refused with encoding/json's words. Never here: what
//! the values mean.

use super::configuration::Fault;
use super::yaml::{Node, Scalar};
use serde_json::{Map, Value as Json};

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Text, coerced from any scalar.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// Nanoseconds, or a text such as `2s` (which the Go controller does not take).
    Duration,
    /// A list of texts.
    Texts,
    /// The same, or one text parted by blanks or commas.
    Words,
    /// A map of texts.
    TextMap,
    /// A group of fields.
    Record(&'static Record),
    /// A list of groups.
    Records(&'static Record),
    /// A template; in sections only.
    Template,
    /// A list of templates; in sections only.
    Templates,
    /// A map whose values are templates; in sections only.
    TemplateMap,
}

/// One field.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Name as documented.
    pub name: &'static str,
    /// What it holds.
    pub shape: Shape,
    /// What an absent or empty text stands for; a template where the field is one. `true` for a switch that is on where it
    /// is not written.
    pub default: &'static str,
    /// Whether Go prints it even when it is empty (no `omitempty`).
    pub always: bool,
}

impl Field {
    /// A field that is left out when it is empty.
    #[must_use]
    pub const fn new(name: &'static str, shape: Shape) -> Self {
        Self { name, shape, default: "", always: false }
    }
    /// The same with a default.
    #[must_use]
    pub const fn or(self, default: &'static str) -> Self {
        Self { default, ..self }
    }
    /// The same, printed also when empty.
    #[must_use]
    pub const fn always(self) -> Self {
        Self { always: true, ..self }
    }
}

/// A group of fields; names that are not listed are dropped, as encoding/json does.
#[derive(Debug, Clone, Copy)]
pub struct Record {
    /// Name of the Go type, for the words of errors.
    pub go: &'static str,
    /// Its fields.
    pub fields: &'static [Field],
}

/// How a later template's section meets an earlier one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// It takes its place.
    Replace,
    /// Its fields that are not empty take the place of the earlier ones.
    Fieldwise,
}

/// The section of a template that a kind reads.
#[derive(Debug, Clone, Copy)]
pub struct SectionSpec {
    /// Its fields.
    pub record: Record,
    /// How sections meet.
    pub merge: Merge,
}

/// Something about a service that its owner should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Line in the key's value; 0 where unknown.
    pub line: u32,
    /// What is wrong.
    pub cause: String,
    /// What to do.
    pub advice: String,
}

/// What a check of options comes to.
pub(crate) type Checked = Result<Vec<Warning>, Fault>;

/// A kind of service, as the configuration sees it.
#[derive(Clone, Copy)]
pub struct KindSpec {
    /// Type in the key, such as `slack`; also the name of its section.
    pub name: &'static str,
    /// Whether it is Gatepost's own: its key is `gatepost.service.<type>.<name>`.
    pub own: bool,
    /// Its options.
    pub options: Record,
    /// Whether it takes the options that all HTTP services share.
    pub transport: bool,
    /// Its section; `None` where it has none, or one of a form of its own.
    pub section: Option<SectionSpec>,
    /// What the shapes cannot say about options: the node as written, and what was read from it.
    pub(crate) check: fn(&Node, &Map<String, Json>) -> Checked,
}

impl std::fmt::Debug for KindSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KindSpec").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Nothing to check.
pub(crate) fn unchecked(_: &Node, _: &Map<String, Json>) -> Checked {
    Ok(Vec::new())
}

/// Options of every HTTP service ("T" in `spec/notifications.md` 6), and Gatepost's own.
const TRANSPORT: Record = Record {
    go: "TransportOptions",
    fields: &[
        Field::new("insecureSkipVerify", Shape::Bool),
        Field::new("idempotent", Shape::Bool),
        Field::new("sendDeliveryId", Shape::Bool),
        Field::new("retryMax", Shape::Int),
        Field::new("maxIdleConns", Shape::Int),
        Field::new("maxIdleConnsPerHost", Shape::Int),
        Field::new("maxConnsPerHost", Shape::Int),
        Field::new("retryWaitMin", Shape::Duration),
        Field::new("retryWaitMax", Shape::Duration),
        Field::new("answerTimeout", Shape::Duration),
        Field::new("idleConnTimeout", Shape::Text),
        Field::new("tls", Shape::Record(&TLS)),
    ],
};

/// Gatepost's own: whom a service trusts, and what it shows of itself.
static TLS: Record = Record {
    go: "TLSOptions",
    fields: &[
        Field::new("ca", Shape::Text),
        Field::new("certificate", Shape::Text),
        Field::new("key", Shape::Text),
        Field::new("serverName", Shape::Text),
    ],
};

/// Reads a service's options; `strict` as the Go controller reads them.
pub(crate) fn options(spec: &KindSpec, node: &Node, strict: bool) -> Result<Map<String, Json>, Fault> {
    let mut out = record(node, &spec.options, "", strict)?;
    if spec.transport {
        let Record { fields, .. } = TRANSPORT;
        out.extend(record(node, &Record { go: spec.options.go, fields }, "", strict)?);
    }
    Ok(out)
}

fn record(node: &Node, record: &Record, path: &str, strict: bool) -> Result<Map<String, Json>, Fault> {
    let fields = node.fields(path, &format!("services.{}", record.go))?;
    let mut out = Map::new();
    for field in record.fields {
        let found = fields.get(field.name).filter(|node| !node.is_null());
        let value = found.map(|node| value(node, field.shape, &format!("{}.{}", record.go, field.name), strict));
        match value.transpose()? {
            Some(value) if value != "" => drop(out.insert(field.name.into(), value)),
            _ if field.default.is_empty() => {}
            _ => drop(out.insert(field.name.into(), field.default.into())),
        }
    }
    Ok(out)
}

/// Reads one value that no template is.
pub(crate) fn value(node: &Node, shape: Shape, path: &str, strict: bool) -> Result<Json, Fault> {
    Ok(match shape {
        Shape::Text | Shape::Template => node.text(path)?.into(),
        Shape::Bool => match node.scalar() {
            Some(Scalar::Bool(flag)) => flag.into(),
            _ => return Err(node.refuse(path, "bool")),
        },
        Shape::Int => integer(node, path, "int")?.into(),
        Shape::Duration => duration(node, path, strict)?.into(),
        Shape::Texts | Shape::Templates => node.texts(path)?.into(),
        Shape::Words => words(node, path)?.into(),
        Shape::TextMap | Shape::TemplateMap => {
            node.text_map(path)?.into_iter().map(|(k, v)| (k, Json::String(v))).collect::<Map<_, _>>().into()
        }
        Shape::Record(inner) => record(node, inner, path, strict)?.into(),
        Shape::Records(inner) => {
            let items = node.items(path, &format!("[]services.{}", inner.go))?.iter();
            items.map(|item| record(item, inner, path, strict).map(Json::Object)).collect::<Result<_, _>>()?
        }
    })
}

fn words(node: &Node, path: &str) -> Result<Vec<String>, Fault> {
    let texts = if node.json_type() == "array" { node.texts(path)? } else { vec![node.text(path)?] };
    let parts = texts.iter().flat_map(|text| text.split([' ', ',', '\t', '\n', '\r']));
    Ok(parts.filter(|part| !part.is_empty()).map(str::to_owned).collect())
}

fn integer(node: &Node, path: &str, wanted: &str) -> Result<i64, Fault> {
    match node.scalar() {
        Some(Scalar::Int(n)) => Ok(n),
        Some(Scalar::Float(f)) if f.fract() == 0.0 && f.abs() < 9e15 => Ok(f as i64),
        _ => Err(node.refuse(path, wanted)),
    }
}

/// Nanoseconds; texts such as `2s`, which break the whole configuration of the Go controller, are understood too.
fn duration(node: &Node, path: &str, strict: bool) -> Result<i64, Fault> {
    match node.scalar() {
        Some(Scalar::Text(text)) if !strict => gatepost_value::time::parse_duration(&text).map_err(|cause| {
            Fault::at(node.place.line, node.place.column, cause).advise("write a duration such as `2s`, or nanoseconds")
        }),
        _ => integer(node, path, "time.Duration"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::notify::yaml;
    use serde_json::json;

    const PERSON: Record = Record { go: "Person", fields: &[Field::new("name", Shape::Text)] };
    const SPEC: KindSpec = KindSpec {
        name: "test",
        own: false,
        options: Record {
            go: "TestOptions",
            fields: &[
                Field::new("apiURL", Shape::Text).or("https://api.example.com"),
                Field::new("channels", Shape::Texts),
                Field::new("keys", Shape::TextMap),
                Field::new("people", Shape::Records(&PERSON)),
                Field::new("port", Shape::Int),
                Field::new("words", Shape::Words),
            ],
        },
        transport: true,
        section: None,
        check: unchecked,
    };

    fn read(text: &str) -> Result<Json, Fault> {
        options(&SPEC, &yaml::parse(text).unwrap(), false).map(Json::Object)
    }

    #[test]
    fn fields_are_read_by_their_shape() {
        let text = "APIurl: ''\nchannels: [a, 1]\nkeys: {x: yes}\npeople: [{Name: 7}, {}]\nport: 25.0\nretryWaitMin: 2s\nmore: 1\n";
        let expected = json!({
            "apiURL": "https://api.example.com", "channels": ["a", "1"], "keys": {"x": "true"},
            "people": [{"name": "7"}, {}], "port": 25, "retryWaitMin": 2_000_000_000,
        });
        assert_eq!(read(text).unwrap(), expected);
    }

    #[test]
    fn words_are_a_list_or_one_text() {
        for text in ["words: a b", "words: 'a,  b '", "words: [a, b]", "words: ['a b']", "words: |\n  a\n  b\n"] {
            assert_eq!(read(text).unwrap()["words"], json!(["a", "b"]), "{text}");
        }
        assert!(read("words: {a: b}").is_err());
    }

    #[test]
    fn misfits_name_the_field() {
        for (text, field) in [
            ("channels: a", "TestOptions.channels"),
            ("port: a", "TestOptions.port"),
            ("keys: [a]", "TestOptions.keys"),
        ] {
            let cause = read(text).unwrap_err().cause;
            assert!(cause.contains(field), "{cause}");
        }
    }
}
