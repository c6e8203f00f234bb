//! The only writer of CommitStatuses: server-side apply of what a decision says, and deletion of what it left behind.
//!
//! Writes nothing that is there already. Must never decide what a CommitStatus says.

use super::index::{Index, Name, Standing};
use super::watch;
use super::{kinds, lock};
use crate::controller::spans;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions};
use serde_json::Value as Json;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex};

/// The field manager of the Promoter's own controller, so that either takes over what the other wrote.
pub(super) const MANAGER: &str = "promoter.argoproj.io/webrequestcommitstatus-controller";

/// The field manager of the CommitStatuses of approvals.
const APPROVALS_MANAGER: &str = "gatepost.dev/approvals";

/// Writes CommitStatuses.
pub(super) struct Writer {
    client: kube::Client,
    index: Arc<Mutex<Index>>,
}

impl Writer {
    /// A writer that notes in the index what it wrote.
    pub fn new(client: kube::Client, index: Arc<Mutex<Index>>) -> Self {
        Self { client, index }
    }

    /// Makes a CommitStatus be as `wanted`; `fits` says whether one that is there is so already. Returns whether it was written.
    async fn apply(&self, wanted: &Json, manager: &str, fits: impl Fn(&Json) -> bool) -> Result<bool, String> {
        let text = |path: &str| wanted.pointer(path).and_then(Json::as_str).unwrap_or_default().to_owned();
        let name = Name { namespace: text("/metadata/namespace"), name: text("/metadata/name") };
        let digest = digest(wanted);
        let standing = lock(&self.index).compare(&name, digest);
        if standing == Standing::Same {
            return Ok(false);
        }
        let written = match standing {
            Standing::Unknown => !self.is_there(&name, fits).await?,
            _ => true,
        };
        if written {
            self.write(&name, wanted, manager).await?;
        }
        lock(&self.index).note_applied(&name, digest);
        Ok(written)
    }

    /// Makes a CommitStatus be as `wanted`, as this field manager; `fits` says whether one that is there is so already. What is written,
    /// or was to be, is a span of the look. Returns whether it was written.
    ///
    /// # Errors
    /// The API server's words.
    pub async fn apply_traced(
        &self,
        wanted: &Json,
        manager: &str,
        fits: impl Fn(&Json) -> bool,
        spans: Option<&spans::Look>,
    ) -> Result<bool, String> {
        let began = spans.map(|spans| (spans, spans::now()));
        let written = self.apply(wanted, manager, fits).await;
        if let (Some((spans, began)), Ok(true) | Err(_)) = (began, &written) {
            spans.applied(wanted, began, written.as_ref().map(|_| ()).map_err(String::as_str));
        }
        written
    }

    async fn is_there(&self, name: &Name, fits: impl Fn(&Json) -> bool) -> Result<bool, String> {
        let existing = kinds::get(&self.client, &kinds::commit_status(), name).await;
        let existing = existing.map_err(|error| format!("failed to get CommitStatus: {}", said(&error)))?;
        Ok(existing.is_some_and(|existing| fits(&existing)))
    }

    async fn write(&self, name: &Name, wanted: &Json, manager: &str) -> Result<(), String> {
        let applied = write(&self.client, &name.namespace, &name.name, wanted, manager).await;
        let applied = applied.map_err(|error| format!("failed to apply CommitStatus: {}", said(&error)))?;
        self.note(name, &applied);
        Ok(())
    }

    /// The watch will say the same; until then the next look must know.
    fn note(&self, name: &Name, object: &DynamicObject) {
        lock(&self.index).put_child(name.clone(), watch::child(object));
    }

    /// Deletes a CommitStatus, if it still is the one with this UID.
    ///
    /// # Errors
    /// The API server's words.
    pub async fn delete(&self, name: &Name, uid: &str) -> Result<(), String> {
        let api = kinds::api(&self.client, &name.namespace, &kinds::commit_status());
        let only_it = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
        let parameters = DeleteParams { preconditions: Some(only_it), ..DeleteParams::background() };
        lock(&self.index).forget_applied(name);
        match api.delete(&name.name, &parameters).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            Err(error) => {
                return Err(format!("failed to delete orphaned CommitStatus {}: {}", name.name, said(&error)));
            }
        }
        lock(&self.index).drop_child(name);
        Ok(())
    }
}

/// Makes the CommitStatus of an approval be as `wanted`. Approvals keep no index: what is there is read, where it may be so already.
///
/// # Errors
/// The API server's words.
pub(in crate::controller) async fn apply_for_approval(
    client: &kube::Client,
    wanted: &Json,
    may_be_there: bool,
) -> Result<(), String> {
    let text = |path: &str| wanted.pointer(path).and_then(Json::as_str).unwrap_or_default().to_owned();
    let name = Name { namespace: text("/metadata/namespace"), name: text("/metadata/name") };
    if may_be_there {
        let existing = kinds::get(client, &kinds::commit_status(), &name).await;
        let existing = existing.map_err(|error| format!("failed to get CommitStatus: {}", said(&error)))?;
        if existing.is_some_and(|existing| fits_approval(&existing, wanted)) {
            return Ok(());
        }
    }
    let applied = write(client, &name.namespace, &name.name, wanted, APPROVALS_MANAGER).await;
    applied.map(|_| ()).map_err(|error| format!("failed to apply CommitStatus: {}", said(&error)))
}

fn fits_approval(existing: &Json, wanted: &Json) -> bool {
    let labels = wanted.pointer("/metadata/labels").and_then(Json::as_object).into_iter().flatten();
    let labelled = labels.into_iter().all(|(name, value)| existing["metadata"]["labels"].get(name) == Some(value));
    labelled && existing["spec"] == wanted["spec"]
}

/// Applies a CommitStatus as this field manager: the one place where they are written.
///
/// # Errors
/// The API server's.
pub(in crate::controller) async fn write(
    client: &kube::Client,
    namespace: &str,
    name: &str,
    wanted: &Json,
    manager: &str,
) -> Result<DynamicObject, kube::Error> {
    let api = kinds::api(client, namespace, &kinds::commit_status());
    api.patch(name, &PatchParams::apply(manager).force(), &Patch::Apply(wanted)).await
}

fn digest(wanted: &Json) -> u64 {
    let mut hasher = DefaultHasher::new();
    wanted.to_string().hash(&mut hasher);
    hasher.finish()
}

/// What the API server said, without the code around it.
pub(super) fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}
