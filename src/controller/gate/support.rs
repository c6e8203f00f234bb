//! Whether gates can be handled in this cluster at all, and which of them: beside a Promoter, never against it.
//!
//! Two controllers with one field manager on the same objects would undo each other's work unseen; so what a Promoter may
//! handle is left alone, and the reason said.

use super::kinds::{self, API_VERSION};
use crate::gate::application::Dialect;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::request::Request;
use serde_json::Value as Json;

/// Name of the CRD.
const CRD: &str = "webrequestcommitstatuses.promoter.argoproj.io";

/// What may be handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Support {
    /// There is no such kind, or no API server to say so: looked for again.
    Absent,
    /// Nothing, for this reason.
    Refused(String),
    /// Gates with the own instance id, and where `unlabelled` is `Ok` those without one.
    Served {
        /// Whether gates without an instance id are handled, or why they are not although they should be.
        unlabelled: Result<bool, String>,
    },
}

/// Asks the API server.
pub(super) async fn support(client: &kube::Client, instance_id: &str, take_over: bool) -> Support {
    if !serves(client, API_VERSION, &kinds::gate().plural).await.unwrap_or(false) {
        return Support::Absent;
    }
    match is_refused(client, CRD).await {
        Ok(None) => partition(&promoters(client).await, instance_id, take_over),
        Ok(Some(why)) => Support::Refused(why),
        Err(_) => Support::Absent,
    }
}

/// Whether the cluster has a kind more, and its objects can be handled. An error is an API server that does not say: asked again.
pub(super) async fn of_kind(client: &kube::Client, dialect: &Dialect) -> Result<OfKind, kube::Error> {
    if !serves(client, dialect.api_version, dialect.plural).await? {
        return Ok(OfKind::Absent);
    }
    let refused = match dialect.is_promoters {
        true => is_refused(client, &format!("{}.{}", dialect.plural, dialect.group_version().0)).await?,
        false => None,
    };
    Ok(refused.map_or(OfKind::Served, OfKind::Refused))
}

/// Whether the objects of a kind can be handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OfKind {
    /// There is no such kind.
    Absent,
    /// No, for this reason.
    Refused(String),
    /// Yes.
    Served,
}

async fn serves(client: &kube::Client, api_version: &str, plural: &str) -> Result<bool, kube::Error> {
    match client.list_api_group_resources(api_version).await {
        Ok(list) => Ok(list.resources.iter().any(|resource| resource.name == plural)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => Err(error),
    }
}

/// Why the objects of a custom resource are left to the Promoter.
async fn is_refused(client: &kube::Client, crd: &str) -> Result<Option<String>, kube::Error> {
    match has_instance_id(client, crd).await {
        Ok(true) => Ok(None),
        Ok(false) => Ok(Some(format!(
            "the CRD {crd} has no status.instanceID: a GitOps Promoter before v0.34.0 handles every gate itself; update it, and \
             label the gates that Gatepost should handle"
        ))),
        Err(kube::Error::Api(status)) if matches!(status.code, 401 | 403) => Ok(Some(format!(
            "the CRD {crd} cannot be read ({}); give the ClusterRole get on customresourcedefinitions named {crd}",
            status.message
        ))),
        Err(error) => Err(error),
    }
}

async fn has_instance_id(client: &kube::Client, crd: &str) -> Result<bool, kube::Error> {
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let request = Request::new(path).get(crd, &Default::default()).map_err(kube::Error::BuildRequest)?;
    let crd: Json = client.request(request).await?;
    let versions = crd.pointer("/spec/versions").and_then(Json::as_array).into_iter().flatten();
    let mut ours = versions.filter(|version| version["name"] == "v1alpha1");
    let field = "/schema/openAPIV3Schema/properties/status/properties/instanceID";
    Ok(ours.any(|version| version.pointer(field).is_some()))
}

/// Instance ids of the Promoters that are configured, empty for one without; or why they cannot be told.
async fn promoters(client: &kube::Client) -> Result<Vec<String>, String> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &kinds::configuration());
    match api.list(&ListParams::default()).await {
        Ok(list) => {
            let id = |object: &DynamicObject| object.data["spec"]["instanceID"].as_str().unwrap_or_default().to_owned();
            Ok(list.items.iter().map(id).collect())
        }
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        Err(error) => Err(error.to_string()),
    }
}

fn partition(promoters: &Result<Vec<String>, String>, instance_id: &str, take_over: bool) -> Support {
    let unlabelled = match promoters {
        Ok(ids) if ids.iter().any(|id| id == instance_id) => {
            return Support::Refused(format!(
                "a ControllerConfiguration of the GitOps Promoter has the instance id {instance_id:?} too; give gates.instanceId another value"
            ));
        }
        _ if !take_over => Ok(false),
        Ok(ids) if ids.iter().any(String::is_empty) => Err(
            "gates.takeOver is refused: a ControllerConfiguration without instanceID says that a GitOps Promoter handles gates without \
             the label promoter.argoproj.io/instance-id"
                .to_owned(),
        ),
        Ok(_) => Ok(true),
        Err(error) => Err(format!(
            "gates.takeOver is refused: whether a GitOps Promoter handles gates without an instance id cannot be told ({error}); give the \
             ClusterRole list on controllerconfigurations"
        )),
    };
    Support::Served { unlabelled }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_a_promoter_may_handle_is_left_alone() {
        let part = |ids: &[&str], take_over| {
            partition(&Ok(ids.iter().map(|id| (*id).to_owned()).collect()), "gatepost", take_over)
        };
        assert_eq!(part(&[], false), Support::Served { unlabelled: Ok(false) });
        assert_eq!(part(&["other"], true), Support::Served { unlabelled: Ok(true) });
        assert!(
            matches!(part(&["other", ""], true), Support::Served { unlabelled: Err(why) } if why.contains("without instanceID"))
        );
        assert!(matches!(part(&["gatepost"], true), Support::Refused(why) if why.contains("gates.instanceId")));
        let unknown = partition(&Err("forbidden".into()), "gatepost", true);
        assert!(
            matches!(unknown, Support::Served { unlabelled: Err(why) } if why.contains("controllerconfigurations"))
        );
    }
}
