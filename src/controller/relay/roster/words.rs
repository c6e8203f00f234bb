//! The words of one column, each kept once: its number is two bytes in a record, and how many records have it is known at once.
//!
//! A word that no record has any more is forgotten, so that what is kept follows the records.

use std::collections::HashMap;
use std::sync::Arc;

/// A word's number.
pub(super) type Word = u16;

/// Different words of a column that are told apart; nobody has so many projects.
const WORDS_MAX: usize = Word::MAX as usize;
/// Stands for all beyond them.
const OTHERS: &str = "(others)";

/// The words.
#[derive(Debug, Default)]
pub(super) struct Words {
    slots: Vec<Slot>,
    known: HashMap<Arc<str>, Word>,
    free: Vec<Word>,
}

#[derive(Debug)]
struct Slot {
    text: Arc<str>,
    uses: u32,
}

impl Words {
    /// One more record has this word.
    pub fn take(&mut self, text: &str) -> Word {
        let has_room = self.known.len() + 1 < WORDS_MAX;
        let text = if has_room || self.known.contains_key(text) { text } else { OTHERS };
        if let Some(word) = self.known.get(text) {
            self.slots[usize::from(*word)].uses += 1;
            return *word;
        }
        let slot = Slot { text: Arc::from(text), uses: 1 };
        let word = self.free.pop().unwrap_or_else(|| Word::try_from(self.slots.len()).unwrap_or(Word::MAX));
        self.known.insert(Arc::clone(&slot.text), word);
        match self.slots.get_mut(usize::from(word)) {
            Some(place) => *place = slot,
            None => self.slots.push(slot),
        }
        word
    }

    /// One record less has this word.
    pub fn give_back(&mut self, word: Word) {
        let Some(slot) = self.slots.get_mut(usize::from(word)) else { return };
        slot.uses = slot.uses.saturating_sub(1);
        if slot.uses == 0 && self.known.remove(&slot.text).is_some() {
            self.free.push(word);
        }
    }

    /// The word of a number.
    pub fn text(&self, word: Word) -> Arc<str> {
        self.slots.get(usize::from(word)).map_or_else(Arc::default, |slot| Arc::clone(&slot.text))
    }

    /// Whether a number stands for this word.
    pub fn is(&self, word: Word, text: &str) -> bool {
        self.slots.get(usize::from(word)).is_some_and(|slot| &*slot.text == text)
    }

    /// Every word that some record has with the number of records, most first.
    pub fn counts(&self) -> Vec<(Arc<str>, u32)> {
        let used = self.slots.iter().filter(|slot| slot.uses > 0);
        let mut counts: Vec<_> = used.map(|slot| (Arc::clone(&slot.text), slot.uses)).collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_and_forgotten_with_their_last_record() {
        let mut words = Words::default();
        let (a, b) = (words.take("a"), words.take("b"));
        assert_eq!(words.take("a"), a);
        assert_eq!(words.counts(), [(Arc::from("a"), 2), (Arc::from("b"), 1)]);
        words.give_back(b);
        assert_eq!((words.known.get("b"), words.counts().len()), (None, 1));
        let c = words.take("c");
        assert_eq!((c, &*words.text(c)), (b, "c"), "the place is used again");
        assert!(words.is(c, "c") && !words.is(c, "b") && !words.is(999, ""));
    }

    #[test]
    fn beyond_the_bound_all_are_one() {
        let mut words = Words::default();
        for nth in 0..WORDS_MAX + 10 {
            words.take(&nth.to_string());
        }
        assert!(words.known.len() <= WORDS_MAX && words.slots.len() <= WORDS_MAX);
        let others = words.known[OTHERS];
        assert_eq!(words.take("one more"), others);
        assert_eq!(words.take("5"), words.known["5"]);
    }
}
