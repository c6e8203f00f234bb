//! `gatepost trigger get|run`, as `argocd admin notifications trigger` answers, with honest exit codes.

use super::go_text::{self, Order};
use super::manifests::{self, Files};
use super::output::{self, Format};
use super::template::with_world;
use crate::notify::{
    Condition, ConditionOutcome, Configuration, Reason, Repository, Trigger, TriggerOutcome, evaluate,
};
use serde_json::{Map, Value, json};
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Print the triggers of a configuration.
    Get {
        /// Only this one.
        name: Option<String>,
        #[command(flatten)]
        files: Files,
    },
    /// Evaluate a trigger for an Application: each condition, its result, and the values of its parts.
    #[command(after_help = "Example:\n  gatepost trigger run on-sync-failed app.yaml --config-map cm.yaml")]
    Run {
        /// Trigger.
        name: String,
        /// File with the Application.
        application: String,
        #[command(flatten)]
        files: Files,
    },
}

pub(super) async fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Get { name, files } => get(&files.load()?, name.as_deref(), files.output),
        Command::Run { name, application, files } => {
            let ((input, repo_server), object) =
                (files.input_with_repo_server()?, manifests::application(application)?);
            let config = Configuration::load(&input, None, &super::load_options());
            let look = |repository: &Arc<Repository>| {
                with_world(&config, &object, repository, true, |world| evaluate::try_trigger(world, name))
            };
            let outcome = repo_server.consult(look).await;
            if matches!(outcome.reason, Reason::TriggerNotConfigured | Reason::TriggerBroken) {
                return Err(missing(&config, name));
            }
            print_outcome(&outcome, files.output)
        }
    }
}

/// Why there is no such trigger: its key is broken, or it does not exist.
fn missing(config: &Configuration, name: &str) -> anyhow::Error {
    let key = format!("trigger.{name}");
    if let Some(problem) = config.problems().iter().find(|problem| problem.key == key) {
        return anyhow::anyhow!("trigger '{name}' cannot be used: {problem}");
    }
    let names = config.triggers().keys().cloned().collect::<Vec<_>>().join(", ");
    anyhow::anyhow!("trigger with name '{name}' does not exist (found {names})")
}

fn get(config: &Configuration, name: Option<&str>, format: Format) -> anyhow::Result<ExitCode> {
    let chosen: Vec<_> = config.triggers().iter().filter(|(n, _)| name.is_none_or(|name| name == *n)).collect();
    if let Some(name) = name.filter(|_| chosen.is_empty()) {
        return Err(missing(config, name));
    }
    let view: Map<String, Value> = chosen.iter().map(|(name, trigger)| ((*name).clone(), shown(trigger))).collect();
    let rows: Vec<Vec<Vec<u8>>> = chosen
        .iter()
        .flat_map(|(name, trigger)| {
            trigger.conditions.iter().enumerate().map(|(index, c)| {
                let name = if index == 0 { name.as_str() } else { "" };
                [name, &c.send.join(", "), &c.when].map(|cell| cell.as_bytes().to_vec()).to_vec()
            })
        })
        .collect();
    output::as_go(format, &view, Order::Condition, || go_text::table(&["NAME", "TEMPLATE", "CONDITION"], &rows))
}

/// The conditions of a trigger without what is empty in them, as Go leaves it out.
fn shown(trigger: &Trigger) -> Value {
    if trigger.conditions.is_empty() {
        return Value::Null;
    }
    let condition = |c: &Condition| {
        let all = [
            ("oncePer", json!(c.once_per)),
            ("when", json!(c.when)),
            ("description", json!(c.description)),
            ("send", json!(c.send)),
        ];
        let is_filled = |value: &Value| *value != json!("") && *value != json!([]);
        let filled = all.into_iter().filter(|(_, value)| is_filled(value));
        Value::Object(filled.map(|(name, value)| (name.to_owned(), value)).collect())
    };
    trigger.conditions.iter().map(condition).collect()
}

fn print_outcome(outcome: &TriggerOutcome, format: Format) -> anyhow::Result<ExitCode> {
    let view: Vec<Value> = outcome.conditions.iter().map(|c| json!({
        "condition": c.when, "result": c.triggered, "error": c.error, "oncePer": c.once_per, "templates": c.templates,
        "trace": c.trace.iter().map(|(e, v)| json!({"expression": e, "value": v})).collect::<Vec<_>>(),
    })).collect();
    if !output::machine(format, &view)? {
        let row = |c: &ConditionOutcome| vec![c.when.clone().into_bytes(), c.triggered.to_string().into_bytes()];
        let rows: Vec<_> = outcome.conditions.iter().map(row).collect();
        output::bytes(&go_text::table(&["CONDITION", "RESULT"], &rows))?;
        for error in outcome.conditions.iter().filter_map(|c| c.error.as_ref()) {
            eprintln!("{error}");
        }
    }
    Ok(ExitCode::SUCCESS)
}
