//! Foreign texts for tests of pages, with a secret in them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::Words;
use super::tests::check;
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
    without_harm(check(&html));
    html
}

/// Asserts that no secret is shown and no foreign text is taken for HTML.
pub(super) fn without_harm(html: &str) {
    for forbidden in ["<script>", "<img", "onerror=\"", SECRET, "\u{202e}"] {
        assert!(!html.contains(forbidden), "{forbidden:?} is in {}", around(html, forbidden));
    }
}

fn around<'a>(html: &'a str, what: &str) -> &'a str {
    let at = html.find(what).unwrap_or_default();
    let begin = (0..=at.saturating_sub(80)).rev().find(|at| html.is_char_boundary(*at)).unwrap_or_default();
    let end = (at + 80..=html.len()).find(|at| html.is_char_boundary(*at)).unwrap_or(html.len());
    &html[begin..end]
}
