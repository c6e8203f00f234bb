//! `gatepost explain APP`: the whole chain for one Application.

use super::client::Server;
use super::output::{self, Format};
use serde_json::Value;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  gatepost explain argocd/order-service\n  gatepost explain argocd/order-service -o json"
)]
pub(super) struct Arguments {
    /// `<namespace>/<name>` of the Application; without a namespace `argocd` is taken.
    application: String,
    #[command(flatten)]
    server: Server,
    /// How the answer is printed.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let (namespace, name) = arguments.application.split_once('/').unwrap_or(("argocd", &arguments.application));
    let view = arguments.server.get(&format!("applications/{namespace}/{name}")).await?;
    if !output::machine(arguments.output, &view)? {
        print(&view);
    }
    Ok(ExitCode::SUCCESS)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn each<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value[name].as_array().into_iter().flatten()
}

fn print(view: &Value) {
    println!("Application {}", text(view, "application"));
    if let Some(reason) = view["skipped"].as_str() {
        println!("  skipped: {reason}");
    }
    println!("Subscriptions");
    for s in each(view, "subscriptions") {
        println!(
            "  {} -> {}:{}  ({}){}",
            text(s, "trigger"),
            text(s, "service"),
            text(s, "recipient"),
            text(s, "origin"),
            configuration(s)
        );
    }
    println!("Triggers");
    for trigger in each(view, "triggers") {
        println!(
            "  {}: {} {}{}",
            text(trigger, "name"),
            text(trigger, "reason"),
            text(trigger, "message"),
            configuration(trigger)
        );
        each(trigger, "conditions").for_each(print_condition);
    }
    for remark in view["remarks"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        println!("  ! {remark}");
    }
    println!("Deliveries");
    for d in each(view, "deliveries") {
        println!(
            "  {} {} {} after {} attempts: {}",
            text(d, "id"),
            text(&d["occurrence"], "trigger"),
            text(d, "state"),
            d["attempts"],
            text(d, "reason")
        );
    }
}

/// Whose configuration it is, where that is not the controller's.
fn configuration(value: &Value) -> String {
    match text(value, "configuration") {
        "" => String::new(),
        namespace => format!(" [configuration of {namespace}]"),
    }
}

fn print_condition(condition: &Value) {
    let holds = if condition["triggered"] == true { "holds" } else { "does not hold" };
    println!("    {} {holds}: {}", text(condition, "key"), text(condition, "when"));
    if let Some(error) = condition["error"].as_str() {
        println!("      error: {error}");
    }
    for part in each(condition, "trace") {
        println!("      {} = {}", text(part, "expression"), text(part, "value"));
    }
    for d in each(condition, "destinations") {
        println!(
            "      -> {}:{} {} {}",
            text(d, "service"),
            text(d, "recipient"),
            text(d, "reason"),
            text(d, "message")
        );
    }
}
