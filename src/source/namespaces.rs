//! Which namespaces' Applications are watched (`--application-namespaces`): globs and `/regular expressions/`.

use globset::GlobMatcher;
use regex::Regex;

/// One entry of the list.
#[derive(Debug, Clone)]
pub enum NamespacePattern {
    /// A glob such as `team-*`.
    Glob(GlobMatcher),
    /// A regular expression between slashes.
    Regex(Regex),
}

impl NamespacePattern {
    /// Parses one entry.
    ///
    /// # Errors
    /// A sentence that names the entry and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let explain = |cause: String| format!("application namespace `{text}` cannot be used: {cause}");
        match text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
            Some(pattern) => Regex::new(pattern).map(Self::Regex).map_err(|e| explain(e.to_string())),
            None => {
                globset::Glob::new(text).map(|g| Self::Glob(g.compile_matcher())).map_err(|e| explain(e.to_string()))
            }
        }
    }
    fn matches(&self, namespace: &str) -> bool {
        match self {
            Self::Glob(glob) => glob.is_match(namespace),
            Self::Regex(regex) => regex.is_match(namespace),
        }
    }
}

/// The controller's namespace and the patterns beside it. Without patterns only the controller's own is watched.
#[derive(Debug, Clone)]
pub struct Namespaces {
    /// Where ConfigMap, Secret and AppProjects are.
    pub own: String,
    /// Further namespaces.
    pub patterns: Vec<NamespacePattern>,
}

impl Namespaces {
    /// Parses the comma-separated list.
    ///
    /// # Errors
    /// As [`NamespacePattern::parse`].
    pub fn parse(own: &str, list: &str) -> Result<Self, String> {
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        Ok(Self { own: own.to_owned(), patterns: entries.map(NamespacePattern::parse).collect::<Result<_, _>>()? })
    }
    /// Whether a watch of all namespaces is needed.
    #[must_use]
    pub fn cluster_wide(&self) -> bool {
        !self.patterns.is_empty()
    }
    /// Whether Applications of a namespace are processed.
    #[must_use]
    pub fn contains(&self, namespace: &str) -> bool {
        namespace == self.own || self.patterns.iter().any(|p| p.matches(namespace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_regexes_and_the_own_namespace() {
        let all = Namespaces::parse("argocd", "team-*, /^x[0-9]+$/").unwrap();
        assert!(all.cluster_wide());
        for (namespace, expected) in [("argocd", true), ("team-a", true), ("x12", true), ("x", false), ("other", false)]
        {
            assert_eq!(all.contains(namespace), expected, "{namespace}");
        }
        let own = Namespaces::parse("argocd", " ").unwrap();
        assert!(!own.cluster_wide() && !own.contains("team-a"));
        assert!(Namespaces::parse("argocd", "/(/").unwrap_err().contains("/(/"));
    }
}
