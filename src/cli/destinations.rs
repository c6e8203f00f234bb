//! `gatepost destinations list|show|enable|disable` on a running Gatepost.

use super::client::{Server, encoded};
use super::output::{self, Format, shortened};
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Examples:\n  gatepost destinations list\n  gatepost destinations disable my-webhook --reason 'maintenance until noon'\n  gatepost destinations enable my-webhook\n  gatepost destinations show my-webhook -o json"
)]
pub(super) enum Command {
    /// List destinations: what waits, whether they answer, what is switched off.
    List {
        /// Only those of this service.
        service: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Show the destinations of a service with everything that is known of them.
    Show {
        /// Name of the service.
        service: String,
        #[command(flatten)]
        place: Place,
    },
    /// Switch a destination on: what waits for it is sent.
    Enable {
        /// Name of the service.
        service: String,
        #[command(flatten)]
        place: Place,
    },
    /// Switch a destination off: what is to be sent there waits, nothing is lost.
    Disable {
        /// Name of the service.
        service: String,
        /// Why, for those who find it off.
        #[arg(long, default_value = "")]
        reason: String,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// Only at this host.
    #[arg(long)]
    host: Option<String>,
    /// Only of this namespace's own configuration; empty is the controller's.
    #[arg(long)]
    config_namespace: Option<String>,
    #[command(flatten)]
    server: Server,
    /// How the answer is printed.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
}

impl Place {
    async fn find(&self, service: Option<&str>) -> anyhow::Result<Value> {
        let parts = [
            ("service", service),
            ("host", self.host.as_deref()),
            ("configNamespace", self.config_namespace.as_deref()),
        ];
        let parts = parts.iter().filter_map(|(name, value)| Some(format!("{name}={}", encoded((*value)?))));
        self.server.get(&format!("destinations?{}", parts.collect::<Vec<_>>().join("&"))).await
    }

    async fn switch(&self, verb: &str, service: &str, reason: Option<&str>) -> anyhow::Result<ExitCode> {
        let mut body = json!({"service": service, "host": self.host, "configNamespace": self.config_namespace});
        if let Some(reason) = reason {
            body["reason"] = reason.into();
        }
        let answer = self.server.post(&format!("destinations/{verb}"), &body).await?;
        if !output::machine(self.output, &answer)? {
            for (list, word) in [("switched", format!("{verb}d")), ("unchanged", format!("{verb}d already"))] {
                for lane in answer[list].as_array().into_iter().flatten() {
                    println!("{}: {word}", named(lane));
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { service, place } => {
            let found = place.find(service.as_deref()).await?;
            if !output::machine(place.output, &found)? {
                print_list(&found);
            }
        }
        Command::Show { service, place } => {
            let found = place.find(Some(&service)).await?;
            if found["items"].as_array().is_none_or(Vec::is_empty) {
                anyhow::bail!(
                    "nothing was ever to be sent to a service '{service}' there; see gatepost destinations list"
                );
            }
            let format = if matches!(place.output, Format::Json) { Format::Json } else { Format::Yaml };
            output::machine(format, &found["items"])?;
        }
        Command::Enable { service, place } => return place.switch("enable", &service, None).await,
        Command::Disable { service, reason, place } => return place.switch("disable", &service, Some(&reason)).await,
    }
    Ok(ExitCode::SUCCESS)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn named(lane: &Value) -> String {
    let namespace = text(lane, "configNamespace");
    let slash = if namespace.is_empty() { "" } else { "/" };
    let at = if text(lane, "host").is_empty() { "" } else { " at " };
    format!("{namespace}{slash}{}{at}{}", text(lane, "service"), text(lane, "host"))
}

fn print_list(found: &Value) {
    let now_ms = crate::clock::now().millis();
    let rows: Vec<Vec<String>> = found["items"].as_array().into_iter().flatten().map(|one| row(one, now_ms)).collect();
    if rows.is_empty() {
        println!("no destinations match; one appears with its first delivery");
        return;
    }
    output::table(&["NAMESPACE", "SERVICE", "HOST", "STATE", "PENDING", "OLDEST", "LAST"], &rows);
}

fn row(one: &Value, now_ms: i64) -> Vec<String> {
    let state = match (one["off"].is_null(), text(&one["breaker"], "state")) {
        (false, _) => format!("disabled ({})", shortened(&who(&one["off"]), 50)),
        (true, "closed") => "on".to_owned(),
        (true, "halfOpen") => "paused (trying)".to_owned(),
        (true, _) => format!("paused ({})", text(&one["breaker"], "cause")),
    };
    let last = match one["last"].is_null() {
        true => String::new(),
        false => format!("{}: {}", text(&one["last"], "state"), shortened(text(&one["last"], "reason"), 60)),
    };
    let oldest = one["oldestPendingMs"].as_i64().map(|at| age(now_ms.saturating_sub(at))).unwrap_or_default();
    let texts = ["configNamespace", "service", "host"].map(|name| text(one, name).to_owned());
    texts.into_iter().chain([state, one["pending"].to_string(), oldest, last]).collect()
}

fn who(off: &Value) -> String {
    let by = if text(off, "by") == "receiver" { "its receiver wants no more" } else { "by hand" };
    let why = text(off, "why");
    if why.is_empty() { by.to_owned() } else { format!("{by}: {why}") }
}

fn age(ms: i64) -> String {
    match ms.max(0) / 1000 {
        s @ 0..=119 => format!("{s}s"),
        s @ 120..=7199 => format!("{}m", s / 60),
        s @ 7200..=172_799 => format!("{}h", s / 3600),
        s => format!("{}d", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_state_age_and_last_outcome() {
        let one = json!({"configNamespace": "", "service": "hook", "host": "h", "pending": 3, "oldestPendingMs": 0,
            "breaker": {"state": "closed", "failures": 0}, "off": null,
            "last": {"state": "waiting", "reason": "status 503", "delivery": "dlv_x", "atMs": 1}});
        assert_eq!(row(&one, 130_000), ["", "hook", "h", "on", "3", "2m", "waiting: status 503"]);
        let mut off = one;
        off["off"] = json!({"atMs": 1, "by": "person", "why": "maintenance"});
        assert_eq!(row(&off, 0)[3], "disabled (by hand: maintenance)");
        off["off"] = Value::Null;
        off["breaker"] = json!({"state": "open", "cause": "credentials", "untilMs": 1, "times": 0});
        assert_eq!(row(&off, 0)[3], "paused (credentials)");
    }
}
