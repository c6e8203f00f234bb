//! What `repo.GetAppDetails` returns: the details of an Application's source under Go's field, type and JSON names.
//!
//! Shapes only: who finds the details out, and when, is the host's business.

use super::{text, typed};
use crate::{CallContext, CallError, GoType, Str, StructView, Value};
use std::sync::Arc;

/// Details of an Application's source (`shared.AppDetail`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppDetails {
    /// `Helm`, `Kustomize`, `Directory` or `Plugin`.
    pub kind: String,
    /// Where the source is a Helm chart.
    pub helm: Option<HelmDetails>,
    /// Images, where the source is a Kustomize folder.
    pub kustomize: Option<Vec<String>>,
    /// Whether the source is a plain folder.
    pub directory: bool,
}

/// What a Helm chart brings, and what the Application overrides of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HelmDetails {
    /// Name of the release.
    pub name: String,
    /// Values files that the source has.
    pub value_files: Vec<String>,
    /// The chart's values, one by one.
    pub parameters: Vec<Parameter>,
    /// Text of `values.yaml`.
    pub values: String,
    /// Parameters whose values are in files.
    pub file_parameters: Vec<FileParameter>,
    /// `spec.source.helm.parameters` of the Application.
    pub overrides: Vec<Parameter>,
}

/// A Helm parameter (`v1alpha1.HelmParameter`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Parameter {
    pub name: String,
    pub value: String,
    pub force_string: bool,
}

/// A Helm parameter whose value is in a file (`v1alpha1.HelmFileParameter`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct FileParameter {
    pub name: String,
    pub path: String,
}

impl AppDetails {
    /// The details as conditions and templates see them.
    #[must_use]
    pub fn value(&self) -> Value {
        let helm = self.helm.as_ref().map_or_else(|| nil("*shared.CustomHelmAppSpec"), HelmDetails::value);
        let kustomize = self.kustomize.as_ref().map_or_else(
            || nil("*apiclient.KustomizeAppSpec"),
            |images| Shape::pointer("apiclient.KustomizeAppSpec", vec![omitted("Images", "images", texts(images))]),
        );
        let directory = if self.directory {
            Shape::pointer("apiclient.DirectoryAppSpec", Vec::new())
        } else {
            nil("*apiclient.DirectoryAppSpec")
        };
        let fields = vec![
            plain("Type", Value::str(self.kind.as_str())),
            plain("Helm", helm),
            plain("Kustomize", kustomize),
            plain("Directory", directory),
        ];
        Shape::value("shared.AppDetail", fields)
    }
}

impl HelmDetails {
    fn value(&self) -> Value {
        let parameters = list("*v1alpha1.HelmParameter", self.parameters.iter().map(|p| p.value(true)));
        let files = list("*v1alpha1.HelmFileParameter", self.file_parameters.iter().map(FileParameter::value));
        let chart = vec![
            omitted("Name", "name", Value::str(self.name.as_str())),
            omitted("ValueFiles", "valueFiles", texts(&self.value_files)),
            omitted("Parameters", "parameters", parameters),
            omitted("Values", "values", Value::str(self.values.as_str())),
            omitted("FileParameters", "fileParameters", files),
        ];
        let overrides = list("v1alpha1.HelmParameter", self.overrides.iter().map(|p| p.value(false)));
        let fields = vec![
            plain("HelmAppSpec", Shape::value("apiclient.HelmAppSpec", chart)),
            plain("HelmParameterOverrides", overrides),
        ];
        let methods = self.methods();
        Value::Struct(Arc::new(Shape { type_name: "shared.CustomHelmAppSpec", fields, methods, pointer: true }))
    }
    /// The first of a name wins, the Application's own before the chart's; no such name is the empty text.
    fn methods(&self) -> Vec<(&'static str, Value)> {
        let values = self.overrides.iter().chain(&self.parameters).map(|p| (p.name.clone(), p.value.clone()));
        let paths = self.file_parameters.iter().map(|p| (p.name.clone(), p.path.clone()));
        vec![
            look_up("GetParameterValueByName", values.collect()),
            look_up("GetFileParameterPathByName", paths.collect()),
        ]
    }
}

impl Parameter {
    fn value(&self, pointer: bool) -> Value {
        let fields = vec![
            omitted("Name", "name", Value::str(self.name.as_str())),
            omitted("Value", "value", Value::str(self.value.as_str())),
            omitted("ForceString", "forceString", Value::Bool(self.force_string)),
        ];
        Value::Struct(Arc::new(Shape { type_name: "v1alpha1.HelmParameter", fields, methods: Vec::new(), pointer }))
    }
}

impl FileParameter {
    fn value(&self) -> Value {
        let fields = vec![
            omitted("Name", "name", Value::str(self.name.as_str())),
            omitted("Path", "path", Value::str(self.path.as_str())),
        ];
        Shape::pointer("v1alpha1.HelmFileParameter", fields)
    }
}

fn look_up(name: &'static str, pairs: Vec<(String, String)>) -> (&'static str, Value) {
    let function = typed(name, vec![GoType::String], GoType::String, move |ctx, args| {
        ctx.budget.step(pairs.len() as u64)?;
        let wanted = text(args, 0);
        let found = pairs.iter().find(|(name, _)| wanted == name.as_str());
        Ok(Value::str(found.map_or("", |(_, value)| value.as_str())))
    });
    (name, function)
}

fn nil(type_name: &str) -> Value {
    Value::TypedNil(GoType::Named(type_name.into()))
}

/// A list without items is Go's nil slice.
fn texts(items: &[String]) -> Value {
    if items.is_empty() {
        return Value::TypedNil(GoType::Slice(Box::new(GoType::String)));
    }
    Value::list_of(GoType::String, items.iter().map(|item| Value::str(item.as_str())).collect())
}

fn list(elem: &str, items: impl Iterator<Item = Value>) -> Value {
    let (elem, items) = (GoType::Named(elem.into()), items.collect::<Vec<_>>());
    if items.is_empty() { Value::TypedNil(GoType::Slice(Box::new(elem))) } else { Value::list_of(elem, items) }
}

/// A field: Go name, JSON name, whether JSON omits it when empty, value.
struct Field {
    name: &'static str,
    json: &'static str,
    omit_empty: bool,
    value: Value,
}

fn plain(name: &'static str, value: Value) -> Field {
    Field { name, json: name, omit_empty: false, value }
}

fn omitted(name: &'static str, json: &'static str, value: Value) -> Field {
    Field { name, json, omit_empty: true, value }
}

/// A Go struct with JSON names of its own.
struct Shape {
    type_name: &'static str,
    fields: Vec<Field>,
    methods: Vec<(&'static str, Value)>,
    pointer: bool,
}

impl Shape {
    fn value(type_name: &'static str, fields: Vec<Field>) -> Value {
        Value::Struct(Arc::new(Self { type_name, fields, methods: Vec::new(), pointer: false }))
    }
    fn pointer(type_name: &'static str, fields: Vec<Field>) -> Value {
        Value::Struct(Arc::new(Self { type_name, fields, methods: Vec::new(), pointer: true }))
    }
}

impl StructView for Shape {
    fn type_name(&self) -> &str {
        self.type_name
    }
    fn field(&self, name: &str) -> Option<Value> {
        self.fields.iter().find(|field| field.name == name).map(|field| field.value.clone())
    }
    fn fields(&self) -> Vec<(Str, Value)> {
        self.fields.iter().map(|field| (Str::from_static(field.name), field.value.clone())).collect()
    }
    fn json_fields(&self) -> Vec<(Option<Str>, Value, bool)> {
        let entry = |field: &Field| (Some(Str::from_static(field.json)), field.value.clone(), field.omit_empty);
        self.fields.iter().map(entry).collect()
    }
    fn has_method(&self, name: &str) -> bool {
        self.methods.iter().any(|(method, _)| *method == name)
    }
    fn call(&self, name: &str, ctx: &CallContext<'_>, args: &[Value]) -> Result<Value, CallError> {
        let function = self.methods.iter().find(|(method, _)| *method == name);
        let Some((_, Value::Func(function))) = function else {
            return Err(CallError::new(format!("no method {name}")));
        };
        if args.len() != 1 {
            return Err(CallError::new(format!("wrong number of args for {name}: want 1 got {}", args.len())));
        }
        (function.call)(ctx, args)
    }
    fn is_pointer(&self) -> bool {
        self.pointer
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Budget, Limits, Location, Time, json};

    fn details() -> AppDetails {
        let parameter =
            |name: &str, value: &str| Parameter { name: name.into(), value: value.into(), ..Parameter::default() };
        AppDetails {
            kind: "Helm".into(),
            helm: Some(HelmDetails {
                name: "shop".into(),
                parameters: vec![parameter("image.tag", "1"), parameter("replicas", "2")],
                file_parameters: vec![FileParameter { name: "cfg".into(), path: "a.json".into() }],
                overrides: vec![parameter("image.tag", "9")],
                ..HelmDetails::default()
            }),
            ..AppDetails::default()
        }
    }

    fn call(details: &AppDetails, method: &str, name: &str) -> String {
        let budget = Budget::new(Limits::default());
        let context = CallContext {
            budget: &budget,
            now: Time::unix(0, 0),
            local: Location::Utc,
            random: &|_| {},
            costly: false,
        };
        let Some(Value::Struct(helm)) = details.value().get("Helm") else { panic!("no Helm") };
        helm.call(method, &context, &[Value::str(name)]).unwrap().as_str().unwrap().to_owned()
    }

    #[test]
    fn overrides_come_before_what_the_chart_says() {
        let answers = ["image.tag", "replicas", "none"].map(|name| call(&details(), "GetParameterValueByName", name));
        assert_eq!(answers, ["9", "2", ""]);
        assert_eq!(call(&details(), "GetFileParameterPathByName", "cfg"), "a.json");
    }

    #[test]
    fn fields_have_gos_names_and_json_has_its_own() {
        let value = details().value();
        assert_eq!(value.at(&["Helm", "HelmAppSpec", "Name"]).unwrap().as_str(), Some("shop"));
        assert!(value.at(&["Kustomize"]).unwrap().is_nil() && value.at(&["Directory"]).unwrap().is_nil());
        let budget = Budget::new(Limits::default());
        let text = String::from_utf8(json::marshal(&budget, &value).unwrap()).unwrap();
        let expected = concat!(
            r#"{"Type":"Helm","Helm":{"HelmAppSpec":{"name":"shop","parameters":[{"name":"image.tag","value":"1"},"#,
            r#"{"name":"replicas","value":"2"}],"fileParameters":[{"name":"cfg","path":"a.json"}]},"#,
            r#""HelmParameterOverrides":[{"name":"image.tag","value":"9"}]},"Kustomize":null,"Directory":null}"#
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn images_of_kustomize() {
        let value =
            AppDetails { kustomize: Some(vec!["a:1".into()]), directory: true, ..AppDetails::default() }.value();
        assert!(matches!(value.at(&["Kustomize", "Images"]), Some(Value::List(list)) if list.items.len() == 1));
        assert!(matches!(value.get("Directory"), Some(Value::Struct(_))));
    }
}
