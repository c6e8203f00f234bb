//! What is in force and where it comes from: for `gatepost config print`, and for the error about a key that nobody knows.
//!
//! The defaults' file is the list of what there is. It must never show a secret.

use super::{DEFAULTS, Error, overrides};
use config::{Config, File, FileFormat, ValueKind};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

/// Keys whose values are not shown.
const SECRETS: [&str; 4] = ["store.url", "store.encryptionKeys", "auth.clientSecret", "tracing.headers"];
/// Tables whose keys are names that people choose.
const NAMED: [&str; 1] = ["egress.tenants"];
/// How alike a name must be to be meant: 0 nothing in common, 1 the same.
const ALIKE: f64 = 0.7;

/// One setting as it is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Effective {
    /// `section.key`.
    pub key: String,
    /// Its value as JSON; `"***"` for a secret that is set.
    pub value: serde_json::Value,
    /// `default`, the name of the file, or the name of the variable.
    pub source: String,
}

/// Every setting in force with its source, by key.
///
/// # Errors
/// What [`super::Settings::load`] says.
pub fn effective(file: Option<&Path>) -> Result<Vec<Effective>, Error> {
    super::Settings::load(file)?;
    let mut all = known()?;
    if let Some(file) = file {
        all.extend(leaves(&Config::builder().add_source(File::from(file)).build()?, &file.display().to_string()));
    }
    for (key, value) in overrides(std::env::vars_os())? {
        let variable = format!("GATEPOST_{}", key.to_uppercase().replace('.', "__"));
        let value = json(&value.kind);
        all.insert(key.clone(), Effective { key, value, source: variable });
    }
    // A table that something was added to is not empty any more.
    let empty = |one: &Effective, all: &BTreeMap<String, Effective>| {
        NAMED.contains(&one.key.as_str()) && all.keys().any(|key| key.starts_with(&format!("{}.", one.key)))
    };
    Ok(all.values().filter(|one| !empty(one, &all)).cloned().map(redacted).collect())
}

/// Refuses keys that the defaults do not have, with the one that is probably meant.
///
/// # Errors
/// The first such key.
pub(super) fn refuse_unknown(
    file: Option<&Path>,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<(), Error> {
    let known = known()?;
    let mut given = BTreeMap::new();
    if let Some(file) = file {
        given = leaves(&Config::builder().add_source(File::from(file)).build()?, &file.display().to_string());
    }
    for (key, _) in overrides(variables)? {
        given.insert(key.clone(), Effective { key, value: serde_json::Value::Null, source: "the environment".into() });
    }
    match given.into_values().find(|one| !is_known(&known, &one.key)) {
        Some(one) => Err(Error::Unknown { advice: advice(&known, &one.key), key: one.key, source_name: one.source }),
        None => Ok(()),
    }
}

/// Every setting that there is, with its default.
///
/// # Errors
/// Never in a binary whose tests passed.
pub(super) fn known() -> Result<BTreeMap<String, Effective>, Error> {
    Ok(leaves(&defaults()?, "default"))
}

fn is_known(known: &BTreeMap<String, Effective>, key: &str) -> bool {
    known.contains_key(key)
        || NAMED.iter().any(|table| key.starts_with(&format!("{table}.")))
        // A section without keys, such as an empty `store:` in YAML.
        || known.keys().any(|one| one.starts_with(&format!("{key}.")))
}

fn advice(known: &BTreeMap<String, Effective>, key: &str) -> String {
    let alike = known.keys().map(|one| (strsim::jaro_winkler(one, key), one)).filter(|(score, _)| *score > ALIKE);
    match alike.max_by(|one, other| one.0.total_cmp(&other.0)) {
        Some((_, nearest)) => format!("did you mean {nearest}? "),
        None => String::new(),
    }
}

fn defaults() -> Result<Config, Error> {
    Ok(Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml)).build()?)
}

/// Every value that is not a table, by its path; an empty table is one as well.
fn leaves(config: &Config, source: &str) -> BTreeMap<String, Effective> {
    fn walk(value: &config::Value, path: &str, source: &str, out: &mut BTreeMap<String, Effective>) {
        if let ValueKind::Table(table) = &value.kind
            && (path.is_empty() || !table.is_empty())
        {
            for (name, inner) in table {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                walk(inner, &below, source, out);
            }
            return;
        }
        out.insert(path.into(), Effective { key: path.into(), value: json(&value.kind), source: source.into() });
    }
    let mut out = BTreeMap::new();
    walk(&config.cache, "", source, &mut out);
    out
}

fn json(kind: &ValueKind) -> serde_json::Value {
    match kind {
        ValueKind::Nil => serde_json::Value::Null,
        ValueKind::Boolean(yes) => (*yes).into(),
        ValueKind::I64(number) => (*number).into(),
        ValueKind::U64(number) => (*number).into(),
        ValueKind::I128(_) | ValueKind::U128(_) | ValueKind::String(_) => kind.to_string().into(),
        ValueKind::Float(number) => (*number).into(),
        ValueKind::Table(table) => table.iter().map(|(name, inner)| (name.clone(), json(&inner.kind))).collect(),
        ValueKind::Array(items) => items.iter().map(|item| json(&item.kind)).collect(),
    }
}

fn redacted(mut one: Effective) -> Effective {
    if SECRETS.contains(&one.key.as_str()) && one.value != "" {
        one.value = "***".into();
    }
    one
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("g.toml");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn every_value_has_its_source_and_secrets_are_not_shown() {
        let (_folder, path) =
            file("[store]\nurl = \"postgres://u:canary@db/x\"\n[egress.tenants.a]\nallow = [\"10.0.0.1\"]\n");
        let all = effective(Some(&path)).unwrap();
        let of = |key: &str| all.iter().find(|one| one.key == key).cloned();
        let url = of("store.url").unwrap();
        assert_eq!((url.value, url.source), ("***".into(), path.display().to_string()));
        assert_eq!(of("store.path").unwrap().source, "default");
        assert_eq!(of("store.encryptionKeys").unwrap().value, "", "one that is not set is shown as that");
        assert_eq!(of("egress.tenants.a.allow").unwrap().value, serde_json::json!(["10.0.0.1"]));
        assert_eq!(of("egress.tenants"), None);
        assert!(!serde_json::to_string(&all).unwrap().contains("canary"));
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_one_that_is_meant() {
        let (_folder, path) = file("[store]\npaht = \"x\"");
        let error = refuse_unknown(Some(&path), std::iter::empty()).unwrap_err().to_string();
        assert!(error.contains("store.paht") && error.contains("did you mean store.path?"), "{error}");
        let (_folder, path) = file("[delivery]\ngiveupafter = 5");
        let error = refuse_unknown(Some(&path), std::iter::empty()).unwrap_err().to_string();
        assert!(error.contains("did you mean delivery.giveUpAfter?"), "{error}");
        let variable = [("GATEPOST_STORRE__PATH".into(), "x".into())].into_iter();
        let error = refuse_unknown(None, variable).unwrap_err().to_string();
        assert!(error.contains("storre.path in the environment"), "{error}");
        let (_folder, path) = file("[egress.tenants.\"team-*\"]\nallow = []\n[store]\n");
        refuse_unknown(Some(&path), std::iter::empty()).unwrap();
    }
}
