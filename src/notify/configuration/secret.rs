//! `$key` in service options becomes the Secret's value (`spec/notifications.md` 1.2).
//!
//! A value that came from the Secret is text and stays text. The Go controller turns `yes`, `no`, `on`, `off`, `y` and
//! `n` into booleans on the way; only the strict reading does so too.

use crate::notify::yaml::{Kind, Node, same_in_yaml_1_2};
use std::collections::BTreeMap;

/// What substituting found.
#[derive(Debug, Default)]
pub struct Report {
    /// Scalars that name a key the Secret does not have, as written, with their lines.
    pub missing: Vec<(u32, String)>,
}

/// Replaces every `$key` in texts, map keys included.
pub fn substitute(node: &mut Node, secret: &BTreeMap<String, Vec<u8>>, strict: bool, report: &mut Report) {
    let line = node.place.line;
    match &mut node.kind {
        Kind::List(items) => items.iter_mut().for_each(|item| substitute(item, secret, strict, report)),
        Kind::Map(pairs) => {
            for (key, value) in pairs {
                substitute(key, secret, strict, report);
                substitute(value, secret, strict, report);
            }
        }
        Kind::Scalar { text, plain, tag } if text.contains('$') && matches!(tag.as_str(), "" | "str") => {
            let (replaced, all_found) = expand(text, secret);
            if !all_found {
                report.missing.push((line, text.clone()));
            }
            if replaced != *text {
                *plain = strict && !same_in_yaml_1_2(&replaced);
                *text = replaced;
            }
        }
        Kind::Scalar { .. } => {}
    }
}

/// One pass over a text; the result is not searched again.
fn expand(text: &str, secret: &BTreeMap<String, Vec<u8>>) -> (String, bool) {
    let mut out = String::with_capacity(text.len());
    let mut all_found = true;
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, reference) = rest.split_at(at);
        out.push_str(before);
        let name = &reference[1..];
        let end = name.bytes().position(|b| !(b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
        let (name, after) = name.split_at(end.unwrap_or(name.len()));
        match secret.get(name) {
            Some(value) => out.push_str(&String::from_utf8_lossy(value)),
            None => {
                all_found &= name.is_empty();
                out.push('$');
                out.push_str(name);
            }
        }
        rest = after;
    }
    out.push_str(rest);
    (out, all_found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::notify::yaml;

    fn with(text: &str, secret: &[(&str, &str)], strict: bool) -> (serde_json::Value, Report) {
        let secret = secret.iter().map(|(k, v)| ((*k).to_owned(), v.as_bytes().to_vec())).collect();
        let mut node = yaml::parse(text).unwrap();
        let mut report = Report::default();
        substitute(&mut node, &secret, strict, &mut report);
        (node.to_json(), report)
    }

    #[test]
    fn names_are_greedy_and_results_are_not_searched_again() {
        let secret = [("a", "$b"), ("b", "2"), ("tok", "A")];
        let (json, report) = with("[$a$b/$b, $$b, $tok.en, $b-x, '${b}', $tök]", &secret, false);
        assert_eq!(json, serde_json::json!(["$b2/2", "$2", "A.en", "$b-x", "${b}", "$tök"]));
        assert_eq!(report.missing.len(), 2);
    }

    #[test]
    fn a_secret_is_text_whatever_it_looks_like() {
        let (json, _) = with("{v: $a, $k: 1}", &[("a", "no"), ("k", "0123")], false);
        assert_eq!(json, serde_json::json!({"v": "no", "0123": 1}));
        let (json, _) = with("{v: $a, w: $b}", &[("a", "no"), ("b", "0123")], true);
        assert_eq!(json, serde_json::json!({"v": false, "w": "0123"}));
    }
}
