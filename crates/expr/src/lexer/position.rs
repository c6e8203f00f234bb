//! From character offsets to lines and columns.

use crate::error::Position;

/// Where each line of a text begins.
pub(crate) struct Lines {
    starts: Vec<usize>,
    length: usize,
}

impl Lines {
    pub fn new(text: &str) -> Self {
        let mut starts = vec![0];
        let mut length = 0;
        for c in text.chars() {
            length += 1;
            if c == '\n' {
                starts.push(length);
            }
        }
        Self { starts, length }
    }
    /// Offsets beyond the end count as the end.
    pub fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.length);
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Position { offset: small(offset), line: small(line), column: small(offset - start + 1) }
    }
}
