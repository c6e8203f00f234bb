//! How deep an answer nests, before anything reads it as JSON.

/// Levels that are read; what serde_json reads too.
pub(super) const DEEPEST: usize = 127;

/// Whether a body that looks like JSON nests deeper than that.
pub(super) fn is_too_deep(body: &[u8]) -> bool {
    let looks_like_json = body.iter().find(|b| !b.is_ascii_whitespace()).is_some_and(|b| matches!(b, b'[' | b'{'));
    looks_like_json && deepest(body) > DEEPEST
}

fn deepest(body: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_outside_of_strings() {
        assert_eq!(deepest(br#"{"a":[1,{"b":"[[[{{\"[["}]}"#), 3);
        let nested = |levels: usize| [b"[".repeat(levels), b"]".repeat(levels)].concat();
        assert!(!is_too_deep(&nested(DEEPEST)) && is_too_deep(&nested(DEEPEST + 1)));
        assert!(serde_json::from_slice::<serde_json::Value>(&nested(DEEPEST)).is_ok(), "serde_json reads as deep");
        assert!(!is_too_deep(&[b"x".to_vec(), nested(1000)].concat()), "not JSON at all");
    }
}
