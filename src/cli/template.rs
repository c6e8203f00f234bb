//! `gatepost template get`, as `argocd admin notifications template` answers, with honest exit codes. `notify` is in
//! its own file.

use super::go_text::{self, Order};
use super::manifests::Files;
use super::notify;
use super::output::{self, Format};
use crate::notify::{Configuration, ObjectId, Repository, World};
use crate::source::Object;
use anyhow::bail;
use gatepost_value::{Location, Time};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Print the templates of a configuration.
    Get {
        /// Only this one.
        name: Option<String>,
        #[command(flatten)]
        files: Files,
    },
    /// Render a template for an Application and send it to each recipient, once; `console:stdout` prints it.
    #[command(
        after_help = "Examples:\n  gatepost template notify app-sync-failed app.yaml --config-map cm.yaml\n  gatepost template notify app-sync-failed app.yaml --config-map cm.yaml --secret secret.yaml --recipient teams:ops"
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
            notify::run(name, application, recipient, files).await
        }
    }
}

fn get(config: &Configuration, name: Option<&str>, format: Format) -> anyhow::Result<ExitCode> {
    let templates = config.templates().iter().filter(|(n, _)| name.is_none_or(|name| name == *n));
    let chosen: Map<String, Value> = templates.map(|(n, t)| (n.clone(), t.to_json())).collect();
    if let Some(name) = name.filter(|_| chosen.is_empty()) {
        bail!(
            "template with name '{name}' does not exist (found {})",
            config.templates().keys().cloned().collect::<Vec<_>>().join(", ")
        );
    }
    let rows: Vec<_> =
        chosen.iter().map(|(name, value)| vec![name.clone().into_bytes(), go_text::preview(value)]).collect();
    output::as_go(format, &chosen, Order::Notification, || go_text::table(&["NAME", "PREVIEW"], &rows))
}

/// Builds the world of one look at an Application from a file: no project, no history.
pub(super) fn with_world<T>(
    config: &Configuration,
    object: &Object,
    repository: &Arc<Repository>,
    trace: bool,
    look: impl FnOnce(&World<'_>) -> T,
) -> T {
    with_world_of(config, object, None, repository, trace, look)
}

/// The same with the Application's project.
pub(super) fn with_world_of<T>(
    config: &Configuration,
    object: &Object,
    project: Option<&gatepost_value::Value>,
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
        project,
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
