//! A folder of YAML manifests as the source: Applications, AppProjects, the ConfigMap and the Secret. Watched for changes.
//!
//! A broken file is reported and its last good content stays; the other files are not touched by it.

use super::{Cause, ConfigData, Error, Event, Object, SecretData};
use crate::notify::Resource;
use gatepost_value::Value;
use notify_debouncer_mini::{new_debouncer, notify::RecursiveMode};
use serde::Deserialize as _;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// How long a burst of writes is waited out.
const SETTLE: Duration = Duration::from_millis(100);

/// What to read.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder.
    pub folder: PathBuf,
    /// Namespace that manifests without one are in.
    pub namespace: String,
    /// Name of the ConfigMap.
    pub config_map: String,
    /// Name of the Secret.
    pub secret: String,
    /// Name of the `NotificationsConfiguration`.
    pub resource: String,
    /// Whether each namespace has a configuration of its own; else the one that is there is the controller's.
    pub self_service: bool,
}

impl Settings {
    fn place(&self, namespace: String) -> String {
        if self.self_service { namespace } else { self.namespace.clone() }
    }
}

/// The source.
pub struct Files {
    settings: Settings,
    events: mpsc::Sender<Event>,
    relist: Arc<Notify>,
    seen: BTreeMap<PathBuf, Vec<Value>>,
    /// Files that could not be read in the last pass.
    unread: usize,
}

/// One pass over the folder: objects by kind.
#[derive(Default)]
struct Snapshot {
    applications: BTreeMap<(String, String), Value>,
    projects: BTreeMap<(String, String), Value>,
    configs: BTreeMap<String, ConfigData>,
    secrets: BTreeMap<String, SecretData>,
    resources: BTreeMap<String, Resource>,
}

impl Files {
    /// A source that sends to `events`, and every Application again when `relist` is notified.
    #[must_use]
    pub fn new(settings: Settings, events: mpsc::Sender<Event>, relist: Arc<Notify>) -> Self {
        Self { settings, events, relist, seen: BTreeMap::new(), unread: 0 }
    }

    /// Sends what is there, then every change, until the receiver is gone.
    ///
    /// # Errors
    /// The folder cannot be read or watched, or the relay is stopping.
    pub async fn run(mut self) -> Result<(), Error> {
        let (wake, mut woken) = mpsc::channel(1);
        let folder = self.settings.folder.clone();
        let explain = |cause: notify_debouncer_mini::notify::Error| Error::Watch {
            path: folder.display().to_string(),
            cause: cause.to_string(),
        };
        let mut debouncer = new_debouncer(SETTLE, move |_| {
            // A full channel means that a wake-up is waiting already.
            let _ = wake.try_send(());
        })
        .map_err(explain)?;
        debouncer.watcher().watch(&folder, RecursiveMode::Recursive).map_err(explain)?;
        let mut last = Snapshot::default();
        let now = self.read()?;
        // What is in a file that cannot be read is not gone.
        if self.unread == 0 {
            self.send(Event::Listing).await?;
        }
        self.tell(&last, &now, true).await?;
        last = now;
        self.send(Event::Synced).await?;
        let relist = Arc::clone(&self.relist);
        loop {
            tokio::select! {
                () = relist.notified() => {
                    for value in last.applications.values() {
                        self.send(Event::application(Object::new(value.clone()), Cause::Again)).await?;
                    }
                }
                change = woken.recv() => {
                    if change.is_none() {
                        return Err(Error::Closed);
                    }
                    let now = self.read()?;
                    self.tell(&last, &now, false).await?;
                    last = now;
                }
            }
        }
    }

    async fn tell(&self, before: &Snapshot, now: &Snapshot, first: bool) -> Result<(), Error> {
        for (namespace, resource) in changed_maps(&before.resources, &now.resources, &self.settings.namespace, first) {
            self.send(Event::Resource { namespace, resource }).await?;
        }
        for (namespace, data) in changed_maps(&before.configs, &now.configs, &self.settings.namespace, first) {
            self.send(Event::ConfigMap { namespace, data, uid: String::new() }).await?;
        }
        for (namespace, data) in changed_maps(&before.secrets, &now.secrets, &self.settings.namespace, first) {
            self.send(Event::Secret { namespace, data }).await?;
        }
        for (object, gone) in changes(&before.projects, &now.projects) {
            self.send(if gone { Event::ProjectDeleted(object) } else { Event::Project(object) }).await?;
        }
        for (object, gone) in changes(&before.applications, &now.applications) {
            let cause = if first { Cause::FirstList } else { Cause::Change };
            let event = if gone { Event::ApplicationDeleted(object) } else { Event::application(object, cause) };
            self.send(event).await?;
        }
        Ok(())
    }

    async fn send(&self, event: Event) -> Result<(), Error> {
        self.events.send(event).await.map_err(|_| Error::Closed)
    }

    fn read(&mut self) -> Result<Snapshot, Error> {
        let paths = manifests(&self.settings.folder)?;
        let present: BTreeSet<PathBuf> = paths.iter().cloned().collect();
        self.seen.retain(|path, _| present.contains(path));
        self.unread = 0;
        for path in paths {
            match documents(&path) {
                Ok(values) => drop(self.seen.insert(path, values)),
                Err(error) => {
                    self.unread += 1;
                    tracing::warn!(error = %error, "this manifest is broken; its last good content stays in force")
                }
            }
        }
        let mut snapshot = Snapshot::default();
        for value in self.seen.values().flatten() {
            snapshot.take(value, &self.settings);
        }
        Ok(snapshot)
    }
}

impl Snapshot {
    fn take(&mut self, value: &Value, settings: &Settings) {
        let text = |path: &[&str]| value.at(path).and_then(|v| v.as_str().map(str::to_owned));
        let (Some(kind), Some(name)) = (text(&["kind"]), text(&["metadata", "name"])) else { return };
        let namespace = text(&["metadata", "namespace"]).unwrap_or_else(|| settings.namespace.clone());
        let key = (namespace.clone(), name.clone());
        let placed = || with_namespace(value, &namespace);
        match kind.as_str() {
            "Application" => drop(self.applications.insert(key, placed())),
            "AppProject" => drop(self.projects.insert(key, placed())),
            "ConfigMap" if name == settings.config_map => {
                self.configs.insert(settings.place(namespace), strings(value, "data"));
            }
            "NotificationsConfiguration" if name == settings.resource => {
                self.resources.insert(settings.place(namespace), super::resource(value));
            }
            "Secret" if name == settings.secret => drop(self.secrets.insert(settings.place(namespace), secret(value))),
            _ => {}
        }
    }
}

/// The object with its namespace written in, as the API server would.
fn with_namespace(value: &Value, namespace: &str) -> Value {
    if value.at(&["metadata", "namespace"]).is_some() {
        return value.clone();
    }
    let (Value::Map(object), Some(Value::Map(metadata))) = (value, value.get("metadata")) else { return value.clone() };
    let mut fields = metadata.entries();
    fields.push(("namespace".into(), Value::str(namespace)));
    let mut entries = object.entries();
    entries.push(("metadata".into(), Value::map(fields)));
    Value::map(entries)
}

/// The texts of a map field, such as `data`.
pub(crate) fn strings(value: &Value, field: &str) -> BTreeMap<String, String> {
    let Some(Value::Map(map)) = value.get(field) else { return BTreeMap::new() };
    let entries = map.entries();
    entries.iter().filter_map(|(k, v)| Some((k.to_string(), v.as_str()?.to_owned()))).collect()
}

/// `data` decoded, `stringData` over it, as the API server merges them.
pub(crate) fn secret(value: &Value) -> SecretData {
    use base64::Engine as _;
    let decode =
        |text: String| base64::engine::general_purpose::STANDARD.decode(text.trim().replace(['\n', ' '], "")).ok();
    let encoded = strings(value, "data");
    let mut data: SecretData = encoded.into_iter().filter_map(|(k, v)| Some((k, decode(v)?))).collect();
    data.extend(strings(value, "stringData").into_iter().map(|(k, v)| (k, v.into_bytes())));
    data
}

/// What changed, the controller's own last; at the start it is told even if it is not there.
fn changed_maps<T: Clone + PartialEq>(
    before: &BTreeMap<String, T>,
    now: &BTreeMap<String, T>,
    own: &str,
    first: bool,
) -> Vec<(String, Option<T>)> {
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let changed = names.into_iter().filter(|name| before.get(*name) != now.get(*name));
    let mut out: Vec<_> = changed.map(|name| (name.clone(), now.get(name).cloned())).collect();
    if first && !now.contains_key(own) {
        out.push((own.to_owned(), None));
    }
    out.sort_by_key(|(name, _)| name == own);
    out
}

fn changes(before: &BTreeMap<(String, String), Value>, now: &BTreeMap<(String, String), Value>) -> Vec<(Object, bool)> {
    let same = |a: &Value, b: &Value| gatepost_value::json::to_serde(a) == gatepost_value::json::to_serde(b);
    let changed = now.iter().filter(|(key, value)| before.get(*key).is_none_or(|old| !same(old, value)));
    let gone = before.iter().filter(|(key, _)| !now.contains_key(*key));
    let changed = changed.map(|(_, value)| (Object::new(value.clone()), false));
    changed.chain(gone.map(|(_, value)| (Object::new(value.clone()), true))).collect()
}

fn manifests(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let explain = |source| Error::Read { path: folder.display().to_string(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(explain)? {
        let path = entry.map_err(explain)?.path();
        if path.is_dir() {
            found.extend(manifests(&path)?);
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The objects of one manifest file.
///
/// # Errors
/// Unreadable, or not YAML: file, document number, line and column.
pub fn documents(path: &Path) -> Result<Vec<Value>, Error> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: shown.clone(), source })?;
    parse_documents(&shown, &text)
}

/// The objects of one YAML text; `path` is for error texts.
///
/// # Errors
/// Not YAML.
pub fn parse_documents(path: &str, text: &str) -> Result<Vec<Value>, Error> {
    let mut values = Vec::new();
    for (index, document) in serde_yaml_ng::Deserializer::from_str(text).enumerate() {
        let value = Value::deserialize(document).map_err(|e| Error::Parse {
            path: path.to_owned(),
            document: index + 1,
            cause: e.to_string(),
        })?;
        if !value.is_nil() {
            values.push(value);
        }
    }
    Ok(values)
}

/// Every object of a folder, for looking at them on demand. What cannot be read is passed over: the watch reports it.
pub(crate) fn objects(folder: &Path) -> Vec<Value> {
    let paths = manifests(folder).unwrap_or_default();
    paths.into_iter().filter_map(|path| documents(&path).ok()).flatten().collect()
}

/// One Application of a folder, for looking at it on demand.
///
/// # Errors
/// The folder cannot be read. Broken files are passed over: the watch reports them.
pub fn find_application(folder: &Path, namespace: &str, name: &str) -> Result<Option<Object>, Error> {
    let values = manifests(folder)?.into_iter().filter_map(|path| documents(&path).ok()).flatten();
    let is = |value: &Value, path: &[&str], text: &str| value.at(path).is_some_and(|v| v.as_str() == Some(text));
    let mut found = values
        .filter(|v| is(v, &["kind"], "Application") && is(v, &["metadata", "name"], name))
        .map(|v| Object::new(with_namespace(&v, namespace)));
    Ok(found.find(|object| object.namespace() == namespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = "kind: Application\nmetadata: {name: a}\nstatus: {health: {status: Healthy}}\n";

    async fn next(events: &mut mpsc::Receiver<Event>) -> Event {
        tokio::time::timeout(Duration::from_secs(10), events.recv()).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn a_folder_is_read_then_watched_and_a_broken_file_keeps_its_last_content() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.yaml"), APP).unwrap();
        std::fs::write(folder.path().join("c.yaml"), "kind: ConfigMap\nmetadata: {name: cm}\ndata: {k: v}\n---\nkind: Secret\nmetadata: {name: s}\nstringData: {t: x}\n").unwrap();
        let settings = Settings {
            folder: folder.path().into(),
            namespace: "argocd".into(),
            config_map: "cm".into(),
            secret: "s".into(),
            resource: "r".into(),
            self_service: false,
        };
        let (send, mut events) = mpsc::channel(16);
        let running = tokio::spawn(Files::new(settings, send, Arc::default()).run());
        assert!(matches!(next(&mut events).await, Event::Listing));
        assert!(matches!(next(&mut events).await, Event::Resource { resource: None, .. }));
        assert!(matches!(next(&mut events).await, Event::ConfigMap { data: Some(data), .. } if data["k"] == "v"));
        assert!(matches!(next(&mut events).await, Event::Secret { data: Some(data), .. } if data["t"] == b"x"));
        let Event::Application { object, cause: Cause::FirstList, .. } = next(&mut events).await else {
            panic!("no Application")
        };
        assert_eq!((object.namespace(), object.name()), ("argocd", "a"));
        assert!(matches!(next(&mut events).await, Event::Synced));
        std::fs::write(folder.path().join("a.yaml"), "kind: [").unwrap();
        std::fs::write(folder.path().join("b.yaml"), APP.replace("name: a", "name: b")).unwrap();
        let Event::Application { object, cause: Cause::Change, .. } = next(&mut events).await else {
            panic!("no change")
        };
        assert_eq!(object.name(), "b");
        std::fs::remove_file(folder.path().join("a.yaml")).unwrap();
        assert!(matches!(next(&mut events).await, Event::ApplicationDeleted(o) if o.name() == "a"));
        running.abort();
    }

    #[tokio::test]
    async fn with_a_file_that_cannot_be_read_nothing_counts_as_gone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.yaml"), "kind: [").unwrap();
        let settings = Settings {
            folder: folder.path().into(),
            namespace: "argocd".into(),
            config_map: "cm".into(),
            secret: "s".into(),
            resource: "r".into(),
            self_service: false,
        };
        let (send, mut events) = mpsc::channel(16);
        let running = tokio::spawn(Files::new(settings, send, Arc::default()).run());
        loop {
            match next(&mut events).await {
                Event::Listing => panic!("a list begins that is not whole"),
                Event::Synced => break,
                _ => {}
            }
        }
        running.abort();
    }

    #[test]
    fn a_broken_document_is_named() {
        let error = parse_documents("f.yaml", "a: 1\n---\nb: [").unwrap_err();
        assert!(error.to_string().contains("document 2 of f.yaml"), "{error}");
    }
}
