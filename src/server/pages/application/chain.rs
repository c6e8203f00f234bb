//! Who is told of an Application, of what, and why: what `explain` finds, as values of the page. Bounded, whatever is configured.

use super::super::reasons::{self, Words as Reasoned};
use super::super::{Text, Words};
use crate::controller::Explained;
use crate::notify::evaluate::{ConditionOutcome, DestinationOutcome, TriggerOutcome};
use crate::notify::{Reason, Subscription};

/// Subscriptions that are shown.
const SUBSCRIPTIONS: usize = 40;
/// Triggers that are shown.
const TRIGGERS: usize = 25;
/// Conditions that are shown, of all triggers together.
const CONDITIONS: usize = 40;
/// Parts of conditions and destinations that are shown, of all conditions together.
const DETAILS: usize = 120;
/// Remarks that are shown.
const REMARKS: usize = 10;

/// The whole chain.
#[derive(Default)]
pub(super) struct Chain {
    /// Why nothing was evaluated.
    pub skipped: Option<Why>,
    /// What cannot be read, and what would be wrong with the notifications.
    pub remarks: Vec<Text>,
    pub subscriptions: Vec<SubscriptionRow>,
    pub triggers: Vec<Trigger>,
    /// What of all this is not shown.
    pub cut: Option<String>,
}

/// A reason with its words.
pub(super) struct Why {
    pub word: &'static str,
    pub reasoned: Reasoned,
    /// Error text; empty without one.
    pub message: Text,
}

/// Who is subscribed, and by what.
pub(super) struct SubscriptionRow {
    pub trigger: Text,
    pub service: Text,
    pub recipient: Text,
    pub origin: Text,
}

/// One trigger.
pub(super) struct Trigger {
    pub name: Text,
    /// Namespace of the configuration; empty for the controller's own.
    pub configuration: Text,
    pub why: Why,
    pub conditions: Vec<Condition>,
}

/// One condition of a trigger.
pub(super) struct Condition {
    /// One on the page.
    pub id: String,
    pub number: usize,
    pub when: Text,
    pub holds: bool,
    /// Why it could not be evaluated; empty where it could.
    pub error: Text,
    pub once_per: Text,
    pub templates: Text,
    pub parts: Vec<(Text, Text)>,
    pub destinations: Vec<Told>,
}

/// What follows for one destination.
pub(super) struct Told {
    pub service: Text,
    pub recipient: Text,
    pub why: Why,
}

/// How much may still be shown.
struct Room {
    conditions: usize,
    details: usize,
    cut: usize,
}

impl Room {
    fn condition(&mut self) -> bool {
        take(&mut self.conditions, &mut self.cut)
    }

    fn detail(&mut self) -> bool {
        take(&mut self.details, &mut self.cut)
    }
}

fn take(left: &mut usize, cut: &mut usize) -> bool {
    let fits = *left > 0;
    *left = left.saturating_sub(1);
    *cut += usize::from(!fits);
    fits
}

impl Chain {
    /// The chain of all configurations that apply.
    pub fn of(explained: &[Explained], words: &Words) -> Self {
        let mut room = Room { conditions: CONDITIONS, details: DETAILS, cut: 0 };
        let mut chain = Self { skipped: skipped(explained, words), ..Self::default() };
        let mut triggers = 0;
        for one in explained {
            let broken = one.evaluation.broken.iter().map(ToString::to_string);
            chain.remarks.extend(broken.chain(one.remarks.iter().cloned()).map(|remark| words.passage(&remark)));
            chain.subscriptions.extend(one.evaluation.subscriptions.iter().map(|one| subscription(one, words)));
            let shown = one.evaluation.triggers.iter().take(TRIGGERS.saturating_sub(chain.triggers.len()));
            for trigger in shown {
                let id = format!("parts-{}", chain.triggers.len());
                chain.triggers.push(of(trigger, &one.namespace, &id, words, &mut room));
            }
            triggers += one.evaluation.triggers.len();
        }
        room.cut += triggers - chain.triggers.len();
        room.cut += bounded(&mut chain.remarks, REMARKS) + bounded(&mut chain.subscriptions, SUBSCRIPTIONS);
        chain.cut =
            (room.cut > 0).then(|| format!("{} more entries are not shown; the command line shows all", room.cut));
        chain
    }
}

/// Only if no configuration has anything to say is the Application as a whole skipped.
fn skipped(explained: &[Explained], words: &Words) -> Option<Why> {
    let all = explained.iter().map(|one| one.evaluation.skipped);
    all.reduce(|a, b| a.and(b)).flatten().map(|reason| why(reason, "", words))
}

fn bounded<T>(all: &mut Vec<T>, max: usize) -> usize {
    let cut = all.len().saturating_sub(max);
    all.truncate(max);
    cut
}

fn why(reason: Reason, message: &str, words: &Words) -> Why {
    Why { word: reason.as_str(), reasoned: reasons::words(reason), message: words.passage(message) }
}

fn subscription(one: &Subscription, words: &Words) -> SubscriptionRow {
    SubscriptionRow {
        trigger: words.show(&one.trigger),
        service: words.show(&one.destination.service),
        recipient: words.show(&one.destination.recipient),
        origin: words.show(&one.origin),
    }
}

fn of(trigger: &TriggerOutcome, namespace: &str, id: &str, words: &Words, room: &mut Room) -> Trigger {
    let mut conditions = Vec::new();
    for (nth, condition) in trigger.conditions.iter().enumerate() {
        if room.condition() {
            conditions.push(of_condition(id, nth + 1, condition, words, room));
        }
    }
    Trigger {
        name: words.show(&trigger.name),
        configuration: words.show(namespace),
        why: why(trigger.reason, &trigger.message, words),
        conditions,
    }
}

fn of_condition(id: &str, number: usize, condition: &ConditionOutcome, words: &Words, room: &mut Room) -> Condition {
    let parts = condition.trace.iter().filter(|_| room.detail());
    let parts = parts.map(|(text, value)| (words.show(text), words.show(value))).collect();
    let destinations = condition.destinations.iter().filter(|_| room.detail());
    let told = |outcome: &DestinationOutcome| Told {
        service: words.show(&outcome.destination.service),
        recipient: words.show(&outcome.destination.recipient),
        why: why(outcome.reason, &outcome.message, words),
    };
    Condition {
        id: format!("{id}-{number}"),
        number,
        when: words.passage(&condition.when),
        holds: condition.triggered,
        error: words.passage(condition.error.as_deref().unwrap_or_default()),
        once_per: words.show(&condition.once_per),
        templates: words.show(&condition.templates.join(", ")),
        parts,
        destinations: destinations.map(told).collect(),
    }
}
