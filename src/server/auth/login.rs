//! The way in and out for browsers: `/login`, `/login/oidc`, `/login/callback`, `/logout`; and `/login/methods`, which tells programs how
//! people log in here.
//!
//! A session is begun here and nowhere else, always under a new id. Opening a page of these begins and ends none: that takes a form
//! of our own, or the issuer's answer to a login that this very browser began.

use super::cookies;
use super::gate::{auth, cookie, session_id};
use super::hosts::{Authority, local_path};
use super::known::{Known, Proof, Refused};
use super::sessions::Session;
use super::{Auth, Posture};
use crate::clock;
use crate::controller::identity::flow::Returned;
use crate::server::{assets, problem};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use std::time::Instant;

/// Largest form of a login.
const FORM_MAX: usize = 32 << 10;
/// What pages of the way in may load, and where their forms go.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Adds the routes.
pub(in crate::server) fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/login")
                .app_data(web::FormConfig::default().limit(FORM_MAX))
                .route(web::get().to(show))
                .route(web::post().to(enter)),
        )
        .route("/login/oidc", web::get().to(depart))
        .route("/login/callback", web::get().to(arrive))
        .route("/login/methods", web::get().to(methods))
        .route("/logout", web::post().to(leave))
        .route("/healthz", web::get().to(|| async { HttpResponse::Ok().body("ok\n") }));
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    next: &'a str,
    /// The issuer's host; empty: none is set up.
    issuer: String,
    /// Where the way to the issuer begins.
    depart: String,
    takes_token: bool,
    trouble: &'a str,
    style: String,
    icon: String,
}

#[derive(Template)]
#[template(path = "onward.html")]
struct OnwardPage<'a> {
    next: &'a str,
    style: String,
    icon: String,
}

#[derive(Template)]
#[template(path = "denied.html")]
struct DeniedPage<'a> {
    who: &'a str,
    why: &'a str,
    csrf: &'a str,
    style: String,
    icon: String,
}

fn page(status: StatusCode, template: &impl Template) -> HttpResponse {
    match template.render() {
        Ok(text) => HttpResponse::build(status)
            .content_type("text/html; charset=utf-8")
            .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
            // With no referrer at all a browser posts our own forms as if they were nobody's.
            .insert_header((header::REFERRER_POLICY, "same-origin"))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .body(text),
        Err(error) => problem::answer(StatusCode::INTERNAL_SERVER_ERROR, "The page cannot be made", &error.to_string()),
    }
}

/// A page of ours that leads on: what it leads to is asked for with our cookie.
pub(super) fn onward(next: &str) -> HttpResponse {
    page(StatusCode::OK, &OnwardPage { next, style: assets::style(), icon: assets::icon() })
}

/// The answer to somebody known who may not do this.
pub(super) fn denied(request: &HttpRequest, known: &Known, changes: bool, session: Option<&Session>) -> HttpResponse {
    let (verb, list) = if changes { ("operate", "auth.operators") } else { ("view", "auth.readers") };
    let what = if changes { "change anything here" } else { "see this" };
    let why = format!(
        "you are known as {}, and may not {what}: it takes `{verb}` on relays.gatepost.dev in Gatepost's namespace for somebody of the cluster, or {list} for somebody of the issuer",
        known.name
    );
    if changes || request.path().starts_with("/api") {
        return problem::answer(StatusCode::FORBIDDEN, "Forbidden", &why);
    }
    let csrf = session.map_or("", |session| session.csrf.as_str());
    page(
        StatusCode::FORBIDDEN,
        &DeniedPage { who: &known.name, why: &why, csrf, style: assets::style(), icon: assets::icon() },
    )
}

/// Where somebody wants to go.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Aim {
    next: String,
}

/// The form of a login.
#[derive(Deserialize)]
struct Credentials {
    token: SecretString,
    #[serde(default)]
    next: String,
}

/// The form of a logout.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Leave {
    csrf: String,
}

async fn show(request: HttpRequest, aim: web::Query<Aim>) -> HttpResponse {
    let auth = match auth(&request) {
        Ok(auth) => auth,
        Err(answer) => return answer,
    };
    let next = local_path(&aim.next);
    if auth.posture == Posture::Open || matches!(auth.of_session(&request).await, Ok(Some(_))) {
        return see(next);
    }
    asked(auth, &request, next, StatusCode::OK, "")
}

/// The login page.
fn asked(auth: &Auth, request: &HttpRequest, next: &str, status: StatusCode, trouble: &str) -> HttpResponse {
    let takes_token = takes_token(auth, request);
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
    let depart = format!("/login/oidc?{query}");
    let (style, icon) = (assets::style(), assets::icon());
    page(status, &LoginPage { next, issuer: auth.issuer_host(), depart, takes_token, trouble, style, icon })
}

/// A token is typed in on this machine only: elsewhere there is the issuer.
fn takes_token(auth: &Auth, request: &HttpRequest) -> bool {
    let by_loopback = auth.authority(request).is_ok_and(|authority| authority.is_loopback());
    let peer = request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    by_loopback && peer && !request.headers().contains_key("x-forwarded-for")
}

fn see(place: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, place.to_owned())).finish()
}

impl Auth {
    fn issuer_host(&self) -> String {
        let issuer = self.ways.people.as_ref().map(|people| people.login.issuer.as_str());
        let url = issuer.and_then(|issuer| url::Url::parse(issuer).ok());
        url.as_ref().and_then(url::Url::host_str).unwrap_or_default().to_owned()
    }

    /// Begins a session in the place of the one that the browser had.
    fn begin(&self, request: &HttpRequest, known: Known, proof: Proof) -> String {
        if let Some(old) = session_id(request) {
            self.sessions.end(old);
        }
        tracing::info!(who = known.name, from = %self.from(request), may_change = known.may_change, "somebody logged in");
        cookies::session(&self.sessions.begin(known, proof, Instant::now()))
    }
}

async fn enter(request: HttpRequest, form: web::Form<Credentials>) -> HttpResponse {
    use secrecy::ExposeSecret as _;
    let auth = match auth(&request) {
        Ok(auth) => auth,
        Err(answer) => return answer,
    };
    let next = local_path(&form.next);
    let failed = |status, trouble: &str| asked(auth, &request, next, status, trouble);
    if !takes_token(auth, &request) {
        return failed(StatusCode::FORBIDDEN, "A token is taken on loopback only, such as through a forwarded port.");
    }
    let token = SecretString::from(form.token.expose_secret().trim().to_owned());
    match auth.ways.of_bearer(token.expose_secret(), auth.from(&request), &auth.limits).await {
        Ok(known) if !known.may_read => denied(&request, &known, false, None),
        Ok(known) => {
            let cookie = auth.begin(&request, known, Proof::Bearer(token));
            let mut answer = see(next);
            add_cookie(&mut answer, &cookie);
            answer
        }
        Err(Refused::Unknown) => failed(StatusCode::UNAUTHORIZED, "This token is not known here, or has expired."),
        Err(Refused::TooMany(_)) => failed(StatusCode::TOO_MANY_REQUESTS, "Too many attempts: wait a little."),
        Err(Refused::Away(away)) => {
            tracing::warn!(%away, "nobody can be asked who somebody is; the chart gives the right with people.enabled");
            failed(StatusCode::SERVICE_UNAVAILABLE, "The cluster cannot be asked who you are; the log says why.")
        }
    }
}

fn add_cookie(answer: &mut HttpResponse, cookie: &str) {
    if let Ok(value) = header::HeaderValue::from_str(cookie) {
        answer.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// Sends a browser to the issuer.
async fn depart(request: HttpRequest, aim: web::Query<Aim>) -> HttpResponse {
    let (auth, authority) = match known_place(&request) {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let next = local_path(&aim.next);
    let failed = |trouble: &str| asked(auth, &request, next, StatusCode::BAD_GATEWAY, trouble);
    let Some(people) = &auth.ways.people else {
        return asked(auth, &request, next, StatusCode::NOT_FOUND, "No issuer is set up (auth.issuer).");
    };
    if let Err(wait) = auth.limits.ask(auth.from(&request)) {
        return failed(&format!("Too many attempts: wait {} s.", wait.0));
    }
    let redirect = format!("{}/login/callback", auth.hosts.base(&authority));
    let begun = people.begin(next.to_owned(), redirect, clock::now().millis()).await;
    let (begun, place) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            tracing::warn!(%error, "a login could not begin");
            return failed(&error.to_string());
        }
    };
    let Some(sealed) = auth.seal.close(&begun) else { return failed("The login could not be kept; try again.") };
    let mut answer = see(&place);
    add_cookie(&mut answer, &cookies::login(&sealed));
    answer
}

#[expect(clippy::result_large_err, reason = "it is made for a refusal only and goes to the client as it is")]
fn known_place(request: &HttpRequest) -> Result<(&Auth, Authority), HttpResponse> {
    let auth = auth(request)?;
    Ok((auth, auth.authority(request)?))
}

/// Takes a browser that the issuer sends back.
async fn arrive(request: HttpRequest, returned: web::Query<Returned>) -> HttpResponse {
    let auth = match auth(&request) {
        Ok(auth) => auth,
        Err(answer) => return answer,
    };
    let mut answer = arrived(auth, &request, &returned).await;
    // Of one login there is one answer.
    add_cookie(&mut answer, &cookies::ended(cookies::LOGIN));
    answer
}

async fn arrived(auth: &Auth, request: &HttpRequest, returned: &Returned) -> HttpResponse {
    let failed = |trouble: &str| asked(auth, request, "/", StatusCode::UNAUTHORIZED, trouble);
    let begun = cookie(request, cookies::LOGIN).and_then(|sealed| auth.seal.open(sealed));
    let (Some(begun), Some(people)) = (begun, &auth.ways.people) else {
        return failed("This browser began no login here; begin again.");
    };
    match people.finish(&begun, returned, clock::now().millis()).await {
        Ok(who) => {
            let known = Known::from(who);
            if !known.may_read {
                return denied(request, &known, false, None);
            }
            let cookie = auth.begin(request, known, Proof::Login);
            // The way here began at the issuer: a strict cookie is sent on from a page of ours only.
            let mut answer = onward(local_path(&begun.next));
            add_cookie(&mut answer, &cookie);
            answer
        }
        Err(error) => {
            tracing::warn!(%error, from = %auth.from(request), "a login failed");
            failed(&format!("The login failed: {error}"))
        }
    }
}

/// Ends a session.
async fn leave(request: HttpRequest, form: Option<web::Form<Leave>>) -> HttpResponse {
    let auth = match auth(&request) {
        Ok(auth) => auth,
        Err(answer) => return answer,
    };
    let csrf = form.map(|form| form.into_inner().csrf).unwrap_or_default();
    if let Some(id) = session_id(&request) {
        let session = auth.sessions.find(id, Instant::now());
        if session.is_some_and(|session| !session.is_meant(&csrf)) {
            return problem::answer(StatusCode::FORBIDDEN, "Not meant", "log out by the button of a page");
        }
        auth.sessions.end(id);
    }
    let mut answer = see("/login");
    add_cookie(&mut answer, &cookies::ended(cookies::SESSION));
    answer
}

/// How people log in here, for `gatepost login`.
async fn methods(request: HttpRequest) -> HttpResponse {
    match auth(&request) {
        Ok(auth) => HttpResponse::Ok().json(told(auth.ways.people.as_deref())),
        Err(answer) => answer,
    }
}

/// The issuer and the command line's client there, as programs are told.
pub(in crate::server) fn told(people: Option<&crate::controller::identity::People>) -> serde_json::Value {
    let oidc = people.map(|people| {
        let login = &people.login;
        let client = if login.device_client_id.is_empty() { &login.client_id } else { &login.device_client_id };
        json!({"issuer": login.issuer, "clientId": client, "scopes": login.scopes})
    });
    json!({"oidc": oidc})
}
