//! `gatepost template get|notify`, as `argocd admin notifications template` answers, with honest exit codes.

use super::manifests::{self, Files};
use super::output::{self, Format, shortened};
use crate::notify::{self, Configuration, Destination, Notification, ObjectId, Repository, World};
use crate::source::Object;
use crate::source::repo_server::RepoServer;
use anyhow::bail;
use gatepost_value::{Location, Time};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

/// Longest preview of a template.
const PREVIEW: usize = 100;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Print the templates of a configuration.
    Get {
        /// Only this one.
        name: Option<String>,
        #[command(flatten)]
        files: Files,
    },
    /// Render a template for an Application and print what each recipient would get.
    #[command(
        after_help = "Example:\n  gatepost template notify app-sync-failed app.yaml --config-map cm.yaml --recipient backstage:"
    )]
    Notify {
        /// Template.
        name: String,
        /// File with the Application.
        application: String,
        /// `service:recipient`; can be given several times.
        #[arg(long, default_value = "console:stdout")]
        recipient: Vec<String>,
        #[command(flatten)]
        files: Files,
    },
}

pub(super) async fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Get { name, files } => get(&files.load()?, name.as_deref(), files.output),
        Command::Notify { name, application, recipient, files } => {
            let ((config, repo_server), object) = (files.load_all()?, manifests::application(application)?);
            for recipient in recipient {
                let (service, recipient) = recipient.split_once(':').unwrap_or((recipient, ""));
                let to = Destination { service: service.to_owned(), recipient: recipient.to_owned() };
                print_notification(&render(&config, &object, &repo_server, name, &to).await?);
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn get(config: &Configuration, name: Option<&str>, format: Format) -> anyhow::Result<ExitCode> {
    let chosen: BTreeMap<&String, Value> = config
        .templates()
        .iter()
        .filter(|(n, _)| name.is_none_or(|name| name == *n))
        .map(|(n, t)| (n, t.to_json()))
        .collect();
    if let Some(name) = name.filter(|_| chosen.is_empty()) {
        bail!(
            "template with name '{name}' does not exist (found {})",
            config.templates().keys().cloned().collect::<Vec<_>>().join(", ")
        );
    }
    if output::machine(format, &chosen)? {
        return Ok(ExitCode::SUCCESS);
    }
    if format == Format::Name {
        chosen.keys().for_each(|name| println!("{name}"));
        return Ok(ExitCode::SUCCESS);
    }
    let preview = |value: &Value| {
        value["message"].as_str().filter(|m| !m.is_empty()).map_or_else(|| value.to_string(), str::to_owned)
    };
    let rows: Vec<Vec<String>> =
        chosen.iter().map(|(n, v)| vec![(*n).clone(), shortened(&preview(v), PREVIEW)]).collect();
    output::table(&["NAME", "PREVIEW"], &rows);
    Ok(ExitCode::SUCCESS)
}

async fn render(
    config: &Configuration,
    object: &Object,
    repo_server: &RepoServer,
    name: &str,
    to: &Destination,
) -> anyhow::Result<Notification> {
    let names = [name.to_owned()];
    let look = |repository: &Arc<Repository>| {
        with_world(config, object, repository, false, |world| notify::evaluate::render_for(world, &names, to))
    };
    let rendered = repo_server.consult(look).await;
    rendered.map_err(|failure| anyhow::anyhow!("failed to notify '{}': {}", to.recipient, failure.message))
}

/// Builds the world of one look at an Application from a file: no project, no history.
pub(super) fn with_world<T>(
    config: &Configuration,
    object: &Object,
    repository: &Arc<Repository>,
    trace: bool,
    look: impl FnOnce(&World<'_>) -> T,
) -> T {
    let now = crate::clock::now();
    let (states, id): (_, ObjectId) = (BTreeMap::new(), object.id());
    look(&World {
        config,
        object: object.value(),
        id: &id,
        project: None,
        repository,
        states: &states,
        event_resource_version: "",
        first_list: false,
        now: Time::unix(now.secs, now.nanos),
        local: Location::Utc,
        random: &|buffer| rand::RngCore::fill_bytes(&mut rand::rng(), buffer),
        trace,
    })
}

fn print_notification(notification: &Notification) {
    let webhooks: BTreeMap<&String, Value> = notification
        .webhook
        .iter()
        .map(|(name, w)| (name, json!({"method": w.method, "path": w.path, "body": w.body.lossy()})))
        .collect();
    let mut view = json!({"message": notification.message.lossy(), "webhook": webhooks});
    if let Some(fields) = view.as_object_mut() {
        fields.extend(notification.sections.clone());
    }
    if let Some(b) = &notification.backstage {
        view["backstage"] = json!({"entityRef": b.entity_ref, "broadcast": b.broadcast, "title": b.title, "description": b.description,
            "link": b.link, "severity": b.severity, "topic": b.topic, "scope": b.scope, "icon": b.icon});
    }
    match serde_yaml_ng::to_string(&view) {
        Ok(text) => print!("{text}"),
        Err(error) => eprintln!("gatepost: failed to print the notification: {error}"),
    }
}
