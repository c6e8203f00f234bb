//! From what was decided to what is made durable: the service prepares the body, what cannot be sent is a dead letter at once.

use super::{Relay, Report};
use crate::notify::{self, Configuration, Evaluation, Occurrence};
use crate::outbox::{Change, DeadReason, Lane, NewDelivery};
use crate::service;

impl Relay {
    pub(super) fn changes(&self, config: &Configuration, evaluation: &Evaluation) -> Vec<Change> {
        evaluation
            .changes
            .iter()
            .map(|change| match change {
                notify::Change::Disarm { state_key, .. } => Change::Disarm { state_key: state_key.clone() },
                notify::Change::Adopt { state_key, at } => Change::Adopt { state_key: state_key.clone(), at: *at },
                notify::Change::Deliver { occurrence, state_key, rendered, digest, .. } => {
                    Change::Deliver(Box::new(self.delivery(config, occurrence, state_key, rendered, digest)))
                }
            })
            .collect()
    }

    fn delivery(
        &self,
        config: &Configuration,
        occurrence: &Occurrence,
        state_key: &str,
        rendered: &Result<notify::Notification, notify::RenderFailure>,
        digest: &str,
    ) -> NewDelivery {
        let name = &occurrence.destination.service;
        let service = config.service(name);
        let lane = Lane {
            config_namespace: occurrence.config_namespace.clone(),
            service: name.clone(),
            host: service.map(|s| service::host(s, &occurrence.destination.recipient)).unwrap_or_default(),
        };
        let blank = NewDelivery {
            occurrence: occurrence.clone(),
            state_key: state_key.to_owned(),
            service_kind: service.map(|s| s.kind.clone()).unwrap_or_default(),
            payload: Vec::new(),
            lane,
            ordering: None,
            supersedes: false,
            idempotent: false,
            digest: digest.to_owned(),
            dead: None,
        };
        let (Ok(notification), Some(service)) = (rendered, service) else {
            let text = rendered.as_ref().err().map(|f| f.message.clone()).unwrap_or_default();
            return self.dead(blank, DeadReason::RenderFailed, &text);
        };
        match service::prepare(service, notification, occurrence, &self.options.service) {
            Ok(prepared) => {
                self.repaired(occurrence, &prepared.repairs);
                self.tell_missing(occurrence, notification, service);
                NewDelivery {
                    payload: prepared.payload,
                    ordering: prepared.ordering,
                    supersedes: prepared.supersedes,
                    idempotent: prepared.idempotent,
                    ..blank
                }
            }
            Err(error) => self.dead(blank, DeadReason::InvalidNotification, &error.to_string()),
        }
    }

    fn dead(&self, delivery: NewDelivery, reason: DeadReason, cause: &str) -> NewDelivery {
        let occurrence = &delivery.occurrence;
        let message = format!(
            "failed to notify recipient {{{} {}}} about trigger {}: {cause}",
            occurrence.destination.service, occurrence.destination.recipient, occurrence.trigger
        );
        let (object, message) = (occurrence.object.clone(), self.scrubber().scrub(&message));
        self.report(Report { kind: "Application", object, reason: "DeadLetter".into(), message, warning: true });
        NewDelivery { payload: cause.as_bytes().to_vec(), dead: Some(reason), ..delivery }
    }

    fn tell_missing(
        &self,
        occurrence: &Occurrence,
        notification: &notify::Notification,
        service: &notify::ServiceConfig,
    ) {
        for sentence in service::missing_values(notification, service) {
            let message = format!("the notification about {}: {sentence}", occurrence.trigger);
            let object = occurrence.object.clone();
            self.report(Report { kind: "Application", object, reason: "MissingValue".into(), message, warning: true });
        }
    }

    fn repaired(&self, occurrence: &Occurrence, repairs: &[notify::json::Repair]) {
        let count = u64::try_from(repairs.len()).unwrap_or(0);
        self.metrics.json_repairs.with_label_values(&[&occurrence.destination.service]).inc_by(count);
        for repair in repairs {
            tracing::info!(trigger = occurrence.trigger, service = occurrence.destination.service, repair = ?repair, "a value was escaped so that the JSON stays valid");
        }
    }
}
