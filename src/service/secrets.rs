//! Which of a service's options nobody may be shown, whether they came from the Secret or stand in the ConfigMap itself.
//!
//! Decided by the option's name and form, so that a new kind has it without a line: what may be a credential is one.

use crate::notify::ServiceConfig;
use serde_json::Value as Json;

/// Parts of names of options and headers whose values are credentials.
const NAMES: [&str; 12] = [
    "token",
    "password",
    "secret",
    "key",
    "auth",
    "cookie",
    "credential",
    "signature",
    "webhook",
    "urls",
    "nkey",
    "cert",
];
/// Names that have such a part and say nothing secret.
const HARMLESS: [&str; 3] = ["keyprefix", "groupingkey", "insecureskipverify"];
/// Shorter texts are words.
const SHORTEST: usize = 8;

/// Values that must not be shown.
#[must_use]
pub fn values(config: &ServiceConfig) -> Vec<String> {
    let mut found = Vec::new();
    collect("", &config.options, &mut found);
    found
}

fn collect(name: &str, value: &Json, found: &mut Vec<String>) {
    match value {
        Json::String(text) if is_secret(name, text) => found.push(text.clone()),
        Json::Array(items) => items.iter().for_each(|item| collect(name, item, found)),
        Json::Object(fields) => match (fields.get("name"), fields.get("value")) {
            // A header.
            (Some(Json::String(header)), Some(value)) => collect(header, value, found),
            _ => fields.iter().for_each(|(field, value)| collect(&below(name, field), value, found)),
        },
        _ => {}
    }
}

/// A map of credentials has names of its own in it.
fn below(name: &str, field: &str) -> String {
    if is_named(name) { name.to_owned() } else { field.to_owned() }
}

fn is_named(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    !HARMLESS.contains(&name.as_str()) && NAMES.iter().any(|part| name.contains(part))
}

/// Every URL is looked at: its path, query and password may be a credential. One that is only a host is none, whatever
/// its option is called: people have to be told which host it is.
fn is_secret(name: &str, text: &str) -> bool {
    match url::Url::parse(text.trim()) {
        Ok(url) if url.has_host() => url.path().len() > 1 || url.query().is_some() || url.password().is_some(),
        _ => is_named(name) && text.len() >= SHORTEST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn credentials_are_found_wherever_they_stand() {
        let options = json!({
            "url": "https://h/T0/abc", "insecureSkipVerify": true, "retryMax": 3, "from": "somebody@example.com",
            "headers": [{"name": "X-Api-Token", "value": "header-value"}, {"name": "Accept", "value": "application/json"}],
            "basicAuth": {"username": "user", "password": "basic-password"},
            "apiURL": "https://api.example.com", "recipientUrls": {"team": "https://h/x", "all": "http://h:8080/"}, "apiKeys": {"first": "api-key-value"},
            "signingSecret": ["whsec_one", "whsec_two"], "tls": {"key": "private-key", "serverName": "server.example"},
        });
        let (namespace, name, kind, digest) = (String::new(), "s".into(), "webhook".into(), String::new());
        let mut found = values(&ServiceConfig { namespace, name, kind, options, digest });
        found.sort();
        let expected = [
            "api-key-value",
            "basic-password",
            "header-value",
            "https://h/T0/abc",
            "https://h/x",
            "private-key",
            "whsec_one",
            "whsec_two",
        ];
        assert_eq!(found, expected);
    }
}
