//! Clipping and plain text for receivers with limits.

/// The text cut to so many characters, with an ellipsis in the last place where something was cut.
#[must_use]
pub fn clip_chars(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}

/// The text cut to so many bytes on a character's boundary, with an ellipsis where something was cut.
#[must_use]
pub fn clip_bytes(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let room = max.saturating_sub('…'.len_utf8());
    let mut out = String::new();
    for c in text.chars() {
        if out.len() + c.len_utf8() > room {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}

/// Markdown's emphasis, headings and code marks taken out: Backstage's page shows them as they are.
#[must_use]
pub fn strip_markdown(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let bare = line.trim_start_matches('#');
        let line = if bare.len() < line.len() && bare.starts_with(' ') { bare.trim_start() } else { line };
        line.replace("**", "").replace("__", "").replace('`', "")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_are_at_characters() {
        assert_eq!(clip_chars("äöü", 3), "äöü");
        assert_eq!(clip_chars("äöüß", 3), "äö…");
        assert_eq!(clip_bytes("äöüß", 7), "äö…");
        assert_eq!(clip_bytes("äö", 4), "äö");
    }

    #[test]
    fn markdown_goes() {
        assert_eq!(strip_markdown("# T\nApp **x** `y`\n#tag"), "T\nApp x y\n#tag");
    }
}
