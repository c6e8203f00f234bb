//! An OpenID Connect issuer: discovery, keys, logins by code with PKCE, and by device. People are whoever a test says they are.

use actix_web::{App, HttpResponse, HttpServer, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Seconds that tokens live.
const LIFE: i64 = 600;

/// A running issuer.
pub struct Issuer {
    shared: Arc<Shared>,
}

struct Shared {
    url: String,
    key: EncodingKey,
    jwk: Jwk,
    fetches: AtomicUsize,
    refreshes: AtomicUsize,
    /// What was asked for with each code: challenge, redirect and the claims of the token.
    codes: Mutex<HashMap<String, (String, String, Value)>>,
    /// The claims of whoever entered the device's code.
    device: Mutex<Option<Value>>,
}

impl Shared {
    fn sign(&self, claims: &Value) -> String {
        let now = gatepost::clock::now().secs;
        let mut all = json!({"iss": self.url, "sub": "1", "iat": now, "exp": now + LIFE});
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        all.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let header = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, &all, &self.key).unwrap()
    }
}

impl Issuer {
    /// Starts one on loopback.
    pub async fn start() -> Self {
        let random = ring::rand::SystemRandom::new();
        let made =
            ring::signature::EcdsaKeyPair::generate_pkcs8(&ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        let key = EncodingKey::from_ec_der(made.unwrap().as_ref());
        let mut jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
        jwk.common.key_id = Some("one".to_owned());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            url,
            key,
            jwk,
            fetches: AtomicUsize::new(0),
            refreshes: AtomicUsize::new(0),
            codes: Mutex::default(),
            device: Mutex::default(),
        });
        let data = web::Data::from(Arc::clone(&shared));
        let app = move || {
            App::new()
                .app_data(data.clone())
                .route("/.well-known/openid-configuration", web::get().to(discovery))
                .route("/keys", web::get().to(keys))
                .route("/token", web::post().to(token))
                .route("/device", web::post().to(device))
        };
        tokio::spawn(HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap().run());
        Self { shared }
    }

    /// Its name.
    pub fn url(&self) -> String {
        self.shared.url.clone()
    }

    /// How often discovery or keys were fetched.
    pub fn fetches(&self) -> usize {
        self.shared.fetches.load(Ordering::SeqCst)
    }

    /// How often a token was asked for by a refresh token.
    pub fn refreshes(&self) -> usize {
        self.shared.refreshes.load(Ordering::SeqCst)
    }

    /// A token with these claims over the usual ones; null takes one away.
    pub fn token(&self, claims: Value) -> String {
        self.shared.sign(&claims)
    }

    /// What the issuer sends a browser back with that came by this address, once somebody has logged in: code and state. The token of
    /// the code has these claims over what is right.
    pub fn log_in(&self, address: &str, claims: Value) -> (String, String) {
        let url = url::Url::parse(address).unwrap();
        assert!(address.starts_with(&format!("{}/authorize?", self.shared.url)), "{address}");
        let of = |name: &str| url.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
        assert_eq!((of("response_type").as_str(), of("code_challenge_method").as_str()), ("code", "S256"));
        let mut all = json!({"aud": of("client_id"), "nonce": of("nonce")});
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        let code = uuid::Uuid::new_v4().to_string();
        let asked = (of("code_challenge"), of("redirect_uri"), all);
        self.shared.codes.lock().unwrap().insert(code.clone(), asked);
        (code, of("state"))
    }

    /// Somebody enters the device's code.
    pub fn enter_code(&self, claims: Value) {
        *self.shared.device.lock().unwrap() = Some(claims);
    }
}

async fn discovery(shared: web::Data<Shared>) -> HttpResponse {
    shared.fetches.fetch_add(1, Ordering::SeqCst);
    let url = &shared.url;
    HttpResponse::Ok().json(json!({
        "issuer": url, "jwks_uri": format!("{url}/keys"), "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"), "device_authorization_endpoint": format!("{url}/device"),
        "scopes_supported": ["openid", "email", "groups", "offline_access"],
    }))
}

async fn keys(shared: web::Data<Shared>) -> HttpResponse {
    shared.fetches.fetch_add(1, Ordering::SeqCst);
    HttpResponse::Ok().json(json!({"keys": [shared.jwk]}))
}

async fn device(form: web::Form<HashMap<String, String>>, shared: web::Data<Shared>) -> HttpResponse {
    assert!(form["scope"].contains("offline_access"), "{form:?}");
    let uri = format!("{}/enter", shared.url);
    HttpResponse::Ok().json(json!({
        "device_code": form["client_id"], "user_code": "ABCD-EFGH", "verification_uri": uri, "expires_in": 60, "interval": 1,
    }))
}

async fn token(form: web::Form<HashMap<String, String>>, shared: web::Data<Shared>) -> HttpResponse {
    let refused = |error: &str| HttpResponse::BadRequest().json(json!({"error": error}));
    match form["grant_type"].as_str() {
        "authorization_code" => {
            let asked = shared.codes.lock().unwrap().remove(&form["code"]);
            let Some((challenge, redirect, claims)) = asked else { return refused("invalid_grant") };
            let proven = URL_SAFE_NO_PAD.encode(Sha256::digest(form["code_verifier"].as_bytes())) == challenge;
            if !proven || redirect != form["redirect_uri"] {
                return refused("invalid_grant");
            }
            HttpResponse::Ok().json(json!({"id_token": shared.sign(&claims), "token_type": "Bearer"}))
        }
        "refresh_token" => {
            shared.refreshes.fetch_add(1, Ordering::SeqCst);
            let Some(mut claims) = shared.device.lock().unwrap().clone() else { return refused("invalid_grant") };
            claims["exp"] = json!(gatepost::clock::now().secs + LIFE);
            HttpResponse::Ok().json(json!({"id_token": shared.sign(&claims)}))
        }
        _ => match shared.device.lock().unwrap().clone() {
            None => refused("authorization_pending"),
            Some(claims) => {
                HttpResponse::Ok().json(json!({"id_token": shared.sign(&claims), "refresh_token": "again"}))
            }
        },
    }
}
