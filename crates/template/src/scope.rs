//! The variables that are visible at one point of a template, and the slots their values have when it runs.

use gatepost_value::Str;

/// The slot of a name that parses but has no value: Go reports it when the template runs.
pub(crate) const NOWHERE: u32 = u32::MAX;

struct Entry {
    name: Str,
    slot: u32,
    /// Declared by the pipeline that is being parsed: its own words still see the outer variable.
    pending: bool,
}

/// Visible variables, innermost last.
pub(crate) struct Scope {
    entries: Vec<Entry>,
    slots: u32,
}

/// A point to go back to at the end of a block.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    entries: usize,
    pub slots: u32,
}

impl Scope {
    /// Only `$`, in slot 0.
    pub(crate) fn new() -> Self {
        Self { entries: vec![Entry { name: Str::from_static("$"), slot: 0, pending: false }], slots: 1 }
    }
    pub(crate) const fn mark(&self) -> Mark {
        Mark { entries: self.entries.len(), slots: self.slots }
    }
    pub(crate) fn back_to(&mut self, mark: Mark) {
        self.entries.truncate(mark.entries);
        self.slots = mark.slots;
    }
    /// The slot of a name; `None` where Go's parser refuses it.
    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        let mut known = self.entries.iter().rev().filter(|entry| entry.name == name).peekable();
        known.peek()?;
        Some(known.find(|entry| !entry.pending).map_or(NOWHERE, |entry| entry.slot))
    }
    /// A name in front of `:=`. It counts once [`Scope::settle`] is called.
    pub(crate) fn declare(&mut self, name: &str) -> u32 {
        let slot = self.slots;
        self.slots += 1;
        self.entries.push(Entry { name: name.into(), slot, pending: true });
        slot
    }
    /// A name in front of `=`; Go lets an unknown one pass here.
    pub(crate) fn assign(&mut self, name: &str) -> u32 {
        let slot = self.find(name).unwrap_or(NOWHERE);
        self.entries.push(Entry { name: name.into(), slot, pending: false });
        slot
    }
    /// The pipeline that began at `mark` is complete: what it declared can be seen.
    pub(crate) fn settle(&mut self, mark: Mark) {
        for entry in self.entries.iter_mut().skip(mark.entries) {
            entry.pending = false;
        }
    }
    pub(crate) const fn slots(&self) -> u32 {
        self.slots
    }
}
