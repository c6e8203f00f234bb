//! One vector file, and the scene it describes.

use gatepost::notify::{ConfigInput, Configuration, KeyState, LoadOptions, ObjectId, Repository, World};
use gatepost_value::json::{Numbers, from_serde};
use gatepost_value::{Location, Time, Value};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

/// A vector.
pub struct Case {
    pub name: String,
    pub op: String,
    pub input: Json,
    pub expected: Json,
}

/// All vectors of `GATEPOST_VECTORS`, or of the repository.
pub fn all() -> Vec<Case> {
    let root =
        std::env::var("GATEPOST_VECTORS").unwrap_or(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors").into());
    let mut paths: Vec<_> = std::fs::read_dir(format!("{root}/notifications"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "json"))
        .collect();
    paths.sort();
    paths.iter().map(|path| Case::read(&std::fs::read(path).unwrap())).collect()
}

impl Case {
    fn read(text: &[u8]) -> Self {
        let json: Json = serde_json::from_slice(text).unwrap();
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        Self { name: text("name"), op: text("op"), input: json["input"].clone(), expected: json["expected"].clone() }
    }
    /// A text of the input; empty where absent.
    pub fn text(&self, name: &str) -> &str {
        self.input[name].as_str().unwrap_or_default()
    }
    /// ConfigMap and Secret.
    pub fn config_input(&self) -> ConfigInput {
        config_input(&self.input["configmap"], &self.input["secret"])
    }
    /// Configuration of the Application's own namespace, where that is another than the controller's and has one.
    fn tenant(&self) -> Option<Configuration> {
        let namespace = self.input["app"]["metadata"]["namespace"].as_str()?;
        let own = &self.input["namespaceConfig"][namespace];
        let configmap = own.get("configmap")?;
        let input = ConfigInput { namespace: namespace.to_owned(), ..config_input(configmap, &own["secret"]) };
        Some(Configuration::load(&input, None, &self.options()))
    }
    /// How it is loaded.
    pub fn options(&self) -> LoadOptions {
        let kinds = gatepost::service::kinds();
        LoadOptions { self_service: self.input["selfService"] == true, kinds, ..LoadOptions::default() }
    }
    /// The scene at the start.
    pub fn scene(&self) -> Scene {
        let project = self.input.get("appProject").filter(|project| !project.is_null());
        Scene {
            config: Configuration::load(&self.config_input(), None, &self.options()),
            tenant: self.tenant(),
            app: self.input.get("app").cloned().unwrap_or_else(|| json!({})),
            project: project.map(|project| from_serde(project, Numbers::Kubernetes)),
            states: BTreeMap::new(),
            version: 1,
        }
    }
}

/// A ConfigMap and a Secret from JSON objects of texts.
pub fn config_input(configmap: &Json, secret: &Json) -> ConfigInput {
    let texts = |json: &Json| -> Vec<(String, String)> {
        let pairs = json.as_object().into_iter().flatten();
        pairs.map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned())).collect()
    };
    ConfigInput {
        namespace: String::new(),
        configmap: texts(configmap).into_iter().collect(),
        secret: texts(secret).into_iter().map(|(k, v)| (k, v.into_bytes())).collect(),
        resource: None,
    }
}

/// A world that changes from step to step.
pub struct Scene {
    pub config: Configuration,
    pub tenant: Option<Configuration>,
    pub app: Json,
    pub project: Option<Value>,
    pub states: BTreeMap<String, KeyState>,
    pub version: u64,
}

impl Scene {
    /// Looks at the world as it is.
    pub fn look<T>(&self, look: impl FnOnce(&World<'_>) -> T) -> T {
        self.look_with(&self.config, look)
    }
    /// The same with one of its configurations.
    pub fn look_with<T>(&self, config: &Configuration, look: impl FnOnce(&World<'_>) -> T) -> T {
        let meta = |name: &str| self.app["metadata"][name].as_str().unwrap_or_default().to_owned();
        let id = ObjectId { namespace: meta("namespace"), name: meta("name"), uid: "u".into() };
        look(&World {
            config,
            object: &from_serde(&self.app, Numbers::Kubernetes),
            id: &id,
            project: self.project.as_ref(),
            repository: &Repository::absent("the vectors have no repo-server"),
            states: &self.states,
            event_resource_version: &self.version.to_string(),
            first_list: false,
            now: Time::unix(1_800_000_000, 0),
            local: Location::Utc,
            random: &|buffer| buffer.fill(7),
            trace: false,
        })
    }
    /// Text of an annotation.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.app["metadata"]["annotations"][name].as_str()
    }
    /// Sets or removes an annotation.
    pub fn annotate(&mut self, name: &str, text: Option<String>) {
        merge(&mut self.app, &json!({"metadata": {"annotations": {name: text}}}));
        self.version += 1;
    }
}

/// JSON merge patch.
pub fn merge(target: &mut Json, patch: &Json) {
    let Json::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Json::Object(Map::new());
    }
    let target = target.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Json::Null), value);
        }
    }
}
