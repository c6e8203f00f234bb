//! Tables for people, JSON and YAML for machines.

use super::go_text::{self, Order};
use super::go_yaml;
use serde::Serialize;
use serde_json::{Map, Value};
use std::io::Write as _;
use std::process::ExitCode;

/// `-o`
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people.
    Table,
    /// The table with everything in it, as the Argo CD command line calls it.
    Wide,
    /// Names only.
    Name,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// Prints a value as JSON or YAML; `false` if the format is for people.
pub(super) fn machine(format: Format, value: &impl Serialize) -> anyhow::Result<bool> {
    match format {
        Format::Json => println!("{}", serde_json::to_string_pretty(value)?),
        Format::Yaml => print!("{}", serde_yaml_ng::to_string(value)?),
        Format::Table | Format::Wide | Format::Name => return Ok(false),
    }
    Ok(true)
}

/// Prints what the Argo CD command line prints, to the byte: names, JSON, YAML, or the table.
pub(super) fn as_go(
    format: Format,
    items: &Map<String, Value>,
    order: Order,
    table: impl FnOnce() -> Vec<u8>,
) -> anyhow::Result<ExitCode> {
    let text = match format {
        Format::Json => go_text::json_of_map(items, order).into_bytes(),
        Format::Yaml => go_yaml::print(&Value::Object(items.clone())).into_bytes(),
        Format::Name => items.keys().flat_map(|name| [name.as_bytes(), b"\n"].concat()).collect(),
        Format::Table | Format::Wide => table(),
    };
    bytes(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints bytes.
pub(super) fn bytes(text: &[u8]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text)?;
    Ok(out.flush()?)
}

/// Prints rows under heads, columns two spaces apart.
pub(super) fn table(heads: &[&str], rows: &[Vec<String>]) {
    let mut widths: Vec<usize> = heads.iter().map(|h| h.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        println!("{}", padded.collect::<Vec<_>>().join("  ").trim_end());
    };
    line(heads.to_vec());
    for row in rows {
        line(row.iter().map(String::as_str).collect());
    }
}

/// One line of at most `max` characters.
pub(super) fn shortened(text: &str, max: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= max {
        return line.to_owned();
    }
    format!("{}...", line.chars().take(max.saturating_sub(1)).collect::<String>())
}
