//! Out of the operator's care: the operator deletes its NotificationsConfiguration, the ConfigMap and the Secret when its
//! notifications are switched off, so both are copied to names of Gatepost's own first.
//!
//! The copy is a ConfigMap, not another NotificationsConfiguration: the operator would write that one into
//! `argocd-notifications-cm` again.

use super::{Cluster, installation};
use anyhow::{Context as _, bail};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Field manager of what is applied.
const MANAGER: &str = "gatepost";

/// Copies configuration and Secret, then says what to do next.
pub(super) async fn run(cluster: &Cluster, config_map: &str, secret: &str, dry_run: bool) -> anyhow::Result<ExitCode> {
    let client = installation::client(cluster).await?;
    let Some(resource) = installation::resource(client.clone(), cluster).await? else {
        let (namespace, name) = (&cluster.namespace, &cluster.notifications_configuration_name);
        bail!("there is no NotificationsConfiguration {namespace}/{name}: nothing to take out of the operator's care");
    };
    let mut data = resource.keys;
    if !resource.context.is_empty() {
        data.insert("context".into(), context(&resource.context)?);
    }
    let labels = json!({"app.kubernetes.io/part-of": "gatepost", "app.kubernetes.io/managed-by": "gatepost-migrate"});
    let metadata = |name: &str| json!({"name": name, "namespace": cluster.namespace, "labels": labels});
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(config_map), "data": data});
    let copied = secret_data(client.clone(), cluster).await?;
    let copy = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata(secret), "data": copied});
    let mut parameters = PatchParams::apply(MANAGER);
    parameters.dry_run = dry_run;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &cluster.namespace);
    let applied = maps.patch(config_map, &parameters, &Patch::Apply(&map)).await;
    applied.with_context(|| format!("failed to apply ConfigMap {}/{config_map}", cluster.namespace))?;
    let secrets: Api<Secret> = Api::namespaced(client, &cluster.namespace);
    let applied = secrets.patch(secret, &parameters, &Patch::Apply(&copy)).await;
    applied.with_context(|| format!("failed to apply Secret {}/{secret}", cluster.namespace))?;
    print(cluster, config_map, secret, dry_run);
    Ok(ExitCode::SUCCESS)
}

/// Quoted, unlike the operator's text, so that each value stays what it is.
fn context(values: &BTreeMap<String, String>) -> anyhow::Result<String> {
    let quoted: Result<Vec<String>, serde_json::Error> = values
        .iter()
        .map(|(name, value)| Ok(format!("{}: {}\n", serde_json::to_string(name)?, serde_json::to_string(value)?)))
        .collect();
    Ok(quoted.context("failed to write the context")?.concat())
}

async fn secret_data(client: kube::Client, cluster: &Cluster) -> anyhow::Result<Value> {
    let (namespace, name) = (&cluster.namespace, &cluster.secret_name);
    let secrets: Api<Secret> = Api::namespaced(client, namespace);
    let found = secrets.get_opt(name).await.with_context(|| format!("failed to get Secret {namespace}/{name}"))?;
    serde_json::to_value(found.and_then(|secret| secret.data).unwrap_or_default()).context("failed to copy the Secret")
}

fn print(cluster: &Cluster, config_map: &str, secret: &str, dry_run: bool) {
    let (done, namespace) = (if dry_run { "would be applied" } else { "applied" }, &cluster.namespace);
    println!("ConfigMap {namespace}/{config_map} {done}\nSecret {namespace}/{secret} {done}");
    println!("Next:");
    println!(
        "  1. run Gatepost with --namespace {namespace} --config-map-name {config_map} --secret-name {secret} --notifications-configuration-name ''"
    );
    println!(
        "  2. set spec.notifications.enabled: false in the ArgoCD resource; the operator then deletes its own objects"
    );
    println!(
        "The way back: set it to true again, stop Gatepost, delete the two copies. The annotations work for both."
    );
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn context_values_survive_yaml() {
        let values: BTreeMap<String, String> = [("url", "http://h:80/#x"), ("flag", "yes"), ("lines", "a\nb: c")]
            .map(|(k, v)| (k.into(), v.into()))
            .into();
        let read: BTreeMap<String, String> = serde_yaml_ng::from_str(&context(&values).unwrap()).unwrap();
        assert_eq!(read, values);
    }
}
