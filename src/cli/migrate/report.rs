//! What behaves differently, entry by entry.

use crate::cli::output::{self, Format};
use crate::cli::reach::{self, Trouble};
use crate::cli::serve;
use crate::egress::Policy;
use crate::notify::{ConfigInput, Configuration, InForce, ServiceConfig};
use crate::settings::Settings;
use serde::Serialize;
use serde_json::Value as Json;
use std::path::Path;
use std::process::ExitCode;

/// One entry of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Entry {
    /// Whether somebody has to do something before the change.
    pub action_needed: bool,
    /// Key of the ConfigMap, or what it is about.
    pub key: String,
    /// What the Argo CD controller does.
    pub argo: String,
    /// What Gatepost does.
    pub gatepost: String,
}

fn entry(action_needed: bool, key: &str, argo: impl Into<String>, gatepost: impl Into<String>) -> Entry {
    Entry { action_needed, key: key.to_owned(), argo: argo.into(), gatepost: gatepost.into() }
}

/// Prints the report.
pub(super) async fn run(input: &ConfigInput, settings: Option<&Path>, format: Format) -> anyhow::Result<ExitCode> {
    let options = crate::cli::load_options();
    let config = Configuration::load(input, None, &options);
    let mut entries = of_configuration(input, &config, Configuration::strict_load(input, &options).err());
    let policy = serve::policy(&Settings::load(settings)?, false)?;
    for service in config.services().values() {
        entries.extend(reach(service, &policy).await);
    }
    let needed = entries.iter().any(|entry| entry.action_needed);
    if !output::machine(format, &entries)? {
        print(&config, &entries);
    }
    Ok(if needed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What the configuration alone tells.
fn of_configuration(input: &ConfigInput, config: &Configuration, refused: Option<String>) -> Vec<Entry> {
    let mut out = Vec::new();
    if let Some(cause) = refused {
        let argo = format!("refuses the whole configuration: {cause}");
        out.push(entry(false, "all keys", argo, "puts only the keys out of order that cannot be read"));
    }
    for problem in config.problems() {
        let broken = problem.in_force == InForce::Nothing;
        let gatepost = if broken { "this key is out of order" } else { "the key is in force" };
        out.push(entry(broken, &problem.key, problem.cause.clone(), format!("{gatepost}. {}", problem.advice)));
    }
    for service in config.services().values() {
        out.extend(of_service(service));
    }
    let secrets = input.secret.iter().filter(|(_, value)| {
        ["yes", "no", "on", "off", "y", "n"].iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()))
    });
    for (name, _) in secrets {
        out.push(entry(
            false,
            &format!("Secret key {name}"),
            "its value becomes `true` or `false`",
            "its value stays text",
        ));
    }
    let endless =
        config.triggers().values().filter(|trigger| trigger.conditions.iter().any(|c| !c.once_per.is_empty()));
    for trigger in endless {
        let argo = "a notification with oncePer that fails is lost";
        out.push(entry(false, &format!("trigger.{}", trigger.name), argo, "it is retried, then kept as a dead letter"));
    }
    if config.default_triggers().is_some() {
        let argo = "may add a destination without a service for other annotations of an Application, at random";
        out.push(entry(false, "defaultTriggers", argo, "adds none"));
    }
    out
}

fn of_service(service: &ServiceConfig) -> Vec<Entry> {
    let key = format!("service.{}.{}", service.kind, service.name);
    let mut out = Vec::new();
    let headers = service.options.get("headers").and_then(Json::as_array).cloned().unwrap_or_default();
    let json = |header: &Json| {
        header["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case("content-type"))
            && header["value"].as_str().is_some_and(|value| value.to_ascii_lowercase().contains("json"))
    };
    if headers.iter().any(json) {
        let argo = "a quote or line break in a printed value makes the JSON invalid";
        out.push(entry(false, &key, argo, "the value is escaped (delivery.json = \"off\" sends Argo's bytes)"));
    }
    if service.kind == "webhook" {
        let argo = "tries retryMax times, then waits for the next event; waits for an answer without end";
        let gatepost = "tries retryMax times, then on a schedule for a day; waits 120 s for an answer (answerTimeout)";
        out.push(entry(false, &key, argo, gatepost));
    }
    out
}

/// Whether egress lets a service's hosts be reached.
async fn reach(service: &ServiceConfig, policy: &Policy) -> Vec<Entry> {
    let key = format!("service.{}.{}", service.kind, service.name);
    let troubles = reach::troubles(service, policy).await.into_iter();
    let entries = troubles.map(|trouble| match trouble {
        Trouble::Refused(why) => entry(true, &key, "posts there", why),
        Trouble::Unresolved(why) => {
            entry(false, &key, "posts there", format!("{why}; run this where Gatepost will run"))
        }
    });
    entries.collect()
}

fn print(config: &Configuration, entries: &[Entry]) {
    for entry in entries {
        let mark = if entry.action_needed { "!" } else { " " };
        println!("{mark} {}\n    Argo CD:  {}\n    Gatepost: {}", entry.key, entry.argo, entry.gatepost);
    }
    let needed = entries.iter().filter(|entry| entry.action_needed).count();
    println!(
        "{} services, {} triggers, {} templates; {} differences, {needed} need a hand (marked !)",
        config.services().len(),
        config.triggers().len(),
        config.templates().len(),
        entries.len()
    );
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn input(pairs: &[(&str, &str)]) -> ConfigInput {
        let configmap = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        ConfigInput { configmap, secret: [("flag".to_owned(), b"yes".to_vec())].into(), ..ConfigInput::default() }
    }

    #[test]
    fn differences_are_told_by_key() {
        let input = input(&[
            ("service.webhook.hook", "url: https://h/\nheaders: [{name: Content-Type, value: application/json}]\n"),
            ("trigger.a", "- when: app.x\n  oncePer: app.y\n"),
            ("trigger.broken", "- when: app.(\n"),
            ("defaultTriggers", "[a]"),
        ]);
        let options = crate::cli::load_options();
        let config = Configuration::load(&input, None, &options);
        let entries = of_configuration(&input, &config, Configuration::strict_load(&input, &options).err());
        let about = |key: &str| entries.iter().filter(|entry| entry.key == key).collect::<Vec<_>>();
        assert!(about("all keys")[0].argo.starts_with("refuses the whole configuration"));
        assert!(about("trigger.broken")[0].action_needed);
        assert_eq!(about("service.webhook.hook").len(), 2);
        for key in ["Secret key flag", "trigger.a", "defaultTriggers"] {
            assert_eq!(about(key).len(), 1, "{key}");
        }
    }
}
