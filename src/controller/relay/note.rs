//! Telling what was decided: metrics, log and the list of the latest decisions. What is unchanged is not told again.

use super::{Decision, REMEMBERED, Relay};
use crate::clock;
use crate::notify::{Evaluation, Reason};
use crate::source::Object;
use std::sync::PoisonError;

impl Relay {
    /// Metrics, log and the list of decisions; what is unchanged is not told again.
    pub(super) fn note(&self, object: &Object, evaluation: &Evaluation) {
        let application = format!("{}/{}", object.namespace(), object.name());
        if let Some(reason) = evaluation.skipped {
            self.metrics.decisions.with_label_values(&[reason.as_str()]).inc();
            tracing::debug!(resource = application, reason = reason.as_str(), "Processing skipped");
            return;
        }
        for trigger in &evaluation.triggers {
            let triggered = if trigger.reason == Reason::Triggered { "true" } else { "false" };
            self.metrics.trigger_evaluations.with_label_values(&[trigger.name.as_str(), triggered]).inc();
            if trigger.conditions.is_empty() && !trigger.message.is_empty() {
                self.remember(&application, &trigger.name, "", "", trigger.reason, &trigger.message);
            }
            for condition in &trigger.conditions {
                for outcome in &condition.destinations {
                    let destination = format!("{}:{}", outcome.destination.service, outcome.destination.recipient);
                    self.remember(
                        &application,
                        &trigger.name,
                        &condition.key,
                        &destination,
                        outcome.reason,
                        &outcome.message,
                    );
                }
            }
        }
    }

    fn remember(
        &self,
        application: &str,
        trigger: &str,
        condition: &str,
        destination: &str,
        reason: Reason,
        message: &str,
    ) {
        self.metrics.decisions.with_label_values(&[reason.as_str()]).inc();
        if matches!(reason, Reason::ConditionFalse | Reason::AlreadySent | Reason::AlreadyPending | Reason::DeadLetter)
        {
            return;
        }
        let message = self.scrubber().scrub(message);
        tracing::info!(
            resource = application,
            trigger,
            condition,
            destination,
            reason = reason.as_str(),
            message,
            "decided"
        );
        let decision = Decision {
            at_ms: clock::now().millis(),
            application: application.to_owned(),
            trigger: trigger.to_owned(),
            condition: condition.to_owned(),
            destination: destination.to_owned(),
            reason,
            message,
        };
        let mut decisions = self.decisions.lock().unwrap_or_else(PoisonError::into_inner);
        if decisions.len() >= REMEMBERED {
            decisions.pop_front();
        }
        decisions.push_back(decision);
    }
}
