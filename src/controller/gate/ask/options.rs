//! What the operator lets gates do when they ask.

use super::error::Denied;
use crate::egress::Rule;
use std::time::Duration;

/// Settings of the asking.
#[derive(Clone)]
pub struct Options {
    /// Gatepost's own namespace: what is in it is the platform's.
    pub namespace: String,
    /// Bytes of an answer's body, decompressed.
    pub answer_limit: usize,
    /// Longest time that a gate may name.
    pub longest_timeout: Duration,
    /// Hosts that any gate's redirects may lead to, without credentials.
    pub redirects: Vec<Rule>,
    /// Questions on their way at once.
    pub places: usize,
    /// The same for one namespace.
    pub places_of_a_namespace: usize,
    /// Namespace of the Secrets of ClusterScmProviders: where the Promoter runs.
    pub cluster_secrets: String,
    /// Whose gates may use them.
    pub grants: Vec<Grant>,
}

/// Namespaces whose gates may use what lies in another.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Whose gates.
    pub from: globset::GlobMatcher,
    /// Where it lies.
    pub to: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            namespace: "argocd".into(),
            answer_limit: 1 << 20,
            longest_timeout: Duration::from_secs(600),
            redirects: Vec::new(),
            places: 64,
            places_of_a_namespace: 8,
            cluster_secrets: "argocd".into(),
            grants: Vec::new(),
        }
    }
}

impl Options {
    /// The tenant of a namespace; empty for the platform's own.
    pub(super) fn tenant<'a>(&self, namespace: &'a str) -> &'a str {
        if namespace == self.namespace { "" } else { namespace }
    }

    /// Where the Secrets of ClusterScmProviders lie, for a namespace that may use them.
    pub(super) fn cluster_secrets_for(&self, namespace: &str) -> Result<&str, Denied> {
        let home = self.cluster_secrets.as_str();
        let granted = |grant: &Grant| grant.to == home && grant.from.is_match(namespace);
        if namespace == self.namespace || namespace == home || self.grants.iter().any(granted) {
            return Ok(home);
        }
        Err(Denied::lasting(format!(
            "gates of {namespace} may not use the credentials of ClusterScmProviders; to allow it add {{ from = \"{namespace}\", to = \"{home}\", what = [\"clusterScmProviders\"] }} to authority.grants"
        )))
    }
}
