//! Conditions that read the clock: run again on a beat, on what is kept of the Application, until one comes to something else.
//!
//! Nothing is decided here. Who has to be looked at again is read anew, as a whole, and goes the way of every event.

use super::sightings::Timed;
use super::{Plan, Relay};
use crate::notify::interest::{Digest, Sight, fingerprint};
use crate::notify::{Evaluation, ObjectId, Repository, World, try_trigger};
use crate::source::Object;
use gatepost_value::Value;
use std::collections::BTreeMap;

/// Applications checked before others get their turn.
const AT_ONCE: usize = 32;

impl Relay {
    /// What is kept of an Application with such conditions. Where more than one configuration has some it is read anew on
    /// each beat.
    pub(super) fn timed(
        &self,
        plans: &[Plan],
        object: &Object,
        sights: &[Sight],
        evaluations: &[Evaluation],
    ) -> Option<Timed> {
        let all = plans.iter().zip(sights).zip(evaluations);
        let mut clocked = all.filter(|((_, sight), one)| !sight.clock.is_empty() && one.skipped.is_none());
        let ((plan, sight), evaluation) = clocked.next()?;
        let alone = clocked.next().is_none();
        let projection = alone.then(|| plan.interests.project(&sight.clock, object.value()));
        Some(Timed {
            id: object.id(),
            namespace: plan.config.namespace().to_owned(),
            triggers: sight.clock.clone(),
            projection: projection.and_then(|value| serde_json::to_vec(&value).ok()).map(Vec::into_boxed_slice),
            outcome: fingerprint(evaluation.triggers.iter().filter(|trigger| sight.clock.contains(&trigger.name))),
        })
    }

    /// Applications whose conditions came to something else since they were last looked at, by the clock alone; and those of which
    /// too much would have had to be kept to know.
    pub async fn due_by_clock(&self) -> Vec<ObjectId> {
        let mut due = Vec::new();
        for (nth, key) in self.sightings.timed().iter().enumerate() {
            if nth % AT_ONCE == AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            let Some(timed) = self.sightings.timed_of(key) else { continue };
            let changed = self.outcome_now(&timed) != Some(timed.outcome);
            self.metrics.clock_checks.with_label_values(&[if changed { "due" } else { "unchanged" }]).inc();
            if changed {
                due.push(timed.id);
            }
        }
        due
    }

    fn outcome_now(&self, timed: &Timed) -> Option<Digest> {
        let object: Value = serde_json::from_slice(timed.projection.as_deref()?).ok()?;
        let run = |world: &World<'_>| {
            let outcomes: Vec<_> = timed.triggers.iter().map(|name| try_trigger(world, name)).collect();
            fingerprint(&outcomes)
        };
        let config = self.configuration_of(&timed.namespace)?;
        let repository = Repository::absent("conditions that ask the repo-server are looked at each time");
        Some(self.with_world(&config, &Object::new(object), &BTreeMap::new(), false, false, &repository, run))
    }
}
