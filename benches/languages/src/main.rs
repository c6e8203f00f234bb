//! Measures conditions and templates here and in Go, in turns, and prints one table. `make bench` runs it.
//!
//! Time is computing time, of this thread and of the whole Go process with its garbage collector, so that other work on
//! the machine counts for neither. Both sides first have to give the same result.

mod case;
mod go;

use anyhow::{Context as _, Result, ensure};
use case::{Case, Engine};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often each case is measured on each side; the medians are compared.
const ROUNDS: usize = 9;
/// Computing time of one measurement.
const LENGTH: Duration = Duration::from_millis(40);

/// Medians in nanoseconds a run.
struct Row {
    ours: f64,
    go: Option<f64>,
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

fn measure(case: &Case, engine: &Engine, other: Option<&mut go::Side>) -> Result<Row> {
    let mut ours = Vec::new();
    let Some(other) = other else {
        for _ in 0..ROUNDS {
            ours.push(engine.measure(LENGTH)?);
        }
        return Ok(Row { ours: median(ours), go: None });
    };
    let (mine, theirs) = (engine.result()?, other.check(case)?);
    ensure!(mine == theirs, "{} gives {mine} here and {theirs} in Go", case.name);
    let mut go = Vec::new();
    for _ in 0..ROUNDS {
        ours.push(engine.measure(LENGTH)?);
        go.push(other.measure(case, LENGTH)?);
    }
    Ok(Row { ours: median(ours), go: Some(median(go)) })
}

fn print(out: &mut impl std::io::Write, case: &Case, row: &Row) -> std::io::Result<()> {
    let (go, ratio) = match row.go {
        Some(go) => (format!("{go:.0}"), format!("{:.2}", go / row.ours)),
        None => ("-".to_owned(), "-".to_owned()),
    };
    writeln!(out, "{:<10} {:<24} {:>9.0} {go:>9} {ratio:>7}", case.kind.word(), case.name, row.ours)?;
    out.flush()
}

fn main() -> Result<()> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"));
    let program = std::env::args().nth(1);
    let mut other = program.map(|program| go::Side::start(Path::new(&program), &folder)).transpose()?;
    let env = case::environment(&folder)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{:<10} {:<24} {:>9} {:>9} {:>7}", "kind", "case", "Rust ns", "Go ns", "ratio")?;
    for case in case::all(&folder)? {
        let engine = Engine::new(&case, env.clone()).with_context(|| format!("failed to compile {}", case.name))?;
        let row = measure(&case, &engine, other.as_mut()).with_context(|| format!("failed to run {}", case.name))?;
        print(&mut out, &case, &row)?;
    }
    Ok(())
}
