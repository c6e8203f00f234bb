//! Where Applications and configuration come from: a Kubernetes API server or a folder of manifests; and what only Argo CD's
//! repo-server knows.
//!
//! A source streams [`Event`]s and never keeps an object. What the events mean is decided elsewhere.

pub mod client;
pub mod files;
pub mod kubernetes;
mod namespaces;
mod object;
pub mod repo_server;

pub use namespaces::{NamespacePattern, Namespaces};
pub use object::Object;

use crate::notify::Resource;
use gatepost_value::Value;
use std::collections::BTreeMap;
use std::time::Instant;

/// Data of the notification ConfigMap.
pub type ConfigData = BTreeMap<String, String>;
/// Data of the notification Secret, decoded.
pub type SecretData = BTreeMap<String, Vec<u8>>;

/// What a `NotificationsConfiguration` object says.
#[must_use]
pub fn resource(object: &Value) -> Resource {
    let texts = |name: &str| -> ConfigData {
        match object.at(&["spec", name]) {
            Some(Value::Map(map)) => {
                map.entries().iter().filter_map(|(k, v)| Some((k.to_string(), v.as_str()?.to_owned()))).collect()
            }
            _ => ConfigData::new(),
        }
    };
    // Later groups win, as the operator merges them.
    let keys = ["triggers", "templates", "services", "subscriptions"].into_iter().flat_map(texts).collect();
    let name = object.at(&["metadata", "name"]).and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default();
    Resource { name, keys, context: texts("context") }
}

/// What brought an Application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The first list after a start.
    FirstList,
    /// It changed.
    Change,
    /// It was read again, because something else changed or time has passed.
    Again,
}

/// One thing that happened at the source.
#[derive(Debug)]
pub enum Event {
    /// An Application as it is now.
    Application {
        /// The whole object.
        object: Object,
        /// What brought it.
        cause: Cause,
        /// When it was received.
        received: Instant,
    },
    /// An Application is gone; the last known object.
    ApplicationDeleted(Object),
    /// An AppProject of the controller's namespace as it is now.
    Project(Object),
    /// An AppProject is gone.
    ProjectDeleted(Object),
    /// The notification ConfigMap of a namespace.
    ConfigMap {
        /// Its namespace.
        namespace: String,
        /// Its data; `None` where there is no such ConfigMap.
        data: Option<ConfigData>,
        /// UID for Kubernetes Events about it.
        uid: String,
    },
    /// The `NotificationsConfiguration` of a namespace.
    Resource {
        /// Its namespace.
        namespace: String,
        /// What it says; `None` where there is none.
        resource: Option<Resource>,
    },
    /// The notification Secret of a namespace. Of all that are there at the start the controller's own is told last.
    Secret {
        /// Its namespace.
        namespace: String,
        /// Its data; `None` where there is no such Secret.
        data: Option<SecretData>,
    },
    /// A list of all Applications begins: at the start, and after a watch was interrupted.
    Listing,
    /// The list is at its end: what it did not bring is not there.
    Synced,
}

impl Event {
    /// An Application that was received now.
    #[must_use]
    pub fn application(object: Object, cause: Cause) -> Self {
        Self::Application { object, cause, received: Instant::now() }
    }
}

/// A source cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder or a file in it.
    #[error("failed to read {path}: {source}")]
    Read {
        /// Which path.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A manifest is not YAML or not an object.
    #[error("failed to parse document {document} of {path}: {cause}")]
    Parse {
        /// Which file.
        path: String,
        /// Number of the YAML document in it, from 1.
        document: usize,
        /// Why, with line and column.
        cause: String,
    },
    /// The folder cannot be watched.
    #[error("failed to watch {path}: {cause}")]
    Watch {
        /// Which folder.
        path: String,
        /// Why.
        cause: String,
    },
    /// An answer of the API server.
    #[error("failed to {action}: {source}")]
    Kubernetes {
        /// What was tried, on what.
        action: String,
        /// Why.
        source: Box<kube::Error>,
    },
    /// The receiving side is gone: the process is stopping.
    #[error("the relay has stopped taking events")]
    Closed,
}
