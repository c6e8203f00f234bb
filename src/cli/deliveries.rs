//! `gatepost deliveries list|show|replay|discard` on a running Gatepost.

use super::client::{Server, encoded};
use super::output::{self, Format, shortened};
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Examples:\n  gatepost deliveries list --state dead\n  gatepost deliveries list dlv_0198c0de-0000-7000-8000-000000000000\n  gatepost deliveries replay --service backstage --dry-run\n  gatepost deliveries show dlv_0198c0de-0000-7000-8000-000000000000"
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
    /// Put dead and discarded deliveries back into the queue, under their old ids.
    Replay(Selection),
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
    /// Created at or after, Unix milliseconds.
    #[arg(long)]
    since: Option<i64>,
    /// Created before, Unix milliseconds.
    #[arg(long)]
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
        Command::Replay(selection) => return moved(&selection, "replay").await,
        Command::Discard(selection) => return moved(&selection, "discard").await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn moved(selection: &Selection, verb: &str) -> anyhow::Result<ExitCode> {
    if selection.ids.is_empty() && selection.named().is_empty() {
        anyhow::bail!("name ids or at least one filter: without any, every delivery would be meant");
    }
    let answer = selection.server.post(&format!("deliveries/{verb}"), &selection.body()).await?;
    if !output::machine(selection.output, &answer)? {
        let of = |name: &str| answer[name].as_array().cloned().unwrap_or_default();
        let (moved, skipped) = (of("moved"), of("skipped"));
        println!(
            "{}{verb}: {} deliveries, {} left",
            if selection.dry_run { "dry run, " } else { "" },
            moved.len(),
            skipped.len()
        );
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
    if let Some(next) = found["next"].as_str() {
        println!("more: --after {next}");
    }
}
