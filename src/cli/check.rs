//! `gatepost check FILE…`: what is broken in a configuration or a gate, with file, line and column, and what to do; with
//! `--against-cluster` also what it means for the Applications of a cluster.

mod cluster;
mod gates;
mod sarif;

use super::migrate::{Cluster, installation};
use super::output::{self, Format};
use super::reach::{self, Trouble};
use super::serve;
use crate::notify::lint::{self, Finding, Level};
use crate::notify::yaml::{self, Kind, Node};
use crate::notify::{ConfigInput, Configuration, InForce, Problem};
use crate::settings::Settings;
use crate::source::files;
use gatepost_value::Value;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 0: every key can be used; 1: something is broken, or with --strict worth a warning.\n\nExamples:\n  gatepost check argocd-notifications-cm.yaml argocd-notifications-secret.yaml\n  gatepost check --format sarif cm.yaml > check.sarif\n  kubectl get cm argocd-notifications-cm -o yaml | gatepost check -\n  gatepost check --against-cluster --namespace argocd\n  gatepost check --against-cluster new-cm.yaml secret.yaml"
)]
pub(super) struct Arguments {
    /// Manifest files with ConfigMap, Secret, NotificationsConfiguration, Applications, WebRequestCommitStatus; `-` for
    /// standard input.
    #[arg(required_unless_present = "against_cluster")]
    files: Vec<String>,
    /// Look at the Applications of a cluster, with its own configuration or that of the files: subscriptions that lead
    /// nowhere, and what would be sent at once.
    #[arg(long)]
    against_cluster: bool,
    #[command(flatten)]
    cluster: Cluster,
    /// Namespaces besides --namespace whose Applications are looked at: globs or /regular expressions/, separated by commas.
    #[arg(long, env = "ARGOCD_APPLICATION_NAMESPACES", default_value = "")]
    application_namespaces: String,
    /// Settings file of Gatepost, for its egress lists.
    #[arg(long, value_name = "FILE", env = "GATEPOST_CONFIG")]
    config: Option<PathBuf>,
    /// Let warnings fail the check too.
    #[arg(long)]
    strict: bool,
    /// `text`, or `sarif` for code review tools.
    #[arg(long, value_enum, default_value = "text")]
    format: Report,
    /// How the answer is printed.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Report {
    Text,
    Sarif,
}

/// How much a line of the report matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Error,
    Warning,
    Note,
}

/// One line of the report.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Remark {
    severity: Severity,
    rule: &'static str,
    /// File, where the key is in one.
    file: String,
    key: String,
    /// In the file where it is known, else in the key's value.
    line: Option<u32>,
    column: Option<u32>,
    message: String,
    advice: String,
}

pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut documents = Vec::new();
    let mut places = Places::default();
    let (mut gates, mut remarks) = (0, Vec::new());
    for file in &arguments.files {
        let text = super::manifests::text(file)?;
        documents.extend(files::parse_documents(file, &text)?);
        places.read(file, &text);
        let (count, found) = gates::remarks(file, &text);
        gates += count;
        remarks.extend(found);
    }
    // Gates can be checked alone, a configuration is needed for anything else.
    let input = match arguments.files.is_empty() {
        true => Some(installation::find(&[], &arguments.cluster).await?),
        false => match super::manifests::input_of(&documents) {
            Ok(input) if arguments.against_cluster => Some(installation::with_secret(input, &arguments.cluster).await?),
            Ok(input) => Some(input),
            Err(_) if gates > 0 && !arguments.against_cluster => None,
            Err(error) => return Err(error),
        },
    };
    let mut config = None;
    if let Some(input) = &input {
        let (loaded, keys) = load(input);
        remarks.extend(self::remarks(&loaded, &keys, &places));
        remarks.extend(hosts(&loaded, &Settings::load(arguments.config.as_deref())?, &places).await?);
        remarks.extend(applications(&documents, &loaded));
        if arguments.against_cluster {
            let found = cluster::look(&arguments.cluster, &arguments.application_namespaces, &loaded).await?;
            eprintln!("{} Applications of the cluster were looked at", found.applications);
            remarks.extend(found.remarks);
        }
        config = Some(loaded);
    }
    remarks.sort_by_key(|remark| remark.severity);
    match arguments.format {
        Report::Sarif => println!("{}", serde_json::to_string_pretty(&sarif::log(&remarks))?),
        Report::Text => {
            if !output::machine(arguments.output, &remarks)? {
                print(config.as_ref(), gates, &remarks);
            }
        }
    }
    let worst = remarks.iter().map(|remark| remark.severity).min();
    let failed = worst == Some(Severity::Error) || (arguments.strict && worst == Some(Severity::Warning));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The configuration and every key that is written, also those that mean nothing.
fn load(input: &ConfigInput) -> (Configuration, Vec<String>) {
    let ours = input.resource.iter().flat_map(|resource| resource.keys.keys());
    let keys = input.configmap.keys().chain(ours).cloned().collect();
    (Configuration::load(input, None, &super::load_options()), keys)
}

/// Hosts of services that egress would refuse, and those that have no address here.
async fn hosts(config: &Configuration, settings: &Settings, places: &Places) -> anyhow::Result<Vec<Remark>> {
    let policy = serve::policy(settings, false)?;
    let mut out = Vec::new();
    for service in config.services().values() {
        let keys = [
            format!("service.{}.{}", service.kind, service.name),
            format!("service.{}", service.kind),
            format!("gatepost.service.{}.{}", service.kind, service.name),
        ];
        let key = keys.iter().find(|key| places.0.contains_key(*key)).unwrap_or(&keys[0]);
        let (file, line, column) = places.of(key, None, None);
        for trouble in reach::troubles(service, &policy).await {
            let (severity, rule, message, advice) = match trouble {
                Trouble::Refused(why) => (Severity::Warning, "egress-refused", why, ""),
                Trouble::Unresolved(why) => {
                    (Severity::Note, "unresolved-host", why, "run the check where Gatepost will run")
                }
            };
            let (file, key, advice) = (file.clone(), key.clone(), advice.to_owned());
            out.push(Remark { severity, rule, file, key, line, column, message, advice });
        }
    }
    Ok(out)
}

fn remarks(config: &Configuration, keys: &[String], places: &Places) -> Vec<Remark> {
    let mut out: Vec<Remark> = config.problems().iter().map(|problem| of_problem(problem, places)).collect();
    let findings = lint::lint(config, keys.iter().map(String::as_str));
    out.extend(findings.iter().map(|finding| of_finding(finding, places)));
    out
}

fn of_problem(problem: &Problem, places: &Places) -> Remark {
    let broken = problem.in_force != InForce::Itself;
    let (severity, rule) = if broken { (Severity::Error, "broken-key") } else { (Severity::Warning, "configuration") };
    let (file, line, column) = places.of(&problem.key, problem.line, problem.column);
    let (message, advice) = (problem.cause.clone(), problem.advice.clone());
    Remark { severity, rule, file, key: problem.key.clone(), line, column, message, advice }
}

fn of_finding(finding: &Finding, places: &Places) -> Remark {
    let severity = match finding.rule.level() {
        Level::Warning => Severity::Warning,
        Level::Note => Severity::Note,
    };
    let (file, line, column) = places.of(&finding.key, finding.line, finding.column);
    let (message, advice) = (finding.message.clone(), finding.advice.clone());
    Remark { severity, rule: finding.rule.as_str(), file, key: finding.key.clone(), line, column, message, advice }
}

/// Subscriptions of Applications in the files that lead nowhere, and those that an ApplicationSet will remove.
fn applications(documents: &[Value], config: &Configuration) -> Vec<Remark> {
    let is = |value: &&Value| value.get("kind").is_some_and(|kind| kind.as_str() == Some("Application"));
    documents.iter().filter(is).flat_map(|object| of_application(object, config)).collect()
}

fn of_application(object: &Value, config: &Configuration) -> Vec<Remark> {
    let text = |name: &str| object.at(&["metadata", name]).and_then(|value| value.as_str().map(str::to_owned));
    let name = text("namespace").into_iter().chain(text("name")).collect::<Vec<_>>().join("/");
    let remark = |rule, message: String, advice: &str| Remark {
        severity: Severity::Warning,
        rule,
        file: String::new(),
        key: format!("Application {name}"),
        line: None,
        column: None,
        message,
        advice: advice.to_owned(),
    };
    let mut out = Vec::new();
    let subscriptions = crate::notify::subscriptions::of(config, object, None);
    for broken in &subscriptions.broken {
        out.push(remark("broken-subscription", broken.to_string(), "correct the annotation"));
    }
    let own = subscriptions.all.iter().filter(|found| found.origin.contains("annotation"));
    for found in own.clone() {
        if !config.triggers().contains_key(&found.trigger) {
            let message = format!("is subscribed to trigger '{}', which is not configured", found.trigger);
            out.push(remark("unknown-trigger", message, "add the trigger or correct the annotation"));
        }
        if config.service(&found.destination.service).is_none() {
            let message = format!("is subscribed to service '{}', which is not configured", found.destination.service);
            out.push(remark("unknown-service", message, "add the service or correct the annotation"));
        }
    }
    let owners = object.at(&["metadata", "ownerReferences"]).map(|owners| gatepost_value::json::to_serde(&owners));
    let owners = owners.as_ref().and_then(serde_json::Value::as_array).into_iter().flatten();
    let by_set = owners.into_iter().any(|owner| owner["kind"] == "ApplicationSet");
    if by_set && own.count() > 0 {
        let message =
            "belongs to an ApplicationSet, which removes annotations that its template does not have".to_owned();
        out.push(remark("application-set", message, "put the subscription into the ApplicationSet's template"));
    }
    out
}

/// Where the values of keys begin in the files: the text of a block scalar is where its node stands.
#[derive(Default)]
struct Places(BTreeMap<String, (String, u32, u32)>);

impl Places {
    /// Fields that hold keys, in ConfigMaps and in the operator's resource.
    const HOLDERS: [&'static [&'static str]; 5] =
        [&["data"], &["spec", "triggers"], &["spec", "templates"], &["spec", "services"], &["spec", "subscriptions"]];

    fn read(&mut self, file: &str, text: &str) {
        let mut first = 0;
        for part in text.split("\n---") {
            if let Ok(node) = yaml::parse(part) {
                Self::HOLDERS.iter().for_each(|holder| self.take(file, first, &node, holder));
            }
            first += u32::try_from(part.matches('\n').count()).unwrap_or(0) + 1;
        }
    }
    fn take(&mut self, file: &str, first: u32, node: &Node, holder: &[&str]) {
        let Some((name, rest)) = holder.split_first() else {
            let Kind::Map(pairs) = &node.kind else { return };
            for (key, value) in pairs {
                let place = (file.to_owned(), first + value.place.line, value.place.column);
                self.0.insert(key.key_text(), place);
            }
            return;
        };
        if let Some(inner) = node.fields("", "").ok().and_then(|fields| fields.get(name)) {
            self.take(file, first, inner, rest);
        }
    }
    /// File, line and column of a place in a key's value.
    fn of(&self, key: &str, line: Option<u32>, column: Option<u32>) -> (String, Option<u32>, Option<u32>) {
        match self.0.get(key) {
            Some((file, begins, indent)) => {
                let column = column.map(|column| column + indent - 1);
                (file.clone(), Some(begins + line.unwrap_or(1) - 1), column)
            }
            None => (String::new(), line, column),
        }
    }
}

fn print(config: Option<&Configuration>, gates: usize, remarks: &[Remark]) {
    for remark in remarks {
        let place = [remark.line, remark.column].into_iter().flatten().map(|n| format!(":{n}")).collect::<String>();
        let severity = match remark.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        let file = if remark.file.is_empty() { String::new() } else { format!("{}{place}: ", remark.file) };
        let place = if remark.file.is_empty() { place } else { String::new() };
        println!("{file}{severity}: {}{place}: {} [{}]", remark.key, remark.message, remark.rule);
        if !remark.advice.is_empty() {
            println!("    {}", remark.advice);
        }
    }
    let count = |severity| remarks.iter().filter(|remark| remark.severity == severity).count();
    let mut seen = Vec::new();
    if let Some(config) = config {
        let (services, triggers, templates) =
            (config.services().len(), config.triggers().len(), config.templates().len());
        seen.push(format!("{services} services, {triggers} triggers, {templates} templates in force"));
    }
    if gates > 0 {
        seen.push(format!("{gates} gates"));
    }
    println!(
        "{}; {} errors, {} warnings, {} notes",
        seen.join(", "),
        count(Severity::Error),
        count(Severity::Warning),
        count(Severity::Note)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: argocd-notifications-cm}\ndata:\n  trigger.on-x: |\n    - when: 'true'\n      send: [t]\n    - when: 1 + 'a'\n  template.t: |\n    message: m\n";

    fn check(text: &str) -> Vec<Remark> {
        let documents = files::parse_documents("cm.yaml", text).unwrap();
        let mut places = Places::default();
        places.read("cm.yaml", text);
        let (config, keys) = load(&crate::cli::manifests::input_of(&documents).unwrap());
        let mut out = remarks(&config, &keys, &places);
        out.extend(applications(&documents, &config));
        out.sort_by_key(|remark| remark.severity);
        out
    }

    #[test]
    fn a_broken_key_is_shown_at_its_line_in_the_file() {
        let found = check(&format!("kind: Secret\nstringData: {{}}\n---\n{MAP}"));
        assert_eq!((found[0].severity, found[0].file.as_str(), found[0].line), (Severity::Error, "cm.yaml", Some(11)));
        let line = format!("kind: Secret\nstringData: {{}}\n---\n{MAP}").lines().nth(10).map(str::to_owned);
        assert_eq!(line.as_deref(), Some("    - when: 1 + 'a'"));
    }

    #[test]
    fn applications_in_the_files_are_looked_at() {
        let app = "---\nkind: Application\nmetadata:\n  name: a\n  ownerReferences: [{kind: ApplicationSet, name: s}]\n  annotations: {notifications.argoproj.io/subscribe.on-y.slack: c}\n";
        let rules: Vec<_> = check(&format!("{MAP}{app}")).iter().map(|remark| remark.rule).collect();
        for rule in ["unknown-trigger", "unknown-service", "application-set"] {
            assert!(rules.contains(&rule), "{rules:?}");
        }
    }

    #[test]
    fn sarif_names_rule_level_and_place() {
        let log = sarif::log(&check(MAP));
        let result = &log["runs"][0]["results"][0];
        assert_eq!(
            (&result["level"], &result["ruleId"]),
            (&serde_json::json!("error"), &serde_json::json!("broken-key"))
        );
        let region = &result["locations"][0]["physicalLocation"];
        assert_eq!(region["artifactLocation"]["uri"], "cm.yaml");
        assert_eq!(region["region"]["startLine"], 8);
        let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
        assert!(rules.iter().any(|rule| rule["id"] == "may-be-nil"));
    }
}
