//! Who is told of an Application, of what, and why: what `explain` finds, as values of the page. Bounded, whatever is configured.

use super::super::reasons::{self, Words as Reasoned};
use super::super::{Text, Words};
use crate::controller::Explained;
use crate::notify::evaluate::{ConditionOutcome, DestinationOutcome, TriggerOutcome};
use crate::notify::{Reason, Subscription};
use std::cell::Cell;

/// Bytes of HTML that subscriptions may take.
const SUBSCRIPTION_BYTES: usize = 30_000;
/// Bytes of HTML that remarks may take.
const REMARK_BYTES: usize = 20_000;
/// Bytes of HTML that triggers with everything below them may take.
const TRIGGER_BYTES: usize = 80_000;
/// What an entry takes besides its texts.
const MARKUP_BYTES: usize = 200;

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
    bytes: Cell<usize>,
    cut: Cell<usize>,
}

impl Room {
    const fn of(bytes: usize) -> Self {
        Self { bytes: Cell::new(bytes), cut: Cell::new(0) }
    }

    /// Whether one more entry fits; one that does not is counted. The last one may be larger than what is left.
    fn has_place(&self) -> bool {
        let has_place = self.bytes.get() > 0;
        self.cut.set(self.cut.get() + usize::from(!has_place));
        has_place
    }

    /// An entry with these texts is shown.
    fn take(&self, texts: &[&Text]) {
        let bytes: usize = texts.iter().map(|text| size(text)).sum();
        self.bytes.set(self.bytes.get().saturating_sub(bytes + MARKUP_BYTES));
    }
}

/// Bytes of a text as it stands in HTML.
fn size(text: &Text) -> usize {
    let of = |character: char| if matches!(character, '<' | '>' | '&' | '"' | '\'') { 5 } else { character.len_utf8() };
    text.to_string().chars().map(of).sum()
}

impl Chain {
    /// The chain of all configurations that apply.
    pub fn of(explained: &[Explained], words: &Words) -> Self {
        let mut chain = Self { skipped: skipped(explained, words), ..Self::default() };
        let (told, listed, run) = (Room::of(REMARK_BYTES), Room::of(SUBSCRIPTION_BYTES), Room::of(TRIGGER_BYTES));
        for one in explained {
            let broken = one.evaluation.broken.iter().map(ToString::to_string);
            for remark in broken.chain(one.remarks.iter().cloned()).filter(|_| told.has_place()) {
                let remark = words.passage(&remark);
                told.take(&[&remark]);
                chain.remarks.push(remark);
            }
            for subscribed in one.evaluation.subscriptions.iter().filter(|_| listed.has_place()) {
                let row = subscription(subscribed, words);
                listed.take(&[&row.trigger, &row.service, &row.recipient, &row.origin]);
                chain.subscriptions.push(row);
            }
            for trigger in one.evaluation.triggers.iter().filter(|_| run.has_place()) {
                let id = format!("parts-{}", chain.triggers.len());
                chain.triggers.push(of(trigger, &one.namespace, &id, words, &run));
            }
        }
        let cut = told.cut.get() + listed.cut.get() + run.cut.get();
        chain.cut = (cut > 0).then(|| format!("{cut} more entries are not shown; the command line shows all"));
        chain
    }
}

/// Only if no configuration has anything to say is the Application as a whole skipped.
fn skipped(explained: &[Explained], words: &Words) -> Option<Why> {
    let all = explained.iter().map(|one| one.evaluation.skipped);
    all.reduce(|a, b| a.and(b)).flatten().map(|reason| why(reason, "", words))
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

fn of(trigger: &TriggerOutcome, namespace: &str, id: &str, words: &Words, room: &Room) -> Trigger {
    let (name, why) = (words.show(&trigger.name), why(trigger.reason, &trigger.message, words));
    room.take(&[&name, &why.message]);
    let mut conditions = Vec::new();
    for (nth, condition) in trigger.conditions.iter().enumerate() {
        if room.has_place() {
            conditions.push(of_condition(id, nth + 1, condition, words, room));
        }
    }
    Trigger { name, configuration: words.show(namespace), why, conditions }
}

fn of_condition(id: &str, number: usize, condition: &ConditionOutcome, words: &Words, room: &Room) -> Condition {
    let (when, error) = (words.passage(&condition.when), words.passage(condition.error.as_deref().unwrap_or_default()));
    room.take(&[&when, &error]);
    let mut destinations = Vec::new();
    for outcome in &condition.destinations {
        if room.has_place() {
            let told = told(outcome, words);
            room.take(&[&told.service, &told.recipient, &told.why.message]);
            destinations.push(told);
        }
    }
    let mut parts = Vec::new();
    for (text, value) in &condition.trace {
        if room.has_place() {
            let part = (words.show(text), words.show(value));
            room.take(&[&part.0, &part.1]);
            parts.push(part);
        }
    }
    Condition {
        id: format!("{id}-{number}"),
        number,
        when,
        holds: condition.triggered,
        error,
        once_per: words.show(&condition.once_per),
        templates: words.show(&condition.templates.join(", ")),
        parts,
        destinations,
    }
}

fn told(outcome: &DestinationOutcome, words: &Words) -> Told {
    Told {
        service: words.show(&outcome.destination.service),
        recipient: words.show(&outcome.destination.recipient),
        why: why(outcome.reason, &outcome.message, words),
    }
}
