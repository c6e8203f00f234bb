//! `gatepost explain APP`: the whole chain for one Application.

use super::client::{Server, encoded};
use super::output::{self, Format, shortened};
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
        print_deliveries(&view, &arguments.server).await;
    }
    Ok(ExitCode::SUCCESS)
}

/// A dead letter may be pruned while this is printed: then its line stays without its cause.
async fn print_deliveries(view: &Value, server: &Server) {
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
        if text(d, "state") == "dead" {
            let detail = server.get(&format!("deliveries/{}", encoded(text(d, "id")))).await;
            let lines = detail.map_or_else(|error| vec![format!("(no cause: {error:#})")], |detail| given_up(&detail));
            lines.iter().for_each(|line| println!("      {line}"));
        }
    }
}

/// What made a delivery a dead letter: what the last attempt came to, or why there was nothing to send.
fn given_up(detail: &Value) -> Vec<String> {
    let lines = match each(detail, "attempts").last() {
        Some(attempt) => vec![text(attempt, "reason"), text(attempt, "excerpt")],
        None => vec![text(detail, "payload")],
    };
    let lines = lines.into_iter().map(|line| shortened(&line.split_whitespace().collect::<Vec<_>>().join(" "), 200));
    lines.filter(|line| !line.is_empty()).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_given_up_has_its_cause_in_one_line_each() {
        let refused = json!({"attempts": [{"reason": "HTTP 500", "excerpt": ""}, {"reason": "HTTP 400", "excerpt": "no such\n  user"}]});
        assert_eq!(given_up(&refused), ["HTTP 400", "no such user"]);
        let unsent = json!({"attempts": [], "payload": "failed to render"});
        assert_eq!(given_up(&unsent), ["failed to render"]);
    }
}
