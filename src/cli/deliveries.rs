//! `gatepost deliveries list|show|replay|discard` on a running Gatepost.

use super::client::{Server, encoded};
use super::output::{self, Format, shortened};
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Examples:\n  gatepost deliveries list --state dead\n  gatepost deliveries list dlv_0198c0de-0000-7000-8000-000000000000\n  gatepost deliveries replay --service backstage --since 2h --dry-run\n  gatepost deliveries replay --as-new dlv_0198c0de-0000-7000-8000-000000000000\n  gatepost deliveries show dlv_0198c0de-0000-7000-8000-000000000000"
)]
pub(super) enum Command {
    /// List deliveries, newest first.
    List(Selection),
    /// Show one delivery with its attempts.
    Show {
        /// Its id.
        id: String,
        #[command(flatten)]
        server: Server,
        /// How the answer is printed.
        #[arg(short, long, value_enum, default_value = "yaml")]
        output: Format,
    },
    /// Put dead and discarded deliveries back into the queue, under their old ids, some a second (`delivery.replayPerSecond`).
    Replay {
        #[command(flatten)]
        selection: Selection,
        /// Send what is over once more, delivered ones too, as new deliveries with ids of their own.
        #[arg(long)]
        as_new: bool,
    },
    /// Throw deliveries away.
    Discard(Selection),
}

#[derive(Debug, clap::Args)]
pub(super) struct Selection {
    /// Ids: only these, as far as the filters choose them too.
    ids: Vec<String>,
    /// `<namespace>/<name>` of the Application.
    #[arg(long)]
    app: Option<String>,
    /// Trigger.
    #[arg(long)]
    trigger: Option<String>,
    /// Service.
    #[arg(long)]
    service: Option<String>,
    /// States, separated by commas: prepared, claimed, waiting, delivered, dead, superseded, takenOver, discarded.
    #[arg(long)]
    state: Option<String>,
    /// Created at or after: an age such as 2h, a time such as 2026-01-31T08:00:00Z, or Unix milliseconds.
    #[arg(long, value_parser = moment)]
    since: Option<i64>,
    /// Created before, in the same forms.
    #[arg(long, value_parser = moment)]
    until: Option<i64>,
    /// At most so many.
    #[arg(long)]
    limit: Option<usize>,
    /// Continue a list after this id.
    #[arg(long)]
    after: Option<String>,
    /// Say what would be done and do nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    server: Server,
    /// How the answer is printed.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
}

impl Selection {
    fn named(&self) -> Vec<(&'static str, String)> {
        let texts = [
            ("app", &self.app),
            ("trigger", &self.trigger),
            ("service", &self.service),
            ("state", &self.state),
            ("after", &self.after),
        ];
        let mut named: Vec<_> = texts.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
        named.extend(self.since.map(|n| ("since", n.to_string())));
        named.extend(self.until.map(|n| ("until", n.to_string())));
        named.extend(self.limit.map(|n| ("limit", n.to_string())));
        named
    }
    fn query(&self) -> String {
        let ids = (!self.ids.is_empty()).then(|| ("ids", self.ids.join(",")));
        self.named()
            .iter()
            .chain(&ids)
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect::<Vec<_>>()
            .join("&")
    }
    fn body(&self) -> Value {
        json!({"ids": self.ids, "app": self.app, "trigger": self.trigger, "service": self.service, "state": self.state,
            "since": self.since, "until": self.until, "limit": self.limit, "after": self.after, "dryRun": self.dry_run})
    }
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(selection) => {
            let found = selection.server.get(&format!("deliveries?{}", selection.query())).await?;
            if !output::machine(selection.output, &found)? {
                print_list(&found);
            }
        }
        Command::Show { id, server, output } => {
            let found = server.get(&format!("deliveries/{}", encoded(&id))).await?;
            let format = if matches!(output, Format::Json) { Format::Json } else { Format::Yaml };
            output::machine(format, &found)?;
        }
        Command::Replay { selection, as_new } => return moved(&selection, "replay", as_new).await,
        Command::Discard(selection) => return moved(&selection, "discard", false).await,
    }
    Ok(ExitCode::SUCCESS)
}

/// Unix milliseconds of a time, or of an age.
fn moment(text: &str) -> Result<i64, String> {
    if let Ok(millis) = text.parse() {
        return Ok(millis);
    }
    if let Ok(nanos) = gatepost_value::time::parse_duration(text) {
        return Ok(crate::clock::now().millis().saturating_sub(nanos / 1_000_000));
    }
    let time: Result<jiff::Timestamp, _> = text.parse();
    time.map(|time| time.as_millisecond())
        .map_err(|_| "write an age such as 2h, a time such as 2026-01-31T08:00:00Z, or Unix milliseconds".to_owned())
}

async fn moved(selection: &Selection, verb: &str, as_new: bool) -> anyhow::Result<ExitCode> {
    if selection.ids.is_empty() && selection.named().is_empty() {
        anyhow::bail!("name ids or at least one filter: without any, every delivery would be meant");
    }
    let mut body = selection.body();
    if as_new {
        body["asNew"] = true.into();
    }
    let answer = selection.server.post(&format!("deliveries/{verb}"), &body).await?;
    if !output::machine(selection.output, &answer)? {
        let of = |name: &str| answer[name].as_array().cloned().unwrap_or_default();
        let (moved, skipped) = (of("moved"), of("skipped"));
        println!(
            "{}{verb}: {} deliveries, {} left",
            if selection.dry_run { "dry run, " } else { "" },
            moved.len(),
            skipped.len()
        );
        for row in of("made") {
            println!("  {} repeats {}", row["id"].as_str().unwrap_or_default(), row["of"].as_str().unwrap_or_default());
        }
        for row in skipped {
            println!("  {}: {}", row["id"].as_str().unwrap_or_default(), row["reason"].as_str().unwrap_or_default());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print_list(found: &Value) {
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    let row = |d: &Value| {
        let object = &d["occurrence"]["object"];
        vec![
            text(&d["id"]),
            format!("{}/{}", text(&object["namespace"]), text(&object["name"])),
            text(&d["occurrence"]["trigger"]),
            text(&d["lane"]["service"]),
            text(&d["state"]),
            text(&d["attempts"]),
            shortened(&text(&d["reason"]), 80),
        ]
    };
    let rows: Vec<Vec<String>> = found["items"].as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        println!("no deliveries match");
        return;
    }
    output::table(&["ID", "APPLICATION", "TRIGGER", "SERVICE", "STATE", "ATTEMPTS", "REASON"], &rows);
    if rows.iter().any(|row| row.get(4).is_some_and(|state| state == "dead")) {
        println!("why one was given up: gatepost deliveries show ID");
    }
    if let Some(next) = found["next"].as_str() {
        println!("more: --after {next}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_ages_times_or_milliseconds() {
        assert_eq!(moment("1700000000123"), Ok(1_700_000_000_123));
        assert_eq!(moment("2023-11-14T22:13:20Z"), Ok(1_700_000_000_000));
        let ago = moment("2h").map(|at| crate::clock::now().millis() - at).unwrap_or(0);
        assert!((7_200_000..7_300_000).contains(&ago), "{ago}");
        assert!(moment("yesterday").is_err());
    }
}
