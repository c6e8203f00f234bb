//! What is known to have happened to an Application: lanes of its timeline. What Argo CD did is in the object, what was decided is
//! remembered by the relay, and what was sent is in the store.

use super::super::picture::{Lane, Mark};
use super::super::{Tone, Words};
use crate::controller::Decision;
use crate::notify::Reason;
use crate::outbox::{Delivery, State};
use crate::source::Object;
use gatepost_value::Value;
use std::collections::BTreeMap;

/// Deployments that are drawn.
const DEPLOYMENTS: usize = 10;
/// Decisions that are drawn.
const DECISIONS: usize = 15;
/// Characters of what a mark says.
const WORDS_MAX: usize = 48;
/// Characters of a revision.
const REVISION: usize = 10;

/// Everything that a timeline is made of.
pub(super) struct Happened<'a> {
    pub object: &'a Object,
    /// Newest first.
    pub decisions: &'a [Decision],
    /// Newest first.
    pub deliveries: &'a [Delivery],
}

impl Happened<'_> {
    /// The lanes.
    pub fn lanes(&self, words: &Words) -> Vec<Lane> {
        let mut lanes = vec![self.argo_cd(words), self.decided(words)];
        lanes.extend(self.sent(words));
        lanes.retain(|lane| !lane.marks.is_empty());
        lanes
    }

    /// Deployments, the last operation, the health.
    fn argo_cd(&self, words: &Words) -> Lane {
        let object = self.object;
        let time = |path: &[&str]| millis(&object.text(path)?);
        let mut marks = deployments(object.value(), words);
        let phase = object.text(&["status", "operationState", "phase"]).unwrap_or_default();
        if let Some(started) = time(&["status", "operationState", "startedAt"]) {
            let tone = match phase.as_str() {
                "Succeeded" => Tone::Ok,
                "Failed" | "Error" => Tone::Bad,
                _ => Tone::Warn,
            };
            let until_ms = time(&["status", "operationState", "finishedAt"]);
            marks.push(Mark { at_ms: started, until_ms, tone, words: said(&format!("operation {phase}"), words) });
        }
        let health = object.text(&["status", "health", "status"]).unwrap_or_default();
        if let Some(at_ms) = time(&["status", "health", "lastTransitionTime"]) {
            let tone = match health.as_str() {
                "Healthy" => Tone::Ok,
                "Degraded" | "Missing" => Tone::Bad,
                _ => Tone::Warn,
            };
            marks.push(Mark { at_ms, until_ms: None, tone, words: said(&format!("became {health}"), words) });
        }
        Lane { name: "Argo CD".to_owned(), marks }
    }

    fn decided(&self, words: &Words) -> Lane {
        let mark = |decision: &Decision| {
            let tone = match decision.reason {
                Reason::Triggered | Reason::ResendRequested | Reason::Released => Tone::Ok,
                Reason::Quota | Reason::AnnotationLost | Reason::RepositoryUnavailable => Tone::Warn,
                _ => Tone::Bad,
            };
            let text = format!("{} {}", decision.trigger, decision.reason.as_str());
            Mark { at_ms: decision.at_ms, until_ms: None, tone, words: said(&text, words) }
        };
        Lane { name: "Decisions".to_owned(), marks: self.decisions.iter().take(DECISIONS).map(mark).collect() }
    }

    /// A lane for each service and recipient, those with the newest delivery first.
    fn sent(&self, words: &Words) -> Vec<Lane> {
        let mut order: Vec<String> = Vec::new();
        let mut by_name: BTreeMap<String, Vec<Mark>> = BTreeMap::new();
        for delivery in self.deliveries {
            let to = &delivery.occurrence.destination;
            let name = said(&format!("{} {}", to.service, to.recipient), words);
            if !by_name.contains_key(&name) {
                order.push(name.clone());
            }
            by_name.entry(name).or_default().push(mark(delivery, words));
        }
        let lane = |name: String| Lane { marks: by_name.remove(&name).unwrap_or_default(), name };
        order.into_iter().map(lane).collect()
    }
}

fn mark(delivery: &Delivery, words: &Words) -> Mark {
    let tone = match delivery.state {
        State::Delivered => Tone::Ok,
        State::Dead => Tone::Bad,
        State::Prepared | State::Claimed | State::Waiting => Tone::Warn,
        State::Superseded | State::TakenOver | State::Discarded => Tone::Idle,
    };
    let text = format!("{} {}", delivery.occurrence.trigger, delivery.state.as_str());
    Mark { at_ms: delivery.created_ms, until_ms: Some(delivery.updated_ms), tone, words: said(&text, words) }
}

fn deployments(object: &Value, words: &Words) -> Vec<Mark> {
    let Some(Value::List(list)) = object.at(&["status", "history"]) else { return Vec::new() };
    let mut marks: Vec<Mark> = list
        .items
        .iter()
        .filter_map(|entry| {
            let at_ms = millis(entry.at(&["deployedAt"])?.as_str()?)?;
            let revision = entry.at(&["revision"]);
            let revision = revision.as_ref().and_then(Value::as_str).unwrap_or_default();
            let revision: String = revision.chars().take(REVISION).collect();
            let words = said(&format!("deployed {revision}"), words);
            Some(Mark { at_ms, until_ms: None, tone: Tone::Idle, words })
        })
        .collect();
    marks.sort_by_key(|mark| std::cmp::Reverse(mark.at_ms));
    marks.truncate(DEPLOYMENTS);
    marks
}

/// What a mark says: scrubbed, then cut.
fn said(text: &str, words: &Words) -> String {
    let shown = words.show(text).to_string();
    if shown.chars().count() <= WORDS_MAX {
        return shown;
    }
    shown.chars().take(WORDS_MAX - 1).chain(['…']).collect()
}

fn millis(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}
