//! `v1alpha1.ApplicationSource` and its parts, as the repo-server reads them: names and field numbers of Argo CD's public
//! `v1alpha1/generated.proto`.
//!
//! Each is read from the Application's JSON as well, under its JSON names; `source` has the forms that differ.

use prost::Message;
use serde::Deserialize;
use std::collections::BTreeMap;

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
