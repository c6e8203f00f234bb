//! What the asking of an endpoint reads of the cluster: one object at a time, by its name. Nothing is listed or watched.

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// Keys and values of a Secret.
pub type Data = BTreeMap<String, Vec<u8>>;

/// Kinds of the GitOps Promoter that lead from a strategy to its SCM's credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Which repository, and whose.
    GitRepository,
    /// An SCM, of a namespace.
    ScmProvider,
    /// An SCM, of the cluster.
    ClusterScmProvider,
}

impl Kind {
    /// As in manifests.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GitRepository => "GitRepository",
            Self::ScmProvider => "ScmProvider",
            Self::ClusterScmProvider => "ClusterScmProvider",
        }
    }
}

/// Reads single objects.
#[async_trait]
pub trait Objects: Send + Sync {
    /// The data of a Secret; `None` where there is none.
    ///
    /// # Errors
    /// Why it cannot be read.
    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Data>, String>;

    /// The `spec` of a Promoter's object; `None` where there is none.
    ///
    /// # Errors
    /// Why it cannot be read.
    async fn promoter(&self, kind: Kind, namespace: &str, name: &str) -> Result<Option<Json>, String>;
}

/// Reads them from the API server.
pub struct Cluster {
    client: kube::Client,
}

impl Cluster {
    /// Reads with this client.
    #[must_use]
    pub fn new(client: kube::Client) -> Self {
        Self { client }
    }
}

#[async_trait]
impl Objects for Cluster {
    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Data>, String> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let found = api.get_opt(name).await.map_err(|error| error.to_string())?;
        let data = found.map(|secret| secret.data.unwrap_or_default());
        Ok(data.map(|data| data.into_iter().map(|(key, value)| (key, value.0)).collect()))
    }

    async fn promoter(&self, kind: Kind, namespace: &str, name: &str) -> Result<Option<Json>, String> {
        let gvk = GroupVersionKind::gvk("promoter.argoproj.io", "v1alpha1", kind.name());
        let resource = ApiResource::from_gvk_with_plural(&gvk, plural(kind));
        let api: Api<DynamicObject> = match kind {
            Kind::ClusterScmProvider => Api::all_with(self.client.clone(), &resource),
            _ => Api::namespaced_with(self.client.clone(), namespace, &resource),
        };
        let found = api.get_opt(name).await.map_err(|error| error.to_string())?;
        Ok(found.map(|mut object| object.data["spec"].take()))
    }
}

const fn plural(kind: Kind) -> &'static str {
    match kind {
        Kind::GitRepository => "gitrepositories",
        Kind::ScmProvider => "scmproviders",
        Kind::ClusterScmProvider => "clusterscmproviders",
    }
}
