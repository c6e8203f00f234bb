//! `gatepost trigger get|run`, as `argocd admin notifications trigger` answers, with honest exit codes.

use super::manifests::{self, Files};
use super::output::{self, Format};
use super::template::with_world;
use crate::notify::{Configuration, Reason, Repository, TriggerOutcome, evaluate};
use serde_json::{Value, json};
use std::collections::BTreeMap;
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
    let view: BTreeMap<&String, Vec<Value>> = chosen
        .iter()
        .map(|(n, t)| {
            let conditions = t
                .conditions
                .iter()
                .map(|c| json!({"when": c.when, "oncePer": c.once_per, "description": c.description, "send": c.send}));
            (*n, conditions.collect())
        })
        .collect();
    if output::machine(format, &view)? {
        return Ok(ExitCode::SUCCESS);
    }
    if format == Format::Name {
        chosen.iter().for_each(|(name, _)| println!("{name}"));
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = chosen
        .iter()
        .flat_map(|(name, trigger)| {
            trigger.conditions.iter().enumerate().map(|(index, c)| {
                vec![if index == 0 { (*name).clone() } else { String::new() }, c.send.join(", "), c.when.clone()]
            })
        })
        .collect();
    output::table(&["NAME", "TEMPLATE", "CONDITION"], &rows);
    Ok(ExitCode::SUCCESS)
}

fn print_outcome(outcome: &TriggerOutcome, format: Format) -> anyhow::Result<ExitCode> {
    let view: Vec<Value> = outcome.conditions.iter().map(|c| json!({
        "condition": c.when, "result": c.triggered, "error": c.error, "oncePer": c.once_per, "templates": c.templates,
        "trace": c.trace.iter().map(|(e, v)| json!({"expression": e, "value": v})).collect::<Vec<_>>(),
    })).collect();
    if !output::machine(format, &view)? {
        let rows: Vec<Vec<String>> =
            outcome.conditions.iter().map(|c| vec![c.when.clone(), c.triggered.to_string()]).collect();
        output::table(&["CONDITION", "RESULT"], &rows);
        for error in outcome.conditions.iter().filter_map(|c| c.error.as_ref()) {
            eprintln!("{error}");
        }
    }
    Ok(ExitCode::SUCCESS)
}
