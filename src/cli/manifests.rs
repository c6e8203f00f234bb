//! ConfigMap, Secret and Application from files, as `argocd admin notifications` takes them.

use super::output::Format;
use super::repo_server::{self, RepoServerFlags};
use crate::notify::{ConfigInput, Configuration};
use crate::source::repo_server::{Keyring, RepoServer};
use crate::source::{self, Object, files};
use anyhow::{Context as _, bail};
use gatepost_value::Value;
use std::collections::BTreeMap;
use std::io::Read as _;

/// Where the configuration is.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Files {
    /// File with the ConfigMap; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    pub config_map: String,
    /// File with the Secret; `:empty` for none.
    #[arg(long, value_name = "FILE", default_value = ":empty")]
    pub secret: String,
    /// Name of the ConfigMap.
    #[arg(long, default_value = "argocd-notifications-cm")]
    pub config_map_name: String,
    /// Name of the Secret.
    #[arg(long, default_value = "argocd-notifications-secret")]
    pub secret_name: String,
    /// How the answer is printed.
    #[arg(short, long, value_enum, default_value = "wide", global = true)]
    pub output: Format,
    #[command(flatten)]
    repo_server: RepoServerFlags,
}

impl Files {
    /// Loads the configuration. A NotificationsConfiguration in the same file counts as it does in a cluster.
    pub(super) fn load(&self) -> anyhow::Result<Configuration> {
        Ok(Configuration::load(&self.input()?, None, &super::load_options()))
    }

    /// Reads ConfigMap and Secret.
    pub(super) fn input(&self) -> anyhow::Result<ConfigInput> {
        self.configuration(&self.documents()?)
    }

    /// Reads ConfigMap and Secret, and makes a client for the repo-server that the flags name; Secrets of repositories are
    /// in the same files.
    pub(super) fn input_with_repo_server(&self) -> anyhow::Result<(ConfigInput, RepoServer)> {
        let documents = self.documents()?;
        let input = self.configuration(&documents)?;
        let Documents { config: mut all, secret } = documents;
        all.extend(secret);
        Ok((input, repo_server::client(self.repo_server.settings("")?, Keyring::Documents(all))?))
    }

    fn documents(&self) -> anyhow::Result<Documents> {
        let secret = if self.secret == ":empty" { Vec::new() } else { read(&self.secret)? };
        Ok(Documents { config: read(&self.config_map)?, secret })
    }

    fn configuration(&self, documents: &Documents) -> anyhow::Result<ConfigInput> {
        let resource = of_kind(&documents.config, "NotificationsConfiguration").map(source::resource);
        let config = named(&documents.config, "ConfigMap", &self.config_map_name);
        if config.is_none() && resource.is_none() {
            bail!("file '{}' does not have '/ConfigMap/{}'", self.config_map, self.config_map_name);
        }
        let secret = if self.secret == ":empty" {
            BTreeMap::new()
        } else {
            let found = named(&documents.secret, "Secret", &self.secret_name)
                .with_context(|| format!("file '{}' does not have '/Secret/{}'", self.secret, self.secret_name))?;
            files::secret(found)
        };
        let configmap = config.map(|config| files::strings(config, "data")).unwrap_or_default();
        Ok(ConfigInput { namespace: String::new(), configmap, secret, resource })
    }
}

/// What the two files hold.
struct Documents {
    config: Vec<Value>,
    secret: Vec<Value>,
}

/// The objects of a file or of standard input.
pub(super) fn read(file: &str) -> anyhow::Result<Vec<Value>> {
    let name = if file == "-" { "standard input" } else { file };
    Ok(files::parse_documents(name, &text(file)?)?)
}

/// The text of a file or of standard input.
pub(super) fn text(file: &str) -> anyhow::Result<String> {
    if file != "-" {
        return std::fs::read_to_string(file).with_context(|| format!("failed to read {file}"));
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("failed to read standard input")?;
    Ok(text)
}

/// The configuration that some manifests hold: ConfigMap and Secret are told by their kind, so that renamed ones are found.
pub(super) fn input_of(documents: &[Value]) -> anyhow::Result<ConfigInput> {
    let resource = of_kind(documents, "NotificationsConfiguration").map(source::resource);
    let config = of_kind(documents, "ConfigMap");
    if config.is_none() && resource.is_none() {
        bail!("none of the files holds a ConfigMap or a NotificationsConfiguration");
    }
    let secret = of_kind(documents, "Secret").map(files::secret).unwrap_or_default();
    let configmap = config.map(|config| files::strings(config, "data")).unwrap_or_default();
    Ok(ConfigInput { namespace: String::new(), configmap, secret, resource })
}

/// The first object of a kind.
pub(super) fn of_kind<'a>(documents: &'a [Value], kind: &str) -> Option<&'a Value> {
    documents.iter().find(|v| v.get("kind").is_some_and(|k| k.as_str() == Some(kind)))
}

/// The object of a kind and name.
pub(super) fn named<'a>(documents: &'a [Value], kind: &str, name: &str) -> Option<&'a Value> {
    let text = |v: &Value, path: &[&str]| v.at(path).and_then(|t| t.as_str().map(str::to_owned));
    documents.iter().find(|v| {
        text(v, &["kind"]).as_deref() == Some(kind) && text(v, &["metadata", "name"]).as_deref() == Some(name)
    })
}

/// The Application of a file.
pub(super) fn application(file: &str) -> anyhow::Result<Object> {
    let documents = read(file)?;
    let kind = |v: &Value| v.get("kind").and_then(|k| k.as_str().map(str::to_owned));
    match documents.into_iter().find(|v| kind(v).as_deref() == Some("Application")) {
        Some(value) => Ok(Object::new(value)),
        None => bail!("file '{file}' holds no Application"),
    }
}
