//! `gatepost gate run`: one look at a gate, with answers from files.

use super::view;
use crate::cli::manifests;
use crate::cli::output::{self, Format};
use crate::gate::web_request::{Answer, Answers, Input, NamespaceMetadata, begin, conclude};
use crate::gate::{Engine, Gate, Integers, Memory, Strategy};
use anyhow::{Context as _, bail};
use gatepost_value::{Limits, Location, Time, Value, json};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 0: every environment got a phase; 1: something failed.\n\nWithout --status and --response the request is shown and not answered.\n\nExamples:\n  gatepost gate run gate.yaml --strategy strategy.yaml\n  gatepost gate run gate.yaml --strategy strategy.yaml --response answer.json\n  gatepost gate run gate.yaml strategy.yaml --status environment/prod=503 --status 200 --response answer.json -o json"
)]
pub(in crate::cli) struct Arguments {
    /// Manifest files with the WebRequestCommitStatus; the PromotionStrategy and the Namespace may be among them. The
    /// status of the gate is what an earlier look left. `-` for standard input.
    #[arg(required = true)]
    files: Vec<String>,
    /// File with the PromotionStrategy, its status included: commits are read from there.
    #[arg(long, value_name = "FILE")]
    strategy: Option<String>,
    /// Which gate, where the files have several.
    #[arg(long)]
    name: Option<String>,
    /// File with the body of the answer; `BRANCH=FILE` for one environment.
    #[arg(long, value_name = "[BRANCH=]FILE")]
    response: Vec<String>,
    /// Status code of the answer, 200 where there is only a body; `BRANCH=CODE` for one environment.
    #[arg(long, value_name = "[BRANCH=]CODE")]
    status: Vec<String>,
    /// Header of the answer, `Name: value`.
    #[arg(long, value_name = "HEADER")]
    header: Vec<String>,
    /// The time of the look, RFC 3339; now where it is not given.
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
    /// How whole numbers of bodies are read, as the setting gates.integers.
    #[arg(long, value_enum, default_value = "go")]
    integers: IntegersFlag,
    /// How the answer is printed.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum IntegersFlag {
    Go,
    Exact,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let objects = Objects::read(arguments)?;
    let now = arguments.time()?;
    let integers = match arguments.integers {
        IntegersFlag::Go => Integers::AsGo,
        IntegersFlag::Exact => Integers::Exact,
    };
    let engine = Engine::new(Limits::default(), integers);
    let input = Input {
        gate: &objects.gate,
        strategy: &objects.strategy,
        namespace: &objects.namespace,
        memory: &Memory::default(),
        now,
        local: Location::Utc,
        random: &|buffer| buffer.fill(0),
    };
    let plan = begin(&engine, &input);
    let asks: Vec<_> = plan.asks().map(|(scope, ask)| (scope.to_owned(), ask.clone())).collect();
    let answers = arguments.answers(asks.iter().map(|(scope, _)| scope.as_str()))?;
    let open = asks.iter().any(|(scope, _)| !answers.contains_key(scope));
    let outcome = conclude(&engine, &input, plan, &answers);
    let shown = view::Report { asks: &asks, outcome: &outcome, open };
    if !output::machine(arguments.output, &shown.json())? {
        shown.print();
    }
    Ok(if shown.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What a look is about.
struct Objects {
    gate: Gate,
    strategy: Strategy,
    namespace: NamespaceMetadata,
}

impl Objects {
    fn read(arguments: &Arguments) -> anyhow::Result<Self> {
        let mut documents = Vec::new();
        for file in arguments.files.iter().chain(&arguments.strategy) {
            documents.extend(manifests::read(file)?);
        }
        let gate = Gate::parse(json::to_serde(chosen(&documents, arguments.name.as_deref())?))?;
        let strategy = manifests::named(&documents, "PromotionStrategy", &gate.spec.strategy).with_context(|| {
            format!("none of the files holds the PromotionStrategy {:?} that the gate names", gate.spec.strategy)
        })?;
        let namespace = manifests::named(&documents, "Namespace", &gate.namespace).map(metadata).unwrap_or_default();
        let strategy = Strategy::read(json::to_serde(strategy));
        Ok(Self { gate, strategy, namespace })
    }
}

fn chosen<'d>(documents: &'d [Value], name: Option<&str>) -> anyhow::Result<&'d Value> {
    const KIND: &str = "WebRequestCommitStatus";
    if let Some(name) = name {
        let found = manifests::named(documents, KIND, name);
        return found.with_context(|| format!("none of the files holds the {KIND} {name:?}"));
    }
    let is_gate = |document: &&Value| document.get("kind").is_some_and(|kind| kind.as_str() == Some(KIND));
    let mut gates = documents.iter().filter(is_gate);
    match (gates.next(), gates.next()) {
        (Some(gate), None) => Ok(gate),
        (None, _) => bail!("none of the files holds a {KIND}"),
        _ => bail!("the files hold several {KIND}: name one with --name"),
    }
}

fn metadata(namespace: &Value) -> NamespaceMetadata {
    let entries = |field: &str| -> BTreeMap<String, String> {
        let entries = namespace.at(&["metadata", field]).map(|entries| json::to_serde(&entries));
        let entries = entries.as_ref().and_then(Json::as_object).into_iter().flatten();
        entries.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
    };
    NamespaceMetadata { labels: entries("labels"), annotations: entries("annotations") }
}

impl Arguments {
    fn time(&self) -> anyhow::Result<Time> {
        let Some(text) = &self.now else {
            let now = crate::clock::now();
            return Ok(Time::unix(now.secs, now.nanos));
        };
        Time::parse_rfc3339(text).map_err(|error| anyhow::anyhow!("failed to read --now: {error}"))
    }
    /// One answer for each request that is given one.
    fn answers<'s>(&self, scopes: impl Iterator<Item = &'s str>) -> anyhow::Result<Answers> {
        let mut answers = Answers::new();
        for scope in scopes {
            let (status, body) = (given(&self.status, scope), given(&self.response, scope));
            if status.is_none() && body.is_none() {
                continue;
            }
            let status = status.map_or(Ok(200), str::parse).context("failed to read --status: it is no status code")?;
            let body = body.map(manifests::text).transpose()?.unwrap_or_default().into_bytes();
            let headers = self.header.iter().map(|header| split(header)).collect::<anyhow::Result<_>>()?;
            answers.insert(scope.to_owned(), Ok(Answer { status, headers, body }));
        }
        Ok(answers)
    }
}

/// The value for one environment, else the one for all of them.
fn given<'v>(values: &'v [String], scope: &str) -> Option<&'v str> {
    let own = |value: &'v String| value.strip_prefix(scope).filter(|_| !scope.is_empty())?.strip_prefix('=');
    let general = || values.iter().rfind(|value| !value.contains('='));
    values.iter().rev().find_map(own).or_else(|| general().map(String::as_str))
}

fn split(header: &str) -> anyhow::Result<(String, String)> {
    let parts =
        header.split_once(':').with_context(|| format!("failed to read --header {header:?}: it has no colon"))?;
    Ok((parts.0.trim().to_owned(), parts.1.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::given;

    #[test]
    fn an_environments_own_value_wins() {
        let values = ["a.json".to_owned(), "environment/prod=b.json".to_owned()];
        assert_eq!(given(&values, "environment/prod"), Some("b.json"));
        assert_eq!(given(&values, "environment/dev"), Some("a.json"));
        assert_eq!(given(&values, ""), Some("a.json"));
        assert_eq!(given(&values[1..], "environment/dev"), None);
    }
}
