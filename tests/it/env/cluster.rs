//! The Kubernetes API server: one a test run with every CRD installed, one namespace a test.
//!
//! Clients live on the runtime of the test that made them, so they are made anew for each test.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use futures::future::join_all;
use k8s_openapi::api::core::v1::Namespace as KubeNamespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::NamespaceResourceScope;
use kube::discovery::{self, Scope};
use kube::{Client, Resource, ResourceExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::OnceCell;

use super::part::{self, Part};
use super::{PATIENCE, wait_until};

/// The cluster of this test run.
pub struct Cluster {
    _part: Part,
    kubeconfig: PathBuf,
}

/// The cluster, started with its CRDs by the first caller.
pub async fn cluster() -> &'static Cluster {
    static CLUSTER: OnceCell<Result<Cluster, String>> = OnceCell::const_new();
    match CLUSTER.get_or_init(start).await {
        Ok(cluster) => cluster,
        Err(reason) => panic!("{reason}"),
    }
}

async fn start() -> Result<Cluster, String> {
    let part = part::start("cluster.sh", Vec::new()).await?;
    let kubeconfig = part.words.get(1).map(PathBuf::from).ok_or("cluster.sh named no kubeconfig")?;
    let cluster = Cluster { _part: part, kubeconfig };
    install_crds(&cluster.client().await).await;
    Ok(cluster)
}

impl Cluster {
    /// The administrator's kubeconfig, for programs under test.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// An administrator's client for the calling test.
    pub async fn client(&self) -> Client {
        let file = Kubeconfig::read_from(&self.kubeconfig).expect("the kubeconfig is readable");
        let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
        gatepost::source::client::client(config.expect("the kubeconfig is complete"))
            .expect("a client can be made of the kubeconfig")
    }

    /// A new namespace, unlike any other, with a client for the calling test.
    pub async fn namespace(&self) -> Namespace {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let client = self.client().await;
        let nth = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("it-{}-{nth}", std::process::id());
        let wanted = json!({"metadata": {"name": name, "labels": {"gatepost.dev/test": "true"}}});
        let wanted: KubeNamespace = serde_json::from_value(wanted).expect("a namespace");
        let namespaces: Api<KubeNamespace> = Api::all(client.clone());
        namespaces.create(&PostParams::default(), &wanted).await.expect("the namespace can be made");
        Namespace { name, client }
    }
}

/// A namespace of one test.
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// An administrator's client.
    pub client: Client,
}

impl Namespace {
    /// The objects of one kind in this namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType: Default> + DeserializeOwned,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// The objects of a kind that has no Rust type here, for example `("argoproj.io/v1alpha1", "Application")`.
    pub async fn dynamic(&self, api_version: &str, kind: &str) -> Api<DynamicObject> {
        dynamic_api(&self.client, &self.name, api_version, kind).await
    }

    /// Applies every document of `yaml` server-side, into this namespace unless it names another.
    pub async fn apply(&self, yaml: &str) -> Vec<DynamicObject> {
        let mut applied = Vec::new();
        for object in documents::<DynamicObject>(yaml) {
            let (api, name) = self.home_of(&object).await;
            let answer = api.patch(&name, &apply_params(), &Patch::Apply(&object)).await;
            applied.push(answer.unwrap_or_else(|e| panic!("failed to apply {name}: {e}")));
        }
        applied
    }

    /// Applies every document's `status` through the status subresource; the objects must be there.
    pub async fn apply_status(&self, yaml: &str) {
        for object in documents::<DynamicObject>(yaml) {
            let (api, name) = self.home_of(&object).await;
            let answer = api.patch_status(&name, &apply_params(), &Patch::Apply(&object)).await;
            answer.unwrap_or_else(|e| panic!("failed to apply the status of {name}: {e}"));
        }
    }

    async fn home_of(&self, object: &DynamicObject) -> (Api<DynamicObject>, String) {
        let types = object.types.as_ref().expect("the document names apiVersion and kind");
        let namespace = object.namespace().unwrap_or_else(|| self.name.clone());
        (dynamic_api(&self.client, &namespace, &types.api_version, &types.kind).await, object.name_any())
    }
}

async fn dynamic_api(client: &Client, namespace: &str, api_version: &str, kind: &str) -> Api<DynamicObject> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let wanted = kube::core::GroupVersionKind::gvk(group, version, kind);
    let found = discovery::pinned_kind(client, &wanted).await;
    let (resource, capabilities) = found.unwrap_or_else(|e| panic!("the cluster has no {api_version} {kind}: {e}"));
    match capabilities.scope {
        Scope::Cluster => Api::all_with(client.clone(), &resource),
        Scope::Namespaced => Api::namespaced_with(client.clone(), namespace, &resource),
    }
}

/// Every document of a YAML text that is not empty.
fn documents<T: DeserializeOwned>(yaml: &str) -> Vec<T> {
    let parsed = serde_yaml_ng::Deserializer::from_str(yaml).map(Option::<T>::deserialize);
    let all: Result<Vec<_>, _> = parsed.collect();
    all.unwrap_or_else(|e| panic!("not YAML of what was expected: {e}\n{yaml}")).into_iter().flatten().collect()
}

fn apply_params() -> PatchParams {
    PatchParams::apply("gatepost-tests").force()
}

/// Installs every file of `tests/env/crds`, and Gatepost's own of `config/crd`, and waits until the API server serves it.
async fn install_crds(client: &Client) {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let definitions: Vec<CustomResourceDefinition> = crd_files().iter().flat_map(|text| documents(text)).collect();
    assert!(!definitions.is_empty(), "tests/env/crds holds no CRD");
    join_all(definitions.iter().map(|definition| install_crd(&api, definition))).await;
}

async fn install_crd(api: &Api<CustomResourceDefinition>, definition: &CustomResourceDefinition) {
    let name = definition.name_any();
    let answer = api.patch(&name, &apply_params(), &Patch::Apply(definition)).await;
    answer.unwrap_or_else(|e| panic!("failed to install {name}: {e}"));
    wait_until(&format!("{name} to be served"), PATIENCE, || async {
        let found = api.get(&name).await.ok().and_then(|crd| crd.status).and_then(|status| status.conditions);
        found.is_some_and(|all| all.iter().any(|c| c.type_ == "Established" && c.status == "True"))
    })
    .await;
}

fn crd_files() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = std::fs::read_dir(root.join("tests/env/crds")).expect("tests/env/crds is there");
    let folders = folders.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let files = folders.chain([root.join("config/crd")]).flat_map(|folder| std::fs::read_dir(folder).unwrap());
    files.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect()
}
