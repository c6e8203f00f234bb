//! The examples of the references of templates and expressions: each is run, and gives what the page says.
//!
//! A line of a block is an example of its own, `text → what it gives`; a block without arrows is one, and the block after it
//! (`result`) what it gives. What fails is written `error: a part of the message`. What all see is in the page's `sample` blocks.

use super::{Block, ROOT, fenced};
use gatepost::gate::approval::request::{Asked, Callback, Templates, World};
use gatepost::gate::approval::{ApprovalId, RunId, Stage, Subject};
use gatepost::gate::engine::{Engine, Integers, Surroundings};
use gatepost::gate::objects::{self, PROMOTION_STRATEGY, WEB_REQUEST_COMMIT_STATUS};
use gatepost_expr::{CompileOptions, Program};
use gatepost_template::{Profile, Template};
use gatepost_value::json::{self, Numbers};
use gatepost_value::namespace::{self, Record};
use gatepost_value::{Budget, CallContext, GoType, Limits, Location, Map, Str, Time, Value};
use serde_json::{Map as JsonMap, Value as Json};
use std::collections::BTreeSet;

/// 2026-01-02T15:04:05Z: the time in every example.
const NOW: i64 = 1_767_366_245;

struct Example {
    line: usize,
    text: String,
    gives: String,
}

fn page(name: &str) -> String {
    std::fs::read_to_string(format!("{ROOT}/docs/reference/{name}")).unwrap()
}

/// The examples in the blocks of one kind.
fn examples(page: &str, info: &str) -> Vec<Example> {
    let blocks = fenced(page);
    let mut found = Vec::new();
    for (nth, block) in blocks.iter().enumerate().filter(|(_, block)| block.info == info) {
        if block.text.contains(" → ") {
            found.extend(lines(block));
            continue;
        }
        let gives = blocks.get(nth + 1).filter(|next| next.info == "result");
        let gives = gives.unwrap_or_else(|| panic!("line {}: no result follows", block.line)).text.clone();
        found.push(Example { line: block.line, text: block.text.clone(), gives });
    }
    assert!(!found.is_empty(), "no examples of {info}");
    found
}

fn lines(block: &Block) -> Vec<Example> {
    let of = |(nth, line): (usize, &str)| {
        let (text, gives) =
            line.rsplit_once(" → ").unwrap_or_else(|| panic!("line {}: no arrow", block.line + nth + 1));
        Example { line: block.line + nth + 1, text: text.trim_end().to_owned(), gives: gives.to_owned() }
    };
    block.text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(of).collect()
}

/// Every example that gives something else, as one text.
fn tried(page: &str, info: &str, run: impl Fn(&str) -> Result<String, String>) {
    let text = self::page(page);
    let mut wrong = Vec::new();
    for Example { line, text, gives } in examples(&text, info) {
        let (found, gives) = (run(&text), gives.trim_end());
        let is_right = match (&found, gives.strip_prefix("error: ")) {
            (Ok(found), None) => found.trim_end() == gives,
            (Err(error), Some(part)) => error.contains(part),
            _ => false,
        };
        if !is_right {
            wrong.push(format!("docs/reference/{page}:{line}: {text}\n  says  {gives}\n  gives {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn sample(page: &str, info: &str) -> JsonMap<String, Json> {
    let blocks = fenced(&self::page(page));
    let block = blocks.iter().find(|block| block.info == info).unwrap_or_else(|| panic!("{page} has no {info}"));
    serde_yaml_ng::from_str(&block.text).unwrap()
}

fn on_meter<T>(run: impl FnOnce(&CallContext<'_>) -> T) -> T {
    let budget = Budget::new(Limits::default());
    let random = |bytes: &mut [u8]| bytes.fill(7);
    run(&CallContext { budget: &budget, now: Time::unix(NOW, 0), local: Location::Utc, random: &random, costly: false })
}

/// What conditions and templates of notifications see.
fn notifications(page: &str) -> Value {
    let mut entries: Vec<(Str, Value)> = Vec::new();
    for (name, value) in sample(page, "yaml sample") {
        let value = match (name.as_str(), value.as_object()) {
            ("context", Some(texts)) => {
                let texts =
                    texts.iter().map(|(key, text)| (Str::from(key.as_str()), Value::str(text.as_str().unwrap())));
                Value::Map(Map::frozen_of(GoType::String, texts.collect()))
            }
            _ => json::from_serde(&value, Numbers::Kubernetes),
        };
        entries.push((Str::from(name.as_str()), value));
    }
    let helpers = [("time", namespace::time()), ("strings", namespace::strings())];
    entries.extend(helpers.map(|(name, value)| (Str::from(name), value)));
    entries.push((Str::from("repo"), Value::map(namespace::repo_pure())));
    Value::map(entries)
}

/// What expressions of gates see, and as a record what their templates see.
fn gates(page: &str) -> Vec<(Str, Value)> {
    let of = |(name, value): (&String, &Json)| {
        let value = match name.as_str() {
            "PromotionStrategy" => objects::object(&PROMOTION_STRATEGY, value),
            "WebRequestCommitStatus" => objects::object(&WEB_REQUEST_COMMIT_STATUS, value),
            "Response" => {
                let (status, body) =
                    (value["StatusCode"].as_i64().unwrap(), json::from_serde(&value["Body"], Numbers::Float));
                let headers = json::from_serde(&value["Headers"], Numbers::Float);
                let entries = [("StatusCode", Value::int(status)), ("Body", body), ("Headers", headers)];
                Value::map(entries.into_iter().map(|(name, value)| (Str::from(name), value)).collect())
            }
            "NamespaceMetadata" => {
                let texts = |part: &str| {
                    let all = value[part].as_object().into_iter().flatten();
                    let all = all.map(|(key, text)| (Str::from(key.as_str()), Value::str(text.as_str().unwrap())));
                    Value::Map(Map::frozen_of(GoType::String, all.collect()))
                };
                let fields = ["Labels", "Annotations"].map(|part| (Str::from(part), texts(part)));
                Record::value("webrequest.NamespaceMetadata", fields.into())
            }
            _ => json::from_serde(value, Numbers::Float),
        };
        (Str::from(name.as_str()), value)
    };
    sample(page, "yaml gate-sample").iter().map(of).collect()
}

fn rendered(profile: &Profile, text: &str, data: &Value) -> Result<String, String> {
    let template = Template::parse("t", text, profile, &Limits::default()).map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    on_meter(|context| template.render(data, context, &mut out)).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(out).unwrap())
}

/// The value as JSON on one line.
fn evaluated(text: &str, environment: &Value) -> Result<String, String> {
    let options = CompileOptions { as_bool: false, limits: Limits::default() };
    let program = Program::compile(text, &options).map_err(|error| error.to_string())?;
    on_meter(|context| {
        let value = program.run(environment, context).map_err(|error| error.to_string())?;
        let bytes = json::marshal_raw(context.budget, &value).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(bytes).unwrap())
    })
}

#[test]
fn templates_of_notifications_print_what_the_page_says() {
    let data = notifications("templates.md");
    tried("templates.md", "template", |text| rendered(Profile::notifications(), text, &data));
}

#[test]
fn templates_of_gates_print_what_the_page_says() {
    let data = Record::value("webrequest.TemplateData", gates("templates.md"));
    tried("templates.md", "template gate", |text| rendered(Profile::gates(), text, &data));
}

#[test]
fn templates_of_approvals_print_what_the_page_says() {
    let sample = sample("templates.md", "yaml approval-sample");
    let engine = Engine::new(Limits::default(), Integers::AsGo);
    let random = |bytes: &mut [u8]| bytes.fill(7);
    let around = Surroundings { now: Time::unix(NOW, 0), local: Location::Utc, random: &random };
    let callback = Callback { url: "https://gatepost.example.com/callbacks/v1/runs/01".into(), token: "gpr1.x".into() };
    tried("templates.md", "template approval", |text| {
        let asked = Asked {
            run: RunId::new([1; 16]),
            approval: ApprovalId { namespace: "shop".into(), name: "schema-upgrade".into(), uid: "u".into() },
            subject: Subject { branch: "env/prod".into(), sha: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".into() },
            stage: Stage::BeforeDeployment,
            deadline_ms: (NOW + 3600) * 1000,
            templates: Templates {
                url: "https://jobs.example.com".into(),
                method: "POST".into(),
                body: Some(text.to_owned()),
                ..Templates::default()
            },
            world: World {
                approval: sample["WebhookApproval"].clone(),
                strategy: Some(sample["PromotionStrategy"].clone()),
                ..World::default()
            },
        };
        let request = asked.render(&engine, &callback, &around).map_err(|failure| failure.to_string())?;
        Ok(request.body.unwrap_or_default())
    });
}

#[test]
fn conditions_give_what_the_page_says() {
    let environment = notifications("expressions.md");
    tried("expressions.md", "expression", |text| evaluated(text, &environment));
}

#[test]
fn expressions_of_gates_give_what_the_page_says() {
    let environment = Value::map(gates("expressions.md"));
    tried("expressions.md", "expression gate", |text| evaluated(text, &environment));
}

/// The words in code marks in the second column of the tables whose head begins with a word.
fn listed(page: &str, head: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut inside = false;
    for line in page.lines() {
        inside = line.starts_with('|') && (inside || line.starts_with(&format!("| {head} |")));
        if inside {
            let cell = line.split(" | ").nth(1).unwrap_or_default();
            found.extend(cell.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}

#[test]
fn every_function_of_templates_is_listed() {
    let known: BTreeSet<String> =
        Profile::notifications().names().chain(Profile::gates().names()).map(str::to_owned).collect();
    assert_eq!(listed(&page("templates.md"), "functions"), known);
    let only = |one: &Profile, other: &Profile| -> BTreeSet<String> {
        one.names().filter(|name| other.get(name).is_none()).map(str::to_owned).collect()
    };
    let missing = only(Profile::notifications(), Profile::gates());
    assert_eq!(listed(&page("templates.md"), "not in gates"), missing, "what gates and approvals have not");
}

#[test]
fn every_built_in_of_expressions_is_listed() {
    let known: BTreeSet<String> =
        gatepost_expr::builtin_types::ALL.iter().map(|(_, name)| (*name).to_owned()).collect();
    assert_eq!(listed(&page("expressions.md"), "built-ins"), known);
}
