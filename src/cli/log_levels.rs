//! `gatepost log show|set`: what a running Gatepost logs.

use super::client::Server;
use super::output::{self, Format};
use serde_json::{Value, json};
use std::process::ExitCode;

#[derive(Debug, clap::Subcommand)]
#[command(
    after_help = "Examples:\n  gatepost log show\n  gatepost log set gatepost=debug,kube=warn,info --for 10m\n  gatepost log set info"
)]
pub(super) enum Command {
    /// Show which targets are logged at which level.
    Show {
        #[command(flatten)]
        place: Place,
    },
    /// Change it, for a while or until the process ends. Nothing else is changed, and nothing is restarted.
    Set {
        /// A level (off, error, warn, info, debug, trace), or target=level, several parted by commas.
        filter: String,
        /// For how long, such as 10m; then it is as before. At most 24h.
        #[arg(long = "for", value_name = "DURATION")]
        lasting: Option<String>,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Place {
    #[command(flatten)]
    server: Server,
    /// How the answer is printed.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let (answer, format) = match command {
        Command::Show { place } => (place.server.get("log").await?, place.output),
        Command::Set { filter, lasting, place } => {
            let mut body = json!({"filter": filter});
            if let Some(lasting) = lasting {
                body["for"] = lasting.into();
            }
            (place.server.post("log", &body).await?, place.output)
        }
    };
    if !output::machine(format, &answer)? {
        println!("{}", sentence(&answer));
    }
    Ok(ExitCode::SUCCESS)
}

fn sentence(answer: &Value) -> String {
    let text = |name: &str| answer[name].as_str().unwrap_or_default();
    match text("until") {
        "" => text("filter").to_owned(),
        until => format!("{} until {until}, then {}", text("filter"), text("afterwards")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_for_a_while_says_what_follows() {
        assert_eq!(sentence(&json!({"filter": "info"})), "info");
        let passing = json!({"filter": "debug", "until": "2026-01-01T00:00:00Z", "afterwards": "info"});
        assert_eq!(sentence(&passing), "debug until 2026-01-01T00:00:00Z, then info");
    }
}
