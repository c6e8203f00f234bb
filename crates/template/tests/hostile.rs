//! Templates that want too much: each ends soon, with an error that names the limit, on a small stack.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use gatepost_template::{Error, Profile, Template};
use gatepost_value::{Limits, Str, Value};
use std::time::{Duration, Instant};

/// What an async runtime gives its threads.
const STACK: usize = 2 << 20;

fn render(text: &str) -> Result<Vec<u8>, Error> {
    let limits = Limits { time: Duration::from_secs(5), ..Limits::default() };
    let template = Template::parse("t", text, Profile::notifications(), &limits)?;
    let mut out = Vec::new();
    let list = Value::list((0..1000).map(Value::int64).collect());
    let data = Value::map(vec![(Str::from_static("list"), list)]);
    support::with_context(limits, |context| template.render(&data, context, &mut out))?;
    Ok(out)
}

/// Renders on a small stack and checks that it did not take long.
fn attempt(text: String) -> Result<Vec<u8>, Error> {
    let started = Instant::now();
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(move || render(&text)).unwrap();
    let result = thread.join().expect("the render must not panic");
    assert!(started.elapsed() < Duration::from_secs(10), "took {:?}", started.elapsed());
    result
}

/// Asserts that a limit ends the render.
fn limited(text: impl Into<String>) -> String {
    let text = text.into();
    let start: String = text.chars().take(60).collect();
    let error = attempt(text).err().unwrap_or_else(|| panic!("{start} must fail"));
    error.limit().unwrap_or_else(|| panic!("{start} must hit a limit, not fail with {error}")).limit.to_owned()
}

fn nested(depth: usize, open: &str, middle: &str, close: &str) -> String {
    format!("{}{middle}{}", open.repeat(depth), close.repeat(depth))
}

#[test]
fn deep_parentheses() {
    assert_eq!(limited(format!("{{{{{}}}}}", nested(200_000, "(", "1", ")"))), "parse_depth");
}

#[test]
fn deep_calls() {
    assert_eq!(limited(format!("{{{{{}}}}}", nested(200_000, "(not ", "1", ")"))), "parse_depth");
}

#[test]
fn deep_blocks() {
    assert_eq!(limited(nested(200_000, "{{if 1}}", "x", "{{end}}")), "parse_depth");
    assert_eq!(limited(nested(200_000, "{{with 1}}{{else}}", "x", "{{end}}")), "parse_depth");
    assert_eq!(limited(nested(200_000, "{{range .list}}", "x", "{{end}}")), "parse_depth");
}

#[test]
fn long_else_if_chain() {
    let chain = format!("{{{{if 0}}}}{}{{{{end}}}}", "{{else if 0}}".repeat(200_000));
    assert_eq!(limited(chain), "parse_depth");
}

#[test]
fn deepest_that_is_allowed() {
    let calls = format!("{{{{{}}}}}", nested(990, "(not ", "1", ")"));
    assert_eq!(attempt(calls).unwrap(), b"true");
    let blocks = nested(990, "{{if 1}}", "x", "{{end}}");
    assert_eq!(attempt(blocks).unwrap(), b"x");
    let loops = nested(990, "{{range slice .list 0 1}}", "x", "{{end}}").replace(".list", "$.list");
    assert_eq!(attempt(loops).unwrap(), b"x");
    let chains = format!("{{{{len {}.list}}}}", nested(990, "(", "$", ")"));
    assert_eq!(attempt(chains).unwrap(), b"1000");
}

#[test]
fn deep_template_in_deep_blocks() {
    let body = nested(400, "{{if 1}}", "{{template \"r\" .}}", "{{end}}");
    assert_eq!(limited(format!("{{{{define \"r\"}}}}{body}{{{{end}}}}{{{{template \"r\" .}}}}")), "depth");
    let arguments = nested(400, "(print ", "1", ")");
    let body = nested(400, "{{if 1}}", &format!("{{{{template \"r\" {arguments}}}}}"), "{{end}}");
    assert_eq!(limited(format!("{{{{define \"r\"}}}}{body}{{{{end}}}}{{{{template \"r\" .}}}}")), "depth");
}

#[test]
fn recursive_template() {
    assert_eq!(limited("{{define \"r\"}}{{template \"r\" .}}{{end}}{{template \"r\" .}}"), "depth");
    assert_eq!(
        limited(
            "{{define \"a\"}}{{template \"b\" .}}{{end}}{{define \"b\"}}{{template \"a\" .}}{{end}}{{template \"a\" .}}"
        ),
        "depth"
    );
}

#[test]
fn branching_recursion() {
    let twice = "{{define \"r\"}}{{if lt (len .) 60}}{{template \"r\" (print . \"x\")}}{{template \"r\" (print . \"x\")}}{{end}}{{end}}";
    let limit = limited(format!("{twice}{{{{template \"r\" \"\"}}}}"));
    assert!(["steps", "live_bytes"].contains(&&*limit), "{limit}");
}

#[test]
fn long_pipeline() {
    let long = format!("{{{{1{}}}}}", " | not".repeat(200_000));
    assert!(attempt(long).is_ok());
    let many = format!("{{{{print{}}}}}", " 1".repeat(100_000));
    assert!(attempt(many).is_ok());
}

#[test]
fn endless_loops() {
    assert_eq!(limited("{{range 9000000000000000000}}{{end}}"), "steps");
    assert_eq!(limited("{{range $.list}}{{range $.list}}{{range $.list}}{{end}}{{end}}{{end}}"), "steps");
    assert_eq!(limited("{{range 900000}}{{$.list}}{{end}}"), "output_bytes");
}

#[test]
fn printed_too_much() {
    assert_eq!(limited("{{range 900000}}0123456789{{end}}"), "output_bytes");
    assert!(["call_bytes", "output_bytes"].contains(&&*limited("{{printf \"%999999d%999999d\" 1 1}}")));
    assert!(["call_bytes", "output_bytes"].contains(&&*limited("{{printf \"%.999999f%.999999f\" 1.0 1.0}}")));
    let wide = attempt("{{printf \"%1000000000d\" 1}}".to_owned());
    assert!(wide.is_err() || wide.is_ok_and(|out| out.len() < 100));
    limited("{{printf \"%*d\" 999999 1 | printf \"%s%[1]s%[1]s%[1]s%[1]s\"}}");
}

#[test]
fn doubling() {
    limited("{{$s := \"xxxxxxxxxxxxxxxx\"}}{{range 60}}{{$s = print $s $s}}{{end}}{{$s}}");
    limited("{{$s := \"xxxxxxxxxxxxxxxx\"}}{{range 60}}{{$s = printf \"%s%s\" $s $s}}{{end}}{{$s}}");
}

#[test]
fn time_runs_out_between_steps() {
    let limits = Limits { time: Duration::ZERO, ..Limits::default() };
    let template = Template::parse("t", "{{range 100000}}{{end}}", Profile::builtins_only(), &limits).unwrap();
    let run = |context: &gatepost_value::CallContext<'_>| template.render(&Value::Nil, context, &mut Vec::new());
    let error = support::with_context(limits, run).unwrap_err();
    assert_eq!(error.limit().unwrap().limit, "time");
}

/// Needs the function library.
mod with_sprig {
    use super::*;

    #[test]
    fn huge_texts() {
        for call in
            ["repeat 1000000000 \"x\"", "indent 1000000000 \"x\"", "nindent 1000000000 \"x\"", "randAlpha 1000000000"]
        {
            limited(format!("{{{{{call}}}}}"));
        }
    }

    #[test]
    fn huge_lists() {
        for call in ["until 1000000000", "untilStep 0 1000000000 1", "seq 1000000000"] {
            limited(format!("{{{{{call} | len}}}}"));
        }
    }

    #[test]
    fn list_of_itself_printed() {
        limited("{{$l := list 1}}{{range 60}}{{$l = list $l $l}}{{end}}{{$l}}");
        limited("{{$l := list 1}}{{range 60}}{{$l = list $l $l}}{{end}}{{toJson $l}}");
        limited("{{$l := list 1}}{{range 60}}{{$l = concat $l $l}}{{end}}{{$l}}");
        limited("{{$l := list 1}}{{range 60}}{{$l = list $l $l}}{{end}}{{deepCopy $l}}");
        limited("{{$l := list 1}}{{range 60}}{{$l = list $l $l}}{{end}}{{deepEqual $l (deepCopy $l)}}");
    }

    #[test]
    fn deep_values() {
        for sink in
            ["{{$d}}", "{{toJson $d}}", "{{deepCopy $d}}", "{{deepEqual $d $d}}", "{{kindOf $d}}", "{{join \"\" $d}}"]
        {
            let text = format!("{{{{$d := list}}}}{{{{range 100000}}}}{{{{$d = list $d}}}}{{{{end}}}}{sink}");
            let _ = attempt(text);
        }
        let maps = "{{$d := dict}}{{range 100000}}{{$d = dict \"a\" $d}}{{end}}{{$d}}";
        let _ = attempt(maps.to_owned());
    }

    #[test]
    fn map_in_itself() {
        for text in [
            "{{$d := dict}}{{$_ := set $d \"s\" $d}}{{$d}}",
            "{{$d := dict}}{{$_ := set $d \"s\" (list $d)}}{{toJson $d}}",
            "{{$d := dict}}{{$e := dict \"d\" $d}}{{$_ := set $d \"e\" $e}}{{$d}}",
        ] {
            assert!(attempt(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn patterns() {
        for pattern in ["(a{1000}){1000}", "((a{100}){100}){100}", "(((a*)*)*)*$"] {
            let _ = attempt(format!("{{{{regexMatch \"{pattern}\" (repeat 1000 \"a\")}}}}"));
        }
        let _ = attempt(format!("{{{{regexMatch \"{}\" \"a\"}}}}", nested(100_000, "(", "a", ")")));
    }

    #[test]
    fn doubling() {
        limited("{{$s := \"xxxxxxxxxxxxxxxx\"}}{{range 60}}{{$s = cat $s $s}}{{end}}{{$s}}");
        limited("{{$s := \"xxxxxxxxxxxxxxxx\"}}{{range 60}}{{$s = replace \"x\" \"xx\" $s}}{{end}}{{$s}}");
        limited("{{$s := \"xxxxxxxxxxxxxxxx\"}}{{range 60}}{{$s = b64enc $s}}{{end}}{{$s}}");
    }
}
