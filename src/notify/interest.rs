//! What of an Application its triggers and subscriptions read: two states with the same sight are decided alike.
//!
//! Found by the expression engine's analysis, never by running anything. Where it cannot be known (the clock, the
//! repo-server) a sight has no digest, and the Application is looked at each time.

use crate::notify::configuration::{Condition, Configuration};
use crate::notify::evaluate::{TriggerOutcome, freshness};
use crate::notify::subscriptions;
use gatepost_expr::analysis::Usage;
use gatepost_value::{Str, Value};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of a digest: enough that two different sights never meet.
const DIGEST_BYTES: usize = 16;

/// A digest of something.
pub type Digest = [u8; DIGEST_BYTES];

/// What every trigger of a configuration reads. Made once for a configuration.
#[derive(Debug, Clone, Default)]
pub struct Interests {
    triggers: BTreeMap<String, Interest>,
}

/// What one trigger reads.
#[derive(Debug, Clone, Default)]
struct Interest {
    application: Tree,
    project: Tree,
    clock: bool,
    asks: bool,
}

/// One Application as its triggers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// Changes when a decision may change; `None` where no digest can tell.
    pub digest: Option<Digest>,
    /// Subscribed triggers whose answer changes with time alone.
    pub clock: Vec<String>,
}

impl Interests {
    /// Reads the triggers of a configuration.
    #[must_use]
    pub fn of(config: &Configuration) -> Self {
        let interest = |conditions: &[Condition]| {
            let mut out = Interest::default();
            conditions.iter().for_each(|condition| out.add(condition));
            out
        };
        let triggers = config.triggers().iter();
        Self { triggers: triggers.map(|(name, trigger)| (name.clone(), interest(&trigger.conditions))).collect() }
    }

    /// What of an AppProject any decision may depend on: its subscriptions, and what conditions read. `None` is a project that is absent.
    #[must_use]
    pub fn project_digest(&self, project: Option<&Value>) -> Option<Digest> {
        let mut tree = Tree::default();
        tree.add(&["metadata", "annotations"], true);
        self.triggers.values().for_each(|interest| tree.join(&interest.project));
        let mut hash = Sha256::new();
        add(&mut hash, &tree.prune(project?));
        Some(short(&hash.finalize()))
    }

    /// Looks at an Application. `edition` stands for the configuration: another one is another sight.
    #[must_use]
    pub fn sight(&self, edition: u64, config: &Configuration, object: &Value, project: Option<&Value>) -> Sight {
        let mut hash = Sha256::new();
        hash.update(edition.to_be_bytes());
        if freshness::skipped(object).is_some() {
            hash.update(b"stale");
            return Sight { digest: Some(short(&hash.finalize())), clock: Vec::new() };
        }
        let subscribed = subscriptions::of(config, object, project);
        let mut names = BTreeSet::new();
        // What is told to an owner is seen anew when it changes.
        subscribed.broken.iter().for_each(|broken| hash.update(broken.to_string()));
        for subscription in &subscribed.all {
            let to = &subscription.destination;
            for part in [&subscription.trigger, &to.service, &to.recipient] {
                add_text(&mut hash, part);
            }
            names.insert(subscription.trigger.as_str());
        }
        if !names.is_empty() {
            add_text(&mut hash, &subscriptions::annotation(object, subscriptions::ENTITY).unwrap_or_default());
        }
        let (mut known, mut clock) = (true, Vec::new());
        for name in names {
            let Some(interest) = self.triggers.get(name) else { continue };
            known &= !interest.clock && !interest.asks;
            if interest.clock {
                clock.push(name.to_owned());
            }
            let absent = Value::Nil;
            known &= add(&mut hash, &interest.application.prune(object));
            known &= add(&mut hash, &interest.project.prune(project.unwrap_or(&absent)));
        }
        Sight { digest: known.then(|| short(&hash.finalize())), clock }
    }

    /// Triggers that an Application is subscribed to and that read whether it is being deleted: what they need has to be known
    /// when it is gone.
    #[must_use]
    pub fn of_deletion(&self, config: &Configuration, object: &Value, project: Option<&Value>) -> Vec<String> {
        let reads = |interest: &Interest| interest.application.covers(&["metadata", "deletionTimestamp"]);
        if !self.triggers.values().any(reads) {
            return Vec::new();
        }
        let subscribed = subscriptions::of(config, object, project).all.into_iter().map(|one| one.trigger);
        let names: BTreeSet<String> = subscribed.filter(|name| self.triggers.get(name).is_some_and(reads)).collect();
        names.into_iter().collect()
    }

    /// What these triggers read of an Application, and the name of its project: enough to run their conditions again.
    #[must_use]
    pub fn project(&self, triggers: &[String], object: &Value) -> Value {
        let mut tree = Tree::default();
        tree.add(&["spec", "project"], true);
        for interest in triggers.iter().filter_map(|name| self.triggers.get(name)) {
            tree.join(&interest.application);
        }
        tree.prune(object)
    }
}

/// What conditions came to, for comparison with a later run: which hold, and with which oncePer value.
#[must_use]
pub fn fingerprint<'a>(outcomes: impl IntoIterator<Item = &'a TriggerOutcome>) -> Digest {
    let mut hash = Sha256::new();
    for outcome in outcomes {
        for condition in &outcome.conditions {
            for part in [&outcome.name, &condition.key, &condition.once_per] {
                add_text(&mut hash, part);
            }
            hash.update([u8::from(condition.triggered)]);
        }
    }
    short(&hash.finalize())
}

/// The digest of a text, or of its absence.
#[must_use]
pub fn digest_of(text: Option<&str>) -> Digest {
    let mut hash = Sha256::new();
    hash.update([u8::from(text.is_some())]);
    hash.update(text.unwrap_or_default());
    short(&hash.finalize())
}

/// One digest of several, in their order.
#[must_use]
pub fn digest_of_all(digests: &[Digest]) -> Digest {
    let mut hash = Sha256::new();
    digests.iter().for_each(|digest| hash.update(digest));
    short(&hash.finalize())
}

fn short(full: &[u8]) -> Digest {
    let mut out = Digest::default();
    out.iter_mut().zip(full).for_each(|(to, from)| *to = *from);
    out
}

/// Adds a text to a digest, so that no two rows of texts are alike.
fn add_text(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_be_bytes());
    hash.update(text);
}

/// Adds a value to a digest; false for one that is nested too deeply to be read.
fn add(hash: &mut Sha256, value: &Value) -> bool {
    hash.update([0]);
    serde_json::to_writer(HashWriter(hash), value).is_ok()
}

struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Interest {
    fn add(&mut self, condition: &Condition) {
        for program in [&condition.program, &condition.once_per_program].into_iter().flatten() {
            self.read(&program.usage());
        }
    }

    fn read(&mut self, usage: &Usage) {
        self.clock |= usage.clock;
        // The other members of `repo` are pure.
        self.asks |= usage.whole_environment
            || usage.reads(&["repo", "GetCommitMetadata"])
            || usage.reads(&["repo", "GetAppDetails"]);
        for (path, whole) in &usage.paths {
            let Some((root, rest)) = path.split_first() else { continue };
            let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
            match root.as_str() {
                "app" => self.application.add(&rest, *whole),
                "appProject" => self.project.add(&rest, *whole),
                _ => {}
            }
        }
    }
}

/// Paths that are read. A path goes through lists to their elements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Tree {
    /// Everything from here on.
    whole: bool,
    children: BTreeMap<String, Tree>,
}

impl Tree {
    fn add(&mut self, path: &[&str], whole: bool) {
        match path.split_first() {
            None => self.whole |= whole,
            Some((name, rest)) => self.children.entry((*name).to_owned()).or_default().add(rest, whole),
        }
    }

    /// Whether this place is read, by itself or with everything around it.
    fn covers(&self, path: &[&str]) -> bool {
        match path.split_first() {
            None => true,
            Some((name, rest)) => self.whole || self.children.get(*name).is_some_and(|tree| tree.covers(rest)),
        }
    }

    fn join(&mut self, other: &Self) {
        self.whole |= other.whole;
        for (name, tree) in &other.children {
            self.children.entry(name.clone()).or_default().join(tree);
        }
    }

    /// The value with nothing in it that is not read; lists keep their length, and what is read for its presence keeps that.
    fn prune(&self, value: &Value) -> Value {
        if self.whole {
            return value.clone();
        }
        match value {
            Value::List(list) => Value::list(list.items.iter().map(|item| self.prune(item)).collect()),
            Value::Map(map) => {
                let kept = self.children.iter().filter_map(|(name, tree)| {
                    let value = map.get(name.as_bytes())?;
                    Some((Str::from(name.as_str()), tree.prune(&value)))
                });
                Value::map(kept.collect())
            }
            other => other.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::notify::{ConfigInput, LoadOptions};
    use gatepost_value::json::{Numbers, from_serde};
    use serde_json::json;

    const CATALOG: &str = "- when: app.status.operationState != nil and app.status.operationState.phase in ['Succeeded']\n  oncePer: app.status.operationState?.syncResult?.revision\n  send: [t]\n";

    fn config(triggers: &[(&str, &str)]) -> Configuration {
        let configmap = triggers.iter().map(|(name, text)| (format!("trigger.{name}"), (*text).to_owned())).collect();
        Configuration::load(&ConfigInput { configmap, ..ConfigInput::default() }, None, &LoadOptions::sample())
    }

    fn app(change: impl FnOnce(&mut serde_json::Value)) -> Value {
        let mut object = json!({
            "metadata": {"name": "a", "resourceVersion": "1", "annotations": {
                "notifications.argoproj.io/subscribe.on-x.hook": "r", "notifications.argoproj.io/subscribe.on-y.hook": "r"}},
            "status": {"operationState": {"phase": "Running", "syncResult": {"revision": "r1"}}, "resources": [{"name": "n", "health": {"status": "Healthy"}}]},
        });
        change(&mut object);
        from_serde(&object, Numbers::Kubernetes)
    }

    fn digest(config: &Configuration, object: &Value, project: Option<&Value>) -> Option<Digest> {
        Interests::of(config).sight(1, config, object, project).digest
    }

    #[test]
    fn only_what_is_read_changes_the_sight() {
        let config = config(&[
            ("on-x", CATALOG),
            ("on-y", "- when: any(app.status.resources, .health?.status == 'Degraded')\n  send: [t]\n"),
        ]);
        let sight = |change: fn(&mut serde_json::Value)| digest(&config, &app(change), None).unwrap();
        let first = sight(|_| {});
        type Change = fn(&mut serde_json::Value);
        let unread: [Change; 4] = [
            |o| o["metadata"]["resourceVersion"] = json!("2"),
            |o| o["status"]["reconciledAt"] = json!("2026-01-01T00:00:00Z"),
            |o| o["status"]["operationState"]["message"] = json!("other"),
            |o| o["status"]["resources"][0]["name"] = json!("other"),
        ];
        let read: [Change; 7] = [
            |o| o["metadata"]["annotations"]["backstage.io/entity-ref"] = json!("component:default/a"),
            |o| o["status"]["operationState"]["phase"] = json!("Terminating"),
            |o| o["status"]["operationState"]["syncResult"]["revision"] = json!("r2"),
            |o| o["status"]["resources"][0]["health"]["status"] = json!("Degraded"),
            |o| o["metadata"]["annotations"]["notifications.argoproj.io/subscribe.on-x.hook"] = json!("r;s"),
            |o| o["status"]["operationState"] = json!(null),
            |o| o["status"]["operationState"] = json!({"phase": "Succeeded"}),
        ];
        unread.into_iter().enumerate().for_each(|(nth, change)| assert_eq!(sight(change), first, "unread {nth}"));
        read.into_iter().enumerate().for_each(|(nth, change)| assert_ne!(sight(change), first, "read {nth}"));
    }

    #[test]
    fn another_configuration_is_another_sight() {
        let config = config(&[("on-x", CATALOG)]);
        let interests = Interests::of(&config);
        assert_ne!(interests.sight(1, &config, &app(|_| {}), None), interests.sight(2, &config, &app(|_| {}), None));
    }

    #[test]
    fn a_project_counts_by_its_subscriptions_and_by_what_is_read() {
        let config = config(&[("on-x", "- when: appProject.spec.tier == 'gold'\n  send: [t]\n")]);
        let project = |value: serde_json::Value| from_serde(&value, Numbers::Kubernetes);
        let of = |value| digest(&config, &app(|_| {}), Some(&project(value))).unwrap();
        let first = of(json!({"spec": {"tier": "tin"}}));
        assert_eq!(of(json!({"spec": {"tier": "tin"}, "status": {"n": 1}})), first);
        assert_ne!(of(json!({"spec": {"tier": "gold"}})), first);
        let subscribed = json!({"spec": {"tier": "tin"}, "metadata": {"annotations": {"notifications.argoproj.io/subscribe.on-x.b": ""}}});
        assert_ne!(of(subscribed), first);
        let whole = |value| Interests::of(&config).project_digest(Some(&project(value)));
        assert_eq!(whole(json!({"spec": {"tier": "tin"}})), whole(json!({"spec": {"tier": "tin", "roles": []}})));
        assert_ne!(whole(json!({"spec": {"tier": "tin"}})), whole(json!({"spec": {"tier": "gold"}})));
    }

    #[test]
    fn clock_and_repo_server_have_no_digest() {
        for when in [
            "time.Now().Year() > 2000",
            "now() > date('2024-01-01')",
            "repo.GetCommitMetadata('x').Author == 'a'",
            "len($env) > 0",
        ] {
            let config = config(&[("on-x", &format!("- when: {when}\n  send: [t]\n"))]);
            let sight = Interests::of(&config).sight(1, &config, &app(|_| {}), None);
            assert_eq!(sight.digest, None, "{when}");
            assert_eq!(!sight.clock.is_empty(), when.to_lowercase().contains("now"), "{when}");
        }
        let pure = config(&[("on-x", "- when: repo.RepoURLToHTTPS(app.spec.source.repoURL) == 'x'\n  send: [t]\n")]);
        assert!(digest(&pure, &app(|_| {}), None).is_some());
    }

    #[test]
    fn deletion_is_the_affair_of_triggers_that_read_it() {
        for (when, reads) in [
            ("app.metadata.deletionTimestamp != nil", true),
            ("app.metadata?.deletionTimestamp != nil", true),
            ("'deletionTimestamp' in app.metadata", true),
            ("app.metadata.name == 'a'", false),
            ("app.status.operationState.phase == 'Running'", false),
        ] {
            let config = config(&[("on-x", &format!("- when: {}\n  send: [t]\n", json!(when)))]);
            let found = Interests::of(&config).of_deletion(&config, &app(|_| {}), None);
            assert_eq!(!found.is_empty(), reads, "{when}");
            let nobody = app(|o| o["metadata"]["annotations"] = json!({}));
            assert_eq!(Interests::of(&config).of_deletion(&config, &nobody, None), Vec::<String>::new());
        }
    }

    #[test]
    fn a_projection_holds_what_its_triggers_read() {
        let when =
            "- when: time.Now().Sub(time.Parse(app.status.operationState.startedAt)).Minutes() > 5\n  send: [t]\n";
        let config = config(&[("on-x", when)]);
        let object = app(|o| o["status"]["operationState"]["startedAt"] = json!("2026-01-01T00:00:00Z"));
        let projected = Interests::of(&config).project(&["on-x".into()], &object);
        assert_eq!(
            serde_json::to_value(&projected).unwrap(),
            json!({"status": {"operationState": {"startedAt": "2026-01-01T00:00:00Z"}}})
        );
    }
}
