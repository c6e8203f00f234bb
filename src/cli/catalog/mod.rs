//! `gatepost catalog print|list`: ready-made triggers and templates, under the names that Argo CD's own catalogue has.
//!
//! The texts are in `templates/catalog/`, one file for each event: the trigger and template of Argo CD's name, and a pair
//! with the suffix `-backstage` for a webhook service named `backstage`. Nothing here is loaded by the relay: what is
//! printed has to be applied.

#[cfg(test)]
mod tests;

use super::output::{self, Format, shortened};
use anyhow::{Context as _, bail};
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

/// The files, in the order in which they are listed.
const FILES: [&str; 8] = [
    include_str!("../../../templates/catalog/created.yaml"),
    include_str!("../../../templates/catalog/deleted.yaml"),
    include_str!("../../../templates/catalog/deployed.yaml"),
    include_str!("../../../templates/catalog/health-degraded.yaml"),
    include_str!("../../../templates/catalog/sync-failed.yaml"),
    include_str!("../../../templates/catalog/sync-running.yaml"),
    include_str!("../../../templates/catalog/sync-status-unknown.yaml"),
    include_str!("../../../templates/catalog/sync-succeeded.yaml"),
];

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Print a ConfigMap of triggers and templates, to be patched into the one that there is.
    #[command(
        after_help = "A trigger brings the templates that it sends. Without names everything is printed.\n\nExamples:\n  gatepost catalog print | kubectl -n argocd patch configmap argocd-notifications-cm --patch-file /dev/stdin\n  gatepost catalog print on-deployed-backstage on-sync-failed-backstage"
    )]
    Print {
        /// Triggers and templates.
        names: Vec<String>,
        /// Name of the ConfigMap.
        #[arg(long, default_value = "argocd-notifications-cm")]
        configmap_name: String,
        /// How it is printed.
        #[arg(short, long, value_enum, default_value = "yaml")]
        output: Document,
    },
    /// List what there is: when each trigger fires, what each template says.
    List {
        /// How the answer is printed.
        #[arg(short, long, value_enum, default_value = "table")]
        output: Format,
    },
}

/// How a manifest is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Document {
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

/// One key of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// `trigger` or `template`.
    kind: String,
    /// What follows the dot.
    name: String,
    /// The key's text.
    text: String,
}

/// A trigger's conditions, as far as they are shown.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    when: serde_json::Value,
    description: String,
    send: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConfigMap<'a> {
    api_version: &'a str,
    kind: &'a str,
    metadata: Metadata<'a>,
    data: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    name: &'a str,
}

pub(super) fn run(command: &Command) -> anyhow::Result<ExitCode> {
    let entries = entries()?;
    match command {
        Command::Print { names, configmap_name, output } => {
            let data = chosen(&entries, names)?;
            let metadata = Metadata { name: configmap_name };
            let manifest = ConfigMap { api_version: "v1", kind: "ConfigMap", metadata, data };
            let format = if *output == Document::Json { Format::Json } else { Format::Yaml };
            output::machine(format, &manifest)?;
        }
        Command::List { output } => list(&entries, *output)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn entries() -> anyhow::Result<Vec<Entry>> {
    let mut out = Vec::new();
    for file in FILES {
        let keys: BTreeMap<String, String> = serde_yaml_ng::from_str(file).context("failed to read the catalogue")?;
        let mut keys: Vec<_> = keys.into_iter().collect();
        // Triggers before templates, Argo CD's names before their variants.
        keys.sort_by_key(|(key, _)| (key.starts_with("template."), key.len()));
        for (key, text) in keys {
            let (kind, name) = key.split_once('.').context("failed to read a key of the catalogue")?;
            out.push(Entry { kind: kind.to_owned(), name: name.to_owned(), text });
        }
    }
    Ok(out)
}

/// The keys of the names; a trigger brings its templates.
fn chosen(entries: &[Entry], names: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    let mut wanted: BTreeSet<String> = names.iter().cloned().collect();
    for name in names {
        let found: Vec<&Entry> = entries.iter().filter(|entry| entry.name == *name).collect();
        if found.is_empty() {
            let known: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
            bail!("the catalogue has no trigger or template '{name}' (found {})", known.join(", "));
        }
        for entry in found.into_iter().filter(|entry| entry.kind == "trigger") {
            wanted.extend(conditions(entry)?.into_iter().flat_map(|condition| condition.send));
        }
    }
    let is_wanted = |entry: &&Entry| names.is_empty() || wanted.contains(&entry.name);
    Ok(entries.iter().filter(is_wanted).map(|e| (format!("{}.{}", e.kind, e.name), e.text.clone())).collect())
}

fn conditions(trigger: &Entry) -> anyhow::Result<Vec<Condition>> {
    serde_yaml_ng::from_str(&trigger.text).with_context(|| format!("failed to read trigger {}", trigger.name))
}

fn list(entries: &[Entry], format: Format) -> anyhow::Result<()> {
    let told: Vec<(&Entry, String)> =
        entries.iter().map(|entry| Ok((entry, told(entry)?))).collect::<anyhow::Result<_>>()?;
    let view: Vec<_> =
        told.iter().map(|(entry, what)| json!({"name": entry.name, "kind": entry.kind, "what": what})).collect();
    if output::machine(format, &view)? {
        return Ok(());
    }
    if format == Format::Name {
        entries.iter().for_each(|entry| println!("{}", entry.name));
        return Ok(());
    }
    let most = if format == Format::Wide { usize::MAX } else { 90 };
    let rows: Vec<Vec<String>> =
        told.iter().map(|(entry, what)| vec![entry.name.clone(), entry.kind.clone(), shortened(what, most)]).collect();
    output::table(&["NAME", "KIND", "WHEN / WHAT"], &rows);
    Ok(())
}

/// When a trigger fires, or which sections a template has.
fn told(entry: &Entry) -> anyhow::Result<String> {
    if entry.kind == "trigger" {
        let told = conditions(entry)?.into_iter().map(|c| {
            let when = c.when.as_str().map_or_else(|| c.when.to_string(), str::to_owned);
            format!("{} {when}", c.description)
        });
        return Ok(told.collect::<Vec<_>>().join("; "));
    }
    let sections: BTreeMap<String, serde_json::Value> =
        serde_yaml_ng::from_str(&entry.text).with_context(|| format!("failed to read template {}", entry.name))?;
    Ok(format!("sections {}", sections.into_keys().collect::<Vec<_>>().join(", ")))
}
