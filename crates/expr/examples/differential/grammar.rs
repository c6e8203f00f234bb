//! Makes random expressions: the same seed and number give the same one. It never asks either engine.

use crate::random::Random;
use crate::samples::{self, CALLS, Kind, METHODS};
use crate::words;
use serde_json::{Value as Json, json};

/// A random case: an expression and its environment.
pub fn case(seed: u64, number: u64) -> Json {
    let mut random = Random(seed.wrapping_mul(0x0001_0000_0000_01B3) ^ number.wrapping_mul(0xD6E8_FEB8_6659_FD93));
    let environments = samples::environments();
    let env = &environments[match random.below(10) {
        0..7 => 0,
        7..9 => 1,
        _ => 2,
    }];
    let depth = 1 + random.below(4);
    let mut writer = Writer { random, predicates: 0, reduces: 0, variables: 0 };
    let text = writer.program(depth);
    let text = if writer.random.chance(3) { writer.mutated(&text) } else { text };
    json!({"expr": text, "env": env})
}

const KINDS: [Kind; 9] =
    [Kind::Bool, Kind::Int, Kind::Float, Kind::Text, Kind::List, Kind::Map, Kind::Time, Kind::Duration, Kind::Nil];

struct Writer {
    random: Random,
    /// How many predicates we are inside of, and how many of those are of `reduce`.
    predicates: usize,
    reduces: usize,
    /// How many `let` variables are in reach.
    variables: usize,
}

impl Writer {
    fn program(&mut self, depth: usize) -> String {
        match self.random.below(12) {
            0 | 1 => self.let_in(depth),
            2 => format!("{}; {}", self.any(1), self.any(depth)),
            3 => format!("// note\n{} /* end */", self.any(depth)),
            4 => self.chain(depth),
            _ => self.any(depth),
        }
    }

    /// A list through several pipes.
    fn chain(&mut self, depth: usize) -> String {
        let mut text = self.of(Kind::List, depth.saturating_sub(1));
        for _ in 0..=self.random.below(3) {
            let name = self.random.pick(&["filter", "map", "sortBy", "groupBy", "reduce", "count", "find", "any"]);
            let plain =
                self.random.pick(&["len()", "reverse()", "uniq()", "flatten()", "toPairs()", "first()", "join(',')"]);
            let link =
                if self.random.chance(65) { format!("{name}({})", self.body(name, 1)) } else { plain.to_owned() };
            text = format!("{text} | {link}");
        }
        text
    }

    fn let_in(&mut self, depth: usize) -> String {
        let value = self.any(depth.saturating_sub(1));
        let name = format!("v{}", self.variables);
        self.variables += 1;
        let body = self.any(depth);
        self.variables -= 1;
        format!("let {name} = {value}; {body}")
    }

    /// Damages a text a little, to see that both refuse it alike.
    fn mutated(&mut self, text: &str) -> String {
        let mut letters: Vec<char> = text.chars().collect();
        let at = self.random.below(letters.len() + 1);
        match self.random.below(3) {
            0 if at < letters.len() => drop(letters.remove(at)),
            1 if at > 0 => letters.truncate(at),
            _ => letters.insert(
                at,
                self.random.pick(&['(', ')', '[', '.', '#', '|', '?', '\'', '!', ',', '=', ':', '1', '\\']),
            ),
        }
        letters.into_iter().collect()
    }

    fn any(&mut self, depth: usize) -> String {
        let kind = self.random.pick(&KINDS);
        self.of(kind, depth)
    }

    /// An expression that is hoped to be of a kind; one in fifteen is of another.
    fn of(&mut self, kind: Kind, depth: usize) -> String {
        let kind = if kind == Kind::Any || self.random.chance(7) { self.random.pick(&KINDS) } else { kind };
        if depth == 0 || self.random.chance(12) {
            return self.leaf(kind);
        }
        let depth = depth - 1;
        match self.random.below(14) {
            0 => self.conditional(kind, depth),
            1 => format!("({})", self.of(kind, depth)),
            2 => format!("{} ?? {}", self.of(Kind::Any, depth), self.of(kind, depth)),
            3 => self.member(kind, depth),
            4..7 => self.call(kind, depth),
            7 | 8 => self.predicate_of(kind, depth),
            _ => self.operator(kind, depth),
        }
    }

    fn leaf(&mut self, kind: Kind) -> String {
        if self.predicates > 0 && self.random.chance(45) {
            return self.pointer();
        }
        if self.variables > 0 && self.random.chance(30) {
            return format!("v{}", self.random.below(self.variables));
        }
        match (kind, self.random.below(10)) {
            (Kind::Text, 0) => words::string(&mut self.random),
            (Kind::Text | Kind::Any, 1) => words::bytes(&mut self.random),
            (Kind::Int | Kind::Float, 0) => words::number(&mut self.random),
            (_, 0..6) => self.random.pick(samples::names(kind)).to_owned(),
            _ => self.random.pick(samples::literals(kind)).to_owned(),
        }
    }

    fn pointer(&mut self) -> String {
        if self.reduces > 0 && self.random.chance(40) {
            return "#acc".to_owned();
        }
        self.random.pick(&["#", "#", "#", "#", "#.id", ".name", ".tags", "#index", "#?.n", "#[0]", "#.a"]).to_owned()
    }

    fn conditional(&mut self, kind: Kind, depth: usize) -> String {
        let condition = self.of(Kind::Bool, depth);
        let (yes, no) = (self.of(kind, depth), self.of(kind, depth));
        match self.random.below(6) {
            0 => format!("if {condition} {{ {yes} }} else {{ {no} }}"),
            1 => format!("{yes} ?: {no}"),
            2 => format!("if {condition} {{ {yes}; {no} }} else if {yes} {{ {no} }} else {{ {yes} }}"),
            3 => format!("({})", self.let_in(depth)),
            _ => format!("({condition} ? {yes} : {no})"),
        }
    }

    fn member(&mut self, kind: Kind, depth: usize) -> String {
        match (kind, self.random.below(3)) {
            (Kind::Text | Kind::List, 0 | 1) => self.slice(kind, depth),
            (_, 0) => format!("{}[{}]", self.of(Kind::List, depth), self.of(Kind::Int, depth)),
            (_, 1) => format!("{}[{}]", self.of(Kind::Map, depth), self.of(Kind::Text, depth)),
            _ => {
                let field = self.random.pick(&["a", "b", "c", "id", "name", "status", "len"]);
                let dot = self.random.pick(&[".", "?.", "."]);
                let more = self.random.pick(&["", "", "", "?.x", ".a", "?.[0]", "?.['a']", "[-1]", "?.a.b.c"]);
                format!("({}){dot}{field}{more}", self.of(Kind::Map, depth))
            }
        }
    }

    fn slice(&mut self, kind: Kind, depth: usize) -> String {
        let base = self.of(kind, depth);
        let from = if self.random.chance(60) { self.of(Kind::Int, 0) } else { String::new() };
        let to = if self.random.chance(60) { self.of(Kind::Int, 0) } else { String::new() };
        format!("({base})[{from}:{to}]")
    }

    fn arguments(&mut self, kinds: &[Kind], depth: usize) -> Vec<String> {
        let mut arguments: Vec<String> = kinds.iter().map(|kind| self.of(*kind, depth)).collect();
        if self.random.chance(2) {
            arguments.push(self.of(Kind::Any, 0));
        }
        arguments
    }

    fn call(&mut self, kind: Kind, depth: usize) -> String {
        if matches!(kind, Kind::Time | Kind::Duration) && self.random.chance(70) || self.random.chance(6) {
            return self.method(depth);
        }
        let fitting: Vec<usize> = (0..CALLS.len()).filter(|at| CALLS[*at].1 == kind).collect();
        let at = if fitting.is_empty() { self.random.below(CALLS.len()) } else { self.random.pick(&fitting) };
        let (name, _, kinds) = CALLS[at];
        let arguments = self.arguments(kinds, depth);
        if self.random.chance(20) {
            return format!("({} | {name}({}))", arguments[0], arguments[1..].join(", "));
        }
        let root = if self.random.chance(3) { "::" } else { "" };
        format!("{root}{name}({})", arguments.join(", "))
    }

    fn method(&mut self, depth: usize) -> String {
        let (name, receiver, kinds) = self.random.pick(&METHODS);
        let receiver = self.of(receiver, depth);
        let more = self.random.pick(&["", "", "", "", ".String()", " + 1", " == 3", ".Hours()"]);
        format!("({receiver}).{name}({}){more}", self.arguments(kinds, depth).join(", "))
    }

    fn predicate_of(&mut self, kind: Kind, depth: usize) -> String {
        let names: &[&str] = match kind {
            Kind::Bool => &["all", "any", "one", "none"],
            Kind::Int => &["count", "sum", "findIndex", "findLastIndex", "reduce"],
            Kind::Float => &["sum", "reduce"],
            Kind::List => &["filter", "map", "sortBy", "map"],
            Kind::Map => &["groupBy", "find"],
            _ => &["find", "findLast", "reduce", "map"],
        };
        let name = self.random.pick(names);
        let list = self.of(Kind::List, depth);
        let body = self.body(name, depth);
        match self.random.below(6) {
            0 => format!("({list} | {name}({body}))"),
            1 if matches!(name, "count" | "sum") => format!("{name}({list})"),
            2 if name == "sortBy" => format!("{name}({list}, {body}, {})", self.random.pick(&["'desc'", "'asc'", "s"])),
            2 if name == "filter" => {
                format!("len({name}({list}, {body})) {}", self.random.pick(&["> 0", "== 0", ">= 1"]))
            }
            3 if name == "filter" => format!("map({name}({list}, {body}), {})", self.body("map", depth)),
            4 if name == "filter" => format!("{name}({list}, {body})[{}]", self.random.pick(&["0", "-1", "1"])),
            2..5 if name == "reduce" => format!("{name}({list}, {body}, {})", self.of(kind, 0)),
            _ => format!("{name}({list}, {body})"),
        }
    }

    fn body(&mut self, name: &str, depth: usize) -> String {
        let kind = match name {
            "map" | "reduce" => Kind::Any,
            "sum" => Kind::Int,
            "sortBy" | "groupBy" => self.random.pick(&[Kind::Int, Kind::Text, Kind::Any]),
            _ => Kind::Bool,
        };
        self.predicates += 1;
        self.reduces += usize::from(name == "reduce");
        let body = self.of(kind, depth);
        self.reduces -= usize::from(name == "reduce");
        self.predicates -= 1;
        match self.random.below(20) {
            0..3 => format!("{{ {body} }}"),
            3 => format!("{{ let w = #; {body} }}"),
            4 => format!("{{ {}; {body} }}", self.leaf(Kind::Any)),
            _ => body,
        }
    }

    fn operator(&mut self, kind: Kind, depth: usize) -> String {
        match kind {
            Kind::Bool => self.boolean(depth),
            Kind::Int | Kind::Float => self.arithmetic(kind, depth),
            Kind::Text => format!("{} + {}", self.of(Kind::Text, depth), self.of(Kind::Text, depth)),
            Kind::List if self.random.chance(40) => {
                format!(
                    "{}..{}",
                    self.random.pick(&["0", "1", "j", "-2", "i"]),
                    self.random.pick(&["3", "i", "0", "5", "len(s)"])
                )
            }
            Kind::List => format!("[{}, {}]", self.of(Kind::Any, depth), self.of(Kind::Any, depth)),
            Kind::Map => {
                let key = self.random.pick(&["a", "'k'", "(s)", "\"x y\"", "(1)"]);
                format!("{{{key}: {}, b: {}}}", self.of(Kind::Any, depth), self.of(Kind::Any, depth))
            }
            Kind::Time => format!("{} {} {}", self.of(kind, depth), self.sign(), self.of(Kind::Duration, depth)),
            Kind::Duration => {
                let other = self.random.pick(&[Kind::Time, Kind::Duration, Kind::Int]);
                let operator = self.random.pick(&["-", "+", "*", "/"]);
                format!("{} {operator} {}", self.of(other, depth), self.of(other, depth))
            }
            Kind::Nil | Kind::Any => self.of(Kind::Any, depth),
        }
    }

    fn sign(&mut self) -> &'static str {
        self.random.pick(&["+", "-"])
    }

    fn arithmetic(&mut self, kind: Kind, depth: usize) -> String {
        if self.random.chance(12) {
            return format!("{}({})", self.sign(), self.of(kind, depth));
        }
        let operator = self.random.pick(&["+", "-", "*", "/", "%", "**", "^", "+", "-", "*"]);
        let right = if self.random.chance(70) { kind } else { Kind::Float };
        format!("{} {operator} {}", self.of(kind, depth), self.of(right, depth))
    }

    fn boolean(&mut self, depth: usize) -> String {
        let kind = self.random.pick(&KINDS);
        match self.random.below(9) {
            0 => format!("{} {}", self.random.pick(&["not", "!"]), self.of(Kind::Bool, depth)),
            1 | 2 => {
                let operator = self.random.pick(&["&&", "||", "and", "or"]);
                format!("{} {operator} {}", self.of(Kind::Bool, depth), self.of(Kind::Bool, depth))
            }
            3 => {
                let operator =
                    self.random.pick(&["contains", "startsWith", "endsWith", "matches", "not contains", "not matches"]);
                let left = self.of(Kind::Text, depth);
                if operator.ends_with("matches") && self.random.chance(70) {
                    return format!("{left} {operator} {}", words::pattern(&mut self.random));
                }
                format!("{left} {operator} {}", self.of(Kind::Text, depth))
            }
            4 => {
                let holder = self.random.pick(&[Kind::List, Kind::Map]);
                let operator = self.random.pick(&["in", "not in"]);
                format!("{} {operator} {}", self.of(kind, depth), self.of(holder, depth))
            }
            5 => format!("{} < {} <= {}", self.of(kind, depth), self.of(kind, depth), self.of(kind, depth)),
            _ => {
                let operator = self.random.pick(&["==", "!=", "<", ">", "<=", ">="]);
                format!("{} {operator} {}", self.of(kind, depth), self.of(kind, depth))
            }
        }
    }
}
