//! One look at one gate by Argo CD's outcomes: read, decide, write, in this order and each once.

use super::super::commit_status::said;
use super::super::index::Name;
use super::super::look::{Looker, fill_random, time};
use super::super::status::now;
use super::super::{kinds, lock};
use super::Id;
use super::reach::Reach;
use super::view::View;
use crate::controller::spans;
use crate::gate::application::{self, Dialect, Gate, Input, Outcome, Record, Said, Status};
use crate::gate::names::INSTANCE_LABEL;
use crate::gate::ready::{self, Ready};
use crate::gate::web_request::{Event, Owner};
use crate::gate::{Strategy, status::Condition};
use gatepost_value::Location;
use kube::api::{Patch, PatchParams};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Duration;

/// Pause of a process that may not decide now.
const STANDBY_PAUSE: Duration = Duration::from_secs(1);
/// Pause after something that may pass by itself.
const TROUBLE_PAUSE: Duration = Duration::from_secs(15);
/// How often a gate is looked at although nothing was seen to change.
const ROUND: Duration = Duration::from_secs(300);
/// Reason of a gate whose CommitStatus is not the only one on its key and commit.
const RIVAL: &str = "TooManyMatchingSha";

/// Looks at gates.
pub(super) struct Look {
    pub looker: Arc<Looker>,
    pub reach: Reach,
}

impl Look {
    /// Looks at a gate with the Applications that it selects; `refused` says why it may select none. The answer: when to look again.
    pub async fn look(&self, id: &Id, selected: &[Arc<Record>], refused: Option<String>) -> Option<Duration> {
        if !self.looker.standing.decides() {
            return Some(STANDBY_PAUSE);
        }
        let spans = spans::Look::begin(&self.looker.tracer);
        let looked = self.whole(id, selected, refused, spans.as_ref()).await;
        if let Some(spans) = spans {
            let Id { dialect, name } = id;
            spans.end(dialect.kind, &name.namespace, &name.name, looked.as_ref().err().map(String::as_str));
        }
        let result = if looked.is_ok() { "done" } else { "trouble" };
        self.looker.metrics.gates.looks.with_label_values(&[result]).inc();
        looked.unwrap_or_else(|trouble| {
            tracing::warn!(gate = %id, error = trouble, "failed to look at a gate; trying again");
            self.looker.application_views.trouble(id, &trouble, Some(TROUBLE_PAUSE));
            Some(TROUBLE_PAUSE)
        })
    }

    async fn whole(
        &self,
        id: &Id,
        selected: &[Arc<Record>],
        refused: Option<String>,
        spans: Option<&spans::Look>,
    ) -> Result<Option<Duration>, String> {
        let Id { dialect, name } = id;
        let found = self.get(&super::resource(dialect), name).await?;
        let Some(object) = found.filter(|object| self.is_ours(dialect, object)) else {
            self.looker.application_views.remove(id);
            return Ok(None);
        };
        let gate = match Gate::parse(dialect, &object) {
            Ok(gate) => gate,
            Err(error) => {
                self.looker.application_views.trouble(id, &error.to_string(), None);
                return self.unreadable(dialect, &object, &error.to_string()).await;
            }
        };
        let strategy = Name { namespace: name.namespace.clone(), name: gate.spec.strategy.clone() };
        let found = self.get(&kinds::strategy(), &strategy).await?;
        let missing = || format!("referenced PromotionStrategy {:?} not found", strategy.name);
        let decided = match (refused, found.as_ref().ok_or_else(missing)) {
            (Some(why), _) | (None, Err(why)) => (Outcome::failed(&gate, why), None),
            (None, Ok(found)) => (self.decide(&gate, &Strategy::read(found.clone()), selected), Some(found)),
        };
        self.effect(&gate, decided.0, decided.1, spans).await
    }

    /// Whether a gate is there to stay, and this installation's.
    fn is_ours(&self, dialect: &Dialect, object: &Json) -> bool {
        let instance = object["metadata"]["labels"][INSTANCE_LABEL].as_str();
        !object["metadata"]["deletionTimestamp"].is_string() && self.looker.partition.of_kind(dialect).holds(instance)
    }

    async fn get(&self, kind: &kube::api::ApiResource, name: &Name) -> Result<Option<Json>, String> {
        let found = kinds::get(&self.looker.client, kind, name).await;
        found.map_err(|error| format!("failed to get {} {name}: {}", kind.kind, said(&error)))
    }

    fn decide(&self, gate: &Gate, strategy: &Strategy, selected: &[Arc<Record>]) -> Outcome {
        let selected: Vec<&Record> = selected.iter().map(AsRef::as_ref).collect();
        let children = lock(&self.looker.index).children_of(&gate.uid);
        let said = |name: &str| {
            let (_, child) = children.iter().find(|(child, _)| child.name == name)?;
            Some(Said { sha: child.sha.clone(), phase: child.phase? })
        };
        let input = Input {
            gate,
            strategy,
            applications: &selected,
            said: &said,
            now: time(),
            local: Location::Utc,
            random: &fill_random,
        };
        application::look(&self.looker.engine, &input)
    }

    async fn effect(
        &self,
        gate: &Gate,
        mut outcome: Outcome,
        strategy: Option<&Json>,
        spans: Option<&spans::Look>,
    ) -> Result<Option<Duration>, String> {
        let owner = owner(gate);
        // What the Promoter must read carries the label that its strategy carries, never ours.
        let instance = strategy.and_then(|strategy| strategy["metadata"]["labels"][INSTANCE_LABEL].as_str());
        for draft in &outcome.commit_statuses {
            let wanted = draft.object(owner, instance);
            let fits = |existing: &Json| draft.is_applied(existing, owner, instance);
            let manager = gate.dialect.commit_status_manager;
            match self.looker.writer.apply_traced(&wanted, manager, fits, spans).await {
                Ok(written) => self.count(if written { "commitStatus" } else { "nothing" }),
                Err(error) => outcome.failures.push(format!("environment {:?}: {error}", draft.branch)),
            }
        }
        self.orphans(gate, &mut outcome).await;
        for event in &outcome.events {
            self.looker.told.tell_of(&owner, event);
        }
        let ready = self.ready(gate, &outcome);
        self.write_status(gate, &mut outcome.status, &ready).await?;
        let now_ms = crate::clock::now().millis();
        let settled = outcome.look_again.map(|at| Duration::from_millis(u64::try_from(at - now_ms).unwrap_or(0)));
        let round = if ready.status == "True" { ROUND } else { TROUBLE_PAUSE };
        let again = settled.map_or(round, |settled| settled.min(round));
        let name = Name { namespace: gate.namespace.clone(), name: gate.name.clone() };
        let id = Id { dialect: gate.dialect, name };
        self.looker.application_views.put(&id, View::of(gate, &outcome, &ready, again));
        Ok(Some(again))
    }

    /// Deletes what the gate controls and does not want any more.
    async fn orphans(&self, gate: &Gate, outcome: &mut Outcome) {
        let Some(keep) = &outcome.keep else { return };
        let owned = lock(&self.looker.index).children_of(&gate.uid);
        for (name, record) in owned.into_iter().filter(|(name, _)| !keep.contains(&name.name)) {
            match self.looker.writer.delete(&name, &record.uid).await {
                Ok(()) => outcome.events.push(Event {
                    warning: false,
                    reason: "OrphanedCommitStatusDeleted",
                    action: "CleaningOrphanedResources",
                    note: format!("Deleted orphaned CommitStatus {}", name.name),
                }),
                Err(error) => outcome.failures.push(error),
            }
        }
    }

    fn ready(&self, gate: &Gate, outcome: &Outcome) -> Ready {
        if let Some(error) = outcome.error(gate.dialect) {
            return Ready::failed(&error, None);
        }
        let index = lock(&self.looker.index);
        match index.rival(&gate.uid) {
            Some((own, other, sha)) => Ready {
                status: "False".into(),
                reason: RIVAL,
                message: format!(
                    "CommitStatus {other} reports on key {:?} and commit {sha} as CommitStatus {own} does: the Promoter takes neither. \
                     Delete one of them, or give the gate another key",
                    gate.spec.key
                ),
            },
            None => Ready::of_children(&index.readiness(&gate.uid, outcome.keep.as_deref().unwrap_or_default())),
        }
    }

    /// Writes the status, if it is another, and tells of a changed condition.
    async fn write_status(&self, gate: &Gate, status: &mut Status, ready: &Ready) -> Result<(), String> {
        let stored = gate.status.conditions.iter().find(|condition| condition.kind == ready::TYPE).cloned();
        status.conditions.retain(|condition| condition.kind != ready::TYPE);
        status.conditions.push(ready.condition(stored.as_ref(), gate.generation, &now()));
        status.instance_id = Some(self.looker.partition.instance_id.clone());
        if *status != gate.status {
            self.apply(gate.dialect, &owner(gate), &json!(status)).await?;
            self.count("status");
        }
        if ready.differs_from(stored.as_ref()) {
            let note = ready.message.clone();
            let event = Event { warning: ready.status == "False", reason: ready.reason, action: "Reconciling", note };
            self.looker.told.tell_of(&owner(gate), &event);
        }
        Ok(())
    }

    /// An object that an older schema let in: it says so itself.
    async fn unreadable(&self, dialect: &Dialect, object: &Json, error: &str) -> Result<Option<Duration>, String> {
        let text = |path: &str| object.pointer(path).and_then(Json::as_str).unwrap_or_default();
        let (namespace, name, uid) = (text("/metadata/namespace"), text("/metadata/name"), text("/metadata/uid"));
        let owner = Owner { api_version: dialect.api_version, kind: dialect.kind, namespace, name, uid };
        let conditions = object.pointer("/status/conditions").cloned().unwrap_or_default();
        let conditions: Vec<Condition> = serde_json::from_value(conditions).unwrap_or_default();
        let stored = conditions.iter().find(|condition| condition.kind == ready::TYPE);
        let generation = object["metadata"]["generation"].as_i64().unwrap_or_default();
        let ready = Ready::failed(error, None).condition(stored, generation, &now());
        if stored != Some(&ready) {
            let id = &self.looker.partition.instance_id;
            let status = json!({"conditions": [ready], "observedGeneration": generation, "instanceID": id});
            self.apply(dialect, &owner, &status).await?;
        }
        Ok(None)
    }

    async fn apply(&self, dialect: &Dialect, owner: &Owner<'_>, status: &Json) -> Result<(), String> {
        let api = kinds::api(&self.looker.client, owner.namespace, &super::resource(dialect));
        let body = json!({
            "apiVersion": dialect.api_version, "kind": dialect.kind,
            "metadata": {"name": owner.name, "namespace": owner.namespace, "uid": owner.uid},
            "status": status,
        });
        let parameters = PatchParams::apply(dialect.manager).force();
        match api.patch_status(owner.name, &parameters, &Patch::Apply(&body)).await {
            Ok(_) => Ok(()),
            // Gone, or another one of the same name.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            Err(error) => {
                Err(format!("failed to write the status of {}/{}: {}", owner.namespace, owner.name, said(&error)))
            }
        }
    }

    fn count(&self, what: &str) {
        self.looker.metrics.gates.writes.with_label_values(&[what]).inc();
    }
}

/// The gate as the owner of what it writes.
fn owner(gate: &Gate) -> Owner<'_> {
    let Dialect { api_version, kind, .. } = *gate.dialect;
    Owner { api_version, kind, namespace: &gate.namespace, name: &gate.name, uid: &gate.uid }
}
