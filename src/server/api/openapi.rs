//! The OpenAPI document, `docs/openapi.json`: served at `/api/v1/openapi.json`, and what is enforced, for a query may only have the names
//! that it has ([`query_names`]). A test says when it is behind what the handlers say about themselves.

use super::resource::Resource;
use actix_web::HttpResponse;
use actix_web::http::Method;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::OnceLock;

#[cfg(test)]
mod described;

/// Where it is served.
pub(super) const PATH: &str = "/api/v1/openapi.json";
/// The document.
const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

pub(super) fn resources() -> Vec<Resource> {
    vec![Resource::at(PATH).get(show)]
}

/// What of the document is asked for while requests are served.
#[derive(Debug, Default, Deserialize)]
struct Outline {
    /// Operations by path and method, the method in small letters.
    paths: BTreeMap<String, BTreeMap<String, Operation>>,
}

#[derive(Debug, Deserialize)]
struct Operation {
    #[serde(default)]
    parameters: Vec<Parameter>,
}

#[derive(Debug, Deserialize)]
struct Parameter {
    name: String,
    #[serde(rename = "in")]
    place: String,
}

fn outline() -> &'static Outline {
    static OUTLINE: OnceLock<Outline> = OnceLock::new();
    // The tests below read it, so it can be read.
    OUTLINE.get_or_init(|| serde_json::from_str(DOCUMENT).unwrap_or_default())
}

/// Every path.
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    outline().paths.keys().map(String::as_str)
}

/// Names of the parameters that a query may have.
pub(super) fn query_names(path: &str, method: &Method) -> Vec<String> {
    let operation = outline().paths.get(path).and_then(|item| item.get(&method.as_str().to_lowercase()));
    let parameters = operation.into_iter().flat_map(|operation| &operation.parameters);
    parameters.filter(|parameter| parameter.place == "query").map(|parameter| parameter.name.clone()).collect()
}

/// Whether something is posted there. What is not has no handler that a form of another site could reach; it is told which methods
/// there are. Every spelling of a path counts, and those of handlers ask for JSON themselves besides.
pub(in crate::server) fn takes_posts(path: &str) -> bool {
    let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    let mut posts = outline().paths.iter().filter(|(_, methods)| methods.contains_key("post"));
    posts.any(|(template, _)| is_of(&path, template))
}

fn is_of(path: &str, template: &str) -> bool {
    let (mut parts, mut wanted) = (path.split('/'), template.split('/'));
    loop {
        match (parts.next(), wanted.next()) {
            (None, None) => return true,
            (Some(part), Some(name)) if part == name || name.starts_with('{') => {}
            _ => return false,
        }
    }
}

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", operation_id = "getOpenApi", tag = "status",
    responses((status = 200, description = "The OpenAPI document.", body = Object)))]
pub(super) async fn show() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(DOCUMENT)
}
