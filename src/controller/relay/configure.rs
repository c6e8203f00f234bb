//! What the relay works with: configuration and projects as they come in, and what a change of them sets going.

use super::configurations::{Configurations, Reloaded};
use super::{Relay, Report};
use crate::clock;
use crate::controller::What;
use crate::notify::{Configuration, InForce, LoadOptions, ObjectId};
use crate::outbox;
use crate::settings::ProjectNamespace;
use crate::source::Object;
use gatepost_value::Value;
use std::sync::PoisonError;

/// Dead letters that one changed service releases, and their spacing.
const RELEASED_AT_ONCE: usize = 10_000;
const RELEASE_SPACING_MS: i64 = 20;

impl Relay {
    /// A project as it is now. Applications are looked at again only if something of it changed that decisions depend on.
    pub(super) fn project(&self, object: &Object, value: Option<Value>) {
        self.metrics.watch_events.with_label_values(&["AppProject"]).inc();
        let plans = self.read().plans();
        let digest = |project: Option<&Value>| {
            plans.iter().map(|plan| plan.interests.project_digest(project)).collect::<Vec<_>>()
        };
        let key = (object.namespace().to_owned(), object.name().to_owned());
        let now = digest(value.as_ref());
        let mut projects = self.projects.write().unwrap_or_else(PoisonError::into_inner);
        let before = match value {
            Some(value) => projects.insert(key, value),
            None => projects.remove(&key),
        };
        drop(projects);
        if self.is_synced() && digest(before.as_ref()) != now {
            self.relist.notify_one();
        }
    }

    pub(super) async fn reconfigure(&self, change: impl FnOnce(&mut Configurations, &LoadOptions) -> Vec<Reloaded>) {
        let reloaded = {
            let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
            let reloaded = change(&mut current, &self.options.load);
            self.secrecy.changed();
            reloaded
        };
        if reloaded.is_empty() {
            return;
        }
        self.changes.bump(What::Configuration);
        self.metrics.config_broken.set(i64::try_from(self.problems()).unwrap_or(i64::MAX));
        let differs = reloaded.iter().any(|one| one.differs);
        for one in reloaded {
            self.metrics.config_loads.inc();
            self.report_problems(&one);
            if one.first {
                self.configured.notify_one();
            } else {
                self.release_changed(&one.before, &one.now).await;
            }
        }
        if self.is_synced() && differs {
            self.relist.notify_one();
        }
    }

    fn report_problems(&self, Reloaded { namespace, before, now, uid, .. }: &Reloaded) {
        let namespace = if namespace.is_empty() { &self.options.namespace } else { namespace };
        let tell = |reason: &str, message: String, warning: bool| {
            let object =
                ObjectId { namespace: namespace.clone(), name: self.options.config_map.clone(), uid: uid.clone() };
            self.report(Report { kind: "ConfigMap", object, reason: reason.into(), message, warning });
        };
        for problem in now.problems().iter().filter(|p| !before.problems().contains(p)) {
            let reason = if problem.in_force == InForce::Itself { "ConfigurationWarning" } else { "BrokenKey" };
            tell(reason, self.scrubber().scrub(&problem.to_string()), true);
        }
        for problem in before.problems().iter().filter(|p| now.problems().iter().all(|q| q.key != p.key)) {
            tell("KeyHealed", format!("{} is in order again", problem.key), false);
        }
    }

    /// What a service refused is tried again when its resolved configuration changed (the Secret included).
    async fn release_changed(&self, before: &Configuration, now: &Configuration) {
        let now_ms = clock::now().millis();
        let give_up_ms = i64::try_from(self.options.give_up_after.as_millis()).unwrap_or(i64::MAX);
        for (name, config) in now.services() {
            if before.service(name).is_some_and(|old| old.digest == config.digest) {
                continue;
            }
            let release = outbox::store::Release {
                config_namespace: config.namespace.clone(),
                service: name.clone(),
                digest: None,
                since_ms: now_ms.saturating_sub(give_up_ms),
                spacing_ms: RELEASE_SPACING_MS,
                limit: RELEASED_AT_ONCE,
            };
            self.resumable
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((config.namespace.clone(), name.clone()));
            if let Err(error) = self.switch_on_changed(&config.namespace, name).await {
                tracing::warn!(service = name, error = %error, "failed to switch on what its receiver had switched off");
            }
            match self.store.release_parked(release, now_ms).await {
                Ok(0) => {}
                Ok(count) => tracing::info!(
                    service = name,
                    count,
                    "the service's configuration changed; what it refused is tried again"
                ),
                Err(error) => {
                    tracing::warn!(service = name, error = %error, "failed to release what the service refused")
                }
            }
        }
        self.steered.notify_one();
        self.changes.queue_moved();
    }

    pub(super) fn project_of(&self, object: &Value) -> Option<Value> {
        let name = object.at(&["spec", "project"]).and_then(|v| v.as_str().map(str::to_owned));
        let name = name.filter(|n| !n.is_empty()).unwrap_or_else(|| "default".into());
        let namespace = match self.options.project_namespace {
            ProjectNamespace::Controller => self.options.namespace.clone(),
            ProjectNamespace::Application => {
                let own = object.at(&["metadata", "namespace"]).and_then(|v| v.as_str().map(str::to_owned));
                own.unwrap_or_default()
            }
        };
        self.projects.read().unwrap_or_else(PoisonError::into_inner).get(&(namespace, name)).cloned()
    }

    /// UID of the controller's own ConfigMap, for Events about it.
    pub(super) fn config_map_uid(&self) -> String {
        self.read().own_uid().to_owned()
    }
}
