//! The objects of an installation, from a cluster or from manifests.

use super::Cluster;
use crate::cli::manifests;
use crate::cli::serve::kube_config;
use crate::notify::ConfigInput;
use crate::source::{self, Object};
use anyhow::{Context as _, bail};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, ApiResource};

/// `argoproj.io/v1alpha1` NotificationsConfiguration.
pub(super) fn resource_kind() -> ApiResource {
    ApiResource {
        group: "argoproj.io".into(),
        version: "v1alpha1".into(),
        api_version: "argoproj.io/v1alpha1".into(),
        kind: "NotificationsConfiguration".into(),
        plural: "notificationsconfigurations".into(),
    }
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
    let Cluster { namespace, config_map_name, secret_name, .. } = cluster;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let map = maps.get_opt(config_map_name).await;
    let map = map.with_context(|| format!("failed to get ConfigMap {namespace}/{config_map_name}"))?;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secret = secrets.get_opt(secret_name).await;
    let secret = secret.with_context(|| format!("failed to get Secret {namespace}/{secret_name}"))?;
    let resource = resource(client, cluster).await?;
    if map.is_none() && resource.is_none() {
        bail!(
            "there is neither ConfigMap {namespace}/{config_map_name} nor a NotificationsConfiguration; name the namespace with --namespace"
        );
    }
    let secret = secret.and_then(|secret| secret.data).unwrap_or_default();
    Ok(ConfigInput {
        namespace: String::new(),
        configmap: map.and_then(|map| map.data).unwrap_or_default().into_iter().collect(),
        secret: secret.into_iter().map(|(key, value)| (key, value.0)).collect(),
        resource,
    })
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
