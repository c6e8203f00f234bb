//! Slash-separated paths by the rules of Go's `path`; `path/filepath` is the same on the systems Gatepost runs on.

use super::{Answer, text};
use crate::function::{Call, FunctionSpec, ParamType::*, SignatureSpec};
use gatepost_value::Value;

const fn one(name: &'static str, run: fn(&mut Call<'_>) -> Answer) -> FunctionSpec {
    FunctionSpec::new(name, SignatureSpec::fixed(&[String]), run)
}

fn call_base(call: &mut Call<'_>) -> Answer {
    text(call, base(call.bytes(0)))
}
fn call_dir(call: &mut Call<'_>) -> Answer {
    let path = call.bytes(0);
    let slash = path.iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1);
    text(call, clean(&path[..slash]))
}
fn call_clean(call: &mut Call<'_>) -> Answer {
    text(call, clean(call.bytes(0)))
}
fn call_ext(call: &mut Call<'_>) -> Answer {
    text(call, ext(call.bytes(0)))
}
fn call_is_abs(call: &mut Call<'_>) -> Answer {
    Ok(Value::Bool(call.bytes(0).starts_with(b"/")))
}

pub(super) const TABLE: &[FunctionSpec] = &[
    one("base", call_base),
    one("dir", call_dir),
    one("clean", call_clean),
    one("ext", call_ext),
    one("isAbs", call_is_abs),
    one("osBase", call_base),
    one("osDir", call_dir),
    one("osClean", call_clean),
    one("osExt", call_ext),
    one("osIsAbs", call_is_abs),
];

/// The last element; `.` for nothing, `/` for slashes only.
fn base(path: &[u8]) -> &[u8] {
    if path.is_empty() {
        return b".";
    }
    let end = path.iter().rposition(|&b| b != b'/').map_or(0, |at| at + 1);
    if end == 0 {
        return b"/";
    }
    let start = path[..end].iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1);
    &path[start..end]
}

/// From the last dot of the last element on.
fn ext(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|&b| b == b'.' || b == b'/') {
        Some(at) if path[at] == b'.' => &path[at..],
        _ => b"",
    }
}

/// The shortest path that names the same: no empty elements, no `.`, `..` taken back where something can be.
fn clean(path: &[u8]) -> Vec<u8> {
    let rooted = path.starts_with(b"/");
    let mut kept: Vec<&[u8]> = Vec::new();
    for element in path.split(|&b| b == b'/') {
        match element {
            b"" | b"." => {}
            b".." if kept.last().is_some_and(|&last| last != b"..") => {
                kept.pop();
            }
            b".." if rooted => {}
            _ => kept.push(element),
        }
    }
    let joined = kept.join(&b'/');
    match (rooted, joined.is_empty()) {
        (true, _) => [b"/", joined.as_slice()].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    #[test]
    fn parts_of_paths() {
        for (given, wanted) in [("", "."), ("///", "/"), ("a/b/", "b"), ("/a", "a")] {
            assert_eq!(shown("base", &[s(given)]), wanted);
        }
        for (given, wanted) in [("", "."), ("a", "."), ("/a/b/", "/a/b"), ("/a", "/"), ("a/b", "a")] {
            assert_eq!(shown("dir", &[s(given)]), wanted);
        }
        assert_eq!(shown("ext", &[s("a.tar.gz")]), ".gz");
        assert_eq!(shown("ext", &[s("a.b/c")]), "");
        assert_eq!(shown("isAbs", &[s("/a")]), "true");
    }

    #[test]
    fn cleaning() {
        let cases =
            [("", "."), ("/../a", "/a"), ("../../a/./b/..", "../../a"), ("a/../..", ".."), ("//a//", "/a"), ("/", "/")];
        for (given, wanted) in cases {
            assert_eq!(shown("osClean", &[s(given)]), wanted);
        }
    }
}
