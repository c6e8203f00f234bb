//! Go's view of bytes as runes: any byte that is not part of valid UTF-8 counts as one U+FFFD of width 1.

/// The first rune and its width in bytes; `(U+FFFD, 1)` for an invalid byte, `(U+FFFD, 0)` for an empty text.
#[must_use]
pub fn decode(text: &[u8]) -> (char, usize) {
    let Some(&first) = text.first() else { return (char::REPLACEMENT_CHARACTER, 0) };
    if first < 0x80 {
        return (first as char, 1);
    }
    let width = match first {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return (char::REPLACEMENT_CHARACTER, 1),
    };
    let whole = text.get(..width).and_then(|bytes| std::str::from_utf8(bytes).ok());
    whole.and_then(|s| s.chars().next()).map_or((char::REPLACEMENT_CHARACTER, 1), |c| (c, width))
}

/// Number of runes, as `utf8.RuneCount`.
#[must_use]
pub fn count(text: &[u8]) -> usize {
    text.utf8_chunks().map(|chunk| chunk.valid().chars().count() + chunk.invalid().len()).sum()
}

/// Byte offset of the rune number `n`, or the text's length where it has no more than `n` runes.
#[must_use]
pub fn offset(text: &[u8], n: usize) -> usize {
    let mut at = 0;
    for _ in 0..n {
        if at >= text.len() {
            break;
        }
        at += decode(&text[at..]).1;
    }
    at
}

/// Offset, rune and width of every rune, as Go's `for i, r := range text`.
pub fn iter(text: &[u8]) -> impl Iterator<Item = (usize, char, usize)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        let (rune, width) = decode(rest);
        let start = at;
        at += width;
        Some((start, rune, width))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_bytes_count_one_each() {
        assert_eq!(count(b"a\xe4\xb8"), 3);
        assert_eq!(count("a\u{4e16}".as_bytes()), 2);
        assert_eq!(decode(b"\xed\xa0\x80"), ('\u{fffd}', 1));
        assert_eq!(decode(b""), ('\u{fffd}', 0));
        assert_eq!(offset("äb".as_bytes(), 1), 2);
        assert_eq!(offset(b"ab", 9), 2);
        assert_eq!(iter(b"\xffz").map(|(i, c, _)| (i, c)).collect::<Vec<_>>(), vec![(0, '\u{fffd}'), (1, 'z')]);
    }
}
