//! Results: what was measured, what is aimed at, how they are printed.

use crate::Output;
use serde::Serialize;

/// One figure.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Who was measured.
    pub subject: String,
    /// What was measured.
    pub what: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
    /// What it must not exceed; absent for what is only told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aim: Option<f64>,
    /// What it must reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub least: Option<f64>,
}

impl Row {
    fn is_missed(&self) -> bool {
        self.aim.is_some_and(|aim| self.value > aim) || self.least.is_some_and(|least| self.value < least)
    }
}

/// All figures of a run, and how busy the machine was.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Load average before and after, as the kernel has it.
    pub load: Vec<String>,
    /// The figures.
    pub rows: Vec<Row>,
}

impl Report {
    /// Adds a figure.
    pub fn add(&mut self, subject: &str, what: impl Into<String>, value: f64, unit: &'static str, aim: Option<f64>) {
        self.push(Row { subject: subject.to_owned(), what: what.into(), value, unit, aim, least: None });
    }

    /// Adds a figure that is to be at least so much.
    pub fn add_least(&mut self, subject: &str, what: impl Into<String>, value: f64, unit: &'static str, least: f64) {
        self.push(Row { subject: subject.to_owned(), what: what.into(), value, unit, aim: None, least: Some(least) });
    }

    fn push(&mut self, row: Row) {
        eprintln!("{}", line(&row));
        self.rows.push(row);
    }

    /// Notes how busy the machine is.
    pub fn note_load(&mut self) {
        self.load.push(std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned());
    }

    /// Whether an aim was missed.
    pub fn missed(&self) -> bool {
        self.rows.iter().any(Row::is_missed)
    }

    /// Prints it to standard output.
    pub fn print(&self, output: Output) {
        if output == Output::Json {
            println!("{}", serde_json::to_string_pretty(self).expect("figures are JSON"));
            return;
        }
        println!("load average: {}", self.load.join(" … "));
        for row in &self.rows {
            println!("{}", line(row));
        }
    }
}

fn line(row: &Row) -> String {
    let limit = row.aim.map(|aim| ("at most", aim)).or(row.least.map(|least| ("at least", least)));
    let missed = if row.is_missed() { ": MISSED" } else { "" };
    let limit = limit.map_or(String::new(), |(word, limit)| format!("  ({word} {limit}{missed})"));
    format!("{:<10} {:<58} {:>10.2} {}{limit}", row.subject, row.what, row.value, row.unit)
}

/// The value below which this share of a sorted sample lies.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let index = (share * last as f64).round() as usize;
    sorted.get(index).copied().unwrap_or_default()
}
