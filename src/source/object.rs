//! A Kubernetes object as one dynamic value, built once while reading and never copied.
//!
//! `metadata.managedFields` is dropped while reading: it is most of an object's size and nobody's template reads it.

use crate::notify::ObjectId;
use gatepost_value::{Str, Value};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ApiResource;
use kube::core::DynamicResourceScope;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::borrow::Cow;

/// One object: the value that templates see, and its identity.
#[derive(Clone)]
pub struct Object {
    value: Value,
    metadata: ObjectMeta,
    changed_at: Option<i64>,
}

impl Object {
    /// Takes an object that was read some other way (a manifest file).
    #[must_use]
    pub fn new(value: Value) -> Self {
        let metadata = identity(&value);
        Self { value, metadata, changed_at: None }
    }
    /// The object as one that is being deleted since `at` (RFC 3339), unless it says so itself.
    #[must_use]
    pub fn deleted(&self, at: &str) -> Self {
        let (Value::Map(object), Some(Value::Map(metadata))) = (&self.value, self.value.get("metadata")) else {
            return self.clone();
        };
        if metadata.get(b"deletionTimestamp").is_some_and(|found| !found.is_nil()) {
            return self.clone();
        }
        let (mut fields, mut entries) = (metadata.entries(), object.entries());
        fields.push(("deletionTimestamp".into(), Value::str(at)));
        entries.push(("metadata".into(), Value::map(fields)));
        Self { value: Value::map(entries), ..self.clone() }
    }
    /// When it was last changed by the API server's clock, Unix seconds; known only of objects that came from one.
    #[must_use]
    pub fn changed_at(&self) -> Option<i64> {
        self.changed_at
    }
    /// The whole object.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }
    /// Name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }
    /// Namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or_default()
    }
    /// resourceVersion.
    #[must_use]
    pub fn resource_version(&self) -> &str {
        self.metadata.resource_version.as_deref().unwrap_or_default()
    }
    /// Identity; objects from files get one made of namespace and name.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        let (namespace, name) = (self.namespace().to_owned(), self.name().to_owned());
        let uid = self.metadata.uid.clone().unwrap_or_else(|| format!("file:{namespace}/{name}"));
        ObjectId { namespace, name, uid }
    }
    /// One annotation.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<String> {
        self.value.at(&["metadata", "annotations", name])?.as_str().map(str::to_owned)
    }
    /// One string at a path.
    #[must_use]
    pub fn text(&self, path: &[&str]) -> Option<String> {
        self.value.at(path)?.as_str().map(str::to_owned)
    }
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace(), self.name())
    }
}

fn identity(value: &Value) -> ObjectMeta {
    let text = |name| value.at(&["metadata", name]).and_then(|v| v.as_str().map(str::to_owned));
    ObjectMeta {
        name: text("name"),
        namespace: text("namespace"),
        uid: text("uid"),
        resource_version: text("resourceVersion"),
        ..ObjectMeta::default()
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = deserializer.deserialize_map(Fields { inside_metadata: false })?;
        let changed_at = read.newest.and_then(|text| text.parse::<k8s_openapi::jiff::Timestamp>().ok());
        Ok(Self { changed_at: changed_at.map(|at| at.as_second()), ..Self::new(read.value) })
    }
}

impl serde::Serialize for Object {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

/// What was read: the value, and the newest time that `managedFields` names.
struct Read {
    value: Value,
    newest: Option<String>,
}

/// Reads a map of values; inside metadata `managedFields` is passed over without building it, for its times only.
struct Fields {
    inside_metadata: bool,
}

impl<'de> Visitor<'de> for Fields {
    type Value = Read;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a Kubernetes object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read, A::Error> {
        let mut entries = Vec::with_capacity(map.size_hint().unwrap_or(8));
        let mut newest = None;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match &*key {
                "managedFields" if self.inside_metadata => {
                    let fields = map.next_value::<Vec<ManagedField>>()?;
                    newest = fields.into_iter().filter_map(|field| field.time).max();
                }
                "metadata" if !self.inside_metadata => {
                    let Metadata(read) = map.next_value()?;
                    newest = read.newest;
                    entries.push((Str::from(&*key), read.value));
                }
                _ => entries.push((Str::from(&*key), map.next_value::<Value>()?)),
            }
        }
        Ok(Read { value: Value::map(entries), newest })
    }
}

/// One writer's fields: only when it last wrote. Such times are all of one form, so that the greatest text is the newest.
#[derive(serde::Deserialize)]
struct ManagedField {
    time: Option<String>,
}

struct Metadata(Read);

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields { inside_metadata: true }).map(Self)
    }
}

impl kube::Resource for Object {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }
    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }
    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }
    fn api_version(resource: &ApiResource) -> Cow<'_, str> {
        resource.api_version.as_str().into()
    }
    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deletion_is_written_in_where_it_is_missing() {
        let read = |text: &str| -> Object { serde_json::from_str(text).unwrap() };
        let at = |object: &Object| object.text(&["metadata", "deletionTimestamp"]);
        let object = read(r#"{"metadata":{"name":"a","deletionTimestamp":null},"spec":{"x":1}}"#).deleted("now");
        assert_eq!((at(&object).as_deref(), object.name()), (Some("now"), "a"));
        assert!(object.value().at(&["spec", "x"]).is_some());
        let known = read(r#"{"metadata":{"name":"a","deletionTimestamp":"before"}}"#).deleted("now");
        assert_eq!(at(&known).as_deref(), Some("before"));
    }

    #[test]
    fn managed_fields_are_dropped_and_identity_is_read() {
        let text = r#"{"kind":"Application","metadata":{"name":"a","namespace":"n","uid":"u","resourceVersion":"7",
            "managedFields":[{"manager":"x","time":"2026-01-01T00:00:02Z","fieldsV1":{"f:a":{}}},{"time":"2026-01-01T00:00:01Z"},{}],"annotations":{"k":"v"}},"status":{"n":1,"f":1.5}}"#;
        let object: Object = serde_json::from_str(text).unwrap();
        assert!(object.value().at(&["metadata", "managedFields"]).is_none());
        assert_eq!((object.name(), object.namespace(), object.resource_version()), ("a", "n", "7"));
        assert_eq!((object.id().uid.as_str(), object.changed_at()), ("u", Some(1_767_225_602)));
        assert_eq!(object.annotation("k").as_deref(), Some("v"));
        assert!(matches!(object.value().at(&["status", "n"]), Some(Value::Int(_, 1))));
    }
}
