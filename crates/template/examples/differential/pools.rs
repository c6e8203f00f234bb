//! What the generator draws from: texts that functions of each family find interesting.

/// Texts for any string.
pub const TEXTS: &[&str] = &[
    "", " ", "a", "guestbook", "Hello World", "  padded\t\n", "ünïcødé ẞ ǆ", "日本語 テキスト", "camelCaseText", "snake_case_text",
    "kebab-case-text", "HTTPServer2Go", "one,two,,three", "a b c a b", "line1\nline2\r\nline3", "<b>\"x\" & 'y'</b>", "100", "-17", "0x1f",
    "017", "3.14", "1e3", "true", "false", "null", "nil", "Synced", "OutOfSync", "Healthy", "https://git.example.com/org/repo.git", "%d %s",
    "a/b/../c.txt", "\\back\\slash", "emoji 🎉 done", "\u{0}\u{1}\u{7f}", "the quick brown fox jumps over the lazy dog", "🇩🇪e\u{301}", "ǅ İi ıI ß",
    "99999999999999999999", "1_000", "+5", " 12 ", "1h", "é", "$1 ${name}", "ABC", "x=1&y=2", "\u{2028}\u{feff}", "a.b.c",
];
/// Patterns.
pub const PATTERNS: &[&str] = &[
    "a", "[a-z]+", "^\\w+", "(\\w)(\\d?)", "\\s+", "(?i)hello", "", "a*", "(a|b)*c", "[^,]+", ".", "(?P<name>\\w+)-(\\w+)", "\\bx", "x{2,3}", "(",
    "[", "(?m)^l", "$", "\\p{L}+", "[[:alpha:]]", "a*?", "(?s).+", "\\d+\\.\\d+", "o|O", "*",
];
/// Versions and constraints.
pub const VERSIONS: &[&str] = &[
    "1.2.3", "v1.2.3", "1.2", "1", "1.2.3-rc.1", "1.2.3+build.5", ">=1.2", "^1.2.3", "~1.2", "1.x", "*", ">1.0 <2.0", "1.0 - 2.0", "!=1.2.3",
    ">=1.2.3-0", "^0.0.3", "~>1.3", "1.2.x || >=3", "bad", "01.2.3", "=1.2.3", "", ">= 1.0, < 2", "1.2.3-alpha", "<1.2.3-beta.2", "^0", "~0.0",
];
/// Addresses.
pub const URLS: &[&str] = &[
    "https://user:pass@example.com:8080/a/b?x=1&y=2#frag", "http://example.com", "mailto:a@b.c", "//host/path", "/just/path", "a b", "http://[::1]:80/",
    "%zz", "git@github.com:org/repo.git", "https://example.com/%7Efoo/a%2Fb", "http://ex ample.com", ":bad", "?q", "#f", "ssh://git@h/r", "x://a?b#",
];
/// JSON texts.
pub const JSON: &[&str] = &[
    "{}", "[]", "null", "1", "1.5", "\"s\"", "{\"a\":1,\"b\":[true,null,\"<x>\"]}", "{\"a\":{\"b\":{\"c\":1e30}}}", "[1,2", "{a:1}", "[1,2,3]", " {} x",
    "{\"a\":1,\"a\":2}", "12345678901234567890", "\"\\u00e9\\ud83d\\ude00\"", "-0", "01", "true",
];
/// Time layouts.
pub const LAYOUTS: &[&str] = &[
    "2006-01-02", "2006-01-02T15:04:05Z07:00", "Mon, 02 Jan 2006 15:04:05 MST", "3:04PM", "Jan _2 06 .000", "002 __2", "15:04:05.999999", "January Monday",
    "02/01/06 03:04:05 pm -0700", "", "x", "2006-01-02 15:04:05.000000000 -07:00:00",
];
/// Time texts, durations and zones.
pub const TIMES: &[&str] = &[
    "2026-03-04", "2026-03-04T05:06:07Z", "1h30m", "-2.5s", "100ms", "90", "5m", "24h", "1000h", "1d", "UTC", "Europe/Berlin", "America/New_York", "Nowhere/X",
    "-1.5h", "1us", "3:04AM", "0", "9223372036854775807", "Local", "",
];
/// Encoded texts.
pub const ENCODED: &[&str] =
    &["aGVsbG8=", "aGVsbG8", "aGVs\nbG8=", "NBSWY3DP", "nbswy3dp", "====", "!!", "", "AAECAw==", "MY======", "_-8="];
/// Verbs, with flags.
pub const VERBS: &[&str] = &[
    "%v", "%s", "%d", "%q", "%x", "%X", "%t", "%f", "%g", "%e", "%+v", "%#v", "%T", "%5d", "%-8s|", "%08.3f", "%+d", "% d", "%c", "%U", "%b", "%o", "%O",
    "%.2f", "%.3s", "%6.2f", "%#x", "%#q", "%+q", "%%", "%", "%!", "%z", "%[1]v", "%[2]d", "%*d", "%.*f", "% x", "%#o", "%G", "%E", "%x", "%010d",
    "%-5t|", "%5.1q", "%#U", "%[3]v", "%[x]d", "%#g", "%#.3g", "%+.2e", "%+08d", "%-08d|", "% X", "%.0f", "%.10g", "%20v|", "%-20v|", "%05s", "%.2x",
];
/// Numbers as a template writes them.
pub const NUMBERS: &[&str] = &[
    "0", "1", "-1", "2", "3", "7", "10", "42", "100", "-17", "0x1F", "0b101", "0o17", "017", "1_000", "'a'", "'\\n'", "1.5", "-2.25", "1e3", "1e-7", ".5",
    "0x1p4", "9223372036854775807", "-9223372036854775808", "1e21", "123456.789", "1e100", "3.0", "0.1", "2147483648", "255", "'é'", "1e6", "123456789.0",
];
/// Small whole numbers: what may be a count.
pub const SMALL: &[&str] = &["0", "1", "2", "3", "4", "5", "7", "12", "-1", "-3", "20"];
/// Text between actions.
pub const BETWEEN: &[&str] = &["", " ", "\n", "text", " x ", "\n\n  ", "a: ", "-", "} {", "\t|\t", "é ", "{ ", "* item\n"];
/// Places in the data.
pub const PATHS: &[&str] = &[
    ".app", ".app.metadata.name", ".app.metadata.labels", ".app.metadata.labels.team", ".app.metadata.annotations", ".app.spec", ".app.spec.source.repoURL",
    ".app.spec.sources", ".app.status.sync.status", ".app.status.conditions", ".app.status.operationState.phase", ".app.status.history", ".app.missing",
    ".s", ".s2", ".n", ".n2", ".f", ".f2", ".b", ".nil", ".list", ".ints", ".strs", ".m", ".empty", ".none",
    ".t", ".d", ".bytes", ".ms", ".u", ".i", ".nilmap", ".nilslice", ".mixed", ".app.metadata.generation", ".app.status.summary.images",
];
/// Places of texts.
pub const TEXT_PATHS: &[&str] = &[
    ".app.metadata.name", ".app.spec.source.repoURL", ".app.status.sync.status", ".app.status.operationState.phase", ".s", ".s2",
    ".app.metadata.labels.team",
];
/// Places of lists.
pub const LIST_PATHS: &[&str] =
    &[".list", ".ints", ".mixed", ".app.spec.sources", ".app.status.conditions", ".app.status.history", ".none", ".app.status.summary.images"];
/// Places of maps.
pub const MAP_PATHS: &[&str] =
    &[".app", ".m", ".empty", ".app.metadata.labels", ".app.metadata", ".app.spec", ".app.status", ".app.spec.source"];
/// Functions that answer a text.
pub const TEXT_FUNCTIONS: &[&str] = &[
    "upper", "lower", "trim", "trunc", "substr", "quote", "squote", "toJson", "print", "printf", "replace", "title", "cat", "join", "b64enc", "toString",
    "abbrev", "nospace", "indent", "repeat", "html", "js", "urlquery", "println", "typeOf", "kindOf", "toPrettyJson", "sha1sum", "base", "initials",
];
/// Functions that answer a map.
pub const MAP_FUNCTIONS: &[&str] = &["dict", "pick", "omit", "set", "unset", "merge", "fromJson", "urlParse", "split", "deepCopy", "mergeOverwrite"];
/// Functions that answer a list.
pub const LIST_FUNCTIONS: &[&str] =
    &["list", "append", "prepend", "rest", "initial", "reverse", "uniq", "without", "concat", "splitList", "until", "compact", "chunk", "sortAlpha", "slice"];
