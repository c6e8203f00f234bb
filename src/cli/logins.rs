//! Logins that `gatepost login` made: one file for each server, in the user's own configuration folder, for this user only.
//!
//! A token is shown to the very server that it was made for. When it ends, a new one is asked for by its refresh token.

use crate::clock;
use crate::controller::identity::Issuers;
use crate::egress::Egress;
use anyhow::Context as _;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Seconds before its end that a token counts as ended.
const EARLY: i64 = 30;

/// A login.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Login {
    /// The server that it is for.
    pub server: String,
    /// Client at the issuer.
    pub client_id: String,
    /// Where new tokens come from.
    pub token_endpoint: String,
    /// What is shown to the server.
    pub id_token: String,
    /// What a new one is asked for with; empty: nothing.
    pub refresh_token: String,
}

impl Login {
    /// The time that the token says it ends, in Unix seconds; the server judges it, not we.
    fn ends(&self) -> i64 {
        #[derive(Deserialize)]
        struct Ends {
            exp: i64,
        }
        jsonwebtoken::dangerous::insecure_decode_claims::<Ends>(&self.id_token).map_or(0, |claims| claims.exp)
    }

    async fn refreshed(mut self, egress: &Arc<Egress>) -> Result<Self, String> {
        if self.refresh_token.is_empty() {
            return Err("it has ended".to_owned());
        }
        let issuers = Issuers::new(Arc::clone(egress), String::new());
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", self.refresh_token.as_str()),
            ("client_id", self.client_id.as_str()),
        ];
        let (status, answer) = issuers.post("", self.token_endpoint.clone(), &form, None).await?;
        let token = answer["id_token"].as_str().filter(|_| status == 200);
        let token = token
            .ok_or_else(|| format!("the issuer answered {}", answer["error"].as_str().unwrap_or("no id_token")))?;
        self.id_token = token.to_owned();
        if let Some(next) = answer["refresh_token"].as_str() {
            self.refresh_token = next.to_owned();
        }
        Ok(self)
    }
}

/// The token of the login at a server, if there is one that has not ended.
pub(super) async fn token(server: &str, egress: &Arc<Egress>) -> Option<SecretString> {
    let folder = folder().ok()?;
    let login = read(&folder, server)?;
    if login.ends() > clock::now().secs + EARLY {
        return Some(SecretString::from(login.id_token));
    }
    match login.refreshed(egress).await {
        Ok(login) => {
            if let Err(error) = write(&folder, &login) {
                eprintln!("gatepost: the renewed login cannot be kept: {error:#}");
            }
            Some(SecretString::from(login.id_token))
        }
        Err(why) => {
            eprintln!(
                "gatepost: the login at {server} is not good any more: {why}; run `gatepost login --server {server}`"
            );
            None
        }
    }
}

/// Keeps a login.
pub(super) fn keep(login: &Login) -> anyhow::Result<PathBuf> {
    write(&folder()?, login)
}

/// Forgets the login at a server; whether there was one.
pub(super) fn forget(server: &str) -> anyhow::Result<bool> {
    let path = path(&folder()?, server);
    match std::fs::remove_file(&path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("failed to remove {}", path.display())),
    }
}

fn folder() -> anyhow::Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|text| !text.is_empty()).map(PathBuf::from);
    let config = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")));
    Ok(config.context("there is no place for a login: set HOME or XDG_CONFIG_HOME")?.join("gatepost").join("logins"))
}

/// Servers are told apart by their whole address.
fn path(folder: &Path, server: &str) -> PathBuf {
    let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(normal(server).as_bytes())[..16]);
    folder.join(format!("{digest}.json"))
}

/// The same for every way to write one address.
pub(super) fn normal(server: &str) -> String {
    url::Url::parse(server).map_or_else(|_| server.to_owned(), |url| url.as_str().trim_end_matches('/').to_owned())
}

fn read(folder: &Path, server: &str) -> Option<Login> {
    let text = std::fs::read_to_string(path(folder, server)).ok()?;
    let login: Login = serde_json::from_str(&text).ok()?;
    (normal(&login.server) == normal(server)).then_some(login)
}

fn write(folder: &Path, login: &Login) -> anyhow::Result<PathBuf> {
    let failed = || format!("failed to write in {}", folder.display());
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(failed)?;
    let path = path(folder, &login.server);
    let part = path.with_extension(format!("{:08x}", rand::random::<u32>()));
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part).with_context(failed)?;
    file.write_all(serde_json::to_string(login)?.as_bytes()).with_context(failed)?;
    std::fs::rename(&part, &path).with_context(failed)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn login(server: &str) -> Login {
        let token = "e30.eyJleHAiOjE4MDAwMDAwMDB9.x".to_owned();
        Login {
            server: server.into(),
            client_id: "cli".into(),
            token_endpoint: "https://i/token".into(),
            id_token: token,
            refresh_token: "r".into(),
        }
    }

    #[test]
    fn a_login_is_kept_for_its_server_and_its_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("gatepost/logins");
        let kept = login("https://gatepost.example.com");
        let path = write(&place, &kept).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&place)), (0o600, 0o700));
        assert!(read(&place, "https://gatepost.example.com/").is_some_and(|read| read == kept));
        for other in [
            "http://gatepost.example.com",
            "https://gatepost.example.com:444",
            "https://gatepost.example.com/x",
            "https://evil.example",
        ] {
            assert!(read(&place, other).is_none(), "{other}");
        }
        write(&place, &Login { id_token: "new".into(), ..kept }).unwrap();
        assert_eq!(std::fs::read_dir(&place).unwrap().count(), 1);
    }
}
