//! One Secret of a repository or of credentials, read into the message that the repo-server takes (Argo CD's key names).
//!
//! Pure. A value of the wrong form is named by its key and URL, never shown.

use super::credentials::without_user;
use super::wire::Repository;
use crate::source::SecretData;

/// A text; empty where there is none.
pub(super) fn text(secret: &SecretData, key: &str) -> String {
    secret.get(key).map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
}

/// A boolean as Go reads one.
fn flag(secret: &SecretData, key: &str) -> Result<bool, String> {
    match secret.get(key).map(|value| text_of(value)) {
        None => Ok(false),
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(_) => Err(wrong(secret, key, "true or false")),
    }
}

fn number(secret: &SecretData, key: &str) -> Result<i64, String> {
    match secret.get(key) {
        None => Ok(0),
        Some(value) => text_of(value).parse().map_err(|_| wrong(secret, key, "a whole number")),
    }
}

fn text_of(value: &[u8]) -> &str {
    std::str::from_utf8(value).unwrap_or_default()
}

fn wrong(secret: &SecretData, key: &str, expected: &str) -> String {
    format!("{key} of the Secret for {} must be {expected}", without_user(&text(secret, "url")))
}

/// A Secret of type `repository`.
pub(super) fn read_repository(secret: &SecretData) -> Result<Repository, String> {
    Ok(Repository {
        name: text(secret, "name"),
        project: text(secret, "project"),
        insecure_ignore_host_key: flag(secret, "insecureIgnoreHostKey")?,
        insecure: flag(secret, "insecure")?,
        enable_lfs: flag(secret, "enableLfs")?,
        depth: number(secret, "depth")?,
        webhook_manifest_cache_warm_disabled: flag(secret, "webhookManifestCacheWarmDisabled")?,
        azure_service_principal_client_id: text(secret, "azureServicePrincipalClientId"),
        azure_service_principal_tenant_id: text(secret, "azureServicePrincipalTenantId"),
        ..read_common(secret)?
    })
}

/// A Secret of type `repo-creds`: two keys are spelled otherwise there.
pub(super) fn read_credentials(secret: &SecretData) -> Result<Repository, String> {
    Ok(Repository {
        azure_service_principal_client_id: text(secret, "azureServicePrincipalClientID"),
        azure_service_principal_tenant_id: text(secret, "azureServicePrincipalTenantID"),
        ..read_common(secret)?
    })
}

fn read_common(secret: &SecretData) -> Result<Repository, String> {
    Ok(Repository {
        repo: text(secret, "url"),
        username: text(secret, "username"),
        password: text(secret, "password"),
        bearer_token: text(secret, "bearerToken"),
        ssh_private_key: text(secret, "sshPrivateKey"),
        tls_client_cert_data: text(secret, "tlsClientCertData"),
        tls_client_cert_key: text(secret, "tlsClientCertKey"),
        r#type: text(secret, "type"),
        github_app_private_key: text(secret, "githubAppPrivateKey"),
        github_app_id: number(secret, "githubAppID")?,
        github_app_installation_id: number(secret, "githubAppInstallationID")?,
        github_app_enterprise_base_url: text(secret, "githubAppEnterpriseBaseUrl"),
        gcp_service_account_key: text(secret, "gcpServiceAccountKey"),
        proxy: text(secret, "proxy"),
        no_proxy: text(secret, "noProxy"),
        enable_oci: flag(secret, "enableOCI")?,
        insecure_oci_force_http: flag(secret, "insecureOCIForceHttp")?,
        force_http_basic_auth: flag(secret, "forceHttpBasicAuth")?,
        use_azure_workload_identity: flag(secret, "useAzureWorkloadIdentity")?,
        azure_service_principal_client_secret: text(secret, "azureServicePrincipalClientSecret"),
        azure_active_directory_endpoint: text(secret, "azureActiveDirectoryEndpoint"),
        ..Repository::default()
    })
}

/// Whether it can be reached without the credentials of others.
pub(super) fn has_credentials(repository: &Repository) -> bool {
    let texts = [
        &repository.username,
        &repository.password,
        &repository.bearer_token,
        &repository.ssh_private_key,
        &repository.tls_client_cert_data,
        &repository.github_app_private_key,
        &repository.azure_service_principal_client_secret,
    ];
    repository.use_azure_workload_identity || texts.iter().any(|text| !text.is_empty())
}

/// What the repository does not say itself comes from the credentials; switches come from them in any case.
pub(super) fn inherit(repository: &mut Repository, from: Repository) {
    let fill = |to: &mut String, from: String| {
        if to.is_empty() {
            *to = from;
        }
    };
    fill(&mut repository.username, from.username);
    fill(&mut repository.password, from.password);
    fill(&mut repository.bearer_token, from.bearer_token);
    fill(&mut repository.ssh_private_key, from.ssh_private_key);
    fill(&mut repository.tls_client_cert_data, from.tls_client_cert_data);
    fill(&mut repository.tls_client_cert_key, from.tls_client_cert_key);
    fill(&mut repository.github_app_private_key, from.github_app_private_key);
    fill(&mut repository.github_app_enterprise_base_url, from.github_app_enterprise_base_url);
    fill(&mut repository.gcp_service_account_key, from.gcp_service_account_key);
    fill(&mut repository.azure_service_principal_client_id, from.azure_service_principal_client_id);
    fill(&mut repository.azure_service_principal_client_secret, from.azure_service_principal_client_secret);
    fill(&mut repository.azure_service_principal_tenant_id, from.azure_service_principal_tenant_id);
    fill(&mut repository.azure_active_directory_endpoint, from.azure_active_directory_endpoint);
    fill(&mut repository.proxy, from.proxy);
    fill(&mut repository.no_proxy, from.no_proxy);
    fill(&mut repository.r#type, from.r#type);
    if repository.github_app_id == 0 {
        repository.github_app_id = from.github_app_id;
    }
    if repository.github_app_installation_id == 0 {
        repository.github_app_installation_id = from.github_app_installation_id;
    }
    repository.enable_oci = from.enable_oci;
    repository.insecure_oci_force_http = from.insecure_oci_force_http;
    repository.force_http_basic_auth = from.force_http_basic_auth;
    repository.use_azure_workload_identity = from.use_azure_workload_identity;
    repository.inherited_creds = true;
}
