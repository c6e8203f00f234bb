//! Texts that others wrote, made fit to be shown: secrets masked, what hides or turns text around made visible, length bounded.
//! Templates escape them; nothing here is HTML.

use crate::egress::redact::Scrubber;
use std::fmt;
use std::sync::Arc;

/// Characters of a name.
const NAME_MAX: usize = 120;
/// Characters of a sentence, or of what was typed into a field.
const LINE_MAX: usize = 300;
/// Bytes of what names a thing.
const EXACT_MAX: usize = 512;
/// Characters of a message.
const PASSAGE_MAX: usize = 2_000;
/// Characters of a whole document, such as a request's body.
const DOCUMENT_MAX: usize = 12_000;

/// A text that may be shown. Only [`Words`] makes one of what others wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::server) struct Text(String);

impl Text {
    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes [`Text`]s.
#[derive(Clone, Default)]
pub(in crate::server) struct Words(Arc<Scrubber>);

impl Words {
    /// With what is known to be secret now.
    pub fn new(scrubber: Arc<Scrubber>) -> Self {
        Self(scrubber)
    }

    /// A name, or the beginning of a message in a list.
    pub fn show(&self, text: &str) -> Text {
        self.within(text, NAME_MAX)
    }

    /// A message.
    pub fn passage(&self, text: &str) -> Text {
        self.within(text, PASSAGE_MAX)
    }

    /// A sentence, or what somebody typed into a field.
    pub fn line(&self, text: &str) -> Text {
        self.within(text, LINE_MAX)
    }

    /// The very text, for an address or a request that has to name a thing; none where it holds a secret or is too long to be a name.
    pub fn exact(&self, text: &str) -> Option<String> {
        (text.len() <= EXACT_MAX && self.0.scrub(text) == text).then(|| text.to_owned())
    }

    /// A whole document.
    pub fn document(&self, text: &str) -> Text {
        self.within(text, DOCUMENT_MAX)
    }

    /// Scrubbed before it is cut: half a secret is not known as one.
    fn within(&self, text: &str, max: usize) -> Text {
        let scrubbed = self.0.scrub(text);
        let mut characters = scrubbed.chars().filter(|character| *character != '\r');
        let mut shown: String = characters.by_ref().take(max).map(visible).collect();
        if characters.next().is_some() {
            shown.push('…');
        }
        Text(shown)
    }
}

/// Controls, also those that turn the direction of text, are replaced: a name must not look like another.
fn visible(character: char) -> char {
    match character {
        '\n' | '\t' => character,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}' => {
            '\u{fffd}'
        }
        _ if character.is_control() => '\u{fffd}',
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_scrubbed_then_cut_and_show_what_hides() {
        let words = Words::new(Arc::new(Scrubber::new([b"hunter22".as_slice()])));
        let long = format!("{}hunter22", "x".repeat(NAME_MAX - 4));
        assert_eq!(words.show(&long).to_string(), format!("{}[sec…", "x".repeat(NAME_MAX - 4)));
        assert_eq!(words.show("a\u{202e}b\u{0}\r\n").to_string(), "a\u{fffd}b\u{fffd}\n");
        assert_eq!((words.exact("a hunter22"), words.exact("a")), (None, Some("a".to_owned())));
        assert_eq!(words.document(&"é".repeat(30_000)).to_string().chars().count(), DOCUMENT_MAX + 1);
    }
}
