//! Answers that a service may use again, such as tokens: in memory only, bounded, for as long as the service says.

use crate::egress::Response;
use crate::notify::ServiceConfig;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Answers kept; beyond it those that end first go.
const KEPT_MAX: usize = 1024;

/// Digest of the service's configuration, and the service's own key: a changed configuration has no answers.
type Key = (String, &'static str);

/// The answers and when each ends, Unix milliseconds.
#[derive(Default)]
pub(super) struct Answers(Mutex<HashMap<Key, (Response, i64)>>);

impl Answers {
    /// An answer that is still good.
    pub(super) fn get(&self, service: &ServiceConfig, key: &'static str, now_ms: i64) -> Option<Response> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (answer, ends_ms) = kept.get(&(service.digest.clone(), key))?;
        (*ends_ms > now_ms).then(|| answer.clone())
    }

    /// Keeps an answer.
    pub(super) fn keep(
        &self,
        service: &ServiceConfig,
        key: &'static str,
        answer: Response,
        now_ms: i64,
        lifetime: Duration,
    ) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (_, ends_ms)| *ends_ms > now_ms);
        if kept.len() >= KEPT_MAX
            && let Some(first) = kept.iter().min_by_key(|(_, (_, ends_ms))| *ends_ms).map(|(key, _)| key.clone())
        {
            kept.remove(&first);
        }
        let ends_ms = now_ms.saturating_add(i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX));
        kept.insert((service.digest.clone(), key), (answer, ends_ms));
    }

    /// Drops the answers of a service.
    pub(super) fn forget(&self, service: &ServiceConfig) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(digest, _), _| *digest != service.digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(digest: &str) -> ServiceConfig {
        let options = serde_json::Value::Null;
        ServiceConfig { namespace: String::new(), name: "s".into(), kind: "k".into(), options, digest: digest.into() }
    }
    fn answer(status: u16) -> Response {
        let body = bytes::Bytes::new();
        Response { status, headers: Vec::new(), body, truncated: false, elapsed: Duration::ZERO }
    }

    #[test]
    fn an_answer_is_good_for_its_time_and_its_configuration() {
        let (answers, lifetime) = (Answers::default(), Duration::from_secs(1));
        answers.keep(&service("a"), "token", answer(200), 0, lifetime);
        assert!(answers.get(&service("a"), "token", 999).is_some());
        assert!(answers.get(&service("a"), "token", 1000).is_none());
        assert!(answers.get(&service("b"), "token", 0).is_none());
        answers.forget(&service("a"));
        assert!(answers.get(&service("a"), "token", 0).is_none());
    }

    #[test]
    fn there_are_never_too_many() {
        let answers = Answers::default();
        for n in 0..=KEPT_MAX as u64 {
            answers.keep(&service(&n.to_string()), "t", answer(200), 0, Duration::from_secs(1 + n));
        }
        assert!(answers.get(&service("0"), "t", 0).is_none());
        assert!(answers.get(&service("1"), "t", 0).is_some());
    }
}
