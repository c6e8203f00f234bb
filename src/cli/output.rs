//! Tables for people, JSON and YAML for machines.

use serde::Serialize;

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
