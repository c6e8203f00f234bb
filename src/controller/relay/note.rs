//! Telling what was decided: metrics, log and the list of the latest decisions. What is unchanged is not told again.

use super::{Decision, REMEMBERED, Relay, Report};
use crate::clock;
use crate::controller::What;
use crate::notify::{BrokenSubscription, Evaluation, Reason};
use crate::source::Object;
use std::sync::PoisonError;

impl Relay {
    /// Metrics, log and the list of decisions; what is unchanged is not told again.
    pub(super) fn note(&self, object: &Object, evaluation: &Evaluation) {
        self.changes.bump(What::Applications);
        let application = format!("{}/{}", object.namespace(), object.name());
        evaluation.broken.iter().for_each(|broken| self.tell_broken(object, &application, broken));
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

    /// A subscription that cannot be read is told to whoever wrote it.
    fn tell_broken(&self, object: &Object, application: &str, broken: &BrokenSubscription) {
        let message = broken.to_string();
        self.remember(application, "", "", &broken.annotation, Reason::SubscriptionBroken, &message);
        let project = self.project_of(object.value()).filter(|_| broken.of_project).map(Object::new);
        let (kind, object) = match &project {
            Some(project) => ("AppProject", project.id()),
            None => ("Application", object.id()),
        };
        let reason = "SubscriptionBroken".to_owned();
        self.reporter.report(Report { kind, object, reason, message, warning: true });
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
        let mut decision = Decision {
            sequence: 0,
            at_ms: clock::now().millis(),
            application: application.to_owned(),
            trigger: trigger.to_owned(),
            condition: condition.to_owned(),
            destination: destination.to_owned(),
            reason,
            message: message.clone(),
        };
        tracing::info!(
            resource = application,
            trigger,
            condition,
            destination,
            reason = reason.as_str(),
            message,
            "decided"
        );
        let mut decisions = self.decisions.lock().unwrap_or_else(PoisonError::into_inner);
        decision.sequence = decisions.back().map_or(0, |last| last.sequence + 1);
        if decisions.len() >= REMEMBERED {
            decisions.pop_front();
        }
        decisions.push_back(decision);
    }
}
