//! Letter case as Go's `unicode` package maps it: one character to one character, never `ß` to `SS`.

use gatepost_value::runes;

/// `unicode.ToUpper`.
pub(super) fn upper(c: char) -> char {
    single(c, c.to_uppercase())
}

/// `unicode.ToLower`.
pub(super) fn lower(c: char) -> char {
    if c == 'İ' { 'i' } else { single(c, c.to_lowercase()) }
}

/// `unicode.ToTitle`: upper case but for the digraphs that have a case of their own, and Georgian.
pub(super) fn title(c: char) -> char {
    match c {
        '\u{1c4}'..='\u{1c6}' => '\u{1c5}',
        '\u{1c7}'..='\u{1c9}' => '\u{1c8}',
        '\u{1ca}'..='\u{1cc}' => '\u{1cb}',
        '\u{1f1}'..='\u{1f3}' => '\u{1f2}',
        '\u{10d0}'..='\u{10ff}' => c,
        _ => upper(c),
    }
}

/// `unicode.IsTitle`.
pub(super) fn is_title(c: char) -> bool {
    matches!(c, '\u{1c5}' | '\u{1c8}' | '\u{1cb}' | '\u{1f2}')
        || matches!(c, '\u{1f88}'..='\u{1f8f}' | '\u{1f98}'..='\u{1f9f}' | '\u{1fa8}'..='\u{1faf}')
        || matches!(c, '\u{1fbc}' | '\u{1fcc}' | '\u{1ffc}')
}

fn single(c: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

/// The characters of a Go string; bytes that are not UTF-8 are U+FFFD.
pub(super) fn characters(text: &[u8]) -> impl Iterator<Item = char> + '_ {
    runes::iter(text).map(|(_, c, _)| c)
}

/// Every character mapped.
pub(super) fn map(text: &[u8], change: impl Fn(char) -> char) -> String {
    characters(text).map(change).collect()
}

/// `strings.Title`: a character behind a separator goes to title case. ASCII punctuation separates, `_` does not.
pub(super) fn title_words(text: &[u8]) -> String {
    let mut previous = ' ';
    let separates = |c: char| {
        if c.is_ascii() { !c.is_ascii_alphanumeric() && c != '_' } else { c.is_whitespace() }
    };
    characters(text)
        .map(|c| {
            let begins = separates(previous);
            previous = c;
            if begins { title(c) } else { c }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapping_keeps_the_number_of_characters() {
        assert_eq!(map("straße ǆ".as_bytes(), upper), "STRAßE Ǆ");
        assert_eq!(map("İΣ".as_bytes(), lower), "iσ");
        assert_eq!(title_words("don't ǆ_a-b é".as_bytes()), "Don'T ǅ_a-B É");
        assert_eq!(map(b"a\xff", upper), "A\u{fffd}");
    }
}
