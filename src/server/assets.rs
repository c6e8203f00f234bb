//! What pages are made of besides HTML: one style sheet, one script, one icon, all from the binary. Their address carries a
//! digest of their content, so that a browser may keep them for ever and still never has an old one.

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::sync::LazyLock;

/// One file.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    text: &'static str,
    digest: LazyLock<String>,
}

static STYLE: Asset = Asset {
    name: "gatepost.css",
    content_type: "text/css; charset=utf-8",
    text: include_str!("../../templates/dashboard/static/gatepost.css"),
    digest: LazyLock::new(|| digest(STYLE.text)),
};
static SCRIPT: Asset = Asset {
    name: "gatepost.js",
    content_type: "text/javascript; charset=utf-8",
    text: include_str!("../../templates/dashboard/static/gatepost.js"),
    digest: LazyLock::new(|| digest(SCRIPT.text)),
};
static ICON: Asset = Asset {
    name: "gatepost.svg",
    content_type: "image/svg+xml",
    text: include_str!("../../templates/dashboard/static/gatepost.svg"),
    digest: LazyLock::new(|| digest(ICON.text)),
};

fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(8).fold(String::new(), |mut out, byte| {
        // Writing to a text cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

impl Asset {
    fn url(&self) -> String {
        format!("/static/{}/{}", *self.digest, self.name)
    }
}

/// Address of the style sheet.
pub(super) fn style() -> String {
    STYLE.url()
}

/// Address of the script.
pub(super) fn script() -> String {
    SCRIPT.url()
}

/// Address of the icon.
pub(super) fn icon() -> String {
    ICON.url()
}

/// Adds the route.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config.route("/static/{digest}/{name}", web::get().to(serve));
}

/// A page of an older process may ask with an older digest: it gets the file of now, and may not keep it.
async fn serve(request: HttpRequest, path: web::Path<(String, String)>) -> HttpResponse {
    let (digest, name) = path.into_inner();
    let Some(asset) = [&STYLE, &SCRIPT, &ICON].into_iter().find(|asset| asset.name == name) else {
        return HttpResponse::NotFound().finish();
    };
    let tag = format!("\"{}\"", *asset.digest);
    let has_it = request.headers().get(header::IF_NONE_MATCH).is_some_and(|given| lists(given, &tag));
    let kept = if *asset.digest == digest { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut answer = if has_it { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer
        .insert_header((header::ETAG, tag))
        .insert_header((header::CACHE_CONTROL, kept))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"));
    if has_it { answer.finish() } else { answer.content_type(asset.content_type).body(asset.text) }
}

fn lists(given: &HeaderValue, tag: &str) -> bool {
    let tags = given.to_str().unwrap_or_default();
    tags.split(',').map(|one| one.trim().trim_start_matches("W/")).any(|one| one == tag || one == "*")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use actix_web::dev::ServiceResponse;
    use actix_web::http::StatusCode;
    use actix_web::{App, test};

    async fn get(uri: &str, known: &str) -> ServiceResponse {
        let app = test::init_service(App::new().configure(routes)).await;
        let request = test::TestRequest::get().uri(uri).insert_header((header::IF_NONE_MATCH, known));
        test::call_service(&app, request.to_request()).await
    }

    fn header_of(answer: &ServiceResponse, name: header::HeaderName) -> &str {
        answer.headers().get(name).unwrap().to_str().unwrap()
    }

    #[actix_web::test]
    async fn a_file_is_kept_for_ever_under_its_digest_and_asked_for_under_another() {
        for (url, kind) in [(style(), "text/css"), (script(), "text/javascript"), (icon(), "image/svg+xml")] {
            let answer = get(&url, "").await;
            assert_eq!(answer.status(), StatusCode::OK);
            assert!(header_of(&answer, header::CACHE_CONTROL).contains("immutable"));
            assert!(header_of(&answer, header::CONTENT_TYPE).starts_with(kind));
            let tag = header_of(&answer, header::ETAG).to_owned();
            assert_eq!(get(&url, &format!("\"x\", W/{tag}")).await.status(), StatusCode::NOT_MODIFIED);
        }
        let old = get("/static/0123456789abcdef/gatepost.css", "").await;
        assert_eq!((old.status(), header_of(&old, header::CACHE_CONTROL)), (StatusCode::OK, "no-cache"));
        assert_eq!(get("/static/0123456789abcdef/other.css", "").await.status(), StatusCode::NOT_FOUND);
    }
}
