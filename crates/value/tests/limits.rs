//! Hostile values and formats end in a limit's error, at once and without the memory they ask for.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use gatepost_value::{Budget, Limits, Map, Str, Value, fmt, json};

fn budget(call_bytes: u64) -> Budget {
    Budget::new(Limits { call_bytes, ..Limits::default() })
}

/// A list that holds the list before it twice, so many times over: prints as 2^levels elements.
fn doubled(levels: usize) -> Value {
    (0..levels).fold(Value::str("x"), |inner, _| Value::list(vec![inner.clone(), inner]))
}

#[test]
fn widths_and_precisions_are_refused_before_they_are_made() {
    for format in [
        "%1000000d",
        "%.1000000d",
        "%-1000000s|",
        "%.1000000f",
        "%.1000000e",
        "%#.1000000g",
        "%.1000000x",
        "%.1000000U",
        "%01000000.1f",
    ] {
        let arg = if format.contains('s') { Value::str("a") } else { Value::int(5) };
        let arg = if format.contains(['f', 'e', 'g']) { Value::float(1.5) } else { arg };
        let error = fmt::sprintf(&budget(1000), format.as_bytes(), &[arg]).unwrap_err();
        assert_eq!(error.limit, "call_bytes", "{format}");
    }
    let wide = "%1000000d".repeat(20);
    assert_eq!(
        fmt::sprintf(&budget(4 << 20), wide.as_bytes(), &vec![Value::int(1); 20]).unwrap_err().limit,
        "call_bytes"
    );
}

#[test]
fn the_longest_precisions_are_written() {
    let text = |format: &str, arg: Value| fmt::sprintf(&budget(4 << 20), format.as_bytes(), &[arg]).unwrap();
    assert_eq!(text("%.1000000f", Value::float(0.1)).len(), 1_000_002);
    assert_eq!(text("%.100000U", Value::int(5)).len(), 100_002);
    assert_eq!(text("%.70000e", Value::float(1.0)).len(), 70_006);
}

#[test]
fn values_that_share_their_parts_do_not_explode() {
    let bomb = doubled(60);
    let budget = budget(1 << 20);
    assert!(fmt::sprint(&budget, std::slice::from_ref(&bomb)).is_err());
    assert!(fmt::append_metered(&budget, &mut Vec::new(), &bomb).is_err());
    assert!(json::marshal(&Budget::new(Limits::default()), &bomb).is_err());
    assert!(fmt::sprint_v(&bomb).len() <= 4 << 20);
    assert!(bomb.contains_map(1, 1000), "a search that is too long counts as found");
}

#[test]
fn what_was_in_the_buffer_stays_when_a_limit_is_hit() {
    let mut out = b"before ".to_vec();
    assert!(fmt::append_metered(&budget(10), &mut out, &doubled(10)).is_err());
    assert!(out.starts_with(b"before "));
    let mut out = vec![b'x'; 100];
    fmt::append_metered(&budget(10), &mut out, &Value::list(vec![Value::int(1)])).unwrap();
    assert!(out.ends_with(b"x[1]"));
}

#[test]
fn a_map_is_found_in_what_holds_it() {
    let Value::Map(map) = Value::Map(Map::live()) else { return };
    let holder = Value::list(vec![Value::map(vec![(Str::from("k"), Value::Map(map.clone()))])]);
    assert!(holder.contains_map(map.id(), 10));
    assert!(!holder.contains_map(Map::live().id(), 10));
    assert!(holder.contains_map(Map::live().id(), 1), "beyond the depth the answer is yes");
}

#[test]
fn numbers_follow_the_decoder_asked_for() {
    let shown = |numbers| {
        fmt::sprintf(&budget(1 << 20), b"%#v %T", &{
            let value = json::parse(b"[1, 1.0, 1e3, 9223372036854775808, -0]", numbers).unwrap();
            let Value::List(list) = &value else { panic!("a list") };
            [value.clone(), list.items[0].clone()]
        })
        .unwrap()
        .to_string()
    };
    assert_eq!(
        shown(json::Numbers::Kubernetes),
        "[]interface {}{1, 1, 1000, 9.223372036854775808e+18, 0} int64"
            .replace("9.223372036854775808e+18", "9.223372036854776e+18")
    );
    assert_eq!(shown(json::Numbers::Int), "[]interface {}{1, 1, 1000, 9.223372036854776e+18, 0} int");
    assert_eq!(shown(json::Numbers::Float), "[]interface {}{1, 1, 1000, 9.223372036854776e+18, -0} float64");
}

#[test]
fn serde_reads_and_writes_the_same_values() {
    let text = r#"{"b":[1,1.5,null,true,"é\u0000"],"a":{"n":18446744073709551615},"z":-1,"z":2}"#;
    let direct: Value = serde_json::from_str(text).unwrap();
    let parsed = json::parse(text.as_bytes(), json::Numbers::Kubernetes).unwrap();
    let go = |v: &Value| fmt::sprintf(&budget(1 << 20), b"%#v", std::slice::from_ref(v)).unwrap();
    assert_eq!(go(&direct), go(&parsed).as_str().unwrap());
    assert_eq!(fmt::type_name(&direct.at(&["z"]).unwrap()), "int64");
    let again = serde_json::to_string(&direct).unwrap();
    assert_eq!(again, r#"{"a":{"n":1.8446744073709552e+19},"b":[1,1.5,null,true,"é\u0000"],"z":2}"#);
    assert_eq!(json::to_serde(&direct), serde_json::from_str::<serde_json::Value>(&again).unwrap());
    assert_eq!(
        go(&json::from_serde(&json::to_serde(&direct), json::Numbers::Kubernetes)),
        go(&direct).as_str().unwrap()
    );
    let deep = (0..400).fold(Value::Nil, |inner, _| Value::list(vec![inner]));
    assert!(serde_json::to_string(&deep).is_err());
    assert!(json::to_serde(&deep).is_array());
}
