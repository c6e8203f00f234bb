//! One recorded scenario: read, and made fit for a cluster that it shares with others.

use serde_json::{Map, Value};
use std::path::PathBuf;

/// A scenario as recorded, tokens unresolved.
pub struct Case {
    /// Its name.
    pub name: String,
    /// Everything else.
    pub json: Value,
}

/// What tokens stand for in one run.
pub struct Tokens(pub Vec<(&'static str, String)>);

/// Every scenario of `tests/vectors/gates`, or of `GATEPOST_VECTORS`.
pub fn all() -> Vec<Case> {
    let folder = std::env::var_os("GATEPOST_VECTORS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors"), PathBuf::from);
    let folder = folder.join("gates");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("no vectors in {}: {e}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    paths.iter().enumerate().map(|(nth, path)| read(nth, &std::fs::read_to_string(path).unwrap())).collect()
}

/// Commits get an end of their own: one cluster plays all scenarios, and (key, SHA) has to be unique in it.
fn read(nth: usize, text: &str) -> Case {
    let pattern = regex::Regex::new(r"\b([0-9a-f]{34})[0-9a-f]{6}\b").unwrap();
    let text = pattern.replace_all(text, |found: &regex::Captures<'_>| format!("{}{nth:06x}", &found[1]));
    let json: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("not JSON: {e}: {text}"));
    Case { name: json["name"].as_str().unwrap_or_default().to_owned(), json }
}

impl Case {
    /// A list of the scenario; empty where there is none.
    pub fn list(&self, name: &str) -> &[Value] {
        self.json[name].as_array().map_or(&[], Vec::as_slice)
    }

    /// What the reference wrote.
    pub fn checkpoints(&self) -> &[Value] {
        self.json["expected"]["checkpoints"].as_array().map_or(&[], Vec::as_slice)
    }

    /// Every gate's spec.
    pub fn gates(&self) -> impl Iterator<Item = &Value> {
        self.list("objects")
            .iter()
            .filter(|object| object["kind"] == "WebRequestCommitStatus")
            .map(|gate| &gate["spec"])
    }

    /// Whether request counts may be higher than recorded.
    pub fn at_least(&self) -> bool {
        self.json["timing"] == "atLeast"
    }

    /// The scenario with its tokens resolved.
    pub fn resolved(&self, tokens: &Tokens) -> Self {
        Self { name: self.name.clone(), json: tokens.resolve(&self.json) }
    }
}

impl Tokens {
    /// Puts in what the tokens stand for.
    pub fn resolve(&self, json: &Value) -> Value {
        match json {
            Value::String(text) => {
                Value::String(self.0.iter().fold(text.clone(), |text, (token, real)| text.replace(token, real)))
            }
            Value::Array(items) => Value::Array(items.iter().map(|item| self.resolve(item)).collect()),
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| (name.clone(), self.resolve(value)));
                Value::Object(fields.collect::<Map<_, _>>())
            }
            other => other.clone(),
        }
    }
}
