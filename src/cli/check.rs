//! `gatepost check FILE…`: what is broken in ConfigMap and Secret, with line and column, and what to do.

use super::manifests::of_kind;
use super::output::{self, Format};
use crate::notify::{ConfigInput, Configuration};
use crate::source::{self, files};
use anyhow::bail;
use gatepost_value::Value;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 0: every key is in order; 1: something is broken.\n\nExample:\n  gatepost check argocd-notifications-cm.yaml argocd-notifications-secret.yaml"
)]
pub(super) struct Arguments {
    /// Manifest files; `-` for standard input.
    #[arg(required = true)]
    files: Vec<String>,
    /// How the answer is printed.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut documents = Vec::new();
    for file in &arguments.files {
        documents.extend(super::manifests::read(file)?);
    }
    let config = load(&documents)?;
    let view = crate::controller::config_view(&config);
    if !output::machine(arguments.output, &view)? {
        print(&config);
    }
    Ok(if config.problems().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// ConfigMap and Secret are told by their content, so that renamed ones are checked as well.
fn load(documents: &[Value]) -> anyhow::Result<Configuration> {
    let resource = of_kind(documents, "NotificationsConfiguration").map(source::resource);
    let config = of_kind(documents, "ConfigMap");
    if config.is_none() && resource.is_none() {
        bail!("none of the files holds a ConfigMap or a NotificationsConfiguration");
    }
    let secret = of_kind(documents, "Secret").map(files::secret).unwrap_or_default();
    let configmap = config.map(|config| files::strings(config, "data")).unwrap_or_default();
    let input = ConfigInput { namespace: String::new(), configmap, secret, resource };
    Ok(Configuration::load(&input, None, &super::load_options()))
}

fn print(config: &Configuration) {
    for problem in config.problems() {
        println!("{problem}");
    }
    let (services, triggers, templates) = (config.services().len(), config.triggers().len(), config.templates().len());
    println!(
        "{services} services, {triggers} triggers, {templates} templates in order; {} keys broken",
        config.problems().len()
    );
}
