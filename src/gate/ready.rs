//! The `Ready` condition of a gate (`spec/gates.md` 9).
//!
//! A failed look is not ready; else the gate is as ready as the CommitStatuses it wrote: the first that is not, by name,
//! speaks for it.

use super::status::Condition;
use std::fmt::Write as _;

/// The condition's type.
pub const TYPE: &str = "Ready";
/// A look failed.
pub const FAILED: &str = "ReconciliationError";
/// A CommitStatus is not ready.
pub const CHILDREN: &str = "CommitStatusesNotReady";
/// All is well.
pub const SUCCESS: &str = "ReconciliationSuccess";
/// What the schema lets a message be long, in bytes to be safe.
const LONGEST_MESSAGE: usize = 32_000;

/// A CommitStatus that belongs to the gate, as it is in the cluster.
#[derive(Debug, Clone)]
pub struct Child {
    /// Its name.
    pub name: String,
    /// Its `metadata.generation`.
    pub generation: i64,
    /// Its `Ready` condition, if it has one.
    pub ready: Option<Condition>,
}

/// What the `Ready` condition says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// One of the reasons above.
    pub reason: &'static str,
    /// A sentence.
    pub message: String,
}

impl Ready {
    /// A look failed. `next_try` is when it is tried again, RFC 3339.
    #[must_use]
    pub fn failed(error: &str, next_try: Option<&str>) -> Self {
        let mut message = cut(format!("Reconciliation failed: {error}"));
        if let Some(at) = next_try {
            // Behind a snippet of an expression the sentence needs a line of its own.
            let gap = if error.contains('\n') { "\n" } else { " " };
            let _ = write!(message, "{gap}(next try at {at})");
        }
        Self { status: "False".into(), reason: FAILED, message }
    }
    /// A look succeeded: what the CommitStatuses say.
    #[must_use]
    pub fn of_children(children: &[Child]) -> Self {
        let mut sorted: Vec<_> = children.iter().collect();
        sorted.sort_by(|a, b| a.name.cmp(&b.name));
        sorted.into_iter().find_map(unready).unwrap_or_else(|| Self {
            status: "True".into(),
            reason: SUCCESS,
            message: "Reconciliation successful".into(),
        })
    }
    /// Whether this is a change that people should be told of, seen from the condition that was stored.
    #[must_use]
    pub fn differs_from(&self, stored: Option<&Condition>) -> bool {
        stored.is_none_or(|stored| stored.status != self.status || stored.reason != self.reason)
    }
    /// As a condition. The transition time stays where the status stays; `now` is RFC 3339.
    #[must_use]
    pub fn condition(&self, stored: Option<&Condition>, generation: i64, now: &str) -> Condition {
        let same = stored.filter(|stored| stored.status == self.status);
        Condition {
            kind: TYPE.into(),
            status: self.status.clone(),
            observed_generation: generation,
            last_transition_time: same.map_or(now, |stored| stored.last_transition_time.as_str()).to_owned(),
            reason: self.reason.into(),
            message: self.message.clone(),
        }
    }
}

/// What a CommitStatus that is not ready makes of the gate.
fn unready(child: &Child) -> Option<Ready> {
    let name = &child.name;
    let says = |status: &str, message: String| {
        Some(Ready { status: status.to_owned(), reason: CHILDREN, message: cut(message) })
    };
    match &child.ready {
        None => says("Unknown", format!("CommitStatus {name:?} Ready condition is missing")),
        Some(ready) if ready.observed_generation != child.generation => {
            says("Unknown", format!("CommitStatus {name:?} Ready condition is not up to date"))
        }
        Some(ready) if ready.status != "True" => {
            let Condition { status, reason, message, .. } = ready;
            says(status, format!("CommitStatus {name:?} is not Ready because {reason:?}: {message}"))
        }
        Some(_) => None,
    }
}

fn cut(mut message: String) -> String {
    if message.len() > LONGEST_MESSAGE {
        let end = (0..=LONGEST_MESSAGE).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
        message.truncate(end);
        message.push('…');
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child(name: &str, status: &str, seen: i64) -> Child {
        let ready = Condition {
            status: status.into(),
            observed_generation: seen,
            reason: "R".into(),
            message: "m".into(),
            ..Condition::default()
        };
        Child { name: name.into(), generation: 2, ready: Some(ready).filter(|_| !status.is_empty()) }
    }

    #[test]
    fn the_first_child_that_is_not_ready_speaks() {
        let of = |children: &[Child]| {
            let ready = Ready::of_children(children);
            (ready.status, ready.reason, ready.message)
        };
        let all = of(&[child("a", "True", 2)]);
        assert_eq!(all, ("True".into(), SUCCESS, "Reconciliation successful".into()));
        let missing = of(&[child("b", "False", 2), child("a", "", 0)]);
        assert_eq!(missing, ("Unknown".into(), CHILDREN, "CommitStatus \"a\" Ready condition is missing".into()));
        assert_eq!(of(&[child("a", "True", 1)]).2, "CommitStatus \"a\" Ready condition is not up to date");
        let refused = of(&[child("a", "True", 2), child("b", "False", 2)]);
        assert_eq!(refused.0, "False");
        assert_eq!(refused.2, "CommitStatus \"b\" is not Ready because \"R\": m");
    }

    #[test]
    fn better_a_failure_says_when_it_is_tried_again() {
        let ready = Ready::failed("no route", Some("2026-01-02T03:04:05Z"));
        assert_eq!(ready.message, "Reconciliation failed: no route (next try at 2026-01-02T03:04:05Z)");
        assert!(Ready::failed(&"é".repeat(20_000), None).message.len() < LONGEST_MESSAGE + 4);
    }

    #[test]
    fn a_transition_is_a_change_of_status() {
        let ready = Ready::of_children(&[]);
        let first = ready.condition(None, 1, "t1");
        assert_eq!((first.last_transition_time.as_str(), ready.differs_from(None)), ("t1", true));
        let again = ready.condition(Some(&first), 2, "t2");
        assert_eq!((again.last_transition_time.as_str(), again.observed_generation), ("t1", 2));
        assert!(!ready.differs_from(Some(&first)));
        assert_eq!(Ready::failed("x", None).condition(Some(&first), 2, "t2").last_transition_time, "t2");
    }
}
