//! Makes a template and its data from a seed: every construct of the language; `calls` writes the pipelines in it.

use crate::pools;
use gatepost_template::{Effect, FunctionSpec, Profile};
use serde_json::{Value as Json, json};

/// Clock functions that only read the clock when their argument is no time.
pub(crate) const TIMED: &[&str] = &["date", "dateInZone", "date_in_zone", "htmlDate", "htmlDateInZone"];
/// Functions whose answer Go leaves to chance or that call what the data has not.
const LEFT_OUT: &[&str] = &["keys", "values", "call", "ago", "durationRound", "getHostByName"];

/// splitmix64
pub(crate) struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
    pub(crate) fn pick<'p>(&mut self, pool: &[&'p str]) -> &'p str {
        pool[self.below(pool.len())]
    }
    pub(crate) fn percent(&mut self, n: usize) -> bool {
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
    pub(crate) random: Random,
    pub(crate) functions: &'f [&'static FunctionSpec],
    pub(crate) variables: Vec<String>,
    /// How many of a hundred arguments are of a kind that the function hardly expects.
    pub(crate) oddness: usize,
    made: usize,
    in_loop: usize,
    named: bool,
}

impl<'f> Generator<'f> {
    /// Starts from a seed.
    pub fn new(seed: u64, functions: &'f [&'static FunctionSpec]) -> Self {
        let mut random = Random(seed);
        let oddness = if random.percent(20) { 30 } else { 0 };
        Self { random, functions, variables: Vec::new(), oddness, made: 0, in_loop: 0, named: false }
    }

    /// The whole template.
    pub fn template(&mut self) -> String {
        let mut out = String::new();
        if self.random.percent(15) {
            let define = self.delimited("define \"part\"");
            out += &format!("{define}{}{{{{end}}}}", self.isolated(2));
            self.named = true;
        }
        for _ in 0..=self.random.below(2) {
            out += &self.piece(3);
        }
        if self.named {
            out += &self.template_call();
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

    fn template_call(&mut self) -> String {
        let name = if self.random.percent(3) { "absent" } else { "part" };
        let argument = if self.random.percent(90) { self.any(1) } else { String::new() };
        self.delimited(&format!("template \"{name}\" {argument}"))
    }

    fn comment(&mut self) -> String {
        self.random.pick(pools::COMMENTS).to_owned()
    }

    fn delimited(&mut self, action: &str) -> String {
        let left = self.random.pick(pools::LEFT);
        let right = self.random.pick(pools::RIGHT);
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
                let word = self.delimited(word);
                if self.random.percent(20) { word } else { format!("{{{{if {condition}}}}}{word}{{{{end}}}}") }
            }
            9 if self.named && self.random.percent(60) => self.template_call(),
            9 => self.comment(),
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
        while self.random.percent(20) {
            let next = self.condition();
            out += &self.delimited(&format!("else {word} {next}"));
            out += &self.body(depth);
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
            8 => self.random.pick(pools::RANGES).to_owned(),
            _ => self.any(2),
        };
        let head = match self.random.below(4) {
            3 if !self.variables.is_empty() => {
                let name = self.variables[self.random.below(self.variables.len())].clone();
                format!("{name} = {source}")
            }
            0 => source,
            1 | 3 => format!("{} := {source}", self.new_variable()),
            _ => format!("{}, {} := {source}", self.new_variable(), self.new_variable()),
        };
        self.in_loop += 1;
        let mut out = self.delimited(&format!("range {head}")) + &self.body(depth);
        self.in_loop -= 1;
        if self.random.percent(30) {
            out += &self.delimited("else");
            out += &self.body(depth);
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
            "strings": {"$go": "argocd.strings"}, "time": {"$go": "argocd.time"}, "repo": {"$go": "argocd.repo"},
            "st": {"$go": "struct", "v": {"Name": "nm", "N": {"$go": "int", "v": 3}, "Inner": {"$go": "struct", "v": {"V": "deep"}},
                   "Map": {"$go": "map[string]string", "v": {"k": "v"}}, "Nil": null, "When": {"$go": "time.Time", "v": "2026-03-04T05:06:07Z"}}},
            "ii": {"$go": "[]int", "v": [3, 1, 2]}, "mb": {"$go": "map[string][]byte", "v": {"k": "secret"}},
            "nilmap": {"$go": "nilmap"}, "nilslice": {"$go": "nilslice"}
        })
    }
}
