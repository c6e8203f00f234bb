//! The OpenAPI document, made from what the handlers say about themselves. Served at `/api/v1/openapi.json`; `docs/openapi.json` is a
//! copy for readers, and a test says when it is behind.
//!
//! It is also what is enforced: a query may only have the names that the document has ([`query_names`]).

use super::problem::{MEDIA_TYPE, Problem};
use super::resource::Resource;
use super::{applications, approvals, decisions, deliveries, destinations, gates, log_levels, series, status};
use crate::server::stream;
use actix_web::HttpResponse;
use actix_web::http::Method;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use utoipa::openapi::path::{HttpMethod, Operation, ParameterIn, PathItem};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, OpenApi as Document, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};

/// Where it is served.
pub(super) const PATH: &str = "/api/v1/openapi.json";

pub(super) fn resources() -> Vec<Resource> {
    vec![Resource::at(PATH).get(show)]
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Gatepost",
        description = "What a running Gatepost knows, and what people may do about it. Errors are problem details (RFC 9457). \
                       Lists are pages: an answer's `next` is the parameter `after` of the next page. Times ending in `Ms` are \
                       Unix milliseconds, others RFC 3339.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        status::index,
        status::status,
        status::configuration,
        series::show,
        log_levels::show,
        log_levels::set,
        decisions::list,
        applications::list,
        applications::show,
        deliveries::list,
        deliveries::show,
        deliveries::replay,
        deliveries::discard,
        destinations::list,
        destinations::enable,
        destinations::disable,
        gates::list,
        gates::show,
        approvals::list,
        approvals::show,
        approvals::approve,
        approvals::reject,
        approvals::cancel,
        approvals::of_namespace,
        approvals::of_approval,
        stream::watch,
        show
    ),
    components(schemas(Problem, gates::Kinds)),
    modifiers(&Common),
    security((), ("bearer" = []), ("session" = [])),
    tags(
        (name = "status", description = "What there is, and how it goes."),
        (name = "configuration", description = "What is configured, and what is broken."),
        (name = "applications", description = "Applications, and why something is sent or not."),
        (name = "decisions", description = "What was decided lately."),
        (name = "deliveries", description = "What was to be sent, and what became of it."),
        (name = "destinations", description = "Where deliveries go."),
        (name = "gates", description = "Gates by request."),
        (name = "approvals", description = "Runs of approvals."),
        (name = "stream", description = "That something changed.")
    )
)]
struct Described;

/// What holds for every operation: who may ask, and what can go wrong anywhere.
struct Common;

/// Answers that every operation may give.
const ANYWHERE: [(&str, &str); 6] = [
    ("400", "A parameter or the body cannot be read, or there is no such parameter."),
    ("401", "Nobody that is known."),
    ("403", "Known, but not for this; or a name in `Host` that is not Gatepost's."),
    ("429", "Too many calls."),
    ("500", "A bug of Gatepost."),
    ("503", "The store did not answer, or as many are served as may be; `Retry-After` says when to come again."),
];
/// Answers that an operation with a body may give.
const WITH_BODY: [(&str, &str); 2] = [("413", "The body is too large."), ("415", "The body is not JSON.")];

impl Modify for Common {
    fn modify(&self, document: &mut Document) {
        for operation in document.paths.paths.values_mut().flat_map(operations) {
            let with_body = WITH_BODY.iter().filter(|_| operation.request_body.is_some());
            for (status, description) in ANYWHERE.iter().chain(with_body) {
                let missing = || RefOr::T(problem(description));
                operation.responses.responses.entry((*status).to_owned()).or_insert_with(missing);
            }
        }
        let components = document.components.get_or_insert_with(Default::default);
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
            "A token of the cluster with the audience `gatepost`, or the local token of the machine that Gatepost runs on.",
        ));
        let session = ApiKeyValue::with_description(
            "__Host-gatepost",
            "Of people who logged in to the dashboard; a change needs the header `X-CSRF-Token` besides.",
        );
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(session)));
    }
}

fn problem(description: &str) -> utoipa::openapi::Response {
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    ResponseBuilder::new().description(description).content(MEDIA_TYPE, content).build()
}

/// What may be done at a path.
fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post].into_iter().flatten()
}

/// The document: made anew where nobody holds it, for it takes a megabyte and is seldom asked for.
pub(super) fn document() -> Arc<Document> {
    static LAST: Mutex<Weak<Document>> = Mutex::new(Weak::new());
    // A weak reference is whole whatever happened to who held the lock.
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    last.upgrade().unwrap_or_else(|| {
        let document = Arc::new(Described::openapi());
        *last = Arc::downgrade(&document);
        document
    })
}

/// Names of the parameters that a query may have.
pub(super) fn query_names(path: &str, method: &Method) -> Vec<String> {
    let method = if method == Method::POST { HttpMethod::Post } else { HttpMethod::Get };
    let document = document();
    let operation = document.paths.get_path_operation(path, method);
    let parameters = operation.and_then(|operation| operation.parameters.as_ref()).into_iter().flatten();
    let of_query = parameters.filter(|parameter| parameter.parameter_in == ParameterIn::Query);
    of_query.map(|parameter| parameter.name.clone()).collect()
}

/// Whether something is posted there. What is not has no handler that a form of another site could reach; it is told which methods
/// there are. Every spelling of a path counts, and those of handlers ask for JSON themselves besides.
pub(in crate::server) fn takes_posts(path: &str) -> bool {
    // Asked of every request, so kept.
    static POSTS: OnceLock<Vec<String>> = OnceLock::new();
    let path = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
    let posts = POSTS.get_or_init(|| {
        let document = document();
        let posts = document.paths.paths.iter().filter(|(_, item)| item.post.is_some());
        posts.map(|(template, _)| template.clone()).collect()
    });
    posts.iter().any(|template| is_of(&path, template))
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
    HttpResponse::Ok().json(document().as_ref())
}

/// The text of the copy in `docs/`.
#[cfg(test)]
fn copy() -> String {
    let mut text = serde_json::to_string_pretty(document().as_ref()).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn described() -> serde_json::Value {
        serde_json::to_value(document().as_ref()).unwrap()
    }

    #[test]
    fn what_is_registered_is_described_and_nothing_else() {
        let all = super::super::resources();
        let registered: BTreeSet<String> = all.iter().flat_map(Resource::operations).collect();
        let paths = described()["paths"].as_object().unwrap().clone();
        let described: BTreeSet<String> = paths
            .iter()
            .flat_map(|(path, item)| {
                item.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
            })
            .collect();
        assert_eq!(described, registered);
        assert!(registered.len() > 20, "{registered:?}");
    }

    #[test]
    fn the_copy_for_readers_is_this_document() {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
        if std::env::var_os("GATEPOST_WRITE_OPENAPI").is_some() {
            std::fs::write(&place, copy()).unwrap();
        }
        let found = std::fs::read_to_string(place).unwrap_or_default();
        assert!(
            found == copy(),
            "docs/openapi.json is behind the code: GATEPOST_WRITE_OPENAPI=1 cargo test --lib openapi writes it"
        );
    }

    #[test]
    fn every_operation_has_words_and_every_refusal_is_a_problem() {
        let document = described();
        let operations = document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap());
        for (method, operation) in operations {
            let name = operation["operationId"].as_str().unwrap();
            assert!(operation["summary"].is_string() && operation["tags"][0].is_string(), "{name}");
            let answers = operation["responses"].as_object().unwrap();
            for (status, answer) in answers.iter().filter(|(status, _)| status.as_str() >= "400") {
                let schema = &answer["content"][MEDIA_TYPE]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Problem", "{method} {name} {status}");
            }
            assert_eq!(answers.contains_key("415"), method == "post", "{name}");
        }
        let schemes = document["components"]["securitySchemes"].as_object().unwrap();
        assert_eq!(schemes.keys().collect::<Vec<_>>(), ["bearer", "session"]);
        assert_eq!(document["openapi"], "3.1.0");
    }

    #[test]
    fn operations_have_names_of_their_own() {
        let document = described();
        let operations =
            document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values());
        let names: Vec<&str> = operations.map(|operation| operation["operationId"].as_str().unwrap()).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    }

    #[test]
    fn what_is_posted_is_known_in_every_spelling() {
        for path in ["/api/v1/deliveries/replay", "/api/v1/deliveries/%72eplay", "/api/v1/approvals/runs/x/approve"] {
            assert!(takes_posts(path), "{path}");
        }
        for path in
            ["/api/v1/status", "/api/v1/deliveries", "/api/v1/deliveries/x", "/api/v1/approvals/runs/x/y/approve"]
        {
            assert!(!takes_posts(path), "{path}");
        }
    }

    #[test]
    fn names_of_queries_come_from_the_document() {
        let names = query_names("/api/v1/deliveries", &Method::GET);
        assert!(names.contains(&"trigger".to_owned()) && !names.contains(&"dryRun".to_owned()), "{names:?}");
        assert!(query_names("/api/v1/deliveries/{id}", &Method::GET).is_empty());
        assert!(query_names("/api/v1/deliveries/replay", &Method::POST).is_empty());
    }
}
