//! Compiled expressions and templates of gates, kept while they are used, and how one is run.
//!
//! Decides the limits of a run and what is kept: so many texts of so many bytes, the least used go first. Errors are the
//! languages' own words, with the stage in front.

use gatepost_expr::{CompileOptions, Program};
use gatepost_template::{MissingKey, Profile, Template};
use gatepost_value::json::Numbers;
use gatepost_value::{Budget, CallContext, Limits, Location, Time, Value};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Compiled texts kept of each language.
const KEPT: usize = 4096;
/// Bytes of source kept of each language.
const KEPT_BYTES: usize = 4 << 20;

/// How whole numbers of JSON bodies and stored outputs are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Integers {
    /// As Go does it: all numbers are floats, so that 1234567 prints as `1.234567e+06`.
    #[default]
    AsGo,
    /// Whole numbers stay whole, and print as they were written.
    Exact,
}

impl Integers {
    /// How JSON is read.
    #[must_use]
    pub const fn numbers(self) -> Numbers {
        match self {
            Self::AsGo => Numbers::Float,
            Self::Exact => Numbers::Int,
        }
    }
}

/// What a run may ask of the world.
#[derive(Clone)]
pub struct Surroundings<'a> {
    /// The time.
    pub now: Time,
    /// Go's `time.Local`.
    pub local: Location,
    /// Fills a buffer with random bytes.
    pub random: &'a dyn Fn(&mut [u8]),
}

/// Runs expressions and templates. One for the process; many threads may use it at once.
pub struct Engine {
    limits: Limits,
    integers: Integers,
    programs: Mutex<Kept<(bool, String), Result<Program, String>>>,
    templates: Mutex<Kept<String, Result<Template, String>>>,
}

impl Engine {
    /// An engine that has compiled nothing yet. `limits` bound each compilation and each run.
    #[must_use]
    pub fn new(limits: Limits, integers: Integers) -> Self {
        Self { limits, integers, programs: Mutex::new(Kept::new()), templates: Mutex::new(Kept::new()) }
    }
    /// How JSON is read.
    #[must_use]
    pub const fn numbers(&self) -> Numbers {
        self.integers.numbers()
    }
    /// Compiles an expression, or takes the one that is kept. `as_bool`: the result must be a boolean.
    ///
    /// # Errors
    /// The compiler's words.
    pub fn compile(&self, source: &str, as_bool: bool) -> Result<Program, String> {
        let key = (as_bool, source.to_owned());
        if let Some(kept) = lock(&self.programs).get(&key) {
            return kept;
        }
        let options = CompileOptions { as_bool, limits: self.limits.clone() };
        let made = Program::compile(source, &options).map_err(|error| error.to_string());
        lock(&self.programs).put(key, made.clone(), source.len());
        made
    }
    /// Runs a compiled expression.
    ///
    /// # Errors
    /// The evaluator's words, or the limit that was hit.
    pub fn run(&self, program: &Program, env: &Value, around: &Surroundings<'_>) -> Result<Value, String> {
        self.metered(around, |context| program.run(env, context)).map_err(|error| error.to_string())
    }
    /// Renders a template.
    ///
    /// # Errors
    /// `failed to parse template: …` or `failed to execute template: …`.
    pub fn render(&self, text: &str, data: &Value, around: &Surroundings<'_>) -> Result<String, String> {
        self.render_with(text, data, around, MissingKey::Default)
    }
    /// Renders a template, with a rule for keys of maps that are not there.
    ///
    /// # Errors
    /// As [`Engine::render`].
    pub fn render_with(
        &self,
        text: &str,
        data: &Value,
        around: &Surroundings<'_>,
        missing: MissingKey,
    ) -> Result<String, String> {
        let template = self.template(text).map_err(|error| format!("failed to parse template: {error}"))?;
        let template = template.with_missing_key(missing);
        let mut out = Vec::new();
        let rendered = self.metered(around, |context| template.render(data, context, &mut out));
        rendered.map_err(|error| format!("failed to execute template: {error}"))?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }
    fn template(&self, text: &str) -> Result<Template, String> {
        if let Some(kept) = lock(&self.templates).get(text) {
            return kept;
        }
        let made = Template::parse("", text, Profile::gates(), &self.limits).map_err(|error| error.to_string());
        lock(&self.templates).put(text.to_owned(), made.clone(), text.len());
        made
    }
    /// Calls something on a meter of its own.
    pub fn metered<T>(&self, around: &Surroundings<'_>, run: impl FnOnce(&CallContext<'_>) -> T) -> T {
        let budget = Budget::new(self.limits.clone());
        let Surroundings { now, local, random } = around;
        run(&CallContext { budget: &budget, now: now.clone(), local: local.clone(), random: *random, costly: false })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is kept is whole at each step, so a panic elsewhere leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Two generations: what the older one still holds when the younger is full was not asked for, and goes.
struct Kept<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    young_bytes: usize,
}

impl<K: Eq + Hash + Clone, V: Clone> Kept<K, V> {
    fn new() -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), young_bytes: 0 }
    }
    fn get<Q: Eq + Hash + ToOwned<Owned = K> + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
    {
        if let Some(value) = self.young.get(key) {
            return Some(value.clone());
        }
        let value = self.old.remove(key)?;
        self.put(key.to_owned(), value.clone(), 0);
        Some(value)
    }
    fn put(&mut self, key: K, value: V, bytes: usize) {
        if self.young.len() >= KEPT / 2 || self.young_bytes + bytes > KEPT_BYTES / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += bytes;
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_what_is_used_stays() {
        let mut kept: Kept<String, usize> = Kept::new();
        kept.put("used".into(), 0, 1);
        for n in 0..3 * KEPT {
            kept.put(n.to_string(), n, 1);
            assert_eq!(kept.get("used"), Some(0));
        }
        assert!(kept.young.len() + kept.old.len() <= KEPT);
        for n in 0..100 {
            kept.put(format!("large{n}"), n, KEPT_BYTES / 4);
        }
        assert!(kept.young.len() + kept.old.len() <= 4, "{}", kept.young.len());
    }

    #[test]
    fn runs_are_bounded() {
        let engine = Engine::new(Limits { steps: 1_000, ..Limits::default() }, Integers::AsGo);
        let around = Surroundings { now: Time::unix(0, 0), local: Location::Utc, random: &|_| {} };
        let program = engine.compile("sum(map(1..100000, # * 2))", false).unwrap();
        assert!(engine.run(&program, &Value::map(Vec::new()), &around).unwrap_err().contains("limit `steps`"));
        let endless = "{{ range until 100000 }}x{{ end }}";
        assert!(engine.render(endless, &Value::Nil, &around).unwrap_err().contains("limit"));
        let env = engine.render("{{ env \"HOME\" }}", &Value::Nil, &around).unwrap_err();
        assert!(env.contains("failed to parse template") && env.contains("\"env\" not defined"), "{env}");
        assert_eq!(engine.render("{{ urlQueryEscape \"a b\" }}", &Value::Nil, &around).unwrap(), "a+b");
    }
}
