//! Objects of the cluster that approvals read by name: whole, when they are needed, never cached.

use crate::source::kubernetes;
use kube::Client;
use kube::api::{Api, ApiResource};
use kube::core::request::Request;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// `PromotionStrategy`.
pub(super) fn strategy() -> ApiResource {
    kubernetes::v1alpha1("promoter.argoproj.io", "PromotionStrategy", "promotionstrategies")
}

/// One object as JSON; `None` where there is none, or not even the kind.
pub(super) async fn read(
    client: &Client,
    namespace: &str,
    kind: &ApiResource,
    name: &str,
) -> Result<Option<Json>, kube::Error> {
    let path = format!("/apis/{}/namespaces/{namespace}/{}", kind.api_version, kind.plural);
    let request = Request::new(path).get(name, &Default::default()).map_err(kube::Error::BuildRequest)?;
    match client.request::<Json>(request).await {
        Ok(mut object) => {
            if let Some(metadata) = object.get_mut("metadata").and_then(Json::as_object_mut) {
                metadata.remove("managedFields");
            }
            Ok(Some(object))
        }
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

/// Labels and annotations of a namespace; nothing where they may not be read.
pub(super) async fn namespace(client: &Client, name: &str) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let api: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(client.clone());
    let metadata = match api.get_opt(name).await {
        Ok(found) => found.map(|namespace| namespace.metadata).unwrap_or_default(),
        Err(error) => {
            tracing::debug!(%error, namespace = name, "the namespace cannot be read; templates see no labels of it");
            Default::default()
        }
    };
    (metadata.labels.unwrap_or_default(), metadata.annotations.unwrap_or_default())
}
