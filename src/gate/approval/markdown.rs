//! Markdown from outside, made harmless: raw HTML is dropped, links lead to http and https only and say `rel="noopener nofollow"`,
//! images become their words, control and bidi characters go. For logs, Events, tables and CommitStatuses it is one plain line.

use pulldown_cmark::{CowStr, Event, LinkType, Options, Parser, Tag, TagEnd, html};

/// Longest description of a CommitStatus, in characters.
pub const DESCRIPTION_MAX: usize = 140;

/// Without characters that move the cursor, hide or turn text; line breaks and tabs stay.
#[must_use]
pub fn without_control(text: &str) -> String {
    text.chars().filter(|c| matches!(c, '\n' | '\t') || !is_hostile(*c)).collect()
}

fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// HTML that may be shown on a page.
#[must_use]
pub fn to_html(markdown: &str) -> String {
    let text = without_control(markdown);
    let mut out = String::with_capacity(text.len() * 2);
    html::push_html(&mut out, Harmless { inner: parser(&text), links: Vec::new() });
    out
}

/// One plain line of at most `max` characters; what is cut ends in `…`.
#[must_use]
pub fn to_plain(markdown: &str, max: usize) -> String {
    let text = without_control(markdown);
    let mut line = String::with_capacity(text.len());
    for event in parser(&text) {
        match event {
            Event::Text(words) | Event::Code(words) => line.push_str(&words),
            Event::SoftBreak | Event::HardBreak | Event::End(_) => line.push(' '),
            _ => {}
        }
    }
    // An inline element ends without a space of its own.
    clip(&line.split_whitespace().collect::<Vec<_>>().join(" "), max)
}

/// At most `max` characters; what is cut ends in `…`.
#[must_use]
pub fn clip(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}

fn parser(text: &str) -> Parser<'_> {
    Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH)
}

/// The events of a text without what could harm.
struct Harmless<'a> {
    inner: Parser<'a>,
    /// For each open link, whether it is shown as one.
    links: Vec<bool>,
}

impl<'a> Iterator for Harmless<'a> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        loop {
            match self.inner.next()? {
                Event::Html(_) | Event::InlineHtml(_) => {}
                Event::Start(Tag::HtmlBlock | Tag::Image { .. }) | Event::End(TagEnd::HtmlBlock | TagEnd::Image) => {}
                Event::Start(Tag::Link { link_type, dest_url, .. }) => {
                    let shown = link_type != LinkType::Email && leads_outside(&dest_url);
                    self.links.push(shown);
                    if shown {
                        return Some(Event::InlineHtml(CowStr::from(opening(&dest_url))));
                    }
                }
                Event::End(TagEnd::Link) => {
                    if self.links.pop() == Some(true) {
                        return Some(Event::InlineHtml(CowStr::from("</a>")));
                    }
                }
                harmless => return Some(harmless),
            }
        }
    }
}

fn leads_outside(target: &str) -> bool {
    url::Url::parse(target).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

fn opening(target: &str) -> String {
    let mut quoted = String::with_capacity(target.len());
    for c in target.chars() {
        match c {
            '&' => quoted.push_str("&amp;"),
            '"' => quoted.push_str("&quot;"),
            '<' => quoted.push_str("&lt;"),
            '>' => quoted.push_str("&gt;"),
            '\'' => quoted.push_str("&#39;"),
            other => quoted.push(other),
        }
    }
    format!("<a href=\"{quoted}\" rel=\"noopener nofollow\">")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn html_is_dropped_and_markdown_stays() {
        let shown =
            to_html("**Done** <script>alert(1)</script> <img src=x onerror=y>\n\n<div onclick=x>block</div>\n\n- one");
        assert!(shown.contains("<strong>Done</strong>") && shown.contains("<li>one</li>"), "{shown}");
        assert!(!shown.contains("<script") && !shown.contains("onerror") && !shown.contains("onclick"), "{shown}");
    }

    #[test]
    fn links_lead_to_the_web_only_and_images_nowhere() {
        let shown = to_html(
            "[a](https://x.example/?q=\"1\") [b](javascript:alert(1)) [c](data:text/html,x) ![pic](https://x.example/p.png)",
        );
        assert_eq!(shown.matches("<a ").count(), 1, "{shown}");
        assert!(shown.contains("rel=\"noopener nofollow\""), "{shown}");
        assert!(!shown.contains("javascript") && !shown.contains("<img") && shown.contains("pic"), "{shown}");
    }

    #[test]
    fn a_plain_line_says_the_words() {
        let text = "# Tests\n\n**12** of `13` pass\x1b[31m \u{202e}gnihsif\u{202c}: [log](https://x.example)";
        assert_eq!(to_plain(text, 100), "Tests 12 of 13 pass[31m gnihsif: log");
        assert_eq!(to_plain("abcdef", 4), "abc…");
    }

    proptest! {
        #[test]
        fn nothing_hostile_comes_through(text in ".{0,200}") {
            let (plain, shown) = (to_plain(&text, 80), to_html(&text));
            prop_assert!(plain.chars().count() <= 80 && !plain.chars().any(is_hostile));
            prop_assert!(!shown.chars().any(|c| is_hostile(c) && c != '\n' && c != '\t'));
            prop_assert!(!shown.to_lowercase().contains("<script"));
        }
    }
}
