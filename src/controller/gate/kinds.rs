//! The kinds of the GitOps Promoter that gates read and write, and how they are read: whole as JSON.

use super::index::Name;
use crate::source::kubernetes;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::request::Request;
use serde_json::Value as Json;

/// API group and version of the Promoter.
pub(in crate::controller) const API_VERSION: &str = "promoter.argoproj.io/v1alpha1";
/// Kind of a gate.
pub(super) const GATE: &str = "WebRequestCommitStatus";

/// `WebRequestCommitStatus`.
pub(super) fn gate() -> ApiResource {
    resource(GATE, "webrequestcommitstatuses")
}

/// `PromotionStrategy`.
pub(in crate::controller) fn strategy() -> ApiResource {
    resource("PromotionStrategy", "promotionstrategies")
}

/// `CommitStatus`.
pub(in crate::controller) fn commit_status() -> ApiResource {
    resource("CommitStatus", "commitstatuses")
}

/// `ControllerConfiguration`.
pub(super) fn configuration() -> ApiResource {
    resource("ControllerConfiguration", "controllerconfigurations")
}

fn resource(kind: &str, plural: &str) -> ApiResource {
    kubernetes::v1alpha1("promoter.argoproj.io", kind, plural)
}

/// The objects of a kind in a namespace.
pub(in crate::controller) fn api(client: &kube::Client, namespace: &str, kind: &ApiResource) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, kind)
}

/// Reads one object; `None` where there is none. It comes without `managedFields`, which are most of its size, and which no expression
/// reads.
pub(super) async fn get(client: &kube::Client, kind: &ApiResource, name: &Name) -> Result<Option<Json>, kube::Error> {
    let path = format!("/apis/{}/namespaces/{}/{}", kind.api_version, name.namespace, kind.plural);
    let request = Request::new(path).get(&name.name, &Default::default()).map_err(kube::Error::BuildRequest)?;
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
