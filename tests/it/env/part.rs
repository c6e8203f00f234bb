//! One running script of `tests/env`: says READY with what the tests need, and stops when its standard input closes.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::JoinHandle;

/// A started part. Dropping it, or the death of the test binary, closes the pipe, upon which the script ends.
pub struct Part {
    stdin: ChildStdin,
    /// The words that followed READY.
    pub words: Vec<String>,
}

impl Part {
    /// Says one line to the script.
    pub fn tell(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").expect("the script listens");
    }
}

/// Runs `tests/env/<script>` with `arguments` until it is ready; the error is one sentence that says why it is not.
pub async fn start(script: &'static str, arguments: Vec<String>) -> Result<Part, String> {
    let started = tokio::task::spawn_blocking(move || start_blocking(script, &arguments));
    started.await.unwrap_or_else(|e| Err(format!("the start of tests/env/{script} broke off: {e}")))
}

fn start_blocking(script: &str, arguments: &[String]) -> Result<Part, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/env").join(script);
    let mut child = Command::new(&path)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("tests/env/{script} cannot be run: {e}"))?;
    let reason = relay(child.stderr.take().ok_or("no standard error")?);
    let stdin = child.stdin.take().ok_or("no standard input")?;
    if let Some(words) = read_ready(&mut child)? {
        return Ok(Part { stdin, words });
    }
    drop(stdin);
    let _ = child.wait();
    let said = reason.join().unwrap_or_default();
    Err(format!("tests/env/{script} did not start: {said}"))
}

/// The words of the READY line; `None` when the script ends without one.
fn read_ready(child: &mut Child) -> Result<Option<Vec<String>>, String> {
    let stdout = child.stdout.take().ok_or("no standard output")?;
    for line in BufReader::new(stdout).lines() {
        let line = line.map_err(|e| format!("the script's output cannot be read: {e}"))?;
        if let Some(rest) = line.strip_prefix("READY ") {
            return Ok(Some(rest.split_whitespace().map(str::to_owned).collect()));
        }
    }
    Ok(None)
}

/// Passes the script's progress on; answers with its last sentence, which is the reason if it failed.
fn relay(from: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut last = String::new();
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            eprintln!("{line}");
            if let Some(sentence) = line.strip_prefix("env: ") {
                sentence.clone_into(&mut last);
            }
        }
        last
    })
}
