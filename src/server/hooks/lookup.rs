//! Who may wake a gate: whoever holds a key of the Secret that one of its annotations names, of its own namespace, and callers of OpenID
//! Connect issuers by the rules of the other.
//!
//! What was found, or not, is kept for a few seconds, so that a flood of requests does not become one of reads.

use crate::controller::approval::crd::OidcCaller;
use crate::controller::gate::ask::{Data, Objects};
use async_trait::async_trait;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Annotation of a gate that names the Secret with its keys.
pub const ANNOTATION: &str = "gatepost.dev/hook-secret";
/// Annotation of a gate with the rules by which tokens of issuers are believed: a list in YAML or JSON, of the form that
/// `callback.authentication.oidc` of a `WebhookApproval` has.
pub const OIDC_ANNOTATION: &str = "gatepost.dev/hook-oidc";
/// Largest such list, and most rules of it.
const OIDC_BYTES_MAX: usize = 16 << 10;
const RULES_MAX: usize = 8;
/// How long what was found is believed; a rotated key works after it.
const KEPT: Duration = Duration::from_secs(10);
/// Gates that are kept.
const MOST: usize = 4096;
/// Read where there is no gate, so that it takes as long as where there is one.
const NO_SUCH_SECRET: &str = "gatepost-no-such-hook-secret";

/// What the annotations of a gate say of its hooks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// The value of [`ANNOTATION`].
    pub secret: Option<String>,
    /// The value of [`OIDC_ANNOTATION`].
    pub oidc: Option<String>,
}

/// Reads annotations of gates.
#[async_trait]
pub trait Annotations: Send + Sync {
    /// What is said of the hooks of a gate; nothing where there is no gate or no annotation.
    ///
    /// # Errors
    /// Why it cannot be read.
    async fn of_gate(&self, namespace: &str, name: &str) -> Result<Named, String>;
}

/// Who may wake a gate.
#[derive(Debug, Default)]
pub(super) struct Believed {
    /// Keys of its Secret.
    pub keys: Data,
    /// Rules for tokens of issuers.
    pub callers: Vec<OidcCaller>,
}

/// What was found, and until when it is believed.
type Kept = (Arc<Believed>, Instant);

/// Finds out who may wake a gate.
pub struct Lookup {
    annotations: Arc<dyn Annotations>,
    objects: Arc<dyn Objects>,
    known: Mutex<HashMap<(String, String), Kept>>,
}

impl Lookup {
    /// Reads annotations and Secrets there.
    #[must_use]
    pub fn new(annotations: Arc<dyn Annotations>, objects: Arc<dyn Objects>) -> Self {
        Self { annotations, objects, known: Mutex::default() }
    }

    /// Who may wake a gate; nobody where there is no gate, no annotation or no Secret.
    ///
    /// # Errors
    /// The cluster did not answer.
    pub(super) async fn believed(&self, namespace: &str, name: &str) -> Result<Arc<Believed>, String> {
        let (id, now) = ((namespace.to_owned(), name.to_owned()), Instant::now());
        if let Some(found) = self.kept(&id, now) {
            return Ok(found);
        }
        let named = self.annotations.of_gate(namespace, name).await?;
        let keys = match &named.secret {
            Some(secret) => self.objects.secret(namespace, secret).await?.unwrap_or_default(),
            None => {
                drop(self.objects.secret(namespace, NO_SUCH_SECRET).await);
                Data::new()
            }
        };
        let rules = named.oidc.as_deref().map_or(Ok(Vec::new()), rules);
        let callers = rules.unwrap_or_else(|error| {
            let gate = format!("{namespace}/{name}");
            tracing::warn!(gate, "the annotation {OIDC_ANNOTATION} cannot be used, and believes nobody: {error}");
            Vec::new()
        });
        let found = Arc::new(Believed { keys, callers });
        self.keep(id, Arc::clone(&found), now);
        Ok(found)
    }

    fn kept(&self, id: &(String, String), now: Instant) -> Option<Arc<Believed>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(id).filter(|(_, until)| *until > now).map(|(found, _)| Arc::clone(found))
    }

    fn keep(&self, id: (String, String), found: Arc<Believed>, now: Instant) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, (_, until)| *until > now);
            if known.len() >= MOST {
                known.clear();
            }
        }
        known.insert(id, (found, now + KEPT));
    }
}

/// A list of rules that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum InvalidRules {
    #[error("it is no list of rules with issuer, audience and claims: {0}")]
    Form(String),
    #[error("it has {0} rules; 1 to {RULES_MAX} are taken")]
    Number(usize),
    #[error("it has {0} bytes; at most {OIDC_BYTES_MAX} are taken")]
    Size(usize),
    #[error("a rule without claims would believe everybody of the issuer {0}")]
    NoClaims(String),
}

fn rules(text: &str) -> Result<Vec<OidcCaller>, InvalidRules> {
    if text.len() > OIDC_BYTES_MAX {
        return Err(InvalidRules::Size(text.len()));
    }
    let rules: Vec<OidcCaller> =
        serde_yaml_ng::from_str(text).map_err(|error| InvalidRules::Form(error.to_string()))?;
    if rules.is_empty() || rules.len() > RULES_MAX {
        return Err(InvalidRules::Number(rules.len()));
    }
    match rules.iter().find(|rule| rule.claims.is_empty()) {
        Some(rule) => Err(InvalidRules::NoClaims(rule.issuer.clone())),
        None => Ok(rules),
    }
}

/// Reads annotations of WebRequestCommitStatuses from the API server, one by one.
pub struct Gates {
    client: kube::Client,
}

impl Gates {
    /// Reads with this client.
    #[must_use]
    pub fn new(client: kube::Client) -> Self {
        Self { client }
    }
}

#[async_trait]
impl Annotations for Gates {
    async fn of_gate(&self, namespace: &str, name: &str) -> Result<Named, String> {
        let gvk = GroupVersionKind::gvk("promoter.argoproj.io", "v1alpha1", "WebRequestCommitStatus");
        let resource = ApiResource::from_gvk_with_plural(&gvk, "webrequestcommitstatuses");
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource);
        let found = api.get_metadata_opt(name).await.map_err(|error| error.to_string())?;
        let mut said = found.and_then(|gate| gate.metadata.annotations).unwrap_or_default();
        Ok(Named { secret: said.remove(ANNOTATION), oidc: said.remove(OIDC_ANNOTATION) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rules_are_read_as_an_approval_has_them() {
        let yaml = "- issuer: https://issuer.example\n  audience: gatepost\n  claims: {repository: [org/app]}\n";
        let read = rules(yaml).unwrap();
        assert_eq!((read[0].issuer.as_str(), read[0].algorithms.len()), ("https://issuer.example", 2));
        let json = r#"[{"issuer": "i", "audience": "a", "algorithms": ["ES256"], "claims": {"sub": ["x"]}}]"#;
        assert_eq!(rules(json).unwrap()[0].algorithms.len(), 1);
    }

    #[test]
    fn what_would_believe_everybody_believes_nobody() {
        let rule = "{issuer: i, audience: a, claims: {}}";
        assert_eq!(rules(&format!("[{rule}]")), Err(InvalidRules::NoClaims("i".into())));
        assert!(matches!(rules("issuer: i"), Err(InvalidRules::Form(_))));
        assert!(matches!(rules("[{issuer: i, audience: a}]"), Err(InvalidRules::Form(_))));
        assert!(matches!(
            rules("[{issuer: i, audience: a, algorithms: [none], claims: {a: [b]}}]"),
            Err(InvalidRules::Form(_))
        ));
        assert_eq!(rules("[]"), Err(InvalidRules::Number(0)));
        let many = ["{issuer: i, audience: a, claims: {a: [b]}}"; RULES_MAX + 1].join(",");
        assert_eq!(rules(&format!("[{many}]")), Err(InvalidRules::Number(RULES_MAX + 1)));
        assert!(matches!(rules(&" ".repeat(OIDC_BYTES_MAX + 1)), Err(InvalidRules::Size(_))));
    }
}
