//! The reasons of decisions in words: what each means for whoever waits for a notification, and what to do about it.

use super::Tone;
use crate::notify::Reason;

/// A reason for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Words {
    /// How it looks.
    pub tone: Tone,
    /// What it means.
    pub meaning: &'static str,
    /// What to do; empty where nothing is to be done.
    pub advice: &'static str,
}

/// What a reason means.
pub(super) const fn words(reason: Reason) -> Words {
    match reason {
        Reason::Triggered => ok("The condition holds: a notification is sent."),
        Reason::ResendRequested => ok("Its key was taken out of the annotation by hand: it is sent again."),
        Reason::Released => ok("What it failed with has changed: it is tried again."),
        Reason::AlreadySent => {
            ok("It was sent before. It is sent again when the condition stops to hold and holds anew.")
        }
        Reason::AlreadyPending => ok("A delivery is on its way; the list of deliveries says how far it is."),
        Reason::NoDestinations => idle(
            "Nobody is subscribed.",
            "Subscribe with the annotation notifications.argoproj.io/subscribe.<trigger>.<service>.",
        ),
        Reason::ConditionFalse => idle("The condition does not hold.", ""),
        Reason::SyncStatusOutOfDate => idle(
            "Argo CD has not compared the present spec yet: what the status says is about an older one.",
            "Wait for the next comparison, or refresh the Application.",
        ),
        Reason::DeadLetter => bad("It was given up.", "Look at the delivery, correct what it says, then replay it."),
        Reason::ConditionError => bad(
            "The condition could not be evaluated.",
            "Correct the expression; where a field may be missing, write ?. in place of a dot.",
        ),
        Reason::TriggerNotConfigured => {
            bad("There is no such trigger.", "Correct the subscription, or add trigger.<name> to the configuration.")
        }
        Reason::TriggerBroken => bad("The trigger's key cannot be read.", "The configuration page says where and why."),
        Reason::ServiceNotConfigured => bad(
            "There is no such service.",
            "Correct the subscription, or add service.<type>.<name> to the configuration.",
        ),
        Reason::ServiceBroken => bad("The service's key cannot be read.", "The configuration page says where and why."),
        Reason::TemplateNotConfigured => bad(
            "There is no such template.",
            "Correct the trigger's send list, or add template.<name> to the configuration.",
        ),
        Reason::TemplateBroken => {
            bad("The template's key cannot be read.", "The configuration page says where and why.")
        }
        Reason::RenderFailed => {
            bad("The template failed on this Application.", "Correct the template; it is then tried again by itself.")
        }
        Reason::InvalidNotification => bad(
            "What the template made cannot be sent to this service.",
            "Correct the template or the service; the message says what is missing.",
        ),
        Reason::Quota => warn(
            "This namespace asks for more notifications than it may: the rest waits.",
            "Does a condition change back and forth? oncePer helps.",
        ),
        Reason::AnnotationLost => warn(
            "Many Applications lost their annotation at once, which was no wish to have everything sent again: held.",
            "The setting notify.annotationLost decides what is done about it.",
        ),
        Reason::SubscriptionBroken => {
            bad("An annotation with subscriptions cannot be read.", "Correct the annotation; the message says where.")
        }
        Reason::RepositoryUnavailable => warn(
            "The repo-server has not answered yet what the condition or a template asks.",
            "It is decided with the answer. If it lasts, look at Argo CD's repo-server.",
        ),
    }
}

const fn ok(meaning: &'static str) -> Words {
    Words { tone: Tone::Ok, meaning, advice: "" }
}

const fn idle(meaning: &'static str, advice: &'static str) -> Words {
    Words { tone: Tone::Idle, meaning, advice }
}

const fn warn(meaning: &'static str, advice: &'static str) -> Words {
    Words { tone: Tone::Warn, meaning, advice }
}

const fn bad(meaning: &'static str, advice: &'static str) -> Words {
    Words { tone: Tone::Bad, meaning, advice }
}
