//! `service.<type>[.<name>]` and `gatepost.service.<type>.<name>`: which service it is, and whether its options fit.

use super::{ConfigInput, Fault, LoadOptions, ServiceConfig, secret};
use crate::notify::kind::{self, KindSpec, Warning};
use crate::notify::yaml;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

/// A service and what is worth a warning about it.
pub struct Loaded {
    /// The service.
    pub config: ServiceConfig,
    /// Warnings.
    pub warnings: Vec<Warning>,
}

/// Type and name of a service's key.
pub fn name_of(key: &str) -> Result<(&str, &str), Fault> {
    if let Some(own) = key.strip_prefix("gatepost.service.") {
        return match own.split_once('.') {
            Some((kind, name)) if !kind.is_empty() && !name.is_empty() && !name.contains('.') => Ok((kind, name)),
            _ => Err(Fault::new(format!(
                "invalid service key; expected 'gatepost.service.<type>.<name>' but got '{key}'"
            ))),
        };
    }
    let parts: Vec<&str> = key.split('.').collect();
    match parts.as_slice() {
        [_, kind] => Ok((kind, kind)),
        [_, kind, name] => Ok((kind, name)),
        _ => Err(Fault::new(format!("invalid service key; expected 'service.<type>(.<name>)' but got '{key}'"))),
    }
}

/// Loads a service's key.
pub fn load(key: &str, text: &str, input: &ConfigInput, options: &LoadOptions, strict: bool) -> Result<Loaded, Fault> {
    let (kind, name) = name_of(key)?;
    let failed = format!("failed to render service configuration {kind}: ");
    let mut node = yaml::parse(text).map_err(|fault| fault.within(&failed))?;
    let mut report = secret::Report::default();
    secret::substitute(&mut node, &input.secret, strict, &mut report);
    let spec = spec(key, kind, options)?;
    let read = kind::options(spec, &node, strict)?;
    let mut warnings = (spec.check)(&node, &read)?;
    warnings.extend(report.missing.into_iter().map(|(line, text)| Warning {
        line,
        cause: format!("config referenced '{text}', but key does not exist in secret"),
        advice: "add the key to the Secret or correct its name".to_owned(),
    }));
    let (namespace, options) = (input.namespace.clone(), Json::Object(read));
    let digest = digest(kind, &options);
    let config = ServiceConfig { namespace, name: name.to_owned(), kind: kind.to_owned(), options, digest };
    Ok(Loaded { config, warnings })
}

/// What the kind of a key reads. A `gatepost.` key may be of any kind; Gatepost's own kinds have no other.
pub fn spec<'a>(key: &str, kind: &str, options: &'a LoadOptions) -> Result<&'a KindSpec, Fault> {
    let own = key.starts_with("gatepost.");
    let found = options.kinds.iter().find(|spec| spec.name == kind);
    if let Some(spec) = found.filter(|spec| own || !spec.own) {
        return Ok(spec);
    }
    let fault = Fault::new(format!("service type '{kind}' is not supported"));
    Err(match found {
        Some(_) => fault.advise(format!("write the key as 'gatepost.service.{kind}.<name>'")),
        None => fault,
    })
}

/// Changes with anything that is sent with the service.
pub fn digest(kind: &str, options: &Json) -> String {
    let mut hash = Sha256::new();
    hash.update(kind.as_bytes());
    hash.update([0]);
    hash.update(options.to_string().as_bytes());
    super::hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn read(key: &str, text: &str) -> Result<Loaded, Fault> {
        load(key, text, &ConfigInput::default(), &LoadOptions::sample(), false)
    }

    #[test]
    fn keys_name_type_and_name() {
        assert_eq!(name_of("service.slack").unwrap(), ("slack", "slack"));
        assert_eq!(name_of("service.webhook.x").unwrap(), ("webhook", "x"));
        assert_eq!(name_of("gatepost.service.backstage.b").unwrap(), ("backstage", "b"));
        assert!(name_of("service.webhook.a.b").unwrap_err().cause.contains("but got 'service.webhook.a.b'"));
        assert!(name_of("gatepost.service.backstage").is_err());
    }

    #[test]
    fn unknown_types_are_refused() {
        let fault = read("service.nonesuch.x", "a: b").err().unwrap();
        assert_eq!(fault.cause, "service type 'nonesuch' is not supported");
    }

    #[test]
    fn any_kind_may_be_gateposts_alone() {
        let config = read("gatepost.service.webhook.x", "url: u").unwrap().config;
        assert_eq!((config.kind.as_str(), config.name.as_str()), ("webhook", "x"));
    }

    #[test]
    fn waits_are_nanoseconds_or_texts() {
        let text = "retryWaitMin: 2s\nretryWaitMax: 1000000\n";
        let options = read("service.webhook.x", text).unwrap().config.options;
        assert_eq!((&options["retryWaitMin"], &options["retryWaitMax"]), (&json!(2_000_000_000), &json!(1_000_000)));
        assert!(load("service.webhook.x", text, &ConfigInput::default(), &LoadOptions::sample(), true).is_err());
    }

    #[test]
    fn the_digest_follows_the_secret() {
        let with = |value: &str| {
            let secret = [("k".to_owned(), value.as_bytes().to_vec())].into();
            let input = ConfigInput { secret, ..ConfigInput::default() };
            load("service.webhook.x", "url: http://h/$k", &input, &LoadOptions::sample(), false).unwrap().config.digest
        };
        assert_ne!(with("a"), with("b"));
        assert_eq!(with("a"), with("a"));
    }
}
