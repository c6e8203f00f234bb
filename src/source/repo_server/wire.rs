//! The messages that Gatepost and the repo-server exchange: names and field numbers of Argo CD's public
//! `reposerver/repository/repository.proto` and `v1alpha1/generated.proto`, as far as they are needed here.
//!
//! Written by hand, because a compiler for `.proto` files is not worth two calls. What Argo CD sends beyond these fields
//! is skipped while reading. The parts of an Application's source are read from its JSON as well, under its JSON names.

use prost::Message;
use serde::Deserialize;
use std::collections::BTreeMap;

/// `repository.RepoServerRevisionMetadataRequest`
#[derive(Clone, PartialEq, Message)]
pub(super) struct RevisionMetadataRequest {
    #[prost(message, optional, tag = "1")]
    pub repo: Option<Repository>,
    #[prost(string, tag = "2")]
    pub revision: String,
}

/// `v1alpha1.RevisionMetadata`
#[derive(Clone, PartialEq, Message)]
pub(super) struct RevisionMetadata {
    #[prost(string, tag = "1")]
    pub author: String,
    #[prost(message, optional, tag = "2")]
    pub date: Option<Time>,
    #[prost(string, repeated, tag = "3")]
    pub tags: Vec<String>,
    #[prost(string, tag = "4")]
    pub message: String,
}

/// `k8s.io.apimachinery.pkg.apis.meta.v1.Time`
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct Time {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
}

/// `repository.RepoServerAppDetailsQuery`
#[derive(Clone, PartialEq, Message)]
pub(super) struct AppDetailsQuery {
    #[prost(message, optional, tag = "1")]
    pub repo: Option<Repository>,
    #[prost(message, optional, tag = "2")]
    pub source: Option<ApplicationSource>,
    #[prost(message, repeated, tag = "3")]
    pub repos: Vec<Repository>,
    #[prost(message, optional, tag = "4")]
    pub kustomize_options: Option<KustomizeOptions>,
    #[prost(string, tag = "5")]
    pub app_name: String,
    #[prost(message, optional, tag = "10")]
    pub helm_options: Option<HelmOptions>,
}

/// `repository.RepoAppDetailsResponse`
#[derive(Clone, PartialEq, Message)]
pub(super) struct AppDetailsResponse {
    #[prost(string, tag = "1")]
    pub r#type: String,
    #[prost(message, optional, tag = "3")]
    pub helm: Option<HelmAppSpec>,
    #[prost(message, optional, tag = "4")]
    pub kustomize: Option<KustomizeAppSpec>,
    #[prost(message, optional, tag = "5")]
    pub directory: Option<DirectoryAppSpec>,
}

/// `repository.HelmAppSpec`
#[derive(Clone, PartialEq, Message)]
pub(super) struct HelmAppSpec {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, repeated, tag = "3")]
    pub value_files: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    pub parameters: Vec<HelmParameter>,
    #[prost(string, tag = "5")]
    pub values: String,
    #[prost(message, repeated, tag = "6")]
    pub file_parameters: Vec<HelmFileParameter>,
}

/// `repository.KustomizeAppSpec`
#[derive(Clone, PartialEq, Message)]
pub(super) struct KustomizeAppSpec {
    #[prost(string, repeated, tag = "3")]
    pub images: Vec<String>,
}

/// `repository.DirectoryAppSpec`
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct DirectoryAppSpec {}

/// `v1alpha1.KustomizeOptions`
#[derive(Clone, PartialEq, Message)]
pub(super) struct KustomizeOptions {
    #[prost(string, tag = "1")]
    pub build_options: String,
    #[prost(message, repeated, tag = "3")]
    pub versions: Vec<KustomizeVersion>,
}

/// `v1alpha1.KustomizeVersion`
#[derive(Clone, PartialEq, Message)]
pub(super) struct KustomizeVersion {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub path: String,
    #[prost(string, tag = "3")]
    pub build_options: String,
}

/// `v1alpha1.HelmOptions`
#[derive(Clone, PartialEq, Message)]
pub(super) struct HelmOptions {
    #[prost(string, repeated, tag = "1")]
    pub values_file_schemes: Vec<String>,
}

/// `v1alpha1.Repository`: a repository with the credentials that reach it. Never printed.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct Repository {
    #[prost(string, tag = "1")]
    pub repo: String,
    #[prost(string, tag = "2")]
    pub username: String,
    #[prost(string, tag = "3")]
    pub password: String,
    #[prost(string, tag = "4")]
    pub ssh_private_key: String,
    #[prost(bool, tag = "6")]
    pub insecure_ignore_host_key: bool,
    #[prost(bool, tag = "7")]
    pub insecure: bool,
    #[prost(bool, tag = "8")]
    pub enable_lfs: bool,
    #[prost(string, tag = "9")]
    pub tls_client_cert_data: String,
    #[prost(string, tag = "10")]
    pub tls_client_cert_key: String,
    #[prost(string, tag = "11")]
    pub r#type: String,
    #[prost(string, tag = "12")]
    pub name: String,
    #[prost(bool, tag = "13")]
    pub inherited_creds: bool,
    #[prost(bool, tag = "14")]
    pub enable_oci: bool,
    #[prost(string, tag = "15")]
    pub github_app_private_key: String,
    #[prost(int64, tag = "16")]
    pub github_app_id: i64,
    #[prost(int64, tag = "17")]
    pub github_app_installation_id: i64,
    #[prost(string, tag = "18")]
    pub github_app_enterprise_base_url: String,
    #[prost(string, tag = "19")]
    pub proxy: String,
    #[prost(string, tag = "20")]
    pub project: String,
    #[prost(string, tag = "21")]
    pub gcp_service_account_key: String,
    #[prost(bool, tag = "22")]
    pub force_http_basic_auth: bool,
    #[prost(string, tag = "23")]
    pub no_proxy: String,
    #[prost(bool, tag = "24")]
    pub use_azure_workload_identity: bool,
    #[prost(string, tag = "25")]
    pub bearer_token: String,
    #[prost(bool, tag = "26")]
    pub insecure_oci_force_http: bool,
    #[prost(int64, tag = "27")]
    pub depth: i64,
    #[prost(bool, tag = "28")]
    pub webhook_manifest_cache_warm_disabled: bool,
    #[prost(string, tag = "29")]
    pub azure_service_principal_client_id: String,
    #[prost(string, tag = "30")]
    pub azure_service_principal_client_secret: String,
    #[prost(string, tag = "31")]
    pub azure_service_principal_tenant_id: String,
    #[prost(string, tag = "32")]
    pub azure_active_directory_endpoint: String,
}

impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Repository")
    }
}

/// `v1alpha1.ApplicationSource`
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ApplicationSource {
    #[serde(rename = "repoURL")]
    #[prost(string, tag = "1")]
    pub repo_url: String,
    #[prost(string, tag = "2")]
    pub path: String,
    #[prost(string, tag = "4")]
    pub target_revision: String,
    #[prost(message, optional, tag = "7")]
    pub helm: Option<SourceHelm>,
    #[prost(message, optional, tag = "8")]
    pub kustomize: Option<SourceKustomize>,
    #[prost(message, optional, tag = "10")]
    pub directory: Option<SourceDirectory>,
    #[prost(message, optional, tag = "11")]
    pub plugin: Option<SourcePlugin>,
    #[prost(string, tag = "12")]
    pub chart: String,
    #[prost(string, tag = "13")]
    pub r#ref: String,
    #[prost(string, tag = "14")]
    pub name: String,
    #[prost(string, tag = "15")]
    pub tag_prefix: String,
}

/// `v1alpha1.ApplicationSourceHelm`
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SourceHelm {
    #[prost(string, repeated, tag = "1")]
    pub value_files: Vec<String>,
    #[prost(message, repeated, tag = "2")]
    pub parameters: Vec<HelmParameter>,
    #[prost(string, tag = "3")]
    pub release_name: String,
    #[prost(string, tag = "4")]
    pub values: String,
    #[prost(message, repeated, tag = "5")]
    pub file_parameters: Vec<HelmFileParameter>,
    #[prost(string, tag = "6")]
    pub version: String,
    #[prost(bool, tag = "7")]
    pub pass_credentials: bool,
    #[prost(bool, tag = "8")]
    pub ignore_missing_value_files: bool,
    #[prost(bool, tag = "9")]
    pub skip_crds: bool,
    #[serde(deserialize_with = "super::source::raw")]
    #[prost(message, optional, tag = "10")]
    pub values_object: Option<RawExtension>,
    #[prost(string, tag = "11")]
    pub namespace: String,
    #[prost(string, tag = "12")]
    pub kube_version: String,
    #[prost(string, repeated, tag = "13")]
    pub api_versions: Vec<String>,
    #[prost(bool, tag = "14")]
    pub skip_tests: bool,
    #[prost(bool, tag = "15")]
    pub skip_schema_validation: bool,
}

/// `k8s.io.apimachinery.pkg.runtime.RawExtension`
#[derive(Clone, PartialEq, Message)]
pub(super) struct RawExtension {
    #[prost(bytes = "vec", tag = "1")]
    pub raw: Vec<u8>,
}

/// `v1alpha1.HelmParameter`
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct HelmParameter {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub value: String,
    #[prost(bool, tag = "3")]
    pub force_string: bool,
}

/// `v1alpha1.HelmFileParameter`
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct HelmFileParameter {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub path: String,
}

/// `v1alpha1.ApplicationSourceKustomize`
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SourceKustomize {
    #[prost(string, tag = "1")]
    pub name_prefix: String,
    #[prost(string, tag = "2")]
    pub name_suffix: String,
    #[prost(string, repeated, tag = "3")]
    pub images: Vec<String>,
    #[prost(btree_map = "string, string", tag = "4")]
    pub common_labels: BTreeMap<String, String>,
    #[prost(string, tag = "5")]
    pub version: String,
    #[prost(btree_map = "string, string", tag = "6")]
    pub common_annotations: BTreeMap<String, String>,
    #[prost(bool, tag = "7")]
    pub force_common_labels: bool,
    #[prost(bool, tag = "8")]
    pub force_common_annotations: bool,
    #[prost(string, tag = "9")]
    pub namespace: String,
    #[prost(bool, tag = "10")]
    pub common_annotations_envsubst: bool,
    #[prost(message, repeated, tag = "11")]
    pub replicas: Vec<KustomizeReplica>,
    #[prost(message, repeated, tag = "12")]
    pub patches: Vec<KustomizePatch>,
    #[prost(string, repeated, tag = "13")]
    pub components: Vec<String>,
    #[prost(bool, tag = "14")]
    pub label_without_selector: bool,
    #[prost(string, tag = "15")]
    pub kube_version: String,
    #[prost(string, repeated, tag = "16")]
    pub api_versions: Vec<String>,
    #[prost(bool, tag = "17")]
    pub ignore_missing_components: bool,
    #[prost(bool, tag = "18")]
    pub label_include_templates: bool,
}

/// `v1alpha1.KustomizeReplica`
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct KustomizeReplica {
    #[prost(string, tag = "1")]
    pub name: String,
    #[serde(deserialize_with = "super::source::count")]
    #[prost(message, optional, tag = "2")]
    pub count: Option<IntOrString>,
}

/// `k8s.io.apimachinery.pkg.util.intstr.IntOrString`: type 0 is the number, 1 the text.
#[derive(Clone, PartialEq, Message)]
pub(super) struct IntOrString {
    #[prost(int64, tag = "1")]
    pub r#type: i64,
    #[prost(int32, tag = "2")]
    pub int: i32,
    #[prost(string, tag = "3")]
    pub text: String,
}

/// `v1alpha1.KustomizePatch`
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct KustomizePatch {
    #[prost(string, tag = "1")]
    pub path: String,
    #[prost(string, tag = "2")]
    pub patch: String,
    #[serde(deserialize_with = "super::source::selector")]
    #[prost(message, optional, tag = "3")]
    pub target: Option<KustomizeSelector>,
    #[prost(btree_map = "string, bool", tag = "4")]
    pub options: BTreeMap<String, bool>,
}

/// `v1alpha1.KustomizeSelector`
#[derive(Clone, PartialEq, Message)]
pub(super) struct KustomizeSelector {
    #[prost(message, optional, tag = "1")]
    pub res_id: Option<KustomizeResId>,
    #[prost(string, tag = "2")]
    pub annotation_selector: String,
    #[prost(string, tag = "3")]
    pub label_selector: String,
}

/// `v1alpha1.KustomizeResId`
#[derive(Clone, PartialEq, Message)]
pub(super) struct KustomizeResId {
    #[prost(message, optional, tag = "1")]
    pub gvk: Option<KustomizeGvk>,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(string, tag = "3")]
    pub namespace: String,
}

/// `v1alpha1.KustomizeGvk`
#[derive(Clone, PartialEq, Message)]
pub(super) struct KustomizeGvk {
    #[prost(string, tag = "1")]
    pub group: String,
    #[prost(string, tag = "2")]
    pub version: String,
    #[prost(string, tag = "3")]
    pub kind: String,
}

/// `v1alpha1.ApplicationSourceDirectory`
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SourceDirectory {
    #[prost(bool, tag = "1")]
    pub recurse: bool,
    #[prost(message, optional, tag = "2")]
    pub jsonnet: Option<SourceJsonnet>,
    #[prost(string, tag = "3")]
    pub exclude: String,
    #[prost(string, tag = "4")]
    pub include: String,
    #[prost(bool, tag = "5")]
    pub disable_extension_filter: bool,
}

/// `v1alpha1.ApplicationSourceJsonnet`
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SourceJsonnet {
    #[prost(message, repeated, tag = "1")]
    pub ext_vars: Vec<JsonnetVar>,
    #[prost(message, repeated, tag = "2")]
    pub tlas: Vec<JsonnetVar>,
    #[prost(string, repeated, tag = "3")]
    pub libs: Vec<String>,
}

/// `v1alpha1.JsonnetVar`
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct JsonnetVar {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub value: String,
    #[prost(bool, tag = "3")]
    pub code: bool,
}

/// `v1alpha1.ApplicationSourcePlugin`
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct SourcePlugin {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, repeated, tag = "2")]
    pub env: Vec<EnvEntry>,
    #[prost(message, repeated, tag = "3")]
    pub parameters: Vec<PluginParameter>,
}

/// `v1alpha1.EnvEntry`
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct EnvEntry {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

/// `v1alpha1.ApplicationSourcePluginParameter`
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct PluginParameter {
    #[prost(string, tag = "1")]
    pub name: String,
    #[serde(deserialize_with = "super::source::map")]
    #[prost(message, optional, tag = "3")]
    pub map: Option<OptionalMap>,
    #[serde(deserialize_with = "super::source::array")]
    #[prost(message, optional, tag = "4")]
    pub array: Option<OptionalArray>,
    #[prost(string, optional, tag = "5")]
    pub string: Option<String>,
}

/// `v1alpha1.OptionalMap`
#[derive(Clone, PartialEq, Message)]
pub(super) struct OptionalMap {
    #[prost(btree_map = "string, string", tag = "1")]
    pub map: BTreeMap<String, String>,
}

/// `v1alpha1.OptionalArray`
#[derive(Clone, PartialEq, Message)]
pub(super) struct OptionalArray {
    #[prost(string, repeated, tag = "1")]
    pub array: Vec<String>,
}
