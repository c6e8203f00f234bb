//! The objects of an installation, from a cluster or from manifests.

use super::Cluster;
use crate::cli::manifests;
use crate::cli::serve::kube_config;
use crate::notify::ConfigInput;
use crate::source::{self, Object, kubernetes};
use anyhow::{Context as _, bail};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, ApiResource};
use std::collections::BTreeMap;

/// `argoproj.io/v1alpha1` NotificationsConfiguration.
pub(super) fn resource_kind() -> ApiResource {
    kubernetes::argoproj("NotificationsConfiguration", "notificationsconfigurations")
}

/// Reads the configuration.
pub(in crate::cli) async fn find(manifests: &[String], cluster: &Cluster) -> anyhow::Result<ConfigInput> {
    if manifests.is_empty() { of_cluster(cluster).await } else { of_files(manifests) }
}

fn of_files(paths: &[String]) -> anyhow::Result<ConfigInput> {
    let mut documents = Vec::new();
    for path in paths {
        documents.extend(manifests::read(path)?);
    }
    manifests::input_of(&documents)
}

/// A client for the cluster that the arguments name.
pub(in crate::cli) async fn client(cluster: &Cluster) -> anyhow::Result<kube::Client> {
    crate::egress::install_provider();
    let config = kube_config(cluster.kubeconfig.as_deref(), cluster.context.clone()).await?;
    crate::source::client::client(config).context("failed to make a client for the API server")
}

async fn of_cluster(cluster: &Cluster) -> anyhow::Result<ConfigInput> {
    let client = client(cluster).await?;
    let Cluster { namespace, config_map_name, .. } = cluster;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let map = maps.get_opt(config_map_name).await;
    let map = map.with_context(|| format!("failed to get ConfigMap {namespace}/{config_map_name}"))?;
    let secret = secret(client.clone(), cluster).await?;
    let resource = resource(client, cluster).await?;
    if map.is_none() && resource.is_none() {
        bail!(
            "there is neither ConfigMap {namespace}/{config_map_name} nor a NotificationsConfiguration; name the namespace with --namespace"
        );
    }
    Ok(ConfigInput {
        namespace: String::new(),
        configmap: map.and_then(|map| map.data).unwrap_or_default().into_iter().collect(),
        secret,
        resource,
    })
}

/// Keys of the installation's Secret; none where there is no Secret.
async fn secret(client: kube::Client, cluster: &Cluster) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let Cluster { namespace, secret_name, .. } = cluster;
    let secrets: Api<Secret> = Api::namespaced(client, namespace);
    let found = secrets.get_opt(secret_name).await;
    let found = found.with_context(|| format!("failed to get Secret {namespace}/{secret_name}"))?;
    let data = found.and_then(|secret| secret.data).unwrap_or_default();
    Ok(data.into_iter().map(|(key, value)| (key, value.0)).collect())
}

/// Gives a configuration of files what files seldom hold: the Secret of the cluster, where they have none.
///
/// # Errors
/// The Secret cannot be read.
pub(in crate::cli) async fn with_secret(mut input: ConfigInput, cluster: &Cluster) -> anyhow::Result<ConfigInput> {
    if input.secret.is_empty() {
        input.secret = secret(client(cluster).await?, cluster).await?;
    }
    Ok(input)
}

/// The operator's resource; `None` where there is none, or no such kind.
pub(super) async fn resource(
    client: kube::Client,
    cluster: &Cluster,
) -> anyhow::Result<Option<crate::notify::Resource>> {
    let (namespace, name) = (&cluster.namespace, &cluster.notifications_configuration_name);
    let api: Api<Object> = Api::namespaced_with(client, namespace, &resource_kind());
    match api.get(name).await {
        Ok(object) => Ok(Some(source::resource(object.value()))),
        // A cluster without the operator says that it has no such page, in no Kubernetes words.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => {
            Err(error).with_context(|| format!("failed to get NotificationsConfiguration {namespace}/{name}"))
        }
    }
}
