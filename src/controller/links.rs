//! Addresses of pages for those who read of something elsewhere: in a Kubernetes Event, in the log. Without `server.externalUrl`
//! there are none, for nobody knows how people reach this process.

use crate::gate::approval::{RunId, markdown};
use crate::outbox::DeliveryId;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::Arc;

/// What an Event's message may be long, in characters, link included.
const MESSAGE_MAX: usize = 1000;
/// What of a segment needs no escaping.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Makes addresses of pages.
#[derive(Debug, Clone, Default)]
pub struct Links {
    base: Arc<str>,
}

impl Links {
    /// Below the URL that people reach the dashboard by, without `/` at its end; an empty one makes none.
    #[must_use]
    pub fn below(external_url: &str) -> Self {
        Self { base: Arc::from(external_url.trim_end_matches('/')) }
    }

    /// Page of a delivery.
    #[must_use]
    pub fn delivery(&self, id: DeliveryId) -> Option<String> {
        self.page(&["deliveries", &id.to_string()])
    }

    /// Page of a gate.
    #[must_use]
    pub fn gate(&self, namespace: &str, name: &str) -> Option<String> {
        self.page(&["gates", namespace, name])
    }

    /// Page of a run of an approval.
    #[must_use]
    pub fn run(&self, id: RunId) -> Option<String> {
        self.page(&["approvals", &id.to_string()])
    }

    fn page(&self, segments: &[&str]) -> Option<String> {
        if self.base.is_empty() {
            return None;
        }
        let path: String = segments.iter().map(|one| format!("/{}", utf8_percent_encode(one, KEPT))).collect();
        Some(format!("{}{path}", self.base))
    }
}

/// A message that says where to look; the message is cut rather than the address.
#[must_use]
pub fn with_link(message: String, page: Option<&str>) -> String {
    match page {
        None => message,
        Some(page) => {
            let room = MESSAGE_MAX.saturating_sub(page.chars().count() + 2);
            format!("{}; {page}", markdown::clip(&message, room))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_lie_below_the_url_that_people_use() {
        let links = Links::below("https://gatepost.example/under");
        assert_eq!(links.gate("shop", "a/b").as_deref(), Some("https://gatepost.example/under/gates/shop/a%2Fb"));
        let run = format!("https://gatepost.example/under/approvals/{}", "0a".repeat(16));
        assert_eq!(links.run(RunId::new([10; 16])), Some(run));
        let id = DeliveryId::new(1_800_000_000_000, [0; 10]);
        assert_eq!(links.delivery(id), Some(format!("https://gatepost.example/under/deliveries/{id}")));
        assert_eq!(Links::default().delivery(id), None);
    }

    #[test]
    fn a_long_message_is_cut_and_not_its_address() {
        let message = with_link("é".repeat(5_000), Some("https://x/deliveries/1"));
        assert!(message.chars().count() <= MESSAGE_MAX && message.ends_with("…; https://x/deliveries/1"));
        assert_eq!(with_link("short".into(), Some("https://x")), "short; https://x");
        assert_eq!(with_link("short".into(), None), "short");
    }
}
