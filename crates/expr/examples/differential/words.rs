//! Random literals: strings with every escape, numbers in every form, patterns. Wrong ones are among them.

use crate::random::Random;

const PIECES: [&str; 34] = [
    "a",
    "B",
    "é",
    "🙂",
    " ",
    "0",
    "/",
    ",",
    "\\\\",
    "\\n",
    "\\r",
    "\\t",
    "\\a",
    "\\b",
    "\\f",
    "\\v",
    "\\'",
    "\\\"",
    "\\`",
    "\\x41",
    "\\xe9",
    "\\xff",
    "\\u00e9",
    "\\u2028",
    "\\ud800",
    "\\U0001F600",
    "\\u{1F600}",
    "\\u{41}",
    "\\101",
    "\\377",
    "\\400",
    "\\x4",
    "\\q",
    "{",
];

const PATTERNS: [&str; 26] = [
    "'^h'",
    "'L+o$'",
    "'(?i)HEL+O'",
    "`^\\w+$`",
    "`\\d+`",
    "`\\bello`",
    "'[[:alpha:]]+'",
    "`\\pL`",
    "`\\p{Greek}`",
    "'(?P<n>a)(b)?'",
    "'a{2,}'",
    "'a{1001}'",
    "`\\Qa.b\\E`",
    "'x*?'",
    "'(?s)a.b'",
    "'[^\\\\s]'",
    "'('",
    "'a**'",
    "'(?=a)'",
    "`\\C`",
    "'{'",
    "'^$'",
    "''",
    "'[a-'",
    "`\\x{e9}`",
    "'ß|é'",
];

/// A string literal in any quotes.
pub fn string(random: &mut Random) -> String {
    let quote = random.pick(&["'", "\"", "\"", "`"]);
    let text: String = (0..random.below(5)).map(|_| random.pick(&PIECES)).collect();
    let text = if quote == "`" { text.replace("\\`", "``") } else { text };
    format!("{quote}{text}{quote}")
}

/// A bytes literal.
pub fn bytes(random: &mut Random) -> String {
    format!("b{}", string(random))
}

/// A literal or dynamic pattern for `matches`.
pub fn pattern(random: &mut Random) -> String {
    let constant = random.pick(&PATTERNS);
    match random.below(4) {
        0 => format!("({constant} + e)"),
        1 => format!("lower({constant})"),
        _ => constant.to_owned(),
    }
}

/// A number in any form.
pub fn number(random: &mut Random) -> String {
    let digits = |random: &mut Random, set: &[&'static str]| -> String {
        (0..=random.below(4)).map(|_| random.pick(set)).collect()
    };
    let decimal = &["0", "1", "2", "7", "9", "_", "5"];
    match random.below(8) {
        0 => format!("0x{}", digits(random, &["0", "9", "a", "F", "_", "1"])),
        1 => format!("0b{}", digits(random, &["0", "1", "_", "1"])),
        2 => format!("0o{}", digits(random, &["0", "7", "_", "3"])),
        3 => format!("1{}", digits(random, decimal)),
        4 => format!("{}.{}", digits(random, &["0", "3", "8"]), digits(random, decimal)),
        5 => format!(".{}", digits(random, &["0", "5", "25"])),
        6 => format!("2{}{}", random.pick(&["e", "E", "e+", "e-", ".5e"]), digits(random, &["0", "1", "3"])),
        _ => digits(random, &["1", "0", "99999"]),
    }
}
