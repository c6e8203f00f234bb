//! What the dispatcher tells of its attempts: metrics, and Events where an owner has to know.

use super::{Relay, Report};
use crate::controller::What;
use crate::controller::links::with_link;
use crate::{clock, outbox};
use std::time::Duration;

/// What the dispatcher tells: metrics, and Events where an owner has to know.
impl outbox::Observer for Relay {
    fn observe(&self, event: &outbox::Event<'_>) {
        match event {
            outbox::Event::Attempted { delivery, verdict, state, dead, .. } => {
                self.changes.queue_moved();
                self.attempted(delivery, verdict, *state);
                if let Some(dead) = dead {
                    let message = format!(
                        "notification about {} to {} is a dead letter ({}): {}",
                        delivery.occurrence.trigger,
                        delivery.lane.service,
                        dead.as_str(),
                        cause(verdict)
                    );
                    self.tell_of_one(delivery, "DeadLetter", message);
                }
            }
            outbox::Event::Breaker { lane, breaker } => {
                self.changes.bump(What::Queue);
                let state = match breaker.as_str() {
                    "closed" => 0,
                    "open" => 2,
                    _ => 1,
                };
                self.metrics.breaker.with_label_values(&[lane.service.as_str(), lane.host.as_str()]).set(state);
                tracing::warn!(service = lane.service, host = lane.host, breaker = ?breaker, "the breaker of a destination changed");
                self.tell_breaker(lane, breaker);
            }
            outbox::Event::SwitchedOff { lane, off } => self.tell_switched(lane, Some(off)),
            outbox::Event::StoreFailed { what, error } => {
                tracing::warn!(what, error = %error, "the store failed; tried again by itself")
            }
            outbox::Event::ClockStepped { delta_ms } => {
                tracing::warn!(delta_ms, "the wall clock was stepped; due times were moved along")
            }
        }
    }
}

impl Relay {
    fn attempted(&self, delivery: &outbox::Delivery, verdict: &outbox::Verdict, state: outbox::State) {
        let service = delivery.lane.service.as_str();
        let delivered = matches!(verdict, outbox::Verdict::Delivered { .. });
        self.metrics.attempts.with_label_values(&[service, state.as_str()]).inc();
        let succeeded = if delivered { "true" } else { "false" };
        self.metrics.deliveries.with_label_values(&[delivery.occurrence.trigger.as_str(), service, succeeded]).inc();
        if !delivered {
            let resource = format!("{}/{}", delivery.occurrence.object.namespace, delivery.occurrence.object.name);
            let page = self.page_of(delivery);
            tracing::warn!(resource, delivery = %delivery.id, page, service, state = state.as_str(), cause = cause(verdict), "Failed to notify recipient");
            if matches!(verdict, outbox::Verdict::Credentials { .. }) {
                self.tell(
                    delivery,
                    "CredentialsRefused",
                    format!("service {service} pauses: {}; correct its Secret or configuration", cause(verdict)),
                );
            }
            return;
        }
        self.owed.notify_one();
        let elapsed = clock::now().millis().saturating_sub(delivery.created_ms).max(0);
        self.metrics.change_to_delivered.observe(Duration::from_millis(elapsed.unsigned_abs()).as_secs_f64());
        if let outbox::Verdict::Delivered { reached: Some(0), note } = verdict {
            self.metrics.reached_nobody.with_label_values(&[service]).inc();
            self.tell_of_one(
                delivery,
                "ReachedNobody",
                format!("service {service} accepted the notification but it reached nobody: {note}"),
            );
        }
    }

    /// Where people look at a delivery.
    fn page_of(&self, delivery: &outbox::Delivery) -> Option<String> {
        self.links.get()?.delivery(delivery.id)
    }

    /// Tells of what happens to a delivery once, with the address of its page.
    fn tell_of_one(&self, delivery: &outbox::Delivery, reason: &str, message: String) {
        let page = self.page_of(delivery);
        self.tell(delivery, reason, with_link(message, page.as_deref()));
    }

    fn tell(&self, delivery: &outbox::Delivery, reason: &str, message: String) {
        let object = delivery.occurrence.object.clone();
        self.report(Report { kind: "Application", object, reason: reason.into(), message, warning: true });
    }
}

fn cause(verdict: &outbox::Verdict) -> &str {
    use outbox::Verdict as V;
    match verdict {
        V::Retry { cause, .. }
        | V::SlowRetry { cause }
        | V::Credentials { cause }
        | V::Permanent { cause }
        | V::Unknown { cause }
        | V::Gone { cause, .. }
        | V::NotReady { cause } => cause,
        V::Delivered { note, .. } => note,
        V::TakenOver { .. } => "sent by the Go controller meanwhile",
    }
}
