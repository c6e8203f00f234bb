//! `gatepost check --against-cluster`: the Applications of a cluster looked at with a configuration, its own or that of files.
//! Only reads; nothing is sent, nothing written.

use super::{Remark, Severity, of_application};
use crate::cli::migrate::{Cluster, installation};
use crate::cli::template;
use crate::notify::{Change, Configuration, Repository, evaluate};
use crate::source::{Namespaces, Object, kubernetes};
use anyhow::Context as _;
use gatepost_value::Value;
use kube::api::{Api, ListParams};
use std::collections::{BTreeMap, BTreeSet};

/// Objects in one page of a list.
const PAGE: u32 = 100;

/// What is found.
pub(super) struct Found {
    /// Remarks about Applications and triggers.
    pub remarks: Vec<Remark>,
    /// Applications that were looked at.
    pub applications: usize,
}

/// Notifications that would go out at once, by trigger.
#[derive(Default)]
struct WouldSend {
    notifications: usize,
    applications: BTreeSet<String>,
}

/// Looks at every Application that is served.
pub(super) async fn look(cluster: &Cluster, namespaces: &str, config: &Configuration) -> anyhow::Result<Found> {
    let client = installation::client(cluster).await?;
    let namespaces = Namespaces::parse(&cluster.namespace, namespaces).map_err(anyhow::Error::msg)?;
    let projects = projects(client.clone(), cluster).await?;
    let api: Api<Object> = match namespaces.cluster_wide() {
        true => Api::all_with(client, &kubernetes::application()),
        false => Api::namespaced_with(client, &cluster.namespace, &kubernetes::application()),
    };
    let mut found = Found { remarks: Vec::new(), applications: 0 };
    let mut would_send = BTreeMap::new();
    let mut parameters = ListParams::default().limit(PAGE);
    loop {
        let page = api.list(&parameters).await.context("failed to list Applications")?;
        for object in page.items.iter().filter(|object| namespaces.contains(object.namespace())) {
            found.applications += 1;
            found.remarks.extend(of_application(object.value(), config));
            count(config, object, &projects, &mut would_send);
        }
        match page.metadata.continue_ {
            Some(token) if !token.is_empty() => parameters = parameters.continue_token(&token),
            _ => break,
        }
    }
    found.remarks.extend(would_send.iter().map(|(trigger, would)| remark(trigger, would)));
    Ok(found)
}

/// AppProjects of the controller's namespace by name.
async fn projects(client: kube::Client, cluster: &Cluster) -> anyhow::Result<BTreeMap<String, Value>> {
    let kind = kubernetes::argoproj("AppProject", "appprojects");
    let api: Api<Object> = Api::namespaced_with(client, &cluster.namespace, &kind);
    let all = api.list(&ListParams::default()).await.context("failed to list AppProjects")?;
    Ok(all.items.iter().map(|project| (project.name().to_owned(), project.value().clone())).collect())
}

/// What this configuration would send about an Application now, by what its annotation does not have.
fn count(
    config: &Configuration,
    object: &Object,
    projects: &BTreeMap<String, Value>,
    would_send: &mut BTreeMap<String, WouldSend>,
) {
    let named = object.text(&["spec", "project"]).filter(|name| !name.is_empty());
    let project = projects.get(named.as_deref().unwrap_or("default"));
    let repository = Repository::absent("a check does not ask the repo-server");
    let evaluation = template::with_world_of(config, object, project, &repository, false, evaluate);
    for change in evaluation.changes {
        if let Change::Deliver { occurrence, .. } = change {
            let would = would_send.entry(occurrence.trigger).or_default();
            would.notifications += 1;
            would.applications.insert(object.id().uid);
        }
    }
}

fn remark(trigger: &str, would: &WouldSend) -> Remark {
    let (notifications, applications) = (would.notifications, would.applications.len());
    Remark {
        severity: Severity::Note,
        rule: "would-send",
        file: String::new(),
        key: format!("trigger.{trigger}"),
        line: None,
        column: None,
        message: format!(
            "{notifications} notifications about {applications} Applications would be sent with this configuration: the condition holds, and the notified annotation does not have its key"
        ),
        advice: "a changed `when` text or order of conditions makes new keys".into(),
    }
}
