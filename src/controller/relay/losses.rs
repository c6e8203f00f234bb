//! Annotations that are lost: of a few Applications that is a wish for a resend, of many at once an accident
//! (`spec/delivery.md`, `notify.annotationLost`).
//!
//! What is lost is collected for two seconds before it is judged, so that of an accident nothing goes out. Memory: identities while
//! they are collected, a digest each while they are held.

use super::{Relay, Report};
use crate::clock;
use crate::notify::interest::{Digest, digest_of};
use crate::notify::{self, Evaluation, ObjectId, Reason};
use crate::outbox::Change;
use crate::settings::AnnotationLost;
use crate::source::Object;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// How long losses are collected before they are judged.
const COLLECTED: Duration = Duration::from_secs(2);
/// Losses of this last time count together.
const AT_ONCE_MS: i64 = 60_000;
/// Fewer are never an accident.
const ACCIDENT_MIN: usize = 5;
/// The share of all annotated Applications beyond which it is one: a tenth.
const ACCIDENT_SHARE: usize = 10;
/// So many are one, whatever the share: they are not collected any further.
const ACCIDENT_MAX: usize = 10_000;

/// What a loss means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// A wish: it is sent again.
    Wish,
    /// It is not known yet.
    Unknown,
    /// An accident: nothing is sent.
    Accident,
}

#[derive(Debug, Default)]
struct State {
    /// Not judged yet.
    fresh: HashMap<Digest, ObjectId>,
    /// Judged in the last minute to be a wish, with their time.
    recent: HashMap<Digest, i64>,
    /// Those of them that were not looked at again yet.
    granted: HashSet<Digest>,
    /// Held. While there are any, each further loss is held.
    held: HashSet<Digest>,
    /// That they are held was said.
    told: bool,
}

/// Everything that was lost.
#[derive(Debug, Default)]
pub(super) struct Losses {
    state: Mutex<State>,
    noticed: Notify,
}

/// What a judgement came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Judged {
    /// To be looked at again.
    again: Vec<ObjectId>,
    /// How many of how many are held, if it was an accident.
    accident: Option<(usize, usize)>,
}

impl Losses {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An Application has lost keys.
    fn notice(&self, id: &ObjectId) -> Meaning {
        let key = digest_of(Some(&id.uid));
        let mut state = self.lock();
        if state.granted.remove(&key) {
            return Meaning::Wish;
        }
        if !state.held.is_empty() {
            state.held.insert(key);
            return Meaning::Accident;
        }
        self.noticed.notify_one();
        if state.fresh.len() >= ACCIDENT_MAX {
            state.hold();
            state.held.insert(key);
            return Meaning::Accident;
        }
        state.fresh.insert(key, id.clone());
        Meaning::Unknown
    }

    /// An Application has all its keys.
    fn whole(&self, uid: &str) {
        let mut state = self.lock();
        if state.held.is_empty() && state.fresh.is_empty() && state.granted.is_empty() {
            return;
        }
        let key = digest_of(Some(uid));
        state.held.remove(&key);
        state.fresh.remove(&key);
        state.granted.remove(&key);
        state.told &= !state.held.is_empty();
    }

    fn held(&self) -> usize {
        self.lock().held.len()
    }

    /// Judges what was collected; `annotated` Applications have their annotation.
    fn judge(&self, annotated: usize, now_ms: i64) -> Judged {
        let mut state = self.lock();
        state.recent.retain(|_, at| now_ms.saturating_sub(*at) < AT_ONCE_MS);
        let lost = state.held.len() + state.fresh.len() + state.recent.len();
        let all = annotated + lost;
        let many = lost >= ACCIDENT_MIN && lost * ACCIDENT_SHARE > all;
        if !state.held.is_empty() || (many && !state.fresh.is_empty()) {
            state.hold();
            let newly = !std::mem::replace(&mut state.told, true);
            return Judged { again: Vec::new(), accident: newly.then_some((lost, all)) };
        }
        let fresh = std::mem::take(&mut state.fresh);
        state.recent.extend(fresh.keys().map(|key| (*key, now_ms)));
        state.granted.extend(fresh.keys().copied());
        Judged { again: fresh.into_values().collect(), accident: None }
    }
}

impl State {
    fn hold(&mut self) {
        let fresh = std::mem::take(&mut self.fresh);
        self.held.extend(fresh.into_keys());
    }
}

impl Relay {
    /// Takes out what would be sent again because keys are missing, unless that is a wish. Whether something was taken out, and
    /// what is to be changed instead.
    pub(super) fn withhold(&self, object: &Object, evaluations: &mut [Evaluation]) -> (bool, Vec<Change>) {
        if self.options.annotation_lost == AnnotationLost::Resend {
            return (false, Vec::new());
        }
        let id = object.id();
        let is_resend =
            |change: &notify::Change| matches!(change, notify::Change::Deliver { reason: Reason::ResendRequested, .. });
        if !evaluations.iter().flat_map(|one| &one.changes).any(is_resend) {
            self.losses.whole(&id.uid);
            return (false, Vec::new());
        }
        let meaning = self.losses.notice(&id);
        if meaning == Meaning::Wish {
            return (false, Vec::new());
        }
        self.metrics.annotations_lost.set(i64::try_from(self.losses.held()).unwrap_or(i64::MAX));
        let state_keys = take_resends(evaluations);
        let restores = meaning == Meaning::Accident && self.options.annotation_lost == AnnotationLost::Restore;
        (true, if restores { vec![Change::Restore { state_keys }] } else { Vec::new() })
    }

    /// Judges losses as they come.
    pub(super) async fn judge_losses(self: Arc<Self>) {
        loop {
            self.losses.noticed.notified().await;
            tokio::time::sleep(COLLECTED).await;
            while !self.is_synced() {
                tokio::time::sleep(COLLECTED / 10).await;
            }
            let restore = self.options.annotation_lost == AnnotationLost::Restore;
            let judged = self.losses.judge(self.sightings.annotated(), clock::now().millis());
            self.metrics.annotations_lost.set(i64::try_from(self.losses.held()).unwrap_or(i64::MAX));
            if let Some((lost, all)) = judged.accident {
                self.tell_accident(lost, all, restore);
                if restore {
                    self.relist.notify_one();
                }
            }
            self.ask_to_refresh(judged.again);
        }
    }

    fn tell_accident(&self, lost: usize, all: usize, restore: bool) {
        let follows = match restore {
            true => "they are written again from the store",
            false => {
                "nothing is sent again; set notify.annotationLost to \"restore\" to write them again from the store, or to \"resend\""
            }
        };
        let message = format!("{lost} of {all} Applications lost keys of their notified annotation at once: {follows}");
        let object = ObjectId {
            namespace: self.options.namespace.clone(),
            name: self.options.config_map.clone(),
            uid: self.config_map_uid(),
        };
        let reason = "AnnotationsLost".to_owned();
        self.reporter.report(Report { kind: "ConfigMap", object, reason, message, warning: true });
    }
}

/// Takes the resends out of evaluations; their keys.
fn take_resends(evaluations: &mut [Evaluation]) -> Vec<String> {
    let mut taken = Vec::new();
    for evaluation in evaluations {
        evaluation.changes.retain(|change| match change {
            notify::Change::Deliver { reason: Reason::ResendRequested, state_key, .. } => {
                taken.push(state_key.clone());
                false
            }
            _ => true,
        });
        let conditions = evaluation.triggers.iter_mut().flat_map(|trigger| &mut trigger.conditions);
        let outcomes = conditions.flat_map(|condition| &mut condition.destinations);
        for outcome in outcomes.filter(|outcome| outcome.reason == Reason::ResendRequested) {
            outcome.reason = Reason::AnnotationLost;
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(nth: usize) -> ObjectId {
        ObjectId { namespace: "n".into(), name: format!("a{nth}"), uid: format!("u{nth}") }
    }

    #[test]
    fn a_few_are_a_wish_and_are_granted_once() {
        let losses = Losses::default();
        for nth in 0..4 {
            assert_eq!(losses.notice(&id(nth)), Meaning::Unknown);
        }
        let judged = losses.judge(0, 0);
        assert_eq!((judged.again.len(), judged.accident), (4, None));
        assert_eq!(losses.notice(&id(0)), Meaning::Wish);
        assert_eq!(losses.notice(&id(0)), Meaning::Unknown, "the next loss is another one");
    }

    #[test]
    fn more_than_a_tenth_at_once_is_an_accident_and_is_held() {
        let losses = Losses::default();
        for nth in 0..11 {
            losses.notice(&id(nth));
        }
        assert_eq!(losses.judge(89, 0).accident, Some((11, 100)));
        assert_eq!(losses.notice(&id(50)), Meaning::Accident, "what follows is held as well");
        assert_eq!(losses.held(), 12);
        for nth in (0..11).chain([50]) {
            losses.whole(&format!("u{nth}"));
        }
        assert_eq!(losses.notice(&id(0)), Meaning::Unknown, "once all are whole it is over");
    }

    #[test]
    fn a_tenth_is_none_and_a_minute_counts_together() {
        let losses = Losses::default();
        (0..10).for_each(|nth| _ = losses.notice(&id(nth)));
        assert_eq!(losses.judge(90, 0).accident, None);
        (10..12).for_each(|nth| _ = losses.notice(&id(nth)));
        assert_eq!(losses.judge(88, 30_000).accident, Some((12, 100)));
        let later = Losses::default();
        (0..10).for_each(|nth| _ = later.notice(&id(nth)));
        later.judge(90, 0);
        (10..12).for_each(|nth| _ = later.notice(&id(nth)));
        assert_eq!(later.judge(88, AT_ONCE_MS).accident, None);
    }

    #[test]
    fn so_many_that_they_are_not_collected_are_an_accident_too() {
        let losses = Losses::default();
        (0..=ACCIDENT_MAX).for_each(|nth| _ = losses.notice(&id(nth)));
        let judged = losses.judge(1_000_000, 0);
        assert_eq!((judged.accident.map(|(lost, _)| lost), judged.again.len()), (Some(ACCIDENT_MAX + 1), 0));
        assert_eq!(losses.judge(1_000_000, 0).accident, None, "said once");
    }
}
