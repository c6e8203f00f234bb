//! What every request of the API listener passes, in this order: the host it asks for, where a change was made, who asks, whether they
//! may. Whoever does not pass never reaches a handler, and no body is read.

use super::hosts::{Authority, MadeBy, is_json, local_path, made_by};
use super::known::{Known, Proof, Refused};
use super::sessions::Session;
use super::{Auth, Posture, cookies, login};
use crate::controller::approval::Known as Caller;
use crate::server::api::{Kind, Problem, takes_posts};
use crate::server::{State, address, problem};
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse, web};
use secrecy::ExposeSecret as _;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// What an answer has that says nothing else itself.
const HEADERS: [(&str, &str); 7] = [
    ("content-security-policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
];
/// Paths that nobody has to log in for; those that end in `/` with all that is below them.
const PUBLIC: [&str; 5] = ["/healthz", "/login", "/login/", "/logout", "/static/"];
/// Below it the desk of approvals decides who may do what.
const APPROVALS: &str = "/api/v1/approvals/";
/// Where a change carries its session's token.
const CSRF: &str = "x-csrf-token";
/// How long what a session was made of is believed without another look.
const CHECKED: Duration = Duration::from_secs(30);
/// How long it is believed while nobody can be asked.
const UNCHECKED_MAX: Duration = Duration::from_secs(300);

/// Who asks, for handlers that ask others about them.
#[derive(Debug, Clone)]
pub(in crate::server) struct Vouched {
    /// As approvals know them.
    pub caller: Caller,
    /// Whether they may read everything here.
    pub reads_all: bool,
    /// From which address.
    pub from: IpAddr,
}

/// Somebody who asks, and their session.
type Asking = (Known, Option<Session>);

/// Lets pass whoever may, with a [`super::Visitor`] and a [`Vouched`] in the request.
pub(in crate::server) async fn recognise(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let admitted = admitted(request.request()).await;
    let mut answer = match admitted {
        Ok(asking) => {
            let change = asking.and_then(|asking| note(&request, asking));
            let answer = next.call(request).await?;
            if let Some(change) = change {
                change.tell(answer.status());
            }
            answer.map_into_left_body()
        }
        Err(refusal) => request.into_response(refusal).map_into_right_body(),
    };
    complete(answer.headers_mut());
    Ok(answer)
}

/// A change that somebody is let through for, for the log.
struct Change {
    who: String,
    method: Method,
    path: String,
}

impl Change {
    fn tell(self, status: StatusCode) {
        tracing::info!(who = self.who, method = %self.method, path = self.path, status = status.as_u16(), "somebody asked for a change");
    }
}

/// Puts who asks into the request.
fn note(request: &ServiceRequest, (known, session): Asking) -> Option<Change> {
    let from = auth(request.request()).ok()?.from(request.request());
    let change = Change { who: known.name.clone(), method: request.method().clone(), path: request.path().to_owned() };
    let mut extensions = request.extensions_mut();
    extensions.insert(known.visitor(session.map(|session| session.csrf)));
    extensions.insert(Vouched { reads_all: known.may_read, caller: known.caller, from });
    (!change.method.is_safe()).then_some(change)
}

fn complete(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        if !headers.contains_key(name) {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
    }
}

/// Who asks, if they may: `None` where nobody has to be known.
async fn admitted(request: &HttpRequest) -> Result<Option<Asking>, HttpResponse> {
    let auth = auth(request)?;
    let authority = auth.authority(request)?;
    let by = auth.made_by(request, &authority);
    let changes = !request.method().is_safe();
    if is_public(request.path()) {
        return if changes && by != MadeBy::Ourselves { Err(foreign()) } else { Ok(None) };
    }
    if could_be_a_form(request) && !is_json(text(request, header::CONTENT_TYPE.as_str())) {
        return Err(problem::answer(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "JSON only",
            "send Content-Type: application/json",
        ));
    }
    if changes && by == MadeBy::Others {
        return Err(foreign());
    }
    if auth.posture == Posture::Open {
        return Ok(Some((Known::keeper("local"), None)));
    }
    let (known, session) = auth.asking(request).await.map_err(refused)?.ok_or_else(|| nobody(request))?;
    if let Some(session) = session.as_ref().filter(|_| changes) {
        // What a browser sends by itself proves nothing about who wanted it.
        if by != MadeBy::Ourselves || !session.is_meant(text(request, CSRF).unwrap_or_default()) {
            return Err(foreign());
        }
    }
    if may(&known, changes, request.path()) {
        return Ok(Some((known, session)));
    }
    Err(login::denied(request, &known, changes, session.as_ref()))
}

/// Whether a plain form of another site could make this request and reach a handler by it. Other methods a browser only sends after it
/// has asked; what has no route is told so.
fn could_be_a_form(request: &HttpRequest) -> bool {
    let path = request.path();
    *request.method() == Method::POST && (!path.starts_with("/api/") || takes_posts(path))
}

fn is_public(path: &str) -> bool {
    PUBLIC.iter().any(|public| path == *public || (public.ends_with('/') && path.starts_with(public)))
}

/// Whether somebody known may do this kind of thing.
fn may(known: &Known, changes: bool, path: &str) -> bool {
    match path.starts_with(APPROVALS) {
        true => true,
        false if changes => known.may_change,
        false => known.may_read,
    }
}

/// The decisions of the listener that a request came to.
#[expect(clippy::result_large_err, reason = "it is made for a refusal only and goes to the client as it is")]
pub(super) fn auth(request: &HttpRequest) -> Result<&Auth, HttpResponse> {
    let state = request.app_data::<web::Data<State>>();
    let missing =
        || problem::answer(StatusCode::INTERNAL_SERVER_ERROR, "No authentication", "the listener is not set up");
    state.map(|state| state.auth.as_ref()).ok_or_else(missing)
}

/// The one value of a header.
pub(super) fn text<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    let mut all = request.headers().get_all(name);
    let first = all.next()?;
    // Two that differ say nothing that could be relied on.
    if all.next().is_some() { Some("") } else { Some(first.to_str().unwrap_or_default()) }
}

impl Auth {
    /// The name that the listener is asked for by, if it answers to that.
    #[expect(clippy::result_large_err, reason = "it is made for a refusal only and goes to the client as it is")]
    pub(super) fn authority(&self, request: &HttpRequest) -> Result<Authority, HttpResponse> {
        let asked = authority_of(request, self.comes_by_proxy(request));
        asked.filter(|authority| self.hosts.allow(authority)).ok_or_else(|| {
            let advice =
                "ask for localhost or a loopback address, or list the host in server.hosts or server.externalUrl";
            Problem::new(Kind::HostNotAllowed, advice).response()
        })
    }

    fn comes_by_proxy(&self, request: &HttpRequest) -> bool {
        let peer = request.peer_addr().map(|peer| peer.ip().to_canonical());
        peer.is_some_and(|ip| self.proxies.iter().any(|range| range.contains(ip)))
    }

    pub(super) fn made_by(&self, request: &HttpRequest, authority: &Authority) -> MadeBy {
        made_by(&self.hosts, authority, text(request, "sec-fetch-site"), text(request, header::ORIGIN.as_str()))
    }

    /// Where a request came from.
    pub(super) fn from(&self, request: &HttpRequest) -> IpAddr {
        address::of(request, &self.proxies)
    }

    /// Who asks, by a header or, without one, by a session.
    async fn asking(&self, request: &HttpRequest) -> Result<Option<Asking>, Refused> {
        let from = self.from(request);
        if request.headers().contains_key(header::AUTHORIZATION) {
            let token = bearer(request).unwrap_or_default();
            let known = self.ways.of_bearer(token, from, &self.limits).await?;
            return Ok(Some((known, None)));
        }
        self.of_session(request).await
    }

    /// Who asks by a session.
    pub(super) async fn of_session(&self, request: &HttpRequest) -> Result<Option<Asking>, Refused> {
        let Some(id) = session_id(request) else { return Ok(None) };
        let now = Instant::now();
        let Some(session) = self.sessions.find(id, now) else { return Ok(None) };
        let unchecked = now.duration_since(session.checked);
        let Proof::Bearer(token) = &session.proof else { return Ok(Some((session.known.clone(), Some(session)))) };
        if unchecked < CHECKED {
            return Ok(Some((session.known.clone(), Some(session))));
        }
        match self.ways.of_bearer(token.expose_secret(), self.from(request), &self.limits).await {
            Ok(known) => {
                self.sessions.checked(id, known.clone(), now);
                Ok(Some((known, Some(session))))
            }
            Err(Refused::Unknown) => {
                self.sessions.end(id);
                Ok(None)
            }
            // A cluster that is away for a while must not lock out those who look after it.
            Err(_) if unchecked < UNCHECKED_MAX => Ok(Some((session.known.clone(), Some(session)))),
            Err(refused) => Err(refused),
        }
    }
}

/// The id that a browser has of its session.
pub(super) fn session_id(request: &HttpRequest) -> Option<&str> {
    cookie(request, cookies::SESSION)
}

/// The value of a cookie.
pub(super) fn cookie<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    let headers = request.headers().get_all(header::COOKIE).filter_map(|value| value.to_str().ok());
    cookies::value(headers, name).filter(|value| !value.is_empty())
}

/// The token of `Authorization: Bearer …`; one header only.
fn bearer(request: &HttpRequest) -> Option<&str> {
    let (scheme, token) = text(request, header::AUTHORIZATION.as_str())?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The name that is asked for: what the request line says and what `Host` says have to be one. A proxy that is believed may say another.
fn authority_of(request: &HttpRequest, by_proxy: bool) -> Option<Authority> {
    let line = request.uri().authority().map(|authority| Authority::parse(authority.as_str()));
    let head = text(request, header::HOST.as_str()).map(Authority::parse);
    let direct = match (line, head) {
        (Some(line), Some(head)) if line != head => None,
        (Some(one), _) | (None, Some(one)) => one,
        (None, None) => None,
    };
    let forwarded = text(request, "x-forwarded-host").filter(|_| by_proxy);
    forwarded.map_or(direct, Authority::parse)
}

fn foreign() -> HttpResponse {
    let advice = "a change is made by a page of this Gatepost, with its X-CSRF-Token, or by a program with Authorization: Bearer";
    problem::answer(StatusCode::FORBIDDEN, "Request of another site", advice)
}

fn refused(why: Refused) -> HttpResponse {
    match why {
        Refused::Unknown => unknown("this token is not one that is known here, or has expired"),
        Refused::TooMany(seconds) => {
            let mut answer = problem::answer(StatusCode::TOO_MANY_REQUESTS, "Too many attempts", "wait a little");
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            answer
        }
        Refused::Away(away) => {
            tracing::warn!(%away, "nobody can be asked who somebody is; the chart gives the right with people.enabled");
            let detail = "the cluster cannot be asked who you are; the log says why";
            problem::answer(StatusCode::SERVICE_UNAVAILABLE, "Nobody can be asked who you are", detail)
        }
    }
}

fn unknown(why: &str) -> HttpResponse {
    let ways = "run `gatepost login`, or bring a token: `gatepost token` beside the running Gatepost, or `kubectl create token NAME --audience gatepost` (docs/security/people.md)";
    let mut answer = problem::answer(StatusCode::UNAUTHORIZED, "Not logged in", &format!("{why}; {ways}"));
    let scheme = HeaderValue::from_static("Bearer realm=\"gatepost\"");
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
    answer
}

/// The answer to somebody unknown: programs are told, people are led to the login.
fn nobody(request: &HttpRequest) -> HttpResponse {
    let path = request.path();
    if path == "/api" || path.starts_with("/api/") || !request.method().is_safe() {
        return unknown("this needs a login");
    }
    let here = request.uri().path_and_query().map_or("/", |whole| whole.as_str());
    let next = local_path(here);
    // A browser that follows a link of another site leaves our cookie at home; asked again by our own page it brings it.
    let from_elsewhere = matches!(text(request, "sec-fetch-site"), Some("cross-site" | "same-site"));
    let is_navigation = text(request, "sec-fetch-mode") == Some("navigate");
    if request.method() == Method::GET && from_elsewhere && is_navigation && session_id(request).is_none() {
        return login::onward(next);
    }
    let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
    HttpResponse::SeeOther().insert_header((header::LOCATION, format!("/login?{query}"))).finish()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn nobody_has_to_log_in_for_the_way_in_and_for_nothing_else() {
        for public in ["/healthz", "/login", "/login/oidc", "/login/callback", "/logout", "/static/x/gatepost.css"] {
            assert!(is_public(public), "{public}");
        }
        let closed = [
            "/",
            "/healthz/",
            "/loginx",
            "/logout/",
            "/logout/x",
            "/static",
            "/Login",
            "//login",
            "/api/v1",
            "/api/v1/../login",
            "/deliveries",
            "/metrics",
        ];
        for path in closed {
            assert!(!is_public(path), "{path}");
        }
    }

    #[test]
    fn a_right_to_look_is_none_to_change_and_approvals_are_judged_at_their_desk() {
        let reader = Known { may_change: false, ..Known::keeper("r") };
        let nobody = Known { may_read: false, ..reader.clone() };
        assert!(may(&reader, false, "/") && !may(&reader, true, "/api/v1/deliveries/replay"));
        assert!(!may(&nobody, false, "/api/v1/status") && !may(&nobody, false, "/"));
        assert!(may(&nobody, true, "/api/v1/approvals/runs/x/approve"));
        assert!(!may(&nobody, false, "/api/v1/approvals") && !may(&nobody, false, "/api/v1/approvalsx/"));
        assert!(may(&Known::keeper("k"), true, "/api/v1/deliveries/replay"));
    }

    fn named(host: &str, forwarded: &str, by_proxy: bool) -> Option<String> {
        let request =
            TestRequest::default().insert_header(("host", host)).insert_header(("x-forwarded-host", forwarded));
        authority_of(&request.to_http_request(), by_proxy).map(|authority| authority.shown())
    }

    #[test]
    fn a_forwarded_host_is_believed_of_trusted_proxies_only() {
        assert_eq!(named("evil.example", "localhost", false).as_deref(), Some("evil.example"));
        assert_eq!(named("10.0.0.7", "gatepost.example.com", true).as_deref(), Some("gatepost.example.com"));
        assert_eq!(named("10.0.0.7", "a, b", true), None);
        let twice = TestRequest::default().append_header(("host", "localhost")).append_header(("host", "evil.example"));
        assert_eq!(authority_of(&twice.to_http_request(), false), None);
        let line = TestRequest::with_uri("http://evil.example/").insert_header(("host", "localhost"));
        assert_eq!(authority_of(&line.to_http_request(), false), None, "two names");
        assert_eq!(authority_of(&TestRequest::default().to_http_request(), false), None);
    }

    #[test]
    fn a_token_is_taken_from_one_header_of_the_scheme() {
        let of = |values: &[&str]| {
            let request = values.iter().fold(TestRequest::default(), |r, v| r.append_header(("authorization", *v)));
            bearer(&request.to_http_request()).map(str::to_owned)
        };
        assert_eq!(of(&["bearer  x "]).as_deref(), Some("x"));
        for none in [&["Basic x"][..], &["Bearer"], &["Bearer a", "Bearer b"], &[]] {
            assert_eq!(of(none), None, "{none:?}");
        }
    }

    #[test]
    fn answers_are_completed_and_what_they_say_themselves_stays() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("immutable"));
        complete(&mut headers);
        assert_eq!(headers.len(), HEADERS.len());
        assert_eq!(headers.get("cache-control").unwrap(), "immutable");
        assert!(headers.get("content-security-policy").unwrap().to_str().unwrap().contains("frame-ancestors 'none'"));
    }
}
