//! Which fields an Application has and which of them may be absent, from Argo CD's CRD.
//!
//! `application.fields` has one line an object: its path, then its fields, `!` where the CRD requires one. Elements of a
//! list count as the list. A test holds it against the CRD.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

const FIELDS: &str = include_str!("application.fields");

/// The fields of one object: whether each is required.
type Object = BTreeMap<&'static str, bool>;

static OBJECTS: LazyLock<HashMap<&'static str, Object>> = LazyLock::new(|| FIELDS.lines().filter_map(line).collect());

fn line(text: &'static str) -> Option<(&'static str, Object)> {
    let (path, fields) = text.split_once(' ')?;
    let field = |text: &'static str| match text.strip_suffix('!') {
        Some(name) => (name, true),
        None => (text, false),
    };
    let path = if path == "." { "" } else { path };
    Some((path, fields.split(' ').map(field).collect()))
}

/// What is known of a path below `app`, given as member names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// The CRD says nothing about it: below metadata, a map, or a text.
    Nothing,
    /// It is always there.
    Present,
    /// It may be absent.
    Optional,
    /// There is no such field; the name that comes nearest, if one does.
    NoField {
        /// Path of the object that lacks it, such as `app.status`.
        object: String,
        /// The name asked for.
        field: String,
        /// The nearest name.
        nearest: Option<&'static str>,
    },
}

/// What the CRD says about a path.
#[must_use]
pub fn look_up(path: &[String]) -> Known {
    let (mut at, mut known) = (String::new(), Known::Present);
    for name in path {
        let Some(fields) = OBJECTS.get(at.as_str()) else { return Known::Nothing };
        known = match fields.get(name.as_str()) {
            Some(true) => known,
            Some(false) => Known::Optional,
            None => {
                let object = if at.is_empty() { "app".to_owned() } else { format!("app.{at}") };
                return Known::NoField { object, field: name.clone(), nearest: nearest(name, fields.keys().copied()) };
            }
        };
        if !at.is_empty() {
            at.push('.');
        }
        at.push_str(name);
    }
    known
}

/// The name that differs least, if it differs little.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.map(|candidate| (distance(name, candidate), candidate));
    near.filter(|(distance, candidate)| *distance * 3 <= candidate.len().max(name.len())).min().map(|(_, name)| name)
}

/// Edits (insert, delete, replace) between two texts without regard to case.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.to_lowercase().into_bytes(), b.to_lowercase().into_bytes());
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(path: &str) -> Known {
        look_up(&path.split('.').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn paths_are_known_as_the_crd_has_them() {
        assert_eq!(look("spec.project"), Known::Present);
        assert_eq!(look("status.operationState"), Known::Optional);
        assert_eq!(look("status.operationState.phase"), Known::Optional, "because operationState is");
        assert_eq!(look("metadata.annotations.x"), Known::Nothing);
        let Known::NoField { object, field, nearest } = look("status.operationstate") else { panic!() };
        assert_eq!(
            (object.as_str(), field.as_str(), nearest),
            ("app.status", "operationstate", Some("operationState"))
        );
    }

    #[test]
    fn near_names_are_near() {
        assert_eq!(nearest("temlate", ["template", "trigger"].into_iter()), Some("template"));
        assert_eq!(nearest("xyz", ["template", "trigger"].into_iter()), None);
    }
}
