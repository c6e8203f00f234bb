//! What tests of pages hold every page to.

use super::Words;
use crate::egress::redact::Scrubber;
use askama::Template;
use std::sync::Arc;

/// A value that is on no page.
pub(super) const SECRET: &str = "s3cr3t-canary-value";
/// Text that would be harmful if it were taken for HTML, longer than any name.
pub(super) const HOSTILE: &str = "\"><script>alert('x')</script><img src=x onerror=y>&{{7*7}}\u{202e}'\u{0}";

/// Words that know the secret.
pub(super) fn words() -> Words {
    Words::new(Arc::new(Scrubber::new([SECRET.as_bytes()])))
}

/// A hostile text with the secret, as long as `length` characters.
pub(super) fn hostile(length: usize) -> String {
    HOSTILE.chars().chain(SECRET.chars()).cycle().take(length).collect()
}

/// The page's text, after what holds for every page was checked.
pub(super) fn checked(page: &impl Template) -> String {
    let html = page.render().expect("a page is rendered");
    assert!(html.len() < 300_000, "{} bytes", html.len());
    for forbidden in ["<script>", "<img", "onerror=\"", "style=\"", SECRET, "\u{202e}"] {
        assert!(!html.contains(forbidden), "{forbidden:?} is in {}", around(&html, forbidden));
    }
    assert_eq!(html.matches("<table").count(), html.matches("<caption").count(), "each table has a caption");
    ids_are_unique(&html);
    html
}

fn ids_are_unique(html: &str) {
    let mut ids: Vec<&str> = html.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "an id twice among {ids:?}");
}

fn around<'a>(html: &'a str, what: &str) -> &'a str {
    let at = html.find(what).unwrap_or_default();
    let begin = (0..=at.saturating_sub(80)).rev().find(|at| html.is_char_boundary(*at)).unwrap_or_default();
    let end = (at + 80..=html.len()).find(|at| html.is_char_boundary(*at)).unwrap_or(html.len());
    &html[begin..end]
}
