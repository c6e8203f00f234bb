//! The messages that Gatepost and the repo-server exchange: names and field numbers of Argo CD's public
//! `reposerver/repository/repository.proto` and `v1alpha1/generated.proto`, as far as they are needed here.
//!
//! Written by hand, because a compiler for `.proto` files is not worth two calls. What Argo CD sends beyond these fields
//! is skipped while reading. The parts of an Application's source are in `wire_source`.

use super::wire_source::{ApplicationSource, HelmFileParameter, HelmParameter};
use prost::Message;

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
