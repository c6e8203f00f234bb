//! Switching destinations off and on, and telling the owner of the configuration what became of them.

use super::{Relay, Report};
use crate::controller::What;
use crate::notify::ObjectId;
use crate::outbox::{self, Breaker, Lane, Off, OffBy};
use std::sync::atomic::Ordering;

impl Relay {
    /// Switches a destination off, or with `None` on again. False: there is no such one, or it is so already.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn switch(&self, lane: &Lane, off: Option<&Off>) -> Result<bool, outbox::Error> {
        let switched = self.store.switch(lane, off).await?;
        if switched {
            self.tell_switched(lane, off);
            self.switched.store(true, Ordering::Release);
            self.steered.notify_one();
            self.changes.bump(What::Queue);
        }
        Ok(switched)
    }

    /// Whether a destination was switched since the last call: the dispatcher has to look.
    #[must_use]
    pub fn take_switched(&self) -> bool {
        self.switched.swap(false, Ordering::AcqRel)
    }

    /// A receiver that wanted no more is asked again when its service's configuration changed; a person's word stays.
    pub(super) async fn switch_on_changed(&self, config_namespace: &str, service: &str) -> Result<(), outbox::Error> {
        for (lane, off) in self.store.switched_off().await? {
            let is_meant = lane.config_namespace == config_namespace && lane.service == service;
            if is_meant && off.by == OffBy::Receiver {
                self.switch(&lane, None).await?;
            }
        }
        Ok(())
    }

    pub(super) fn tell_switched(&self, lane: &Lane, off: Option<&Off>) {
        let (reason, message) = match off {
            Some(off) => ("DestinationDisabled", disabled(lane, off)),
            None => ("DestinationEnabled", format!("destination {} is on again", named(lane))),
        };
        self.tell_configuration(lane, reason, message, off.is_some());
    }

    /// A breaker that opens or closes; between the two it only tries.
    pub(super) fn tell_breaker(&self, lane: &Lane, breaker: &Breaker) {
        match breaker {
            Breaker::Open { cause: outbox::breaker::Cause::Failing, until_ms, times } => {
                let message = format!(
                    "destination {} does not answer and is paused (pause {}, until {}); what it is to be sent waits",
                    named(lane),
                    times.saturating_add(1),
                    moment(*until_ms)
                );
                self.tell_configuration(lane, "DestinationPaused", message, true);
            }
            Breaker::Open { until_ms, .. } => {
                let message = format!(
                    "destination {} refuses the credentials and is paused until {}; correct its Secret, then it goes on at once",
                    named(lane),
                    moment(*until_ms)
                );
                self.tell_configuration(lane, "DestinationPaused", message, true);
            }
            Breaker::Closed { .. } => {
                let at = moment(crate::clock::now().millis());
                let message = format!("destination {} answers again since {at}", named(lane));
                self.tell_configuration(lane, "DestinationResumed", message, false);
            }
            Breaker::HalfOpen { .. } => {}
        }
    }

    fn tell_configuration(&self, lane: &Lane, reason: &str, message: String, warning: bool) {
        let namespace = match lane.config_namespace.as_str() {
            "" => self.options.namespace.clone(),
            namespace => namespace.to_owned(),
        };
        let uid = self.read().uid(&lane.config_namespace);
        let object = ObjectId { namespace, name: self.options.config_map.clone(), uid };
        let message = self.scrubber().scrub(&message);
        self.report(Report { kind: "ConfigMap", object, reason: reason.into(), message, warning });
    }
}

fn disabled(lane: &Lane, off: &Off) -> String {
    let service = &lane.service;
    let by = match off.by {
        OffBy::Receiver => "its receiver wants no more notifications (410)",
        OffBy::Person => "by hand",
    };
    let why = if off.why.is_empty() { String::new() } else { format!(": {}", off.why) };
    format!(
        "destination {} is switched off since {}: {by}{why}; what it is to be sent waits for `gatepost destinations enable {service}`",
        named(lane),
        moment(off.at_ms)
    )
}

fn named(lane: &Lane) -> String {
    let host = if lane.host.is_empty() { String::new() } else { format!(" at {}", lane.host) };
    format!("{}{host}", lane.service)
}

fn moment(at_ms: i64) -> String {
    jiff::Timestamp::from_second(at_ms.div_euclid(1000)).map(|at| at.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_says_who_why_and_what_to_do() {
        let lane = Lane { config_namespace: String::new(), service: "hook".into(), host: "h.example".into() };
        let text = disabled(&lane, &Off::new(1_800_000_000_000, OffBy::Receiver, "status 410"));
        for part in ["hook at h.example", "2027-01-15T08:00:00Z", "410", "gatepost destinations enable hook"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
