//! Writes calls and their arguments: functions of the profile, methods, function values, formats, literals.

use crate::generate::{Generator, TIMED};
use crate::pools;
use gatepost_template::{FunctionSpec, ParamType};

impl Generator<'_> {
    /// Commands joined by `|`.
    pub(crate) fn pipeline(&mut self, depth: usize) -> String {
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
        if self.random.percent(self.oddness / 4 + 1) {
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
        if self.random.percent(self.oddness) && !TIMED.contains(&function) && !function.to_lowercase().contains("merge")
        {
            return self.odd();
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

    /// What a function hardly expects.
    fn odd(&mut self) -> String {
        self.random.pick(pools::ODD).to_owned()
    }

    /// A call of a method or of a function value of the data.
    fn method(&mut self) -> String {
        let call = self.random.pick(pools::METHODS).to_owned();
        if self.random.percent(5) { call.replace(')', " 1)") } else { call }
    }

    /// Fields of something in parentheses.
    fn parenthesised(&mut self, depth: usize) -> String {
        let term = match self.random.below(4) {
            0 => "($)".to_owned(),
            1 => format!("({})", self.map(depth)),
            2 => format!("({})", self.any(depth)),
            _ => self.random.pick(pools::TERMS).to_owned(),
        };
        term + self.random.pick(pools::FIELDS)
    }

    /// A verb with flags, width, precision, stars and an index.
    fn verb(&mut self) -> String {
        let mut out = String::from("%");
        for _ in 0..self.random.below(3) {
            out += self.random.pick(&["+", "-", "#", " ", "0"]);
        }
        out += self.random.pick(&["", "", "", "5", "12", "*", "[1]*", "[2]", "[3]*"]);
        out += self.random.pick(&["", "", "", ".", ".2", ".0", ".*", ".10", ".[1]*"]);
        out += self.random.pick(&["", "", "", "", "[1]", "[2]", "[9]", "[", "[]"]);
        out + self.random.pick(pools::LETTERS)
    }

    fn format(&mut self) -> String {
        let mut format = String::new();
        for _ in 0..=self.random.below(3) {
            format += &if self.random.percent(50) { self.verb() } else { self.random.pick(pools::VERBS).to_owned() };
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

    pub(crate) fn int(&mut self) -> String {
        match self.random.below(10) {
            0 => ".n".to_owned(),
            1 => format!("(len {})", self.random.pick(pools::LIST_PATHS)),
            2 => format!("(int {})", self.random.pick(&[".n", "\"5\"", "2.9", ".i", "\"x\""])),
            _ => self.random.pick(pools::SMALL).to_owned(),
        }
    }

    pub(crate) fn string(&mut self, depth: usize) -> String {
        match self.random.below(10) {
            0..=2 => rooted(self.random.pick(pools::TEXT_PATHS)),
            3 | 4 if depth > 0 => self.named(pools::TEXT_FUNCTIONS, depth - 1),
            _ => {
                let text = self.random.pick(pools::TEXTS);
                self.literal(text)
            }
        }
    }

    pub(crate) fn list(&mut self, depth: usize) -> String {
        match self.random.below(10) {
            0..=4 => rooted(self.random.pick(pools::LIST_PATHS)),
            _ if depth > 0 => self.named(pools::LIST_FUNCTIONS, depth - 1),
            _ => "(list 3 1 2)".to_owned(),
        }
    }

    pub(crate) fn map(&mut self, depth: usize) -> String {
        match self.random.below(10) {
            0..=5 => rooted(self.random.pick(pools::MAP_PATHS)),
            _ if depth > 0 => self.named(pools::MAP_FUNCTIONS, depth - 1),
            _ => "(dict \"a\" 1 \"b\" \"x\")".to_owned(),
        }
    }

    pub(crate) fn any(&mut self, depth: usize) -> String {
        match self.random.below(24) {
            20 => self.method(),
            21 => self.parenthesised(depth.saturating_sub(1)),
            22 if depth > 0 => format!("({})", self.pipeline(depth - 1)),
            23 => self.odd(),
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
