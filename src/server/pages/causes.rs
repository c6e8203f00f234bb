//! Why a delivery is a dead letter, in words for people, and what to do about it.

use crate::outbox::DeadReason;

/// A cause in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) struct Cause {
    /// In a few words.
    pub name: &'static str,
    /// What to do.
    pub advice: &'static str,
    /// Whether there is a body that can be sent again.
    pub has_body: bool,
}

/// The cause that a dead letter's reason names.
pub(in crate::server) fn of(reason: &str) -> Cause {
    let Some(known) = DeadReason::parse(reason) else {
        let advice = "Look at its attempts, then replay or discard it.";
        return Cause { name: "given up", advice, has_body: true };
    };
    let (name, advice) = match known {
        DeadReason::RenderFailed => (
            "the template failed",
            "There is nothing to send. Correct the template or the service: then the notification is made anew by itself.",
        ),
        DeadReason::InvalidNotification => (
            "not a valid request",
            "What the template printed cannot be sent. Correct it: then the notification is made anew by itself.",
        ),
        DeadReason::Rejected => (
            "rejected by the receiver",
            "The answer says what it does not like. A corrected template or service sends it again by itself; else replay it.",
        ),
        DeadReason::Credentials => {
            ("credentials refused", "Correct the Secret or the service's options: then it is sent again by itself.")
        }
        DeadReason::UnknownOutcome => (
            "outcome not known",
            "It may have arrived. Look at the receiver first: replay it if it is not there, discard it if it is.",
        ),
        DeadReason::GaveUp => {
            ("tried until the time was over", "See whether the destination answers again, then replay it.")
        }
        DeadReason::Gone => (
            "the receiver is gone",
            "It answered that it is gone for good (410). Change the address, then replay; or discard.",
        ),
    };
    Cause { name, advice, has_body: known.has_body() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_words() {
        let all = DeadReason::ALL.map(|reason| of(reason.as_str()));
        assert!(all.iter().all(|cause| !cause.name.is_empty() && cause.advice.ends_with('.')));
        assert!(!of("renderFailed").has_body && of("gone").has_body && of("something else").has_body);
    }
}
