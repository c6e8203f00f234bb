//! `gatepost gate list|show|explain`: gates of a running Gatepost.

use crate::cli::client::{Server, encoded};
use crate::cli::output::{self, Format, shortened};
use serde_json::Value;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct All {
    #[command(flatten)]
    server: Server,
    /// How the answer is printed.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct One {
    /// `<namespace>/<name>` of the gate.
    gate: String,
    /// WebRequestCommitStatus, ApplicationGate or ArgoCDCommitStatus, where several gates have the name; else the first of them.
    #[arg(long)]
    kind: Option<String>,
    #[command(flatten)]
    server: Server,
    /// How the answer is printed.
    #[arg(short, long, value_enum, default_value = "yaml")]
    output: Format,
}

pub(super) async fn list(all: &All) -> anyhow::Result<()> {
    let found = all.server.get("gates").await?;
    if !output::machine(all.output, &found)? {
        print_list(&found);
    }
    Ok(())
}

pub(super) async fn show(one: &One) -> anyhow::Result<()> {
    let found = one.get().await?;
    let format = if matches!(one.output, Format::Json) { Format::Json } else { Format::Yaml };
    output::machine(format, &found)?;
    Ok(())
}

pub(super) async fn explain(one: &One) -> anyhow::Result<()> {
    let found = one.get().await?;
    match one.output {
        Format::Json => drop(output::machine(Format::Json, &found["why"])?),
        _ => print_why(&found),
    }
    Ok(())
}

impl One {
    async fn get(&self) -> anyhow::Result<Value> {
        let (namespace, name) = self
            .gate
            .split_once('/')
            .ok_or_else(|| anyhow::anyhow!("`{}` is not <namespace>/<name> of a gate", self.gate))?;
        let of_kind = self.kind.as_deref().map(|kind| format!("?kind={}", encoded(kind))).unwrap_or_default();
        self.server.get(&format!("gates/{}/{}{of_kind}", encoded(namespace), encoded(name))).await
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| if value.is_null() { String::new() } else { value.to_string() }, str::to_owned)
}

fn print_list(found: &Value) {
    if let Some(obstacle) = found["obstacle"].as_str().filter(|obstacle| !obstacle.is_empty()) {
        println!("{obstacle}");
    }
    let row = |gate: &Value| {
        let phases = gate["phases"].as_object().into_iter().flatten();
        let phases: Vec<String> = phases.map(|(branch, phase)| format!("{branch}={}", text(&phase["phase"]))).collect();
        vec![
            format!("{}/{}", text(&gate["namespace"]), text(&gate["name"])),
            text(&gate["kind"]),
            text(&gate["strategy"]),
            text(&gate["key"]),
            shortened(&phases.join(" "), 80),
            text(&gate["ready"]["status"]),
            text(&gate["nextLook"]),
        ]
    };
    let rows: Vec<Vec<String>> = found["items"].as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        println!("no gates are handled");
        return;
    }
    output::table(&["GATE", "KIND", "STRATEGY", "KEY", "PHASES", "READY", "NEXT LOOK"], &rows);
}

fn print_why(found: &Value) {
    println!("{}/{}", text(&found["namespace"]), text(&found["name"]));
    for sentence in found["why"].as_array().into_iter().flatten() {
        println!("  {}", text(sentence));
    }
    for (scope, answer) in found["answers"].as_object().into_iter().flatten() {
        let of = if scope.is_empty() { String::new() } else { format!(" for {scope}") };
        println!(
            "  last answer{of}: {} at {}: {}",
            text(&answer["status"]),
            text(&answer["at"]),
            text(&answer["body"])
        );
    }
    for name in ["nextLook", "nextTry"] {
        if let Some(at) = found[name].as_str() {
            println!("  {}: {at}", if name == "nextLook" { "next look" } else { "next try" });
        }
    }
}
