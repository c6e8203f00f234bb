//! Makes a template and its data from a seed: every construct of the language, every deterministic function.

use crate::pools;
use gatepost_template::{Effect, FunctionSpec, ParamType, Profile};
use serde_json::{Value as Json, json};

/// Clock functions that only read the clock when their argument is no time.
const TIMED: &[&str] = &["date", "dateInZone", "date_in_zone", "htmlDate", "htmlDateInZone"];
/// Functions whose answer Go leaves to chance or that call what the data has not.
const LEFT_OUT: &[&str] = &["keys", "values", "call", "ago", "durationRound", "getHostByName"];

/// splitmix64
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
    fn pick<'p>(&mut self, pool: &[&'p str]) -> &'p str {
        pool[self.below(pool.len())]
    }
    fn percent(&mut self, n: usize) -> bool {
        self.below(100) < n
    }
}

/// The functions of a profile whose answer is the same each time.
pub fn functions(profile: &'static Profile) -> Vec<&'static FunctionSpec> {
    let mut names: Vec<_> = profile.names().filter(|name| !LEFT_OUT.contains(name)).collect();
    names.sort_unstable();
    let specs = names.into_iter().filter_map(|name| profile.get(name));
    let same = |spec: &&FunctionSpec| !spec.costly && (spec.effect == Effect::Pure || TIMED.contains(&spec.name));
    specs.filter(same).collect()
}

/// One template being written.
pub struct Generator<'f> {
    random: Random,
    functions: &'f [&'static FunctionSpec],
    variables: Vec<String>,
    made: usize,
    in_loop: usize,
}

impl<'f> Generator<'f> {
    /// Starts from a seed.
    pub fn new(seed: u64, functions: &'f [&'static FunctionSpec]) -> Self {
        Self { random: Random(seed), functions, variables: Vec::new(), made: 0, in_loop: 0 }
    }

    /// The whole template.
    pub fn template(&mut self) -> String {
        let mut out = String::new();
        let named = self.random.percent(12);
        if named {
            out += &format!("{{{{define \"part\"}}}}{}{{{{end}}}}", self.isolated(2));
        }
        let pieces = 1 + self.random.below(2);
        for _ in 0..pieces {
            out += &self.piece(3);
        }
        if named {
            let argument = self.any(1);
            out += &format!("{{{{template \"part\" {argument}}}}}");
        }
        if self.random.percent(2) { self.damaged(&out) } else { out }
    }

    /// A character lost or doubled: mostly a parse error.
    fn damaged(&mut self, text: &str) -> String {
        let at = self.random.below(text.chars().count().max(1));
        let double = self.random.percent(50);
        let keep = |(i, c): (usize, char)| match (i == at, double) {
            (true, true) => vec![c, c],
            (true, false) => vec![],
            _ => vec![c],
        };
        text.chars().enumerate().flat_map(keep).collect()
    }

    fn isolated(&mut self, depth: usize) -> String {
        let kept = (std::mem::take(&mut self.variables), std::mem::take(&mut self.in_loop));
        let body = self.body(depth);
        (self.variables, self.in_loop) = kept;
        body
    }

    fn body(&mut self, depth: usize) -> String {
        let before = self.variables.len();
        let pieces = 1 + self.random.below(2);
        let out = (0..pieces).map(|_| self.piece(depth)).collect();
        self.variables.truncate(before);
        out
    }

    fn delimited(&mut self, action: &str) -> String {
        let left = if self.random.percent(10) { "{{- " } else { "{{" };
        let right = if self.random.percent(10) { " -}}" } else { "}}" };
        format!("{left}{action}{right}")
    }

    fn piece(&mut self, depth: usize) -> String {
        let text = self.random.pick(pools::BETWEEN).to_owned();
        text + &match self.random.below(if depth == 0 { 10 } else { 18 }) {
            0..=7 => {
                let pipeline = self.pipeline(3);
                self.delimited(&pipeline)
            }
            8 => self.declaration(),
            9 if self.in_loop > 0 => {
                let word = self.random.pick(&["break", "continue"]);
                let condition = self.condition();
                format!("{{{{if {condition}}}}}{{{{{word}}}}}{{{{end}}}}")
            }
            9 => self.delimited("/* a comment */"),
            10..=12 => self.branch("if", depth - 1),
            13 | 14 => self.branch("with", depth - 1),
            15 | 16 => self.range(depth - 1),
            _ => {
                self.made += 1;
                let (n, argument, body) = (self.made, self.any(1), self.isolated(depth - 1));
                format!("{{{{block \"b{n}\" {argument}}}}}{body}{{{{end}}}}")
            }
        }
    }

    fn new_variable(&mut self) -> String {
        self.made += 1;
        let name = format!("$v{}", self.made);
        self.variables.push(name.clone());
        name
    }

    fn declaration(&mut self) -> String {
        let value = self.pipeline(2);
        if !self.variables.is_empty() && self.random.percent(40) {
            let name = self.variables[self.random.below(self.variables.len())].clone();
            return self.delimited(&format!("{name} = {value}"));
        }
        let name = self.new_variable();
        self.delimited(&format!("{name} := {value}"))
    }

    fn branch(&mut self, word: &str, depth: usize) -> String {
        let before = self.variables.len();
        let value = if self.random.percent(50) { self.condition() } else { self.pipeline(2) };
        let head = if self.random.percent(15) { format!("{} := {value}", self.new_variable()) } else { value };
        let mut out = self.delimited(&format!("{word} {head}")) + &self.body(depth);
        if self.random.percent(20) {
            let next = self.condition();
            out += &format!("{{{{else {word} {next}}}}}{}", self.body(depth));
        }
        if self.random.percent(50) {
            out += &self.delimited("else");
            out += &self.body(depth);
        }
        self.variables.truncate(before);
        out + &self.delimited("end")
    }

    fn range(&mut self, depth: usize) -> String {
        let before = self.variables.len();
        let source = match self.random.below(10) {
            0..=4 => self.list(1),
            5 | 6 => self.map(1),
            7 => self.int(),
            _ => self.any(2),
        };
        let head = match self.random.below(3) {
            0 => source,
            1 => format!("{} := {source}", self.new_variable()),
            _ => format!("{}, {} := {source}", self.new_variable(), self.new_variable()),
        };
        self.in_loop += 1;
        let mut out = self.delimited(&format!("range {head}")) + &self.body(depth);
        self.in_loop -= 1;
        if self.random.percent(30) {
            out += &format!("{{{{else}}}}{}", self.body(depth));
        }
        self.variables.truncate(before);
        out + "{{end}}"
    }

    fn condition(&mut self) -> String {
        match self.random.below(6) {
            0 => format!("not {}", self.any(1)),
            1 => {
                let word = self.random.pick(&["and", "or"]);
                format!("{word} {} {}", self.any(1), self.any(1))
            }
            2 => format!("eq {} {}", self.string(1), self.string(1)),
            3 => {
                let word = self.random.pick(&["eq", "ne", "lt", "le", "gt", "ge"]);
                format!("{word} {} {}", self.any(1), self.any(1))
            }
            4 => format!("gt (len {}) {}", self.list(1), self.random.pick(pools::SMALL)),
            _ => self.any(2),
        }
    }

    /// Commands joined by `|`.
    fn pipeline(&mut self, depth: usize) -> String {
        let mut out = match self.random.below(10) {
            0..=4 => self.call(depth),
            5..=7 => self.string(depth),
            _ => self.any(depth),
        };
        while self.random.percent(30) {
            let name = self.pipeable();
            let call = self.call_of(name, depth.saturating_sub(1), true);
            out += &format!(" | {call}");
        }
        out
    }

    fn function(&mut self) -> &'static FunctionSpec {
        self.functions[self.random.below(self.functions.len())]
    }

    /// A function that may well take what comes out of a pipe.
    fn pipeable(&mut self) -> &'static FunctionSpec {
        let fits = |spec: &FunctionSpec| {
            let last = spec.signature.params.last();
            matches!(last, Some(ParamType::String | ParamType::Any | ParamType::Reflect)) && !TIMED.contains(&spec.name)
        };
        loop {
            let spec = self.function();
            if fits(spec) {
                return spec;
            }
        }
    }

    fn call(&mut self, depth: usize) -> String {
        let spec = self.function();
        self.call_of(spec, depth, false)
    }

    fn named(&mut self, pool: &[&str], depth: usize) -> String {
        let name = self.random.pick(pool);
        let found = self.functions.iter().find(|spec| spec.name == name).copied();
        let spec = found.unwrap_or_else(|| self.function());
        format!("({})", self.call_of(spec, depth, false))
    }

    /// A call; `piped` leaves the last argument to the pipe.
    fn call_of(&mut self, spec: &FunctionSpec, depth: usize, piped: bool) -> String {
        let signature = &spec.signature;
        let mut count = signature.required() + if signature.variadic { self.random.below(3) } else { 0 };
        if self.random.percent(1) {
            count = self.random.below(4);
        }
        let mut out = spec.name.to_owned();
        for i in 0..count.saturating_sub(usize::from(piped)) {
            let last = signature.params.last().copied();
            let param = signature.params.get(i).copied().or(last).unwrap_or(ParamType::Any);
            out.push(' ');
            out += &self.argument(spec.name, i, param, depth.saturating_sub(1));
        }
        out
    }

    fn argument(&mut self, function: &str, index: usize, param: ParamType, depth: usize) -> String {
        if self.random.percent(1) && !TIMED.contains(&function) {
            return self.any(depth);
        }
        match (function, index) {
            // Maps that do not hold each other: merging a map into itself is refused here.
            ("merge" | "mustMerge" | "mergeOverwrite" | "mustMergeOverwrite", _) => {
                self.random.pick(&["$.m", "$.empty", "$.app.metadata.labels", "(dict \"a\" 1)", "(dict)"]).to_owned()
            }
            ("printf", 0) => self.format(),
            ("index" | "slice" | "len" | "first" | "last" | "rest" | "initial" | "reverse" | "uniq" | "compact", 0)
            | ("append" | "prepend" | "push" | "without" | "concat" | "sortAlpha", 0)
            | ("join" | "has" | "chunk", 1)
                if self.random.percent(80) =>
            {
                self.list(depth)
            }
            ("index" | "slice", _) if self.random.percent(80) => self.int(),
            _ if TIMED.contains(&function) && param == ParamType::Any => self.time(),
            _ => self.typed(function, param, depth),
        }
    }

    fn typed(&mut self, function: &str, param: ParamType, depth: usize) -> String {
        match param {
            ParamType::String => match family(function) {
                Some(pool) if self.random.percent(70) => {
                    let text = self.random.pick(pool);
                    self.literal(text)
                }
                _ => self.string(depth),
            },
            ParamType::Bool => self.random.pick(&["true", "false", "(eq 1 1)", ".b"]).to_owned(),
            ParamType::Int | ParamType::Int64 | ParamType::Uint32 => self.int(),
            ParamType::Float64 => self.random.pick(pools::NUMBERS).to_owned(),
            ParamType::Time => ".t".to_owned(),
            ParamType::Map => self.map(depth),
            ParamType::List | ParamType::Strings => self.list(depth),
            ParamType::Any | ParamType::Reflect | ParamType::Struct(_) => self.any(depth),
        }
    }

    fn format(&mut self) -> String {
        let mut format = String::new();
        for _ in 0..=self.random.below(3) {
            format += self.random.pick(pools::VERBS);
            format += self.random.pick(&["", " ", ", ", "é"]);
        }
        self.literal(&format)
    }

    fn literal(&mut self, text: &str) -> String {
        if self.random.percent(15) && !text.contains(['`', '\r']) {
            return format!("`{text}`");
        }
        let escape = |c: char| match c {
            '"' => "\\\"".to_owned(),
            '\\' => "\\\\".to_owned(),
            '\n' => "\\n".to_owned(),
            '\r' => "\\r".to_owned(),
            c if (c as u32) < 32 => format!("\\x{:02x}", c as u32),
            c => c.to_string(),
        };
        format!("\"{}\"", text.chars().map(escape).collect::<String>())
    }

    /// Times that are times anywhere: `$` is another value inside `define`, and without a time the clock would be read.
    fn time(&mut self) -> String {
        let pool =
            ["(toDate \"2006-01-02\" \"2026-03-04\")", "(toDate \"15:04:05\" \"23:59:58\")", "0", "1700000000", "-5"];
        self.random.pick(&pool).to_owned()
    }

    fn int(&mut self) -> String {
        match self.random.below(10) {
            0 => ".n".to_owned(),
            1 => format!("(len {})", self.random.pick(pools::LIST_PATHS)),
            2 => format!("(int {})", self.random.pick(&[".n", "\"5\"", "2.9", ".i", "\"x\""])),
            _ => self.random.pick(pools::SMALL).to_owned(),
        }
    }

    fn string(&mut self, depth: usize) -> String {
        match self.random.below(10) {
            0..=2 => rooted(self.random.pick(pools::TEXT_PATHS)),
            3 | 4 if depth > 0 => self.named(pools::TEXT_FUNCTIONS, depth - 1),
            _ => {
                let text = self.random.pick(pools::TEXTS);
                self.literal(text)
            }
        }
    }

    fn list(&mut self, depth: usize) -> String {
        match self.random.below(10) {
            0..=4 => rooted(self.random.pick(pools::LIST_PATHS)),
            _ if depth > 0 => self.named(pools::LIST_FUNCTIONS, depth - 1),
            _ => "(list 3 1 2)".to_owned(),
        }
    }

    fn map(&mut self, depth: usize) -> String {
        match self.random.below(10) {
            0..=5 => rooted(self.random.pick(pools::MAP_PATHS)),
            _ if depth > 0 => self.named(pools::MAP_FUNCTIONS, depth - 1),
            _ => "(dict \"a\" 1 \"b\" \"x\")".to_owned(),
        }
    }

    fn any(&mut self, depth: usize) -> String {
        match self.random.below(20) {
            0..=4 => rooted(self.random.pick(pools::PATHS)),
            5 => self.random.pick(&[".", "$", ".name", ".type", "$.s", "$.m.a"]).to_owned(),
            6 | 7 if !self.variables.is_empty() => self.variables[self.random.below(self.variables.len())].clone(),
            8..=10 => self.string(depth),
            11 | 12 => self.random.pick(pools::NUMBERS).to_owned(),
            13 => self.random.pick(&["true", "false", "nil", "\"\""]).to_owned(),
            14 => self.list(depth),
            15 => self.map(depth),
            _ if depth > 0 => format!("({})", self.call(depth - 1)),
            _ => self.random.pick(pools::NUMBERS).to_owned(),
        }
    }

    /// An Application and values of every type.
    pub fn data(&mut self) -> Json {
        let mut text = || Json::from(self.random.pick(pools::TEXTS).to_owned());
        let (name, team, s, s2) = (text(), text(), text(), text());
        let (a, b, c) = (text(), text(), text());
        let numbers: Vec<i64> = (0..4).map(|_| self.random.below(40) as i64 - 10).collect();
        let float = [0.0, 1.5, -2.25, 1e21, 123_456.789, 3.0, 1e-7, 0.1][self.random.below(8)];
        json!({
            "app": {
                "metadata": {"name": name, "generation": numbers[0], "labels": {"team": team, "env": "prod"}, "annotations": {}},
                "spec": {"source": {"repoURL": "https://git.example.com/org/repo.git", "path": "apps/x"},
                         "sources": [{"name": "one", "path": a}, {"name": "two"}]},
                "status": {"sync": {"status": "Synced", "revision": "abc123"}, "operationState": {"phase": "Succeeded", "retryCount": 2},
                           "conditions": [{"type": "SyncError", "message": b}, {"type": "Warning", "message": "m"}],
                           "history": [{"id": 1}, {"id": 2}], "summary": {"images": ["nginx:1.2", "redis@sha256:ab", c]}}
            },
            "s": s, "s2": s2, "n": numbers[1], "n2": numbers[2].wrapping_mul(1_000_003), "f": float, "f2": 2.0, "b": numbers[3] % 2 == 0,
            "nil": null, "list": ["b", "a", "c", "a"], "ints": [numbers[2], 1, numbers[3], 1], "mixed": [1, "x", null, true, 1.5, {"k": 1}, [2]],
            "m": {"a": numbers[1], "b": {"c": a}, "z": null}, "empty": {}, "none": [],
            "strs": {"$go": "[]string", "v": ["y", "x", "y"]}, "t": {"$go": "time.Time", "v": "2026-03-04T05:06:07.089Z"},
            "t2": {"$go": "time.Time", "v": "1999-12-31T23:59:59+02:00"}, "d": {"$go": "time.Duration", "v": "1h2m3.5s"},
            "bytes": {"$go": "[]byte", "v": "raw é"}, "ms": {"$go": "map[string]string", "v": {"k": "v", "a": "b"}},
            "u": {"$go": "uint64", "v": 18_446_744_073_709_551_615_u64}, "i": {"$go": "int", "v": numbers[0]},
            "nilmap": {"$go": "nilmap"}, "nilslice": {"$go": "nilslice"}
        })
    }
}

/// From the root, so that it means the same inside `range` and `with`.
fn rooted(path: &str) -> String {
    format!("${path}")
}

fn family(function: &str) -> Option<&'static [&'static str]> {
    let lower = function.to_lowercase();
    let has = |part: &str| lower.contains(part);
    match () {
        () if has("regex") => Some(pools::PATTERNS),
        () if has("semver") => Some(pools::VERSIONS),
        () if has("url") => Some(pools::URLS),
        () if has("fromjson") => Some(pools::JSON),
        () if TIMED.contains(&function) => {
            Some(if lower.starts_with("htmldate") { pools::TIMES } else { pools::LAYOUTS })
        }
        () if has("date") || has("duration") => Some(pools::TIMES),
        () if has("b64") || has("b32") => Some(pools::ENCODED),
        () => None,
    }
}
