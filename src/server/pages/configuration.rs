//! `/configuration`: what is in force, what is broken and where, and what counts meanwhile; of the controller and of each tenant.
//! Options of services are not shown: they hold credentials.

use super::frame::render;
use super::{Badge, Count, Frame, Layout, Link, Paging, Section, Text, Tone, Words, href};
use crate::coordination::Standing;
use crate::notify::{Configuration, InForce, Origin, Problem};
use crate::server::State;
use actix_web::HttpResponse;
use askama::Template;
use serde::Deserialize;
use std::sync::Arc;

const PATH: &str = "/configuration";
/// Broken keys shown.
const PROBLEMS: usize = 30;
/// Keys of a page.
const KEYS: usize = 100;
/// Values of the context shown.
const CONTEXT: usize = 30;
/// Configurations of tenants of a page.
const TENANTS: usize = 50;

/// What the address asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// Whose configuration; empty: the controller's own.
    namespace: String,
    /// Keys behind this one.
    after: String,
    /// How many tenants are left out.
    tenants: usize,
}

/// The page.
#[derive(Template)]
#[template(path = "configuration.html")]
struct Page {
    layout: Layout,
    process: Process,
    whose: Text,
    /// The operator's resource beside the ConfigMap.
    resource: Option<Text>,
    summary: Text,
    problems: Vec<ProblemRow>,
    more_problems: usize,
    keys: Vec<KeyRow>,
    paging: Paging,
    context: Vec<(Text, Text)>,
    more_context: usize,
    tenants: Vec<TenantRow>,
    more_tenants: Option<String>,
}

/// How the process stands.
#[derive(Debug, Default)]
struct Process {
    standing: Text,
    is_synced: bool,
    is_durable: bool,
    limits: Vec<Text>,
}

/// Something wrong with one key.
struct ProblemRow {
    key: Text,
    state: Badge,
    place: String,
    cause: Text,
    advice: Text,
}

/// One key that is in force.
struct KeyRow {
    key: Text,
    kind: &'static str,
    state: Badge,
    origin: &'static str,
}

/// The configuration of a tenant in short.
struct TenantRow {
    namespace: Link,
    broken: Count,
    state: Badge,
    services: Count,
    triggers: Count,
    templates: Count,
}

/// Answers.
pub(super) async fn show(frame: Frame) -> HttpResponse {
    let asked: Asked = match frame.query() {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    let all = frame.state.relay.configurations();
    let Some(chosen) = all.iter().find(|one| one.namespace() == asked.namespace).cloned().or_else(|| none_yet(&asked))
    else {
        let detail = format!("There is no configuration of namespace {}.", asked.namespace);
        return frame.missing(&detail, "Configurations that are there are listed under Configuration.");
    };
    let words = frame.words();
    let process = process(&frame.state, &words);
    let layout = frame.layout("Configuration", Section::Configuration);
    render(&page(layout, &asked, process, &chosen, &all, &words))
}

/// Before the ConfigMap was read the controller's own is empty, not missing.
fn none_yet(asked: &Asked) -> Option<Arc<Configuration>> {
    asked.namespace.is_empty().then(Arc::default)
}

fn process(state: &State, words: &Words) -> Process {
    let relay = &state.relay;
    let standing = match relay.standing().now() {
        Standing::Unknown => "It is not known yet who decides.".to_owned(),
        Standing::Holder => "This process decides.".to_owned(),
        Standing::Standby { holder } => format!("This process stands by; {holder} decides."),
        Standing::Unguarded => "This process decides, without a Lease.".to_owned(),
    };
    Process {
        standing: words.line(&standing),
        is_synced: relay.is_synced(),
        is_durable: relay.store().is_durable(),
        limits: state.limits.get().into_iter().flatten().take(PROBLEMS).map(|limit| words.line(limit)).collect(),
    }
}

fn page(
    layout: Layout,
    asked: &Asked,
    process: Process,
    chosen: &Configuration,
    all: &[Arc<Configuration>],
    words: &Words,
) -> Page {
    let problems = chosen.problems();
    let (keys, paging) = keys(chosen, asked, words);
    let context = chosen.context();
    let (tenants, more_tenants) = tenants(all, asked, words);
    Page {
        process,
        whose: words.show(&whose(chosen)),
        resource: chosen.resource().map(|name| words.show(name)),
        summary: words.line(&summary(chosen)),
        problems: by_weight(problems).into_iter().take(PROBLEMS).map(|problem| problem_row(problem, words)).collect(),
        more_problems: problems.len().saturating_sub(PROBLEMS),
        keys,
        paging,
        context: context.iter().take(CONTEXT).map(|(name, value)| (words.show(name), words.line(value))).collect(),
        more_context: context.len().saturating_sub(CONTEXT),
        tenants,
        more_tenants,
        layout,
    }
}

fn whose(configuration: &Configuration) -> String {
    match configuration.namespace() {
        "" => "The controller's own".to_owned(),
        namespace => format!("Namespace {namespace}"),
    }
}

fn summary(configuration: &Configuration) -> String {
    let defaults = configuration.default_triggers().map(|names| format!("; by default {}", names.join(", ")));
    format!(
        "{} services, {} triggers, {} templates, {} global subscriptions{}",
        configuration.services().len(),
        configuration.triggers().len(),
        configuration.templates().len(),
        configuration.subscriptions().len(),
        defaults.unwrap_or_default(),
    )
}

/// The worst first: what is out of order, what lives on its last good text, warnings.
fn by_weight(problems: &[Problem]) -> Vec<&Problem> {
    let mut sorted: Vec<&Problem> = problems.iter().collect();
    sorted.sort_by_key(|problem| match problem.in_force {
        InForce::Nothing => 0,
        InForce::LastGood => 1,
        InForce::Itself => 2,
    });
    sorted
}

const fn state(in_force: InForce) -> Badge {
    match in_force {
        InForce::Nothing => Badge::new("out of order", Tone::Bad),
        InForce::LastGood => Badge::new("last good in force", Tone::Warn),
        InForce::Itself => Badge::new("in force, with a warning", Tone::Idle),
    }
}

fn problem_row(problem: &Problem, words: &Words) -> ProblemRow {
    let place = match (problem.line, problem.column) {
        (Some(line), Some(column)) => format!("{line}:{column}"),
        (Some(line), None) => line.to_string(),
        _ => String::new(),
    };
    ProblemRow {
        key: words.show(&problem.key),
        state: state(problem.in_force),
        place,
        cause: words.line(&problem.cause),
        advice: words.line(&problem.advice),
    }
}

fn keys(configuration: &Configuration, asked: &Asked, words: &Words) -> (Vec<KeyRow>, Paging) {
    let behind = configuration.keys().filter(|(key, _)| asked.after.is_empty() || *key > asked.after.as_str());
    let mut found: Vec<_> = behind.take(KEYS + 1).collect();
    let has_more = found.len() > KEYS;
    found.truncate(KEYS);
    let next = found.last().filter(|_| has_more).map(|(key, _)| *key);
    let after = Some(asked.after.as_str()).filter(|after| !after.is_empty());
    let namespace = words.line(&asked.namespace).to_string();
    let paging = Paging::new(PATH, &[("namespace", &namespace)], after, next);
    let worst = |key: &str| by_weight(configuration.problems()).into_iter().find(|problem| problem.key == key);
    let row = |(key, origin): (&str, Origin<'_>)| KeyRow {
        key: words.show(key),
        kind: kind(key),
        state: worst(key).map_or(Badge::new("in force", Tone::Ok), |problem| state(problem.in_force)),
        origin: match origin {
            Origin::ConfigMap => "ConfigMap",
            Origin::Resource(_) => "NotificationsConfiguration",
            Origin::Secret => "Secret",
        },
    };
    (found.into_iter().map(row).collect(), paging)
}

fn kind(key: &str) -> &'static str {
    match key.split_once('.').map_or(key, |(kind, _)| kind) {
        "service" | "gatepost" => "service",
        "trigger" => "trigger",
        "template" => "template",
        "subscriptions" => "subscriptions",
        "defaultTriggers" => "default triggers",
        "context" => "context",
        _ => "older form",
    }
}

/// Those with broken keys first; and where the next ones are.
fn tenants(all: &[Arc<Configuration>], asked: &Asked, words: &Words) -> (Vec<TenantRow>, Option<String>) {
    let mut sorted: Vec<&Arc<Configuration>> = all.iter().filter(|one| !one.namespace().is_empty()).collect();
    sorted.sort_by_key(|one| (std::cmp::Reverse(one.problems().len()), one.namespace().to_owned()));
    let rows: Vec<TenantRow> =
        sorted.iter().skip(asked.tenants).take(TENANTS).map(|one| tenant_row(one, words)).collect();
    let end = asked.tenants.saturating_add(rows.len());
    let more = (end < sorted.len()).then(|| href(PATH, &[("tenants", &end.to_string())]));
    (rows, more)
}

fn tenant_row(configuration: &Configuration, words: &Words) -> TenantRow {
    let namespace = configuration.namespace();
    let problems = configuration.problems();
    let address = words.exact(namespace).map(|name| href(PATH, &[("namespace", &name)]));
    TenantRow {
        namespace: Link { name: words.show(namespace), href: address.unwrap_or_default() },
        broken: Count(problems.len() as u64),
        state: by_weight(problems).first().map_or(Badge::new("in order", Tone::Ok), |worst| state(worst.in_force)),
        services: Count(configuration.services().len() as u64),
        triggers: Count(configuration.triggers().len() as u64),
        templates: Count(configuration.templates().len() as u64),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use crate::notify::{ConfigInput, LoadOptions, Resource};
    use crate::server::pages::tests::{HOSTILE, check, worst};
    use std::collections::BTreeMap;

    fn input(namespace: &str, keys: &[(&str, &str)]) -> ConfigInput {
        let configmap = keys.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
        ConfigInput { namespace: namespace.into(), configmap, ..ConfigInput::default() }
    }

    fn load(input: &ConfigInput, previous: Option<&Configuration>) -> Arc<Configuration> {
        Arc::new(Configuration::load(input, previous, &LoadOptions::sample()))
    }

    fn shown(asked: &Asked, chosen: &Configuration, all: &[Arc<Configuration>]) -> String {
        let layout = Layout::sample(Section::Configuration);
        page(layout, asked, Process::default(), chosen, all, &Words::default()).render().unwrap()
    }

    #[test]
    fn an_empty_one_says_what_to_do() {
        let html = shown(&Asked::default(), &Configuration::default(), &[]);
        assert!(check(&html).contains("gatepost catalog") && html.contains("not finished"));
    }

    #[test]
    fn each_key_is_in_force_broken_or_lives_on_its_last_good_text() {
        let good = input("", &[("trigger.on-x", "- when: 'true'\n  send: [t]\n"), ("template.t", "message: x\n")]);
        let broken = input(
            "",
            &[("trigger.on-x", "- when: 'true'\n  send: {\n"), ("template.t", "message: x\n"), ("template.u", "a: [")],
        );
        let configuration = load(&broken, Some(&load(&good, None)));
        let html = shown(&Asked::default(), &configuration, &[Arc::clone(&configuration)]);
        check(&html);
        for part in ["last good in force", "out of order", "trigger.on-x", "template.u", ">in force<", "ConfigMap"] {
            assert!(html.contains(part), "{part}: {html}");
        }
        let place = |text: &str| html.find(text).unwrap();
        assert!(place("template.u") < place("trigger.on-x"), "the worst comes first");
    }

    #[test]
    fn the_operators_resource_is_named_as_source() {
        let keys = BTreeMap::from([("template.t".to_owned(), "message: x\n".to_owned())]);
        let resource = Resource { name: "default-notifications".into(), keys, context: BTreeMap::new() };
        let input = ConfigInput { resource: Some(resource), ..input("", &[]) };
        let html = shown(&Asked::default(), &load(&input, None), &[]);
        assert!(check(&html).contains("default-notifications") && html.contains("<td>NotificationsConfiguration</td>"));
    }

    #[test]
    fn many_tenants_and_keys_are_paged() {
        let tenants: Vec<_> = (0..60).map(|n| load(&input(&format!("team-{n:02}"), &[]), None)).collect();
        let many: Vec<(String, &str)> = (0..150).map(|n| (format!("template.t{n:03}"), "message: x\n")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|(key, text)| (key.as_str(), *text)).collect();
        let own = load(&input("", &many), None);
        let html = shown(&Asked::default(), &own, &tenants);
        assert!(check(&html).contains("tenants=50") && html.contains("after=template.t099"));
        let rest = Asked { after: "template.t099".into(), tenants: 50, ..Asked::default() };
        let html = shown(&rest, &own, &tenants);
        assert!(html.contains("template.t149") && html.contains("team-59") && !html.contains("team-49"));
    }

    #[test]
    fn the_longest_hostile_one_is_bounded_and_escaped() {
        let keys: Vec<(String, String)> =
            (0..80).map(|n| (format!("template.{n}{}", worst(300)), format!("message: [{}", worst(5_000)))).collect();
        let mut keys: Vec<(&str, &str)> = keys.iter().map(|(key, text)| (key.as_str(), text.as_str())).collect();
        let context = (0..80).map(|n| format!("k{n}: '{}'\n", worst(5_000).replace('\'', ""))).collect::<String>();
        keys.push(("context", &context));
        let own = load(&input("", &keys), None);
        let tenants: Vec<_> = (0..60).map(|n| load(&input(&format!("{n}{HOSTILE}"), &keys[..1]), None)).collect();
        check(&shown(&Asked::default(), &own, &tenants));
    }
}
