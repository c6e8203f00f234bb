//! What the repo-server needs to reach a repository: Argo CD's Secrets of repositories and of credentials, and the options
//! of Helm and Kustomize in `argocd-cm`.
//!
//! Chosen as Argo CD chooses: the repository's own Secret, that of its project first; without credentials in it, those of
//! the longest matching URL. Read when a question needs them, kept for seconds, never printed.

use super::secret::{has_credentials, inherit, read_credentials, read_repository, text};
use super::wire::{HelmOptions, KustomizeOptions, KustomizeVersion, Repository};
use crate::source::{ConfigData, SecretData, files};
use gatepost_value::Value;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Client;
use kube::api::{Api, ListParams};
use std::path::PathBuf;

/// The label that tells what a Secret of Argo CD is for.
const LABEL: &str = "argocd.argoproj.io/secret-type";
const REPOSITORY: &str = "repository";
const CREDENTIALS: &str = "repo-creds";
const SETTINGS: &str = "argocd-cm";
/// Longest that reading takes.
const READ: std::time::Duration = std::time::Duration::from_secs(5);

/// Where the Secrets and the ConfigMap are.
#[derive(Clone)]
pub enum Keyring {
    /// A namespace of a cluster.
    Cluster(Client, String),
    /// A folder of manifests.
    Folder(PathBuf),
    /// Manifests that were read already.
    Documents(Vec<Value>),
}

/// What was read.
#[derive(Default)]
pub(super) struct Material {
    repositories: Vec<SecretData>,
    credentials: Vec<SecretData>,
    settings: ConfigData,
    /// What could not be read, and what would allow it.
    pub(super) missing: Vec<String>,
}

impl Keyring {
    /// Reads what is there. What cannot be read is noted: public repositories need nothing of it.
    pub(super) async fn read(&self) -> Material {
        match self {
            Self::Cluster(client, namespace) => of_cluster(client, namespace).await,
            Self::Folder(folder) => {
                let folder = folder.clone();
                let read = tokio::task::spawn_blocking(move || files::objects(&folder)).await;
                of_documents(&read.unwrap_or_default())
            }
            Self::Documents(documents) => of_documents(documents),
        }
    }
}

async fn of_cluster(client: &Client, namespace: &str) -> Material {
    let mut out = Material::default();
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let labelled = ListParams::default().labels(&format!("{LABEL} in ({REPOSITORY},{CREDENTIALS})"));
    match within(secrets.list(&labelled)).await {
        Ok(list) => list.items.into_iter().for_each(|secret| {
            let kind = secret.metadata.labels.and_then(|labels| labels.get(LABEL).cloned()).unwrap_or_default();
            let data = secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect();
            out.take(&kind, data);
        }),
        Err(cause) => out.missing.push(format!(
            "the repositories' Secrets could not be read ({cause}): let Gatepost list secrets in namespace {namespace}"
        )),
    }
    let configs: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    // A list and not a get: the Go controller's Role allows no more.
    let named = ListParams::default().fields(&format!("metadata.name={SETTINGS}"));
    match within(configs.list(&named)).await {
        Ok(list) => out.settings = list.items.into_iter().filter_map(|config| config.data).flatten().collect(),
        Err(cause) => out.missing.push(format!(
            "{SETTINGS} could not be read ({cause}): let Gatepost list configmaps in namespace {namespace}"
        )),
    }
    for missing in &out.missing {
        tracing::warn!(missing, "the repo-server is asked without credentials and settings");
    }
    out
}

async fn within<T>(asking: impl Future<Output = Result<T, kube::Error>>) -> Result<T, String> {
    match tokio::time::timeout(READ, asking).await {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", READ.as_secs())),
    }
}

fn of_documents(documents: &[Value]) -> Material {
    let mut out = Material::default();
    for document in documents {
        let text = |path: &[&str]| document.at(path).and_then(|value| value.as_str().map(str::to_owned));
        match text(&["kind"]).as_deref() {
            Some("Secret") => {
                out.take(&text(&["metadata", "labels", LABEL]).unwrap_or_default(), files::secret(document))
            }
            Some("ConfigMap") if text(&["metadata", "name"]).as_deref() == Some(SETTINGS) => {
                out.settings = files::strings(document, "data");
            }
            _ => {}
        }
    }
    out
}

impl Material {
    fn take(&mut self, kind: &str, data: SecretData) {
        match kind {
            REPOSITORY => self.repositories.push(data),
            CREDENTIALS => self.credentials.push(data),
            _ => {}
        }
    }

    /// The repository of a URL as a project sees it, with the credentials that reach it.
    pub(super) fn repository(&self, url: &str, project: &str) -> Result<Repository, String> {
        let of_url = || self.repositories.iter().filter(|secret| same_url(&text(secret, "url"), url));
        let own = of_url().find(|secret| text(secret, "project") == project);
        let found = own.or_else(|| of_url().rfind(|secret| text(secret, "project").is_empty()));
        let repository = match found {
            Some(secret) => read_repository(secret)?,
            None => Repository { repo: url.to_owned(), ..Repository::default() },
        };
        self.with_credentials(repository)
    }

    /// Named Helm repositories: charts may depend on them.
    pub(super) fn helm_repositories(&self) -> Result<Vec<Repository>, String> {
        let helm = |secret: &&SecretData| text(secret, "type") == "helm" && !text(secret, "name").is_empty();
        let read = self.repositories.iter().filter(helm).map(|secret| self.with_credentials(read_repository(secret)?));
        read.collect()
    }

    /// `kustomize.*` of `argocd-cm`.
    pub(super) fn kustomize_options(&self) -> KustomizeOptions {
        let option = |name: &str| self.settings.get(name).cloned().unwrap_or_default();
        let version = |(key, path): (&String, &String)| {
            let name = key.strip_prefix("kustomize.version.").or_else(|| key.strip_prefix("kustomize.path."))?;
            let build_options = option(&format!("kustomize.buildOptions.{name}"));
            Some(KustomizeVersion { name: name.to_owned(), path: path.clone(), build_options })
        };
        let versions = self.settings.iter().filter_map(version).collect();
        KustomizeOptions { build_options: option("kustomize.buildOptions"), versions }
    }

    /// `helm.valuesFileSchemes` of `argocd-cm`.
    pub(super) fn helm_options(&self) -> HelmOptions {
        let schemes = self.settings.get("helm.valuesFileSchemes").map_or("https,http", String::as_str);
        let schemes = schemes.split(',').map(str::trim).filter(|scheme| !scheme.is_empty());
        HelmOptions { values_file_schemes: schemes.map(str::to_owned).collect() }
    }

    /// A text of others without the credentials that are known here.
    pub(super) fn scrub(&self, told: String) -> String {
        const SECRET: [&str; 4] = ["password", "bearerToken", "sshPrivateKey", "azureServicePrincipalClientSecret"];
        let known = self.repositories.iter().chain(&self.credentials);
        let values = known.flat_map(|secret| SECRET.map(|key| text(secret, key)));
        values.filter(|value| value.len() >= 4).fold(told, |told, value| told.replace(&value, "***"))
    }

    fn with_credentials(&self, mut repository: Repository) -> Result<Repository, String> {
        if has_credentials(&repository) {
            return Ok(repository);
        }
        let url = normalized(&repository.repo);
        let matching = self.credentials.iter().map(|secret| (normalized(&text(secret, "url")), secret));
        let matching = matching.filter(|(prefix, _)| !prefix.is_empty() && url.starts_with(prefix.as_str()));
        // The first of the longest.
        let best = matching.reduce(|best, next| if next.0.len() > best.0.len() { next } else { best });
        if let Some((_, secret)) = best {
            inherit(&mut repository, read_credentials(secret)?);
        }
        Ok(repository)
    }
}

fn same_url(one: &str, other: &str) -> bool {
    let (one, other) = (normalized(one), normalized(other));
    !one.is_empty() && one == other
}

/// One spelling for the ways in which one repository is written: `git@h:o/r.git`, `ssh://git@h/o/r`.
fn normalized(url: &str) -> String {
    let lower = url.trim().to_lowercase();
    let bare = lower.strip_prefix("ssh://").unwrap_or(&lower);
    let is_ssh = bare
        .split_once('@')
        .is_some_and(|(user, rest)| !user.contains(['/', ':']) && !rest.is_empty() && !rest.contains('@'));
    let written_short = is_ssh && !lower.starts_with("ssh://");
    let path = if written_short { bare.replacen(':', "/", 1) } else { bare.to_owned() };
    path.strip_suffix(".git").unwrap_or(&path).to_owned()
}

/// A URL that can be shown: people write tokens before the `@`.
pub(super) fn without_user(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            format!("{scheme}://{host}{path}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn secret(pairs: &[(&str, &str)]) -> SecretData {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect()
    }

    fn material() -> Material {
        let mut out = Material::default();
        let repository = [
            vec![("url", "https://h/a.git"), ("username", "all"), ("password", "pw-all")],
            vec![("url", "https://h/a"), ("project", "team"), ("username", "team"), ("insecure", "true")],
            vec![("url", "https://h/bare"), ("type", "git")],
            vec![("url", "https://charts"), ("type", "helm"), ("name", "charts")],
            vec![("url", "https://h/wrong"), ("enableLfs", "maybe")],
        ];
        repository.iter().for_each(|pairs| out.take(REPOSITORY, secret(pairs)));
        out.take(CREDENTIALS, secret(&[("url", "https://h"), ("username", "short")]));
        out.take(CREDENTIALS, secret(&[("url", "https://h/b"), ("password", "tok123"), ("githubAppID", "7")]));
        out.take(CREDENTIALS, secret(&[("url", "git@h:o"), ("sshPrivateKey", "key")]));
        out.settings = [
            ("kustomize.buildOptions", "--x"),
            ("kustomize.version.v5", "/bin/k5"),
            ("kustomize.buildOptions.v5", "--y"),
            ("helm.valuesFileSchemes", "https, s3"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        out
    }

    #[test]
    fn the_projects_own_secret_comes_first() {
        let material = material();
        assert_eq!(material.repository("https://h/A", "team").unwrap().username, "team");
        assert!(material.repository("https://h/a", "team").unwrap().insecure);
        assert_eq!(material.repository("https://h/a.git", "other").unwrap().password, "pw-all");
    }

    #[test]
    fn the_longest_prefix_lends_its_credentials() {
        let material = material();
        let bare = material.repository("https://h/bare", "p").unwrap();
        assert_eq!((bare.password.as_str(), bare.github_app_id, bare.inherited_creds), ("tok123", 7, true));
        assert_eq!(material.repository("https://h/zzz", "p").unwrap().username, "short");
        assert_eq!(material.repository("ssh://git@h/o/r.git", "p").unwrap().ssh_private_key, "key");
        let none = material.repository("https://elsewhere/r", "p").unwrap();
        assert!(!has_credentials(&none) && !none.inherited_creds);
    }

    #[test]
    fn a_wrong_secret_is_said_without_its_value() {
        let error = material().repository("https://h/wrong", "p").unwrap_err();
        assert!(
            error.contains("enableLfs") && error.contains("https://h/wrong") && !error.contains("maybe"),
            "{error}"
        );
    }

    #[test]
    fn options_and_charts() {
        let material = material();
        let names: Vec<_> = material.helm_repositories().unwrap().into_iter().map(|r| r.name).collect();
        assert_eq!(names, ["charts"]);
        let kustomize = material.kustomize_options();
        assert_eq!((kustomize.build_options.as_str(), kustomize.versions[0].build_options.as_str()), ("--x", "--y"));
        assert_eq!(material.helm_options().values_file_schemes, ["https", "s3"]);
        assert_eq!(Material::default().helm_options().values_file_schemes, ["https", "http"]);
    }

    #[test]
    fn nothing_secret_is_shown() {
        assert_eq!(material().scrub("login failed: pw-all, tok123".into()), "login failed: ***, ***");
        assert_eq!(without_user("https://token@h:1/a@b"), "https://h:1/a@b");
        let repository = format!("{:?}", material().repository("https://h/a", "team").unwrap());
        assert_eq!(repository, "Repository");
    }
}
