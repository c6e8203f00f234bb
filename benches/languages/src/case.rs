//! The cases, the environment that all of them share, and how one is run with our engines.

use anyhow::{Context as _, Result};
use gatepost_expr::{CompileOptions, Program};
use gatepost_template::{Profile, Template};
use gatepost_value::json::{self, Numbers};
use gatepost_value::{Budget, CallContext, GoType, Limits, Location, Map, Str, Time, Value, namespace};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

/// Runs between two looks at the clock.
const BATCH: u32 = 64;
/// 2026-03-02T12:00:00Z, shortly after what the environment tells of.
const NOW: i64 = 1_772_452_800;

/// Which language.
#[derive(Clone, Copy)]
pub enum Kind {
    Condition,
    Template,
}

impl Kind {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Condition => "condition",
            Self::Template => "template",
        }
    }
}

/// A text and its name.
pub struct Case {
    pub kind: Kind,
    pub name: String,
    text: String,
}

/// All cases of the folder, conditions first.
pub fn all(folder: &Path) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for (kind, below) in [(Kind::Condition, "conditions"), (Kind::Template, "templates")] {
        let mut paths: Vec<_> = std::fs::read_dir(folder.join(below))?.collect::<std::io::Result<_>>()?;
        paths.sort_by_key(std::fs::DirEntry::file_name);
        for path in paths.iter().map(std::fs::DirEntry::path) {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            cases.push(Case { kind, name, text: std::fs::read_to_string(path)? });
        }
    }
    Ok(cases)
}

/// The variables, as notifications build them: `context` holds strings, `time` is a namespace.
pub fn environment(folder: &Path) -> Result<Value> {
    let text = std::fs::read(folder.join("environment.json"))?;
    let Value::Map(map) = json::parse(&text, Numbers::Kubernetes)? else { anyhow::bail!("the environment is no map") };
    let mut entries = map.entries();
    for (name, value) in &mut entries {
        if let (Some("context"), Value::Map(texts)) = (name.as_str(), &*value) {
            *value = Value::Map(Map::frozen_of(GoType::String, texts.entries()));
        }
    }
    entries.push((Str::from_static("time"), namespace::time()));
    Ok(Value::map(entries))
}

enum Compiled {
    Condition(Program),
    Template(Template),
}

/// A compiled case and what it runs over.
pub struct Engine {
    compiled: Compiled,
    env: Value,
}

fn computed() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

fn within<R>(run: impl FnOnce(&CallContext<'_>) -> R) -> R {
    let budget = Budget::new(Limits::default());
    let random = |_: &mut [u8]| {};
    let now = Time::unix(NOW, 0);
    run(&CallContext { budget: &budget, now, local: Location::Utc, random: &random, costly: false })
}

impl Engine {
    pub fn new(case: &Case, env: Value) -> Result<Self> {
        let limits = Limits::default();
        let compiled = match case.kind {
            Kind::Condition => {
                Compiled::Condition(Program::compile(&case.text, &CompileOptions { as_bool: false, limits })?)
            }
            Kind::Template => {
                Compiled::Template(Template::parse(&case.name, &case.text, Profile::notifications(), &limits)?)
            }
        };
        Ok(Self { compiled, env })
    }
    /// One run, with a budget of its own, as the relay makes it.
    fn run(&self) -> Result<Value> {
        within(|ctx| match &self.compiled {
            Compiled::Condition(program) => Ok(program.run(&self.env, ctx)?),
            Compiled::Template(template) => {
                let mut out = Vec::new();
                template.render(&self.env, ctx, &mut out)?;
                Ok(Value::Bytes(out.into()))
            }
        })
    }
    /// What it gives, as JSON.
    pub fn result(&self) -> Result<serde_json::Value> {
        Ok(match self.run()? {
            Value::Bytes(out) => String::from_utf8(out.into()).context("the output is not UTF-8")?.into(),
            value => json::to_serde(&value),
        })
    }
    /// Nanoseconds a run takes.
    pub fn measure(&self, length: Duration) -> Result<f64> {
        let (start, mut runs) = (computed(), 0);
        loop {
            for _ in 0..BATCH {
                black_box(black_box(self).run()?);
            }
            runs += BATCH;
            let took = computed().saturating_sub(start);
            if took >= length {
                return Ok(took.as_secs_f64() * 1e9 / f64::from(runs));
            }
        }
    }
}
