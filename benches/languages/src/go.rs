//! The Go program, asked over its standard input and output.

use crate::case::Case;
use anyhow::{Context as _, Result, ensure};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// A running Go program; it ends when its input does.
pub struct Side {
    _child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Side {
    pub fn start(program: &Path, folder: &Path) -> Result<Self> {
        let started = Command::new(program).arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = started.with_context(|| format!("failed to start {}", program.display()))?;
        let input = child.stdin.take().context("the Go program has no input")?;
        let output = BufReader::new(child.stdout.take().context("the Go program has no output")?);
        Ok(Self { _child: child, input, output })
    }
    fn ask(&mut self, question: &str) -> Result<String> {
        writeln!(self.input, "{question}")?;
        let mut answer = String::new();
        self.output.read_line(&mut answer)?;
        ensure!(!answer.is_empty(), "the Go program stopped at: {question}");
        Ok(answer)
    }
    /// What the case gives, as JSON.
    pub fn check(&mut self, case: &Case) -> Result<serde_json::Value> {
        let answer = self.ask(&format!("check {} {}", case.kind.word(), case.name))?;
        Ok(serde_json::from_str(&answer)?)
    }
    /// Nanoseconds a run takes.
    pub fn measure(&mut self, case: &Case, length: Duration) -> Result<f64> {
        let answer = self.ask(&format!("time {} {} {}", case.kind.word(), case.name, length.as_millis()))?;
        Ok(answer.trim().parse()?)
    }
}
