//! The words random expressions are made of: environments, names by type, literals, built-ins.

use serde_json::{Value as Json, json};

/// What an expression is hoped to be. Nothing holds it to that: mixing types is part of the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Int,
    Float,
    Text,
    List,
    Map,
    Time,
    Duration,
    Nil,
    Any,
}

/// The environments, the last one empty.
pub fn environments() -> Vec<Json> {
    vec![application(), odd_values(), json!({})]
}

fn application() -> Json {
    json!({
        "i": 3, "j": -2, "zero": 0, "big": i64::MAX, "f": 1.5, "g": -0.25, "s": "hello", "e": "", "w": "Straße ünï 🙂",
        "num": "42", "t": true, "b": false, "nothing": null,
        "ints": [3, 1, 2, 2], "floats": [0.5, 2.0, -1.25], "texts": ["b", "a", "C", "a"], "empty": [],
        "mixed": [1, "a", null, 2.5, true, [1], {"k": 1}], "nested": [[1, 2], [3], [[4]]],
        "m": {"a": 1, "b": "two", "c": {"d": [1, {"e": "deep"}]}, "with space": true}, "none_map": {},
        "objs": [{"id": 1, "name": "x", "tags": ["p", "q"], "n": 1.5}, {"id": 2, "name": "y", "tags": []},
                 {"id": 2, "name": "z", "n": null}],
        "app": {"metadata": {"name": "guestbook", "annotations": {"a.b/c": "v"}},
                "status": {"sync": {"status": "Synced"}, "health": {"status": "Healthy"},
                           "operationState": {"phase": "Succeeded", "finishedAt": "2024-05-06T07:08:09Z"},
                           "conditions": [{"type": "SyncError", "message": "boom"}]}},
        "raw": {"$bytes": "aGVsbG8="}, "at": {"$time": "2024-05-06T07:08:09.5Z"},
        "later": {"$time": "2025-01-02T03:04:05Z"}, "span": {"$duration": "1h30m0s"}, "u": {"$uint": "5"},
    })
}

fn odd_values() -> Json {
    json!({
        "i": i64::MIN, "j": 1, "zero": {"$float": "-0"}, "big": 1e300, "f": {"$float": "NaN"}, "g": {"$float": "+Inf"},
        "s": "a,b,,c", "e": " \t", "w": "ÀÉ\u{0}\"<&>", "num": "0x1F", "t": "true", "b": null, "nothing": {"$nil": "map"},
        "ints": [{"$uint": "7"}, 2, 2.0], "floats": [], "texts": ["", "é", "aa"], "empty": {"$nil": "array"},
        "mixed": [null, null, {"$duration": "5s"}], "nested": [[], [[]], null],
        "m": {"": 0, "$x": 1, "a": null, "c": []}, "none_map": {"$nil": "map"},
        "objs": [{"id": 2.0, "name": "x"}, {"id": "1"}, null], "app": {"status": null},
        "raw": {"$bytes": ""}, "at": {"$time": "0001-01-01T00:00:00Z"}, "later": {"$time": "2024-02-29T23:59:59+05:30"},
        "span": {"$duration": "-1ns"}, "u": {"$uint": "18446744073709551615"},
    })
}

/// Variables and members that usually are of a kind.
pub fn names(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Bool => &["t", "b", "m['with space']", "missing"],
        Kind::Int => &["i", "j", "zero", "big", "u", "m.a", "ints[0]", "objs[1].id", "m.c.d[0]", "$env.i"],
        Kind::Float => &["f", "g", "floats[0]", "objs[0].n", "floats[-1]"],
        Kind::Text => {
            &["s", "e", "w", "num", "m.b", "app.metadata.name", "app.status?.sync?.status", "texts[1]", "raw"]
        }
        Kind::List => {
            &["ints", "floats", "texts", "empty", "mixed", "nested", "objs", "m.c.d", "app.status.conditions"]
        }
        Kind::Map => &["m", "none_map", "app", "app.status", "m.c", "objs[0]", "$env", "app?.metadata?.annotations"],
        Kind::Time => &["at", "later"],
        Kind::Duration => &["span"],
        Kind::Nil | Kind::Any => &["nothing", "missing", "m?.x?.y", "missing?.a.b", "m.nope", "nothing.a"],
    }
}

/// Literals of a kind.
pub fn literals(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Bool => &["true", "false"],
        Kind::Int => &[
            "0",
            "1",
            "2",
            "3",
            "-1",
            "7",
            "10",
            "64",
            "0x1F",
            "0b101",
            "0o17",
            "1_000",
            "007",
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775807",
            "0xG",
            "255",
        ],
        Kind::Float => &["0.0", "1.5", ".5", "2.", "1e3", "1E-2", "1.0", "1e400", "-0.0", "1_0.5", "3.14159", "1e"],
        Kind::Text => &[
            "''",
            "\"\"",
            "'a'",
            "\"hello\"",
            "`raw\\n`",
            "'it\\'s'",
            "\"\\u00e9\"",
            "'\\x41'",
            "'\\n\\t'",
            "'🙂'",
            "'42'",
            "'1.5'",
            "','",
            "'2024-05-06'",
            "'1h30m'",
            "'{\"a\":[1,2.5,null]}'",
            "'aGVsbG8='",
            "'\\q'",
            "'a.*'",
            "'['",
            "'^h'",
            "'\\u{1F600}'",
            "'true'",
            "'name'",
            "'2006-01-02'",
            "'Jan 2, 2006 at 3:04pm (MST)'",
            "'Europe/Zurich'",
            "'America/New_York'",
            "'Nowhere/Town'",
            "' x '",
        ],
        Kind::List => {
            &["[]", "[1, 2, 3]", "['a', 'b']", "[1, 'a', nil]", "[1.5, 2]", "1..5", "3..1", "[[1], [2, 3]]", "[1, 2,]"]
        }
        Kind::Map => &[
            "{}",
            "{a: 1, b: 'x'}",
            "{'k': [1]}",
            "{(1): 2}",
            "{\"a\": nil}",
            "{a: {b: {c: 1}}}",
            "{a: 1,}",
            "{('a'+'b'): 2}",
        ],
        Kind::Time => &[
            "date('2024-05-06')",
            "date('2024-05-06T07:08:09Z')",
            "date('2024-05-06 07:08:09')",
            "date('06.05.2024', '02.01.2006')",
            "date('2024-05-06 10:00:00', '2006-01-02 15:04:05', 'Europe/Zurich')",
            "date('x')",
            "timezone('UTC')",
            "at.Month()",
            "later.Weekday()",
            "date('2024-03-31 02:30:00', '2006-01-02 15:04:05', 'Europe/Zurich')",
            "at.In(timezone('America/New_York'))",
        ],
        Kind::Duration => &["duration('1h')", "duration('90s')", "duration('-1.5h')", "duration('1d')"],
        Kind::Nil | Kind::Any => &["nil", "nil", "true", "1", "'a'"],
    }
}

/// Methods of times and durations: name and the arguments they take.
pub const METHODS: [(&str, Kind, &[Kind]); 43] = [
    ("Year", Kind::Time, &[]),
    ("Month", Kind::Time, &[]),
    ("Day", Kind::Time, &[]),
    ("Hour", Kind::Time, &[]),
    ("Weekday", Kind::Time, &[]),
    ("YearDay", Kind::Time, &[]),
    ("Unix", Kind::Time, &[]),
    ("UnixMilli", Kind::Time, &[]),
    ("UTC", Kind::Time, &[]),
    ("IsZero", Kind::Time, &[]),
    ("String", Kind::Time, &[]),
    ("Format", Kind::Time, &[Kind::Text]),
    ("Add", Kind::Time, &[Kind::Duration]),
    ("AddDate", Kind::Time, &[Kind::Int, Kind::Int, Kind::Int]),
    ("Sub", Kind::Time, &[Kind::Time]),
    ("After", Kind::Time, &[Kind::Time]),
    ("Truncate", Kind::Time, &[Kind::Duration]),
    ("Hours", Kind::Duration, &[]),
    ("Minutes", Kind::Duration, &[]),
    ("String", Kind::Duration, &[]),
    ("Round", Kind::Duration, &[Kind::Duration]),
    ("Nope", Kind::Duration, &[]),
    ("Minute", Kind::Time, &[]),
    ("Second", Kind::Time, &[]),
    ("Nanosecond", Kind::Time, &[]),
    ("UnixMicro", Kind::Time, &[]),
    ("UnixNano", Kind::Time, &[]),
    ("Before", Kind::Time, &[Kind::Time]),
    ("Equal", Kind::Time, &[Kind::Time]),
    ("Compare", Kind::Time, &[Kind::Time]),
    ("In", Kind::Time, &[Kind::Any]),
    ("Location", Kind::Time, &[]),
    ("Zone", Kind::Time, &[]),
    ("ISOWeek", Kind::Time, &[]),
    ("Clock", Kind::Time, &[]),
    ("Round", Kind::Time, &[Kind::Duration]),
    ("Seconds", Kind::Duration, &[]),
    ("Milliseconds", Kind::Duration, &[]),
    ("Microseconds", Kind::Duration, &[]),
    ("Nanoseconds", Kind::Duration, &[]),
    ("Abs", Kind::Duration, &[]),
    ("Truncate", Kind::Duration, &[Kind::Duration]),
    ("Weekday().String", Kind::Time, &[]),
];

/// Built-ins without predicates: name, what they give, what they take.
#[rustfmt::skip]
pub const CALLS: [(&str, Kind, &[Kind]); 83] = {
    use Kind::{Any, Bool, Duration, Float, Int, List, Map, Nil, Text, Time};
    [
        ("len", Int, &[List]), ("len", Int, &[Text]), ("len", Int, &[Map]), ("type", Text, &[Any]), ("abs", Int, &[Int]),
        ("abs", Float, &[Float]), ("ceil", Float, &[Float]), ("floor", Float, &[Float]), ("round", Float, &[Float]),
        ("ceil", Float, &[Int]), ("int", Int, &[Float]), ("int", Int, &[Text]), ("int", Int, &[Any]), ("float", Float, &[Text]),
        ("float", Float, &[Int]), ("string", Text, &[Any]), ("string", Text, &[Float]), ("string", Text, &[Map]),
        ("trim", Text, &[Text]), ("trim", Text, &[Text, Text]), ("trimPrefix", Text, &[Text, Text]),
        ("trimSuffix", Text, &[Text, Text]), ("upper", Text, &[Text]), ("lower", Text, &[Text]),
        ("split", List, &[Text, Text]), ("split", List, &[Text, Text, Int]), ("splitAfter", List, &[Text, Text]),
        ("splitAfter", List, &[Text, Text, Int]), ("replace", Text, &[Text, Text, Text]),
        ("replace", Text, &[Text, Text, Text, Int]), ("repeat", Text, &[Text, Int]), ("join", Text, &[List]),
        ("join", Text, &[List, Text]), ("indexOf", Int, &[Text, Text]), ("lastIndexOf", Int, &[Text, Text]),
        ("hasPrefix", Bool, &[Text, Text]), ("hasSuffix", Bool, &[Text, Text]), ("max", Int, &[Int, Int]),
        ("max", Float, &[List]), ("min", Int, &[Int, Float]), ("min", Float, &[List]), ("mean", Float, &[List]),
        ("mean", Float, &[Int, Float]), ("median", Float, &[List]), ("median", Float, &[Int, Int, Float]),
        ("toJSON", Text, &[Any]), ("toJSON", Text, &[Map]), ("fromJSON", Any, &[Text]), ("toBase64", Text, &[Text]),
        ("fromBase64", Text, &[Text]), ("duration", Duration, &[Text]), ("date", Time, &[Text]), ("date", Time, &[Int]),
        ("first", Any, &[List]), ("last", Any, &[List]), ("get", Any, &[Map, Text]), ("get", Any, &[List, Int]),
        ("take", List, &[List, Int]), ("keys", List, &[Map]), ("values", List, &[Map]), ("toPairs", List, &[Map]),
        ("fromPairs", Map, &[List]), ("reverse", List, &[List]), ("uniq", List, &[List]), ("concat", List, &[List, List]),
        ("flatten", List, &[List]), ("sort", List, &[List]), ("sort", List, &[List, Text]), ("bitand", Int, &[Int, Int]),
        ("bitor", Int, &[Int, Int]), ("bitxor", Int, &[Int, Int]), ("bitnand", Int, &[Int, Int]), ("bitshl", Int, &[Int, Int]),
        ("bitshr", Int, &[Int, Int]), ("bitushr", Int, &[Int, Int]), ("bitnot", Int, &[Int]), ("nope", Nil, &[Any]),
        ("timezone", Any, &[Text]), ("date", Time, &[Text, Text]), ("date", Time, &[Text, Text, Text]),
        ("max", Any, &[Any, Any]), ("min", Any, &[Any, Any]), ("concat", List, &[Any, List]),
    ]
};
