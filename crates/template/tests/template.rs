//! The public interface: segments, paths, options, errors and their hints, data that never change, speed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use gatepost_template::{Error, MissingKey, Profile, SegmentKind, Stage, Template};
use gatepost_value::{CallContext, Limits, Str, Value};
use serde_json::json;
use std::io::Write as _;
use std::time::Instant;

fn parse(text: &str) -> Result<Template, Error> {
    Template::parse("t", text, Profile::notifications(), &Limits::default())
}

fn render(template: &Template, data: &Value) -> Result<String, Error> {
    let mut out = Vec::new();
    let run = |context: &CallContext<'_>| template.render(data, context, &mut out);
    support::with_context(Limits::default(), run)?;
    Ok(String::from_utf8(out).unwrap())
}

fn app() -> Value {
    support::decode(&json!({
        "app": {
            "metadata": {"name": "shop", "annotations": {"backstage.io/entity-ref": "component:default/shop"}},
            "status": {"health": {"status": "Healthy"}, "sync": {"revision": "4f2a9c1"}},
        },
        "context": {"argocdUrl": "https://argocd.example.org"},
    }))
}

#[test]
fn segments_keep_text_and_printed_apart() {
    let text =
        "{{define \"n\"}}<{{.}}>{{end}}{\"a\": \"{{.app.metadata.name}}\",\n{{template \"n\" .context.argocdUrl}}}";
    let template = parse(text).unwrap();
    let run = |context: &CallContext<'_>| template.render_segments(&app(), context);
    let segments = support::with_context(Limits::default(), run).unwrap();
    let shown: Vec<_> = segments.iter().map(|s| (s.kind, std::str::from_utf8(&s.bytes).unwrap(), &*s.action)).collect();
    let (text, printed) = (SegmentKind::Static, SegmentKind::Printed);
    let expected = [
        (text, "{\"a\": \"", ""),
        (printed, "shop", "{{.app.metadata.name}}"),
        (text, "\",\n<", ""),
        (printed, "https://argocd.example.org", "{{.}}"),
        (text, ">}", ""),
    ];
    assert_eq!(shown, expected);
    assert_eq!((segments[1].line, segments[1].column), (1, 37));
}

#[test]
fn paths_follow_dot_variables_and_index() {
    let text = "{{with .app.metadata}}{{.name}}{{$a := .annotations}}{{index $a \"x/y\"}}{{end}}\
                {{range .app.status.conditions}}{{.message}}{{$.context.url}}{{end}}";
    let reads = parse(text).unwrap().paths();
    let paths: Vec<String> = reads.paths.iter().map(|path| path.join(">")).collect();
    let expected =
        ["app>metadata", "app>metadata>annotations>x/y", "app>metadata>name", "app>status>conditions", "context>url"];
    assert_eq!(paths, expected);
    assert!(!reads.dynamic && !reads.whole);
    assert!(parse("{{now}}").unwrap().paths().dynamic);
    assert!(parse("{{call .time.Now}}").unwrap().paths().dynamic);
    assert!(parse("{{toJson .}}").unwrap().paths().whole);
    let recursive = "{{define \"r\"}}{{template \"r\" .a}}{{end}}{{template \"r\" .}}";
    assert!(parse(recursive).unwrap().paths().functions.is_empty());
}

#[test]
fn errors_say_where_and_what_to_write() {
    let error = parse("ok\n{{index .x \\\"team\\\"}}").unwrap_err();
    assert_eq!(error.to_string(), "template: t:2: unexpected \"\\\\\" in operand");
    assert!(error.hint().unwrap().contains("no backslash"));
    let error = parse("{{toYaml .}}").unwrap_err();
    assert!(error.hint().unwrap().contains("toJson"));
    let error = render(&parse("a\n  {{eq .app.metadata.name 1}}").unwrap(), &app()).unwrap_err();
    let expected = "template: t:2:4: executing \"t\" at <eq .app.metadata.name 1>: \
                    error calling eq: incompatible types for comparison: string and int";
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.stage(), Stage::Execute);
}

#[test]
fn missing_keys_by_option() {
    let template = parse("{{.absent.deeper}}").unwrap();
    assert_eq!(render(&template, &app()).unwrap(), "<no value>");
    assert!(render(&template.clone().with_missing_key(MissingKey::Error), &app()).is_err());
}

#[test]
fn writes_are_seen_by_this_render_only() {
    let text = "{{$_ := set .app.metadata \"name\" \"x\"}}{{.app.metadata.name}} {{.app.metadata | len}} \
                {{with .app}}{{get .metadata \"name\"}}{{end}} {{contains \"\\\"name\\\":\\\"x\\\"\" (toJson .)}}";
    let data = app();
    let template = parse(text).unwrap();
    assert_eq!(render(&template, &data).unwrap(), "x 2 x true");
    assert_eq!(render(&template, &data).unwrap(), "x 2 x true");
    assert_eq!(data.at(&["app", "metadata", "name"]).unwrap().as_str(), Some("shop"));
}

#[test]
fn output_before_an_error_stays() {
    let mut out = b">".to_vec();
    let template = parse("a{{fail \"no\"}}b").unwrap();
    let run = |context: &CallContext<'_>| template.render(&Value::Nil, context, &mut out);
    assert!(support::with_context(Limits::default(), run).is_err());
    assert_eq!(out, b">a");
}

#[test]
fn threads_share_a_template() {
    let template = parse("{{.app.metadata.name}}").unwrap();
    let data = app();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(render(&template, &data).unwrap(), "shop"));
        }
    });
}

/// What the comparison with Go on generated templates once found.
mod found_by_comparison {
    use super::*;

    fn shown(text: &str) -> String {
        shown_by(Profile::notifications(), text)
    }
    fn shown_by(profile: &'static Profile, text: &str) -> String {
        let data = support::decode(&json!({
            "t": {"$go": "time.Time", "v": "2026-03-04T05:06:07Z"}, "list": [3, 1, 2], "d": {"$go": "time.Duration", "v": "1h"},
        }));
        let rendered = Template::parse("t", text, profile, &Limits::default()).and_then(|t| render(&t, &data));
        rendered.unwrap_or_else(|error| error.cause().to_string())
    }

    #[test]
    fn break_in_the_else_of_a_range_ends_that_range_only() {
        assert_eq!(shown("{{range until 3}}[{{range list}}{{else}}{{break}}{{end}}]{{end}}"), "[][][]");
        assert_eq!(shown("{{range until 3}}[{{range list}}{{else}}{{continue}}{{end}}]{{end}}"), "[[[");
    }

    #[test]
    fn slim_sprig_reads_bounds_in_its_own_way() {
        assert_eq!(shown_by(Profile::gates(), "{{slice .list \"0x1\"}}"), "[3 1 2]");
        assert_eq!(shown("{{slice .list \"0x1\"}}"), "[1 2]");
        assert!(shown_by(Profile::gates(), "{{slice .list .d}}").contains("slice index out of bounds"));
    }

    #[test]
    fn call_names_what_comes_out_of_the_pipe() {
        assert_eq!(shown("{{1 | call}}"), "error calling call: non-function <int Value> of type int");
        assert_eq!(shown("{{\"x\" | call}}"), "error calling call: non-function x of type string");
    }

    #[test]
    fn patterns_that_are_not_utf8_are_shown_from_the_bad_byte_on() {
        let said = shown("{{mustRegexFind \"ab\\xffc\" \"x\"}}");
        assert_eq!(said, "error calling mustRegexFind: error parsing regexp: invalid UTF-8: `\u{FFFD}c`");
    }

    #[test]
    fn methods_with_several_results_and_private_fields() {
        assert_eq!(shown("{{.t.Date}}"), "function Date has 3 return values; should be 1 or 2");
        let said = shown("{{.t.ISOWeek}}");
        assert_eq!(said, "invalid function signature for ISOWeek: second return value should be error; is int");
        assert_eq!(shown("{{.t.wall}}"), "wall is an unexported field of struct type time.Time");
        assert_eq!(shown("{{printf \"%s\" (.t.AppendFormat nil \"2006\")}}"), "2026");
    }

    #[test]
    fn months_can_be_counted_and_versions_are_texts_in_json() {
        assert_eq!(shown("{{range .t.Month}}x{{end}}"), "xxx");
        assert_eq!(shown("{{semver \"v1.2\" | toJson}}"), "\"1.2.0\"");
    }

    #[test]
    fn only_numbers_are_complex() {
        assert!(shown("{{1+2i}}").contains("complex numbers"));
        assert_eq!(shown("{{0xi}}"), "illegal number syntax: \"0xi\"");
    }
}

#[test]
fn literal_patterns_are_kept_with_the_template() {
    let text = "{{$p := \"(b+)\"}}{{range list \"abbc\" \"xbz\"}}{{regexReplaceAll \"[ac]\" . \"-\"}} {{regexFind $p .}};{{end}}";
    let template = parse(text).unwrap();
    for _ in 0..3 {
        assert_eq!(render(&template, &Value::Nil).unwrap(), "-bb- bb;xbz b;");
    }
    // A wrong pattern fails each time in the same words.
    let wrong = parse("{{regexFind \"(\" \"x\"}}").unwrap();
    let said = || render(&wrong, &Value::Nil).unwrap_err().cause().to_string();
    assert_eq!(said(), said());
}

/// Not a limit: prints what one render of a Backstage body costs.
#[test]
fn cost_of_one_render() {
    let text = "{\n  \"recipients\": {\"type\": \"entity\", \"entityRef\": \
        \"{{index .app.metadata.annotations \"backstage.io/entity-ref\"}}\"},\n  \"payload\": {\n    \
        \"title\": \"{{.app.metadata.name}} - Sync Succeeded\",\n    \"description\": \"Application \
        **{{.app.metadata.name}}** has been synced successfully.\\n\\n**Health:** {{.app.status.health.status}}\\n\
        **Revision:** {{.app.status.sync.revision}}\",\n    \"link\": \"{{.context.argocdUrl}}/applications/\
        {{.app.metadata.name}}\",\n    \"severity\": \"low\",\n    \"topic\": \"argocd.sync.succeeded\"\n  }\n}\n";
    let (template, data) = (parse(text).unwrap(), app());
    let mut out = Vec::with_capacity(1024);
    let rounds: u32 = 20_000;
    let started = Instant::now();
    for _ in 0..rounds {
        out.clear();
        let run = |context: &CallContext<'_>| template.render(&data, context, &mut out);
        support::with_context(Limits::default(), run).unwrap();
    }
    let each = started.elapsed() / rounds;
    writeln!(std::io::stdout(), "one render of a Backstage body: {each:?}").unwrap();
    assert!(Str::from(out).to_lossy().contains("shop - Sync Succeeded"));
}
