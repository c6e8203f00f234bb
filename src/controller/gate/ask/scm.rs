//! From a strategy's repository to its SCM: which provider, which host may see its credentials, and how they are shown.
//!
//! Pure. The host rule is the peer's: the provider's domain, or the public service's; where the domain has a port, that port.

use super::error::{AskError, Denied};
use super::objects::Data;
use crate::egress::{Headers, Illegal};
use serde_json::Value as Json;
use url::Url;

/// What a provider is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scm {
    /// A GitHub App.
    GitHub {
        /// Enterprise host, or empty.
        domain: String,
        /// The App.
        app: String,
        /// Its installation; empty: that of the repository's owner.
        installation: String,
    },
    /// `Private-Token`.
    GitLab,
    /// `token`, or user and password.
    Forgejo,
    /// `token`, or user and password.
    Gitea,
    /// Bearer.
    BitbucketCloud,
    /// Basic with the token alone.
    AzureDevOps,
    /// Nothing: for tests of the Promoter.
    Fake,
}

/// A provider as its object says.
pub(super) struct Provider {
    pub scm: Scm,
    /// Host, perhaps with a port, that may see the credentials.
    pub permitted: String,
    /// `secretRef.name`.
    pub secret: String,
}

/// The members of a provider's spec, and the host where it names none.
const KINDS: [(&str, &str); 7] = [
    ("github", "api.github.com"),
    ("gitlab", "gitlab.com"),
    ("forgejo", ""),
    ("gitea", ""),
    ("bitbucketCloud", "api.bitbucket.org"),
    ("azureDevOps", "dev.azure.com"),
    ("fake", ""),
];

impl Provider {
    /// Reads a provider's spec for a repository's.
    pub(super) fn read(provider: &Json, repository: &Json) -> Result<Self, Denied> {
        if KINDS.iter().any(|(kind, _)| repository[kind].is_object() && !provider[kind].is_object()) {
            return Err(Denied::lasting("wrong ScmProvider configured for Repository"));
        }
        let Some((kind, host)) = KINDS.iter().find(|(kind, _)| provider[kind].is_object()) else {
            return Err(Denied::lasting("unknown SCM provider type for scm"));
        };
        let own = provider[kind]["domain"].as_str().unwrap_or_default();
        let number = |name: &str| provider["github"][name].as_i64().filter(|id| *id != 0);
        let scm = match *kind {
            "github" => Scm::GitHub {
                domain: own.to_owned(),
                app: number("appID").map(|id| id.to_string()).unwrap_or_default(),
                installation: number("installationID").map(|id| id.to_string()).unwrap_or_default(),
            },
            "gitlab" => Scm::GitLab,
            "forgejo" => Scm::Forgejo,
            "gitea" => Scm::Gitea,
            "bitbucketCloud" => Scm::BitbucketCloud,
            "azureDevOps" => Scm::AzureDevOps,
            _ => Scm::Fake,
        };
        let permitted = if own.is_empty() || scm == Scm::BitbucketCloud { *host } else { own };
        let secret = provider["secretRef"]["name"].as_str().unwrap_or_default().to_owned();
        Ok(Self { scm, permitted: permitted.to_owned(), secret })
    }

    /// Refuses a URL whose host may not see the credentials.
    pub(super) fn check(&self, url: &str) -> Result<(), AskError> {
        let parsed = Url::parse(url).map_err(|error| AskError::ScmHost(format!("failed to parse the URL: {error}")))?;
        let host = parsed.host_str().unwrap_or_default();
        if self.permits(host, parsed.port_or_known_default()) {
            return Ok(());
        }
        let permitted = &self.permitted;
        Err(AskError::ScmHost(format!(
            "URL host {host:?} is not allowed for the configured SCM provider; permitted host: {permitted:?}"
        )))
    }

    fn permits(&self, host: &str, port: Option<u16>) -> bool {
        // Read as an https URL, so that names are written alike; but that would leave out a port 443 which counts.
        let own = Url::parse(&format!("https://{}/", self.permitted)).ok();
        let own_port = Url::parse(&format!("x://{}/", self.permitted)).ok().and_then(|own| own.port());
        own.as_ref().and_then(Url::host_str) == Some(host) && own_port.is_none_or(|own| Some(own) == port)
    }
}

/// Shows the credentials of a provider whose Secret is enough; GitHub's are a token that has to be fetched.
pub(super) fn show(scm: &Scm, secret: &Data, headers: &mut Headers) -> Result<(), Denied> {
    let text = |key: &str| secret.get(key).filter(|value| !value.is_empty());
    let token = |name: &str| {
        text("token").ok_or_else(|| Denied::lasting(format!("non-empty token required in secret for {name} SCM auth")))
    };
    let with = |word: &str, token: &[u8]| [word.as_bytes(), token].concat();
    let shown = match scm {
        Scm::GitHub { .. } | Scm::Fake => Ok(()),
        Scm::GitLab => headers.set("Private-Token", token("GitLab")?),
        Scm::BitbucketCloud => headers.set("Authorization", &with("Bearer ", token("Bitbucket Cloud")?)),
        Scm::AzureDevOps => headers.basic(b"", token("Azure DevOps")?),
        Scm::Forgejo | Scm::Gitea => match (text("token"), text("username"), text("password")) {
            (Some(token), _, _) => headers.set("Authorization", &with("token ", token)),
            (None, Some(user), Some(password)) => headers.basic(user, password),
            _ => {
                let name = if *scm == Scm::Forgejo { "Forgejo" } else { "Gitea" };
                let lacking = format!("token or username/password required in secret for {name} SCM auth");
                return Err(Denied::lasting(lacking));
            }
        },
    };
    shown.map_err(|illegal: Illegal| Denied::lasting(illegal.to_string()))
}

/// The API of a GitHub: the public one, or an enterprise's.
pub(super) fn github_api(domain: &str) -> String {
    if domain.is_empty() { "https://api.github.com".to_owned() } else { format!("https://{domain}/api/v3") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn provider(spec: Json) -> Provider {
        Provider::read(&spec, &json!({})).unwrap()
    }

    fn shown(scm: &Scm, secret: &[(&str, &str)]) -> Result<Vec<(String, String)>, String> {
        let secret = secret.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect();
        let mut headers = Headers::default();
        show(scm, &secret, &mut headers).map_err(|denied| denied.cause)?;
        let text = |(name, value): (String, Vec<u8>)| (name, String::from_utf8(value).unwrap());
        Ok(headers.into_list().into_iter().map(text).collect())
    }

    #[test]
    fn hosts_are_the_providers_and_a_port_counts_where_it_is_named() {
        let gitlab = |domain: &str| provider(json!({"gitlab": {"domain": domain}}));
        assert!(gitlab("Git.Example").check("http://git.example:81/x").is_ok());
        assert!(gitlab("git.example:8443").check("https://git.example:8443/x").is_ok());
        assert!(gitlab("git.example:443").check("https://git.example/x").is_ok());
        let elsewhere =
            ["https://git.example/x", "https://git.example.evil/x", "https://x@evil/?git.example:8443", "no"];
        for url in elsewhere {
            assert!(gitlab("git.example:8443").check(url).is_err(), "{url}");
        }
        let refused = gitlab("gitlab.example.com").check("http://127.0.0.1:99/x").unwrap_err().to_string();
        assert_eq!(
            refused,
            "SCM host validation failed: URL host \"127.0.0.1\" is not allowed for the configured SCM provider; permitted host: \"gitlab.example.com\""
        );
    }

    #[test]
    fn hosts_where_none_is_named() {
        for (spec, host) in [
            (json!({"github": {"appID": 1}}), "api.github.com"),
            (json!({"gitlab": {}}), "gitlab.com"),
            (json!({"bitbucketCloud": {}}), "api.bitbucket.org"),
            (json!({"azureDevOps": {"organization": "o"}}), "dev.azure.com"),
        ] {
            assert!(provider(spec.clone()).check(&format!("https://{host}/x")).is_ok(), "{host}");
            assert!(provider(spec).check("https://evil.example/x").is_err());
        }
        assert!(provider(json!({"fake": {}})).check("https://x/").is_err(), "no host is permitted");
    }

    #[test]
    fn credentials_are_shown_as_each_scm_wants_them() {
        let one = |name: &str, value: &str| Ok(vec![(name.to_owned(), value.to_owned())]);
        let token = [("token", "t\n")];
        assert_eq!(shown(&Scm::GitLab, &token), one("Private-Token", "t"));
        assert_eq!(shown(&Scm::BitbucketCloud, &token), one("Authorization", "Bearer t"));
        assert_eq!(shown(&Scm::AzureDevOps, &[("token", "pat-1")]), one("Authorization", "Basic OnBhdC0x"));
        assert_eq!(shown(&Scm::Gitea, &token), one("Authorization", "token t"));
        let pair = [("username", "u"), ("password", "p")];
        assert_eq!(shown(&Scm::Forgejo, &pair), one("Authorization", "Basic dTpw"));
        assert_eq!(shown(&Scm::Fake, &[]), Ok(Vec::new()));
        assert!(shown(&Scm::Forgejo, &pair[..1]).unwrap_err().contains("for Forgejo SCM auth"));
        assert!(shown(&Scm::GitLab, &[("token", "")]).unwrap_err().contains("non-empty token"));
    }

    #[test]
    fn providers_are_read() {
        let github = provider(json!({"github": {"appID": 7, "installationID": 0}, "secretRef": {"name": "s"}}));
        assert_eq!(github.scm, Scm::GitHub { domain: String::new(), app: "7".into(), installation: String::new() });
        assert_eq!(github.secret, "s");
        let wrong = Provider::read(&json!({"gitlab": {}}), &json!({"github": {"owner": "o"}})).err().unwrap();
        assert_eq!(wrong.cause, "wrong ScmProvider configured for Repository");
        assert!(Provider::read(&json!({}), &json!({})).err().unwrap().cause.contains("unknown SCM"));
        assert_eq!(github_api("ghe.example"), "https://ghe.example/api/v3");
    }
}
