//! What is secret besides the configuration of notifications, so that it is masked wherever it might be shown.

use super::traces;
use crate::settings::Settings;
use secrecy::ExposeSecret as _;

/// Shortest text of an encryption key; the ids beside them are shorter.
const KEY_TEXT: usize = 40;

/// What is secret besides the configuration of notifications: credentials of the store, of the proxy, of the login and of the collector of traces.
pub(super) fn secrets(settings: &Settings) -> Vec<Vec<u8>> {
    let proxies = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"];
    let urls = proxies.iter().filter_map(|name| std::env::var(name).ok());
    let urls = urls.chain([settings.store.url.expose_secret().to_owned()]);
    let passwords = urls.filter_map(|text| url::Url::parse(&text).ok()?.password().map(str::to_owned));
    let decoded = |text: String| {
        let plain = percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned();
        [text, plain]
    };
    let keys = settings.store.encryption_keys.expose_secret();
    let keys = keys.split([' ', ',', '\t', '\n']).filter(|part| part.len() >= KEY_TEXT).map(str::to_owned);
    let headers = traces::secrets(&settings.tracing, &traces::environment);
    let login = settings.auth.secret().map(|secret| secret.expose_secret().to_owned()).unwrap_or_default();
    let login = Some(login).filter(|secret| !secret.is_empty());
    passwords.flat_map(decoded).chain(keys).chain(login).chain(headers).map(String::into_bytes).collect()
}
