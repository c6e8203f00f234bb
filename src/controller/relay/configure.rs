//! What the relay works with: configuration and projects as they come in, and what a change of them sets going.

use super::{Current, Relay, Report};
use crate::clock;
use crate::notify::{Configuration, ObjectId};
use crate::outbox;
use gatepost_value::Value;
use std::sync::{Arc, PoisonError};

/// Dead letters that one changed service releases, and their spacing.
const RELEASED_AT_ONCE: usize = 10_000;
const RELEASE_SPACING_MS: i64 = 20;

impl Relay {
    /// A project as it is now. Applications are looked at again only if something of it changed that decisions depend on.
    pub(super) fn project(&self, name: &str, value: Option<Value>) {
        self.metrics.watch_events.with_label_values(&["AppProject"]).inc();
        let interests = self.plan().interests;
        let now = interests.project_digest(value.as_ref());
        let mut projects = self.projects.write().unwrap_or_else(PoisonError::into_inner);
        let before = match value {
            Some(value) => projects.insert(name.to_owned(), value),
            None => projects.remove(name),
        };
        drop(projects);
        if self.is_synced() && interests.project_digest(before.as_ref()) != now {
            self.relist.notify_one();
        }
    }

    pub(super) async fn reconfigure(&self, change: impl FnOnce(&mut Current)) {
        let (before, now, uid, first, differs) = {
            let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
            let first = !current.is_complete();
            let configmap = current.input.configmap.clone();
            change(&mut current);
            if !current.is_complete() {
                return;
            }
            let before = Arc::clone(&current.config);
            let now = Arc::new(Configuration::load(&current.input, Some(&before), &self.options.load));
            let differs = first || configmap != current.input.configmap || secret_matters(&before, &now);
            current.adopt(Arc::clone(&now), differs);
            (before, now, current.config_map_uid.clone(), first, differs)
        };
        self.metrics.config_loads.inc();
        self.report_problems(&before, &now, &uid);
        if !first {
            self.release_changed(&before, &now).await;
        }
        if self.is_synced() && differs {
            self.relist.notify_one();
        }
    }

    fn report_problems(&self, before: &Configuration, now: &Configuration, uid: &str) {
        self.metrics.config_broken.set(i64::try_from(now.problems().len()).unwrap_or(i64::MAX));
        let object = || ObjectId {
            namespace: self.options.namespace.clone(),
            name: self.options.config_map.clone(),
            uid: uid.to_owned(),
        };
        for problem in now.problems().iter().filter(|p| !before.problems().contains(p)) {
            let message = self.scrubber().scrub(&problem.to_string());
            self.reporter.report(Report {
                kind: "ConfigMap",
                object: object(),
                reason: "BrokenKey".into(),
                message,
                warning: true,
            });
        }
        for problem in before.problems().iter().filter(|p| now.problems().iter().all(|q| q.key != p.key)) {
            let message = format!("{} is in order again", problem.key);
            self.reporter.report(Report {
                kind: "ConfigMap",
                object: object(),
                reason: "KeyHealed".into(),
                message,
                warning: false,
            });
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
        self.committed.notify_one();
    }

    pub(super) fn project_of(&self, object: &Value) -> Option<Value> {
        let name = object.at(&["spec", "project"]).and_then(|v| v.as_str().map(str::to_owned));
        let name = name.filter(|n| !n.is_empty()).unwrap_or_else(|| "default".into());
        self.projects.read().unwrap_or_else(PoisonError::into_inner).get(&name).cloned()
    }
}

/// Whether a new Secret alone can change a decision: services with new credentials are released in the store, without a look.
fn secret_matters(before: &Configuration, now: &Configuration) -> bool {
    let conditions = now.triggers().values().flat_map(|trigger| &trigger.conditions);
    let mut programs = conditions.flat_map(|c| [&c.program, &c.once_per_program]).flatten();
    before.problems() != now.problems()
        || now.templates().values().any(|template| template.reads_secret)
        || programs.any(|program| program.usage().reads(&["secrets"]))
}
