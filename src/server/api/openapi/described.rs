//! What the handlers say about themselves, put together: what `docs/openapi.json` has to say. Only tests need it, so that the program
//! carries the document and not what makes it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::super::problem::{MEDIA_TYPE, Problem};
use super::super::resource::Resource;
use super::super::{applications, approvals, decisions, deliveries, destinations, gates, log_levels, series, status};
use super::{query_names, takes_posts};
use crate::server::stream;
use actix_web::http::Method;
use std::collections::BTreeSet;
use std::path::Path;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Content, OpenApi as Document, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};

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
        super::show
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

/// The text of `docs/openapi.json`.
fn written() -> String {
    let mut text = serde_json::to_string_pretty(&Described::openapi()).unwrap_or_default();
    text.push('\n');
    text
}

fn described() -> serde_json::Value {
    serde_json::to_value(Described::openapi()).unwrap()
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
fn the_document_is_what_the_handlers_say() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    if std::env::var_os("GATEPOST_WRITE_OPENAPI").is_some() {
        std::fs::write(&place, written()).unwrap();
    }
    let found = std::fs::read_to_string(place).unwrap_or_default();
    assert!(
        found == written(),
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
    for path in ["/api/v1/status", "/api/v1/deliveries", "/api/v1/deliveries/x", "/api/v1/approvals/runs/x/y/approve"] {
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
