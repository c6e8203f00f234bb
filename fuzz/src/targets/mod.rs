//! What comes from outside the house, as functions of one input each; a function panics only where a promise is broken.
//! libFuzzer runs them (`fuzz_targets/`), and `tests/it/fuzzing.rs` does on some thousand inputs with every test run.

pub mod annotations;
pub mod answers;
pub mod api;
pub mod configuration;

/// Keys and values of a text whose parts are parted by lines of `===`; a last one without a partner has an empty value.
pub fn pairs(text: &str) -> std::collections::BTreeMap<String, String> {
    let mut parts = text.trim_end().split("\n===\n");
    let mut pairs = std::collections::BTreeMap::new();
    while let Some(key) = parts.next() {
        pairs.insert(key.to_owned(), parts.next().unwrap_or_default().to_owned());
    }
    pairs
}
