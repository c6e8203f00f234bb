//! The token of this machine: made at the start, in a file that only this user can read, gone with the process. Whoever can read it, by
//! `kubectl exec` or on the same machine, could read the process itself.
//!
//! The file's folder is this user's own, or none: where others could write, they could put a token of theirs.

use sha2::{Digest as _, Sha256};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Bits of a mode that let others in.
const OTHERS: u32 = 0o077;
/// Longest file that is read.
const LENGTH_MAX: u64 = 256;

/// The token of a running Gatepost; its file goes with it.
#[derive(Debug)]
pub struct LocalToken {
    path: PathBuf,
    digest: [u8; 32],
}

impl LocalToken {
    /// Makes one for a port, in the first folder that will do.
    ///
    /// # Errors
    /// No folder will do.
    pub fn make(port: u16) -> std::io::Result<Self> {
        Self::make_in(&folders(), port)
    }

    fn make_in(folders: &[PathBuf], port: u16) -> std::io::Result<Self> {
        let token = data_encoding::HEXLOWER.encode(&rand::random::<[u8; 32]>());
        let mut last = std::io::Error::other("there is no folder for it");
        for folder in folders {
            match write(folder, port, &token) {
                Ok(path) => return Ok(Self { path, digest: Sha256::digest(token.as_bytes()).into() }),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// What tokens are compared with.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for LocalToken {
    fn drop(&mut self) {
        // Another process may have taken the port, and the file, since.
        let is_ours =
            read(&self.path).is_some_and(|token| <[u8; 32]>::from(Sha256::digest(token.as_bytes())) == self.digest);
        if is_ours {
            drop(std::fs::remove_file(&self.path));
        }
    }
}

/// The token of the Gatepost that has its API at this port of this machine, and runs as this user.
#[must_use]
pub fn find(port: u16) -> Option<String> {
    find_in(&folders(), port)
}

/// The newest, where one of an earlier process was left in another folder.
fn find_in(folders: &[PathBuf], port: u16) -> Option<String> {
    let paths = folders.iter().filter(|folder| is_private(folder)).map(|folder| path(folder, port));
    let found = paths.filter_map(|path| Some((std::fs::metadata(&path).ok()?.modified().ok()?, read(&path)?)));
    found.max_by_key(|(written, _)| *written).map(|(_, token)| token)
}

/// Where the file may be: the user's own runtime folder; else folders that everybody may write to, with one of the user's in it. The
/// last one is there where the file system cannot be written to, as in a hardened pod.
fn folders() -> Vec<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let own = std::env::var_os("XDG_RUNTIME_DIR").filter(|text| !text.is_empty());
    let shared = [std::env::temp_dir(), PathBuf::from("/dev/shm")];
    let of_user = shared.into_iter().map(|folder| folder.join(format!("gatepost-{user}")));
    own.map(|folder| PathBuf::from(folder).join("gatepost")).into_iter().chain(of_user).collect()
}

fn path(folder: &Path, port: u16) -> PathBuf {
    folder.join(format!("{port}.token"))
}

/// A folder, no link to one, that belongs to this user and lets nobody else in.
fn is_private(folder: &Path) -> bool {
    std::fs::symlink_metadata(folder).is_ok_and(|meta| meta.is_dir() && is_own(&meta))
}

fn is_own(meta: &std::fs::Metadata) -> bool {
    meta.uid() == rustix::process::geteuid().as_raw() && meta.mode() & OTHERS == 0
}

fn write(folder: &Path, port: u16, token: &str) -> std::io::Result<PathBuf> {
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    if !is_private(folder) {
        return Err(std::io::Error::other(format!("{} is not this user's own folder, mode 0700", folder.display())));
    }
    // Written beside and renamed, so that nobody reads half of it.
    let part = folder.join(format!("{port}.{}", data_encoding::HEXLOWER.encode(&rand::random::<[u8; 8]>())));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    let path = path(folder, port);
    let written = file.write_all(token.as_bytes()).and_then(|()| std::fs::rename(&part, &path));
    if written.is_err() {
        drop(std::fs::remove_file(&part));
    }
    written.map(|()| path)
}

fn read(path: &Path) -> Option<String> {
    let meta = std::fs::symlink_metadata(path).ok()?;
    if !meta.is_file() || !is_own(&meta) || meta.len() > LENGTH_MAX {
        return None;
    }
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_file_is_this_users_alone_and_goes_with_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let folders = [folder.path().join("gatepost")];
        let token = LocalToken::make_in(&folders, 8080).unwrap();
        assert_eq!((mode(token.path()), mode(&folders[0])), (0o600, 0o700));
        let found = find_in(&folders, 8080).unwrap();
        assert_eq!(<[u8; 32]>::from(Sha256::digest(found.as_bytes())), token.digest());
        assert_eq!((found.len(), find_in(&folders, 8081)), (64, None));
        let second = LocalToken::make_in(&folders, 8080).unwrap();
        drop(token);
        assert!(second.path().exists(), "the file of the next process stays");
        let path = second.path().to_owned();
        drop(second);
        assert!(!path.exists() && std::fs::read_dir(&folders[0]).unwrap().next().is_none());
    }

    #[test]
    fn what_others_can_write_or_read_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let (open, own, link) = (folder.path().join("open"), folder.path().join("own"), folder.path().join("link"));
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
        std::fs::write(open.join("1.token"), "planted").unwrap();
        let token = LocalToken::make_in(&[open.clone(), own.clone()], 1).unwrap();
        assert!(token.path().starts_with(&own), "the next folder is taken");
        assert_ne!(find_in(&[open.clone(), own.clone()], 1).as_deref(), Some("planted"));
        std::os::unix::fs::symlink(&own, &link).unwrap();
        assert!(LocalToken::make_in(std::slice::from_ref(&link), 1).is_err() && find_in(&[link], 1).is_none());
        std::fs::set_permissions(token.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(find_in(std::slice::from_ref(&own), 1), None, "others could read it");
        let planted = own.join("2.token");
        std::os::unix::fs::symlink(open.join("1.token"), &planted).unwrap();
        assert_eq!(find_in(&[own], 2), None);
        assert!(LocalToken::make_in(&[folder.path().join("no/such/folder")], 1).is_err());
    }
}
