//! `service.<type>[.<name>]` and `gatepost.service.<type>.<name>`: which service it is, and whether its options fit.

use super::{ConfigInput, Fault, ServiceConfig, secret};
use crate::notify::yaml::{self, Fields, Node, Scalar};
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};

/// Types that the Go controller knows.
pub const GO_KINDS: [&str; 21] = [
    "alertmanager",
    "awssqs",
    "email",
    "gcppubsub",
    "github",
    "googlechat",
    "grafana",
    "mattermost",
    "nats",
    "newrelic",
    "opsgenie",
    "pagerduty",
    "pagerdutyv2",
    "pushover",
    "rocketchat",
    "slack",
    "teams",
    "teams-workflows",
    "telegram",
    "webex",
    "webhook",
];

/// A service and what is worth a warning about it.
pub struct Loaded {
    /// The service.
    pub config: ServiceConfig,
    /// Warnings: line (0 where unknown), text, advice.
    pub warnings: Vec<(u32, String, String)>,
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
pub fn load(key: &str, text: &str, input: &ConfigInput, strict: bool) -> Result<Loaded, Fault> {
    let (kind, name) = name_of(key)?;
    let failed = format!("failed to render service configuration {kind}: ");
    let mut node = yaml::parse(text).map_err(|fault| fault.within(&failed))?;
    let mut report = secret::Report::default();
    secret::substitute(&mut node, &input.secret, strict, &mut report);
    let (options, mut warnings) = options(key, kind, &node, strict)?;
    let missing = report.missing.into_iter().map(|(line, text)| {
        let cause = format!("config referenced '{text}', but key does not exist in secret");
        (line, cause, "add the key to the Secret or correct its name".to_owned())
    });
    warnings.extend(missing);
    let digest = digest(kind, &options);
    let namespace = input.namespace.clone();
    Ok(Loaded {
        config: ServiceConfig { namespace, name: name.to_owned(), kind: kind.to_owned(), options, digest },
        warnings,
    })
}

fn digest(kind: &str, options: &Json) -> String {
    let mut hash = Sha256::new();
    hash.update(kind.as_bytes());
    hash.update([0]);
    hash.update(options.to_string().as_bytes());
    super::hex(&hash.finalize())
}

type Checked = Result<(Json, Vec<(u32, String, String)>), Fault>;

fn options(key: &str, kind: &str, node: &Node, strict: bool) -> Checked {
    let own = key.starts_with("gatepost.");
    match kind {
        "webhook" => webhook(node, strict),
        "backstage" if own => backstage(node),
        _ if GO_KINDS.contains(&kind) && !own => {
            let fields = node.fields("", &format!("services.{kind}Options"))?;
            if kind == "github" && !fields.text("GitHubOptions", "privateKey")?.contains("-----BEGIN") {
                let cause = "could not parse private key: invalid key: Key must be a PEM encoded PKCS1 or PKCS8 key";
                return Err(Fault::new(cause));
            }
            let cause = format!("services of type '{kind}' cannot be sent to by this version");
            let advice = "notifications for it become dead letters".to_owned();
            Ok((node.to_json(), vec![(0, cause, advice)]))
        }
        _ => {
            let fault = Fault::new(format!("service type '{kind}' is not supported"));
            Err(match (kind, own) {
                ("backstage", false) => fault.advise("write the key as 'gatepost.service.backstage.<name>'"),
                _ => fault,
            })
        }
    }
}

const WEBHOOK: &str = "WebhookOptions";

fn webhook(node: &Node, strict: bool) -> Checked {
    let fields = node.fields("", "services.WebhookOptions")?;
    let mut out = Map::new();
    out.insert("url".into(), fields.text(WEBHOOK, "url")?.into());
    out.insert("headers".into(), headers(&fields)?);
    if let Some(auth) = fields.get("basicAuth").filter(|auth| !auth.is_null()) {
        let auth = auth.fields("WebhookOptions.basicAuth", "services.BasicAuth")?;
        let (username, password) = (auth.text("BasicAuth", "username")?, auth.text("BasicAuth", "password")?);
        out.insert("basicAuth".into(), json!({"username": username, "password": password}));
    }
    transport(&fields, strict, &mut out)?;
    let mut warnings = Vec::new();
    warn_of_newlines(&fields, &mut warnings)?;
    Ok((Json::Object(out), warnings))
}

fn warn_of_newlines(fields: &Fields<'_>, warnings: &mut Vec<(u32, String, String)>) -> Result<(), Fault> {
    let Some(list) = fields.get("headers") else { return Ok(()) };
    for item in list.items("WebhookOptions.headers", "[]services.Header")? {
        let header = item.fields("Header", "services.Header")?;
        if header.text("Header", "value")?.ends_with(['\n', '\r']) {
            let name = header.text("Header", "name")?;
            let cause = format!("the value of header {name} ends with a line break, which is left out when it is sent");
            let advice = "make the Secret's value without one (`echo -n`); the Go controller refuses to send it";
            warnings.push((item.place.line, cause, advice.to_owned()));
        }
    }
    Ok(())
}

fn headers(fields: &Fields<'_>) -> Result<Json, Fault> {
    let Some(list) = fields.get("headers") else { return Ok(json!([])) };
    let mut out = Vec::new();
    for item in list.items("WebhookOptions.headers", "[]services.Header")? {
        let header = item.fields("WebhookOptions.headers", "services.Header")?;
        out.push(json!({"name": header.text("Header", "name")?, "value": header.text("Header", "value")?}));
    }
    Ok(Json::Array(out))
}

/// Options of every HTTP service ("T" in `spec/notifications.md` 6), and Gatepost's own.
fn transport(fields: &Fields<'_>, strict: bool, out: &mut Map<String, Json>) -> Result<(), Fault> {
    for name in ["insecureSkipVerify", "idempotent", "sendDeliveryId"] {
        if let Some(node) = fields.get(name).filter(|node| !node.is_null()) {
            let Some(Scalar::Bool(flag)) = node.scalar() else { return Err(misfit(node, name, "bool")) };
            out.insert(name.into(), flag.into());
        }
    }
    for name in ["retryMax", "maxIdleConns", "maxIdleConnsPerHost", "maxConnsPerHost"] {
        if let Some(node) = fields.get(name).filter(|node| !node.is_null()) {
            out.insert(name.into(), integer(node, name, "int")?.into());
        }
    }
    for name in ["retryWaitMin", "retryWaitMax", "answerTimeout"] {
        if let Some(node) = fields.get(name).filter(|node| !node.is_null()) {
            out.insert(name.into(), duration(node, name, strict)?.into());
        }
    }
    out.insert("idleConnTimeout".into(), fields.text(WEBHOOK, "idleConnTimeout")?.into());
    Ok(())
}

fn misfit(node: &Node, name: &str, wanted: &str) -> Fault {
    let cause = format!(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {} into Go struct field WebhookOptions.{name} of type {wanted}",
        node.json_type()
    );
    Fault::at(node.place.line, node.place.column, cause)
}

fn integer(node: &Node, name: &str, wanted: &str) -> Result<i64, Fault> {
    match node.scalar() {
        Some(Scalar::Int(n)) => Ok(n),
        Some(Scalar::Float(f)) if f.fract() == 0.0 && f.abs() < 9e15 => Ok(f as i64),
        _ => Err(misfit(node, name, wanted)),
    }
}

/// Nanoseconds; texts such as `2s`, which break the whole configuration of the Go controller, are understood too.
fn duration(node: &Node, name: &str, strict: bool) -> Result<i64, Fault> {
    match node.scalar() {
        Some(Scalar::Text(text)) if !strict => gatepost_value::time::parse_duration(&text).map_err(|cause| {
            Fault::at(node.place.line, node.place.column, cause).advise("write a duration such as `2s`, or nanoseconds")
        }),
        _ => integer(node, name, "time.Duration"),
    }
}

fn backstage(node: &Node) -> Checked {
    let fields = node.fields("", "the options of a backstage service")?;
    let mut out = Map::new();
    for name in ["url", "token", "severity", "topic"] {
        out.insert(name.into(), fields.text("backstage", name)?.into());
    }
    for name in ["stripMarkdown", "defaultScope"] {
        if let Some(node) = fields.get(name).filter(|node| !node.is_null()) {
            let Some(Scalar::Bool(flag)) = node.scalar() else { return Err(misfit(node, name, "bool")) };
            out.insert(name.into(), flag.into());
        }
    }
    transport(&fields, false, &mut out)?;
    if out.get("url").and_then(Json::as_str).unwrap_or_default().is_empty() {
        return Err(Fault::at(node.place.line, node.place.column, "`url` is missing")
            .advise("set `url` to Backstage's backend"));
    }
    let mut warnings = Vec::new();
    let token = out.get("token").and_then(Json::as_str).unwrap_or_default().trim();
    if token.len() < 8 || token.contains(char::is_whitespace) {
        let cause = "Backstage accepts no static token under 8 characters or with white space".to_owned();
        warnings.push((0, cause, "make a longer one and set it on both sides".to_owned()));
    }
    Ok((Json::Object(out), warnings))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(key: &str, text: &str) -> Result<Loaded, Fault> {
        load(key, text, &ConfigInput::default(), false)
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
    fn unknown_types_are_refused_and_known_ones_warned_of() {
        let fault = read("service.nonesuch.x", "a: b").err().unwrap();
        assert_eq!(fault.cause, "service type 'nonesuch' is not supported");
        assert!(read("service.backstage.x", "url: u").err().unwrap().advice.contains("gatepost.service.backstage"));
        assert_eq!(read("service.slack", "{}").unwrap().warnings.len(), 1);
    }

    #[test]
    fn waits_are_nanoseconds_or_texts() {
        let options = read("service.webhook.x", "retryWaitMin: 2s\nretryWaitMax: 1000000\n").unwrap().config.options;
        assert_eq!((&options["retryWaitMin"], &options["retryWaitMax"]), (&json!(2_000_000_000), &json!(1_000_000)));
        assert!(load("service.webhook.x", "retryWaitMin: 2s", &ConfigInput::default(), true).is_err());
    }

    #[test]
    fn the_digest_follows_the_secret() {
        let with = |value: &str| {
            let secret = [("k".to_owned(), value.as_bytes().to_vec())].into();
            let input = ConfigInput { secret, ..ConfigInput::default() };
            load("service.webhook.x", "url: http://h/$k", &input, false).unwrap().config.digest
        };
        assert_ne!(with("a"), with("b"));
        assert_eq!(with("a"), with("a"));
    }
}
