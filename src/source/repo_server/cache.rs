//! Answers of the repo-server, each asked for once: whoever asks the same meanwhile waits for that answer.
//!
//! Bounded by number and by size. Commits never change, so they are kept for an hour (tags may be added to them); what a
//! branch stands for is kept for a minute; a failure for a few seconds, so that many Applications do not repeat it.

use crate::notify::repository::{Answer, Failure, Question};
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Answers kept.
const MOST: usize = 2000;
/// Bytes of text kept, about.
const MOST_BYTES: usize = 32 << 20;
const OF_COMMITS: Duration = Duration::from_secs(3600);
const OF_BRANCHES: Duration = Duration::from_secs(60);
const OF_FAILURES: Duration = Duration::from_secs(10);

type Outcome = Result<Answer, Failure>;

/// One question's answer; locked while it is being asked.
#[derive(Default)]
struct Slot(tokio::sync::Mutex<Option<(Instant, Outcome)>>);

#[derive(Default)]
struct Kept {
    slots: HashMap<Question, (Arc<Slot>, usize)>,
    order: VecDeque<Question>,
    bytes: usize,
}

/// The answers.
#[derive(Default)]
pub(super) struct Cache(Mutex<Kept>);

impl Cache {
    /// The kept answer, or the one that `ask` gets.
    pub(super) async fn get<F>(&self, question: &Question, ask: impl FnOnce() -> F) -> Outcome
    where
        F: Future<Output = Outcome>,
    {
        let slot = self.slot(question);
        let mut held = slot.0.lock().await;
        if let Some((until, outcome)) = &*held
            && Instant::now() < *until
        {
            return outcome.clone();
        }
        let outcome = ask().await;
        *held = Some((Instant::now() + lifetime(question, &outcome), outcome.clone()));
        self.weigh(question, size(&outcome));
        outcome
    }

    fn slot(&self, question: &Question) -> Arc<Slot> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((slot, _)) = kept.slots.get(question) {
            return Arc::clone(slot);
        }
        let slot = Arc::<Slot>::default();
        kept.slots.insert(question.clone(), (Arc::clone(&slot), 0));
        kept.order.push_back(question.clone());
        slot
    }

    /// Notes how large the answer is, and lets go of the oldest ones that are too many.
    fn weigh(&self, question: &Question, bytes: usize) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((_, weight)) = kept.slots.get_mut(question) else { return };
        let before = std::mem::replace(weight, bytes);
        kept.bytes = (kept.bytes + bytes).saturating_sub(before);
        while kept.order.len() > MOST || (kept.bytes > MOST_BYTES && kept.order.len() > 1) {
            let Some(oldest) = kept.order.pop_front() else { return };
            let weight = kept.slots.remove(&oldest).map_or(0, |(_, weight)| weight);
            kept.bytes = kept.bytes.saturating_sub(weight);
        }
    }
}

fn lifetime(question: &Question, outcome: &Outcome) -> Duration {
    match (outcome, question) {
        (Err(_), _) => OF_FAILURES,
        (Ok(_), Question::Commit { revision, .. }) if is_commit(revision) => OF_COMMITS,
        (Ok(_), Question::Details { resolved, .. }) if is_commit(resolved) => OF_COMMITS,
        _ => OF_BRANCHES,
    }
}

/// A whole SHA-1 or SHA-256.
fn is_commit(revision: &str) -> bool {
    matches!(revision.len(), 40 | 64) && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn size(outcome: &Outcome) -> usize {
    match outcome {
        Err(failure) => failure.text.len(),
        Ok(Answer::Commit(commit)) => {
            commit.message.len() + commit.author.len() + commit.tags.iter().map(String::len).sum::<usize>()
        }
        Ok(Answer::Details { size, .. }) => *size,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::notify::repository::Commit;
    use gatepost_value::Time;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn question(revision: &str) -> Question {
        Question::Commit { url: "u".into(), project: "p".into(), revision: revision.into() }
    }

    fn answer(message: String) -> Outcome {
        Ok(Answer::Commit(Commit { message, author: String::new(), date: Time::zero(), tags: Vec::new() }))
    }

    #[tokio::test]
    async fn many_who_ask_the_same_are_one_question() {
        let (cache, asked) = (Cache::default(), AtomicUsize::new(0));
        let ask = || async {
            asked.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            answer("m".into())
        };
        let question = question("a");
        let all = futures::future::join_all((0..20).map(|_| cache.get(&question, ask))).await;
        assert!(all.iter().all(Result::is_ok));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn it_is_bounded_by_number_and_by_size() {
        let cache = Cache::default();
        for index in 0..MOST + 10 {
            cache.get(&question(&index.to_string()), || async { answer("m".into()) }).await.unwrap();
        }
        assert_eq!(cache.0.lock().unwrap().slots.len(), MOST);
        for index in 0..5 {
            let large = "x".repeat(MOST_BYTES / 3);
            cache.get(&question(&format!("large {index}")), || async { answer(large) }).await.unwrap();
        }
        let kept = cache.0.lock().unwrap();
        assert!(kept.bytes <= MOST_BYTES && kept.slots.len() < 10, "{} {}", kept.bytes, kept.slots.len());
    }

    #[test]
    fn whole_commits_are_kept_longest() {
        let sha = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(lifetime(&question(sha), &answer(String::new())), OF_COMMITS);
        assert_eq!(lifetime(&question("main"), &answer(String::new())), OF_BRANCHES);
        let failure = Err(Failure { text: String::new(), passing: true });
        assert_eq!(lifetime(&question(sha), &failure), OF_FAILURES);
    }
}
