//! One resource of the API: a path, what may be done with it, and an answer to everything else.

use super::problem::{Kind, Problem};
use super::{openapi, parameters};
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, header};
use actix_web::middleware::{Next, from_fn};
use actix_web::{Error, FromRequest, Handler, HttpRequest, HttpResponse, Responder, web};
use std::sync::Arc;

/// What the names of each method's parameters are.
type Known = Arc<[(Method, Vec<String>)]>;

/// A path with its methods.
pub(in crate::server) struct Resource {
    path: &'static str,
    methods: Vec<Method>,
    routes: actix_web::Resource,
}

impl Resource {
    /// A resource at a path, as the OpenAPI document has it.
    pub(in crate::server) fn at(path: &'static str) -> Self {
        Self { path, methods: Vec::new(), routes: web::resource(path) }
    }

    /// Answers GET.
    pub(in crate::server) fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route(Method::GET, web::get().to(handler))
    }

    /// Answers POST.
    pub(in crate::server) fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.route(Method::POST, web::post().to(handler))
    }

    fn route(mut self, method: Method, route: actix_web::Route) -> Self {
        self.methods.push(method);
        Self { routes: self.routes.route(route), ..self }
    }

    /// Path and methods, in words as the OpenAPI document has them.
    #[cfg(test)]
    pub(super) fn operations(&self) -> impl Iterator<Item = String> {
        self.methods.iter().map(|method| format!("{method} {}", self.path))
    }

    /// Puts it up.
    pub(super) fn register(self, config: &mut web::ServiceConfig) {
        let allow = self.methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        let names = self.methods.iter().map(|method| (method.clone(), openapi::query_names(self.path, method)));
        let known: Known = names.collect();
        let refuse = move |request: HttpRequest| std::future::ready(refused(&request, &allow));
        let check = from_fn(move |request, next| checked(Arc::clone(&known), request, next));
        config.service(self.routes.default_service(web::to(refuse)).wrap(check));
    }
}

fn refused(request: &HttpRequest, allow: &str) -> HttpResponse {
    let detail = format!("{} takes {allow}, not {}", request.path(), request.method());
    let mut response = Problem::new(Kind::MethodNotAllowed, detail).response();
    if let Ok(allow) = header::HeaderValue::from_str(allow) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// Lets through what says nothing that the document does not have.
async fn checked(
    known: Known,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let of_method = known.iter().find(|(method, _)| method == request.method());
    let checked = of_method.map_or(Ok(()), |(_, names)| parameters::check_names(request.query_string(), names));
    if let Err(problem) = checked {
        return Ok(request.into_response(problem.response()).map_into_right_body());
    }
    Ok(next.call(request).await?.map_into_left_body())
}
