//! The hostile templates: what each is called, its text, and how it has to end.
#![allow(clippy::unwrap_used, clippy::expect_used)]

/// How a hostile template has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With an error that names a limit.
    Limit,
    /// With an error that has these words.
    Says(&'static str),
    /// As it likes: Go renders it too. It must be quick and small all the same.
    Any,
}
use End::{Any, Limit, Says};

/// One hostile template.
pub struct Case {
    pub name: String,
    pub text: String,
    pub end: End,
}

const DEEP: usize = 200_000;

fn nested(open: &str, middle: &str, close: &str) -> String {
    format!("{}{middle}{}", open.repeat(DEEP), close.repeat(DEEP))
}

/// A text that is made longer by `grow` at each of 60 rounds.
fn growing(grow: &str) -> String {
    format!("{{{{$s := repeat 16 \"x\"}}}}{{{{range 60}}}}{{{{$s = {grow}}}}}{{{{end}}}}{{{{$s}}}}")
}

/// A list of lists that would print as 2^60 elements.
fn tree(sink: &str) -> String {
    format!("{{{{$l := list 1}}}}{{{{range 60}}}}{{{{$l = list $l $l}}}}{{{{end}}}}{{{{{sink}}}}}")
}

/// Values nested as deep as the steps allow.
fn tower(wrap: &str, sink: &str) -> String {
    format!("{{{{$d := list}}}}{{{{range {DEEP}}}}}{{{{$d = {wrap} $d}}}}{{{{end}}}}{{{{{sink}}}}}")
}

/// A text of a megabyte, which is what one call may make.
const BIG: &str = "(repeat 1000000 \"a\")";

fn nesting() -> Vec<(&'static str, String, End)> {
    let define = |body: &str| format!("{{{{define \"r\"}}}}{body}{{{{end}}}}{{{{template \"r\" .}}}}");
    vec![
        ("parentheses", format!("{{{{{}}}}}", nested("(", "1", ")")), Limit),
        ("calls", format!("{{{{{}}}}}", nested("(not ", "1", ")")), Limit),
        ("if", nested("{{if 1}}", "x", "{{end}}"), Limit),
        ("else", nested("{{if 0}}{{else}}", "x", "{{end}}"), Limit),
        ("with", nested("{{with 1}}", "x", "{{end}}"), Limit),
        ("range", nested("{{range 1}}", "x", "{{end}}"), Limit),
        ("block", nested("{{block \"b\" 1}}", "x", "{{end}}"), Limit),
        ("define", nested("{{define \"b\"}}", "x", "{{end}}"), Any),
        ("else if", format!("{{{{if 0}}}}{}{{{{end}}}}", "{{else if 0}}".repeat(DEEP)), Limit),
        ("else with", format!("{{{{with 0}}}}{}{{{{end}}}}", "{{else with 0}}".repeat(DEEP)), Limit),
        ("unclosed", "{{if 1}}".repeat(DEEP), Limit),
        ("unclosed parentheses", format!("{{{{{}", "(".repeat(DEEP)), Limit),
        ("pipes", format!("{{{{1{}}}}}", " | not".repeat(DEEP)), Any),
        ("arguments", format!("{{{{print{}}}}}", " 1".repeat(DEEP)), Any),
        ("fields", format!("{{{{{}}}}}", ".a".repeat(DEEP)), Any),
        ("variables", "{{$a := 1}}".repeat(DEEP / 2), Any),
        ("itself", define("{{template \"r\" .}}"), Limit),
        (
            "each other",
            "{{define \"a\"}}{{template \"b\" .}}{{end}}{{define \"b\"}}{{template \"a\" .}}{{end}}{{template \"a\" .}}"
                .to_owned(),
            Limit,
        ),
        ("itself twice", define("{{if lt (len .) 60}}{{template \"r\" (print . 1)}}{{template \"r\" (print . 1)}}{{end}}"), Any),
        ("itself twice, from a text", define("").replace("{{end}}{{template \"r\" .}}", "{{if lt (len .) 60}}{{template \"r\" (print . 1)}}{{template \"r\" (print . 1)}}{{end}}{{end}}{{template \"r\" \"\"}}"), Limit),
        ("itself in blocks", define(&format!("{}{{{{template \"r\" .}}}}{}", "{{if 1}}".repeat(400), "{{end}}".repeat(400))), Limit),
        ("itself in arguments", define(&format!("{{{{template \"r\" {}1{}}}}}", "(print ".repeat(900), ")".repeat(900))), Limit),
    ]
}

fn counts() -> Vec<(&'static str, String, End)> {
    let calls = [
        ("repeat", "repeat 1000000000 \"x\"", Limit),
        ("repeat of much", "repeat 1000000 (repeat 1000 \"x\")", Limit),
        ("indent", "indent 1000000000 \"x\"", Limit),
        ("nindent", "nindent 1000000000 \"x\"", Limit),
        ("indent of lines", "indent 100000 (repeat 100000 \"\\n\")", Limit),
        ("randAlphaNum", "randAlphaNum 1000000000", Limit),
        ("randBytes", "randBytes 1000000000", Limit),
        ("until", "until 1000000000", Limit),
        ("until below", "until -1000000000", Limit),
        ("untilStep", "untilStep 0 1000000000 1", Limit),
        ("seq", "seq 1000000000", Limit),
        ("width", "printf \"%1000000000d\" 1", Any),
        ("star", "printf \"%*d\" 1000000000 1", Any),
        ("widths", "printf \"%999999d%999999d\" 1 1", Limit),
        ("precision", "printf \"%.999999f%.999999f\" 1.0 1.0", Limit),
        ("star precision", "printf \"%.*f%.*f\" 999999 1.0 999999 1.0", Limit),
        ("arguments again", "printf (repeat 100000 \"%[1]s\") (repeat 1000 \"x\")", Limit),
        ("powers", "mulf 1e300 1e300 1e300 1e300 1e300 1e300 1e300 1e300", Any),
        ("quotients", "divf 1 (repeat 1000 \"3\") 7", Any),
        ("rounding", "round 1.5 1000000000", Any),
        ("range", "range 9000000000000000000}}{{end", Limit),
        ("ranges", "range 1000}}{{range 1000}}{{range 1000}}{{end}}{{end}}{{end", Limit),
        ("ranges of text", "range 900000}}0123456789{{end", Limit),
        ("wide list", "list | append (until 10000) | len", Any),
        ("uniq", "uniq (until 100000) | len", Limit),
        ("uniq of texts", "uniq (splitList \"\" (repeat 50000 \"ab\")) | len", Any),
        ("without", "without (until 30000) (until 30000) | len", Any),
        ("chunks", "chunk 1 (until 60000) | len", Any),
        ("layout", "now | date (repeat 1000000 \"2\")", Any),
        ("modified date", "now | dateModify \"999999999h\"", Any),
        ("constraints", "semverCompare (repeat 200000 \">1 \") \"1.2.3\"", Any),
        ("alternatives", "semverCompare (repeat 200000 \"1||\") \"1.2.3\"", Any),
        ("pretty", "range 900}}{{$.l | toPrettyJson}}{{end", Any),
    ];
    calls.map(|(name, call, end)| (name, format!("{{{{{call}}}}}"), end)).into()
}

fn growth() -> Vec<(&'static str, String, End)> {
    let texts = [
        ("print", "print $s $s"),
        ("printf", "printf \"%s%s\" $s $s"),
        ("println", "println $s $s"),
        ("hexadecimal", "printf \"%x\" $s"),
        ("quoted", "printf \"%q\" (print \"\\\\\" $s $s)"),
        ("cat", "cat $s $s"),
        ("join", "join $s (list $s $s $s)"),
        ("replace", "replace \"x\" \"xx\" $s"),
        ("b64enc", "b64enc $s"),
        ("b32enc", "b32enc $s"),
        ("json", "toJson (print \"\\\\\" $s $s)"),
        ("html", "html (print \"<\" $s $s)"),
        ("js", "js (print \"<\" $s $s)"),
        ("urlquery", "urlquery (print \"<\" $s $s)"),
        ("quote", "quote $s $s"),
        ("squote", "squote $s $s"),
        ("wrapWith", "wrapWith 1 $s $s"),
        ("regex", "regexReplaceAll \"x\" $s \"xx\""),
        ("literal regex", "regexReplaceAllLiteral \"\" $s \"xx\""),
        ("repeat", "repeat 2 $s"),
        ("indent", "nindent 20 (print $s $s)"),
    ];
    let mut cases: Vec<_> = texts.map(|(name, grow)| (name, growing(grow), Limit)).into();
    for (name, sink) in [
        ("printed tree", "$l"),
        ("tree as JSON", "toJson $l"),
        ("tree as pretty JSON", "toPrettyJson $l"),
        ("copied tree", "deepCopy $l"),
        ("compared tree", "deepEqual $l (list (index $l 0) (index $l 1))"),
        ("formatted tree", "printf \"%#v\" $l"),
        ("joined tree", "join \",\" $l"),
        ("tree as text", "toString $l"),
        ("quoted tree", "quote $l"),
        ("tree in a set", "has $l (list $l (index $l 0))"),
    ] {
        cases.push((name, tree(sink), if name == "compared tree" || name == "tree in a set" { Any } else { Limit }));
    }
    for (name, wrap, sink) in [
        ("deep list", "list", "$d"),
        ("deep list as JSON", "list", "toJson $d"),
        ("deep list as pretty JSON", "list", "toPrettyJson $d"),
        ("deep list, copied", "list", "deepCopy $d"),
        ("deep list, compared", "list", "deepEqual $d (list (index $d 0))"),
        ("deep list, joined", "list", "join \",\" $d"),
        ("deep list, dropped", "list", "kindOf $d"),
        ("deep map", "dict \"a\"", "$d"),
        ("deep map as JSON", "dict \"a\"", "toJson $d"),
        ("deep map, copied", "dict \"a\"", "deepCopy $d"),
        ("deep map, merged", "dict \"a\"", "merge (dict) $d"),
        ("deep map, compared", "dict \"a\"", "deepEqual $d (dict \"a\" (get $d \"a\"))"),
        ("deep map, dropped", "dict \"a\"", "kindOf $d"),
    ] {
        cases.push((name, tower(wrap, sink), Any));
    }
    let loops = [
        ("appended list", "{{$l := list}}{{range 900000}}{{$l = append $l .}}{{end}}", Limit),
        ("prepended list", "{{$l := list}}{{range 900000}}{{$l = prepend $l .}}{{end}}", Limit),
        ("doubled list", "{{$l := list 1}}{{range 60}}{{$l = concat $l $l}}{{end}}", Limit),
        ("filled map", "{{$d := dict}}{{range 900000}}{{$_ := set $d (print .) .}}{{end}}", Limit),
        (
            "filled map of texts",
            "{{$d := dict}}{{range 900000}}{{$_ := set $d (print .) (repeat 1000 \"x\")}}{{end}}",
            Limit,
        ),
        ("kept texts", "{{$l := list}}{{range 900000}}{{$l = list $l (repeat 100000 \"x\")}}{{end}}", Limit),
        ("kept lists", "{{$l := list}}{{range 900000}}{{$l = list $l (until 1000)}}{{end}}", Limit),
        ("kept dicts", "{{$l := list}}{{range 900000}}{{$l = list $l (dict \"a\" 1 \"b\" 2 \"c\" 3)}}{{end}}", Limit),
        ("kept urls", "{{$l := list}}{{range 900000}}{{$l = list $l (urlParse \"http://u:p@h/p?q#f\")}}{{end}}", Limit),
        ("kept pieces", "{{$l := list}}{{range 900000}}{{$l = list $l (split \"-\" \"a-b-c-d\")}}{{end}}", Limit),
        ("kept documents", "{{$l := list}}{{range 900000}}{{$l = list $l (fromJson \"[{},{},{},{}]\")}}{{end}}", Limit),
        ("map in itself", "{{$d := dict}}{{$_ := set $d \"s\" $d}}{{$d}}", Says("map into itself")),
        (
            "map in itself as JSON",
            "{{$d := dict}}{{$_ := set $d \"s\" (list $d)}}{{toJson $d}}",
            Says("map into itself"),
        ),
        (
            "map in its part",
            "{{$d := dict}}{{$e := dict \"d\" $d}}{{$_ := set $d \"e\" $e}}{{deepCopy $d}}",
            Says("map into itself"),
        ),
        (
            "maps in each other",
            "{{$d := dict}}{{$e := dict \"d\" $d}}{{$_ := merge $d (dict \"e\" $e)}}{{deepEqual $d $e}}{{$d}}",
            Any,
        ),
    ];
    cases.extend(loops.map(|(name, text, end)| (name, text.to_owned(), end)));
    cases
}

fn texts() -> Vec<(&'static str, String, End)> {
    let calls = [
        ("pattern of repeats", "regexMatch \"(a{1000}){1000}\" \"a\"".to_owned(), Any),
        ("pattern of letters", "regexMatch \"((\\\\pL{100}){10}|\\\\pN{1000})\" \"a\"".to_owned(), Any),
        ("pattern of stars", format!("regexMatch \"(((a*)*)*)*$\" {BIG}"), Any),
        ("pattern that backtracks elsewhere", format!("regexMatch \"(a|aa)+$\" (print {BIG} \"b\")"), Any),
        ("deep pattern", format!("regexMatch (print (repeat {DEEP} \"(\") \"a\" (repeat {DEEP} \")\")) \"a\""), Any),
        ("long pattern", "regexMatch (repeat 300000 \"a?\") \"a\"".to_owned(), Any),
        ("all empty matches", format!("regexFindAll \"\" {BIG} -1"), Limit),
        ("empty matches replaced", format!("regexReplaceAll \"\" {BIG} \"yyyyyyyyyy\""), Limit),
        ("matches replaced by themselves", format!("regexReplaceAll \"(a+)\" {BIG} \"$1$1$1$1\""), Limit),
        ("pieces", format!("regexSplit \"\" {BIG} -1"), Limit),
        ("new patterns", "range 100000}}{{regexMatch (printf \"(\\\\pL{300}|%d)\" .) \"a\"}}{{end".to_owned(), Limit),
        ("old pattern", "range 300000}}{{regexMatch \"^a.*b$\" \"acb\"}}{{end".to_owned(), Limit),
        ("slow matches", format!("$s := {BIG}}}}}{{{{range 100000}}}}{{{{regexMatch \"(a|b)*c\" $s}}}}{{{{end"), Limit),
        ("split", format!("splitList \"\" {BIG} | len"), Limit),
        ("numbered pieces", format!("split \"\" {BIG} | len"), Limit),
        ("wrapped", format!("wrap 1 (replace \"a\" \"a \" (trunc 500000 {BIG}))"), Any),
        (
            "title",
            format!("title {BIG} | camelcase | snakecase | kebabcase | swapcase | untitle | initials | nospace"),
            Any,
        ),
        ("documents", "fromJson (print (repeat 100000 \"[\") (repeat 100000 \"]\")) | toJson".to_owned(), Any),
        ("wide document", "fromJson (print \"[\" (repeat 400000 \"1,\") \"1]\") | len".to_owned(), Any),
        ("address", format!("urlParse (print \"http://\" {BIG})"), Any),
        ("cut", format!("$s := {BIG}}}}}{{{{range 1000000}}}}{{{{$_ := substr 0 999999 $s}}}}{{{{end"), Limit),
        ("searched", format!("$s := {BIG}}}}}{{{{range 1000000}}}}{{{{$_ := contains \"b\" $s}}}}{{{{end"), Limit),
        ("hashed", format!("$s := {BIG}}}}}{{{{range 1000000}}}}{{{{$_ := sha512sum $s}}}}{{{{end"), Limit),
        ("raised", format!("$s := {BIG}}}}}{{{{range 1000000}}}}{{{{$_ := upper $s}}}}{{{{end"), Limit),
        ("trimmed", format!("$s := {BIG}}}}}{{{{range 1000000}}}}{{{{$_ := trimAll \"a\" $s}}}}{{{{end"), Limit),
        (
            "compared",
            format!("$s := {BIG}}}}}{{{{$t := {BIG}}}}}{{{{range 1000000}}}}{{{{$_ := eq $s $t}}}}{{{{end"),
            Limit,
        ),
        (
            "equal lists",
            "$s := until 30000}}{{$t := until 30000}}{{range 1000000}}{{$_ := deepEqual $s $t}}{{end".to_owned(),
            Limit,
        ),
        (
            "sorted",
            format!(
                "$s := splitList \"a\" (trunc 60000 {BIG})}}}}{{{{range 1000000}}}}{{{{$_ := sortAlpha $s}}}}{{{{end"
            ),
            Limit,
        ),
        ("key", "genPrivateKey \"rsa\"".to_owned(), Says("templates.costlyFunctions")),
        ("authority", "genCA \"cn\" 1".to_owned(), Says("templates.costlyFunctions")),
        ("password", "bcrypt \"x\"".to_owned(), Says("templates.costlyFunctions")),
        ("host", "getHostByName \"localhost\"".to_owned(), Says("templates.costlyFunctions")),
    ];
    calls.map(|(name, call, end)| (name, format!("{{{{{call}}}}}"), end)).into()
}

/// All of them.
pub fn cases() -> Vec<Case> {
    let groups = [("nesting", nesting()), ("count", counts()), ("growth", growth()), ("text", texts())];
    let named = |(group, cases): (&str, Vec<(&'static str, String, End)>)| {
        let group = group.to_owned();
        cases.into_iter().map(move |(name, text, end)| Case { name: format!("{group}: {name}"), text, end })
    };
    groups.into_iter().flat_map(named).collect()
}
