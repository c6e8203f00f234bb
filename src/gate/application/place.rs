//! Which environment an Application belongs to, and which commit it is at.

use super::record::Record;
use serde_json::Value as Json;

/// Where an Application belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The branch that it follows.
    pub branch: String,
    /// Its repository, normalised.
    pub repository: String,
    /// Which of several sources follows the branch.
    source: Option<usize>,
}

impl Place {
    /// Where an Application belongs, among these branches. `None`: to none of them.
    #[must_use]
    pub fn of(record: &Record, branches: &[String]) -> Option<Self> {
        let hydrated = record.text("/spec/sourceHydrator/syncSource/targetBranch");
        if !hydrated.is_empty() {
            let own = record.text("/spec/sourceHydrator/syncSource/repoURL");
            let dry = record.text("/spec/sourceHydrator/drySource/repoURL");
            let source = record.text("/spec/source/repoURL");
            let url = [own, dry, source].into_iter().find(|url| !url.is_empty()).unwrap_or_default();
            return Self::among(hydrated, url, None, branches);
        }
        if record.view.pointer("/spec/source").is_some_and(Json::is_object) {
            let text = |name: &str| record.text(&format!("/spec/source/{name}"));
            return Self::among(text("targetRevision"), text("repoURL"), None, branches);
        }
        let sources = record.view.pointer("/spec/sources").and_then(Json::as_array)?;
        sources.iter().enumerate().find_map(|(at, source)| {
            let text = |name: &str| source.get(name).and_then(Json::as_str).unwrap_or_default();
            Self::among(text("targetRevision"), text("repoURL"), Some(at), branches)
        })
    }

    fn among(revision: &str, url: &str, source: Option<usize>, branches: &[String]) -> Option<Self> {
        let branch = revision.strip_prefix("refs/heads/").unwrap_or(revision);
        let known = branches.iter().any(|known| known == branch);
        known.then(|| Self { branch: branch.to_owned(), repository: repository(url), source })
    }

    /// The commit that the Application is at.
    #[must_use]
    pub fn revision<'r>(&self, record: &'r Record) -> &'r str {
        self.of_source(record, "/status/sync")
    }

    /// The commit of its last operation.
    #[must_use]
    pub fn operation_revision<'r>(&self, record: &'r Record) -> &'r str {
        self.of_source(record, "/status/operationState/syncResult")
    }

    fn of_source<'r>(&self, record: &'r Record, within: &str) -> &'r str {
        match self.source {
            None => record.text(&format!("{within}/revision")),
            Some(at) => record.text(&format!("{within}/revisions/{at}")),
        }
    }
}

/// The branch that an Application follows, whether or not a strategy knows it: what its first source names. Argo CD takes none for
/// the repository's own `HEAD`.
pub(super) fn follows(record: &Record) -> &str {
    let named = [
        "/spec/sourceHydrator/syncSource/targetBranch",
        "/spec/source/targetRevision",
        "/spec/sources/0/targetRevision",
    ];
    let named = named.into_iter().map(|path| record.text(path)).find(|text| !text.is_empty()).unwrap_or("HEAD");
    named.strip_prefix("refs/heads/").filter(|branch| !branch.is_empty()).unwrap_or(named)
}

/// A repository's URL so that the same repository is the same text: without scheme, user, default port and `.git`, the
/// host in lower case, the ssh short form written out.
#[must_use]
pub fn repository(url: &str) -> String {
    let url = url.trim();
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (authority, path) = match (scheme, rest.split_once(':')) {
        // user@host:path
        ("", Some((host, path))) if !host.contains('/') => (host, path),
        _ => rest.split_once('/').unwrap_or((rest, "")),
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_lowercase();
    let default = match scheme.to_lowercase().as_str() {
        "https" => ":443",
        "http" => ":80",
        "ssh" | "git+ssh" => ":22",
        _ => "",
    };
    let host = host.strip_suffix(default).unwrap_or(&host);
    let path = path.trim_matches('/');
    format!("{host}/{}", path.strip_suffix(".git").unwrap_or(path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn place(spec: Json) -> Option<Place> {
        let branches = ["env/dev".to_owned(), "env/prod".to_owned()];
        Place::of(&Record::of(&json!({"spec": spec})), &branches)
    }

    #[test]
    fn one_repository_has_many_spellings() {
        for url in [
            "https://github.com/Acme/orders.git",
            "https://user:token@GitHub.com:443/Acme/orders/",
            "git@github.com:Acme/orders.git",
            "ssh://git@github.com:22/Acme/orders",
            "http://github.com:80/Acme/orders",
        ] {
            assert_eq!(repository(url), "github.com/Acme/orders", "{url}");
        }
        assert_eq!(repository("ssh://git@host:2222/a/b.git"), "host:2222/a/b");
        assert_ne!(repository("https://github.com/acme/orders"), repository("https://github.com/Acme/orders"));
    }

    #[test]
    fn the_branch_is_the_hydrators_then_the_sources() {
        let hydrated = json!({
            "sourceHydrator": {"drySource": {"repoURL": "https://h/a", "targetRevision": "main"}, "syncSource": {"targetBranch": "env/dev"}},
            "source": {"repoURL": "https://h/other", "targetRevision": "env/prod"},
        });
        assert_eq!(
            place(hydrated).unwrap(),
            Place { branch: "env/dev".into(), repository: "h/a".into(), source: None }
        );
        let plain = json!({"source": {"repoURL": "https://h/a", "targetRevision": "refs/heads/env/prod"}});
        assert_eq!(place(plain).unwrap().branch, "env/prod");
        assert_eq!(place(json!({"source": {"repoURL": "https://h/a", "targetRevision": "main"}})), None);
        assert_eq!(place(json!({})), None);
    }

    #[test]
    fn of_several_sources_the_matching_one_counts() {
        let record = Record::of(&json!({
            "spec": {"sources": [{"repoURL": "https://h/values", "targetRevision": "main"}, {"repoURL": "https://h/a", "targetRevision": "env/dev"}]},
            "status": {"sync": {"revisions": ["aa", "bb"]}, "operationState": {"syncResult": {"revisions": ["cc", "dd"]}}},
        }));
        let place = Place::of(&record, &["env/dev".to_owned()]).unwrap();
        assert_eq!((place.repository.as_str(), place.revision(&record)), ("h/a", "bb"));
        assert_eq!(place.operation_revision(&record), "dd");
    }
}
