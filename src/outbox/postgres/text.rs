//! PostgreSQL's text holds no NUL; a value of a cluster's object may. Written so that it reads back, and two values stay two.

/// A character that Unicode gives to nobody.
const MARK: char = '\u{10FFFF}';

/// The text as it is stored.
pub(in super::super) fn write(text: &str) -> String {
    if !text.contains(['\0', MARK]) {
        return text.to_owned();
    }
    let mut stored = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\0' => stored.extend([MARK, '0']),
            MARK => stored.extend([MARK, '1']),
            other => stored.push(other),
        }
    }
    stored
}

/// The text that [`write`] was given.
pub(in super::super) fn read(stored: String) -> String {
    if !stored.contains(MARK) {
        return stored;
    }
    let mut text = String::with_capacity(stored.len());
    let mut chars = stored.chars();
    while let Some(c) = chars.next() {
        match (c, c == MARK) {
            (_, true) => text.push(if chars.next() == Some('0') { '\0' } else { MARK }),
            (other, false) => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_text_reads_back_and_holds_no_nul(parts in proptest::collection::vec(prop_oneof![
            Just("\0".to_owned()), Just(MARK.to_string()), Just("0".to_owned()), Just("1".to_owned()), any::<String>()], 0..12)) {
            let text = parts.concat();
            let stored = write(&text);
            prop_assert!(!stored.contains('\0'));
            prop_assert_eq!(read(stored), text);
        }
    }
}
