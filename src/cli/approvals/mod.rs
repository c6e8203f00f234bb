//! `gatepost approvals list|show|approve|reject|cancel|wait` on a running Gatepost. Every call is made under a login of its own.

mod caller;

use super::client::encoded;
use super::output::{self, Format, shortened};
use anyhow::bail;
use caller::{Caller, Line};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Pause between two questions of `wait`.
const WAIT_PAUSE: Duration = Duration::from_secs(3);

#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Examples:\n  gatepost approvals list team-a\n  gatepost approvals show 0198c0de000070008000000000000000\n  gatepost approvals approve 0198c0de000070008000000000000000 --reason \"seen on staging\"\n  gatepost approvals wait team-a/schema-upgrade --branch argocd/shop --sha \"$REVISION\" --timeout 1h"
)]
pub(super) enum Command {
    /// List runs, newest first.
    List(Selection),
    /// Show a run with its votes and its audit trail.
    Show {
        /// Its id.
        id: String,
        #[command(flatten)]
        caller: Caller,
        /// How the answer is printed.
        #[arg(short, long, value_enum, default_value = "yaml")]
        output: Format,
    },
    /// Approve a run, under your own login.
    Approve(Decision),
    /// Reject a run, under your own login.
    Reject(Decision),
    /// End a run without a decision.
    Cancel(Decision),
    /// Wait until a run is decided: exit code 0 if it succeeded, 1 otherwise.
    Wait(Waiting),
}

#[derive(Debug, clap::Args)]
pub(super) struct Selection {
    /// `<namespace>`, or `<namespace>/<name>` of an approval.
    of: String,
    /// Environment's branch, or `<namespace>/<name>` of the Application.
    #[arg(long)]
    branch: Option<String>,
    /// SHA, revision, or name of the run.
    #[arg(long)]
    sha: Option<String>,
    /// Only runs that are not decided.
    #[arg(long)]
    open: bool,
    /// At most so many.
    #[arg(long)]
    limit: Option<usize>,
    #[command(flatten)]
    caller: Caller,
    /// How the answer is printed.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Decision {
    /// Id of the run.
    id: String,
    /// Why; kept with the decision.
    #[arg(long, default_value = "")]
    reason: String,
    #[command(flatten)]
    caller: Caller,
    /// How the answer is printed.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Waiting {
    /// Id of the run, or `<namespace>/<name>` of an approval with --branch and --sha.
    of: String,
    /// Environment's branch, or `<namespace>/<name>` of the Application.
    #[arg(long)]
    branch: Option<String>,
    /// SHA, revision, or name of the run.
    #[arg(long)]
    sha: Option<String>,
    /// How long to wait: a Go duration.
    #[arg(long, default_value = "24h")]
    timeout: String,
    #[command(flatten)]
    caller: Caller,
}

impl Selection {
    fn path(&self) -> String {
        let (open, limit) = (self.open.then_some("true"), self.limit.map(|limit| limit.to_string()));
        let named = [("branch", &self.branch), ("sha", &self.sha), ("limit", &limit)];
        let mut query: Vec<String> =
            named.iter().filter_map(|(name, value)| Some(format!("{name}={}", encoded(value.as_ref()?)))).collect();
        query.extend(open.map(|open| format!("open={open}")));
        format!("{}/runs?{}", self.of.split('/').map(encoded).collect::<Vec<_>>().join("/"), query.join("&"))
    }
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List(selection) => {
            let found = selection.caller.open().await?.get(&selection.path()).await?;
            if !output::machine(selection.output, &found)? {
                print_list(&found);
            }
        }
        Command::Show { id, caller, output } => {
            let found = caller.open().await?.get(&format!("runs/{}", encoded(&id))).await?;
            let format = if matches!(output, Format::Json) { Format::Json } else { Format::Yaml };
            output::machine(format, &found)?;
        }
        Command::Approve(decision) => decide(&decision, "approve").await?,
        Command::Reject(decision) => decide(&decision, "reject").await?,
        Command::Cancel(decision) => decide(&decision, "cancel").await?,
        Command::Wait(waiting) => return wait(&waiting).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn decide(decision: &Decision, verb: &str) -> anyhow::Result<()> {
    let line = decision.caller.open().await?;
    let path = format!("runs/{}/{verb}", encoded(&decision.id));
    let answer = line.post(&path, &json!({"reason": decision.reason})).await?;
    if !output::machine(decision.output, &answer)? {
        println!("{}: {} ({})", decision.id, text(&answer, "phase"), text(&answer, "reason"));
    }
    Ok(())
}

async fn wait(waiting: &Waiting) -> anyhow::Result<ExitCode> {
    let nanos = gatepost_value::time::parse_duration(&waiting.timeout).map_err(anyhow::Error::msg)?;
    let (began, patience) = (Instant::now(), Duration::from_nanos(nanos.max(0).unsigned_abs()));
    let mut told = String::new();
    let mut line = waiting.caller.open().await?;
    loop {
        match look(&line, waiting).await {
            Ok(Some(run)) => {
                let phase = text(&run, "phase");
                if phase != told {
                    println!("{}: {phase} ({})", text(&run, "id"), text(&run, "reason"));
                    told.clone_from(&phase);
                }
                match phase.as_str() {
                    "succeeded" => return Ok(ExitCode::SUCCESS),
                    "requesting" | "waiting" => {}
                    _ => return Ok(ExitCode::FAILURE),
                }
            }
            Ok(None) => {}
            // Gatepost may be rolling out, or the token has run out: both pass.
            Err(error) => {
                eprintln!("gatepost: {error:#}; still waiting");
                line = waiting.caller.open().await.unwrap_or(line);
            }
        }
        let left = patience.saturating_sub(began.elapsed());
        if left.is_zero() {
            bail!("not decided within {}", waiting.timeout);
        }
        tokio::time::sleep(WAIT_PAUSE.min(left)).await;
    }
}

/// The run that is waited for, if it is there yet.
async fn look(line: &Line, waiting: &Waiting) -> anyhow::Result<Option<Value>> {
    if !waiting.of.contains('/') {
        return line.get(&format!("runs/{}", encoded(&waiting.of))).await.map(Some);
    }
    let selection = Selection {
        of: waiting.of.clone(),
        branch: waiting.branch.clone(),
        sha: waiting.sha.clone(),
        open: false,
        limit: Some(1),
        caller: waiting.caller.clone(),
        output: Format::Json,
    };
    let found = line.get(&selection.path()).await?;
    Ok(found["items"].as_array().and_then(|items| items.first()).cloned())
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

fn print_list(found: &Value) {
    let row = |run: &Value| {
        let approvals = format!("{}/{}", run["approvals"], run["needed"]);
        vec![
            text(run, "id"),
            text(run, "approval"),
            text(run, "branch"),
            shortened(&text(run, "sha"), 12),
            text(run, "phase"),
            approvals,
            text(run, "deadline"),
            shortened(&[text(run, "reason"), text(run, "message")].join(" "), 80),
        ]
    };
    let rows: Vec<Vec<String>> = found["items"].as_array().into_iter().flatten().map(row).collect();
    if rows.is_empty() {
        println!("no runs match");
        return;
    }
    output::table(&["ID", "APPROVAL", "BRANCH", "SHA", "PHASE", "APPROVED", "DEADLINE", "SAYS"], &rows);
}
