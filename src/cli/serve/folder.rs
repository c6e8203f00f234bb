//! What runs where Applications come from a folder.

use super::house::House;
use crate::controller::{NoAnnotations, Projector, Relay};
use crate::source::Event;
use crate::source::files::{self, Files};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Starts the watch of the folder; nobody's annotations are written there.
pub(super) fn open(house: &House, folder: PathBuf, send: mpsc::Sender<Event>) {
    if house.settings.callbacks.are_served() {
        tracing::warn!("callbacks.externalUrl is set, and approvals need a cluster: none are served on a folder");
    }
    let relay = &house.relay;
    let nobody = Arc::new(NoAnnotations);
    let projector =
        Projector::new(Arc::clone(&house.store), nobody, Arc::clone(relay.metrics()), Arc::clone(&relay.owed));
    let stop = house.stop.clone();
    tokio::spawn(async move { projector.run(stop).await });
    let settings = files::Settings {
        folder,
        namespace: house.names.namespace.clone(),
        config_map: house.names.config_map.clone(),
        secret: house.names.secret.clone(),
        resource: house.names.resource.clone(),
        self_service: house.self_service,
    };
    tokio::spawn(watch(settings, send, Arc::clone(relay), house.stop.clone(), Arc::clone(&house.broken)));
}

/// A folder that cannot be read at all ends the process: nothing could ever be sent.
async fn watch(
    settings: files::Settings,
    send: mpsc::Sender<Event>,
    relay: Arc<Relay>,
    stop: CancellationToken,
    broken: Arc<AtomicBool>,
) {
    let files = Files::new(settings, send, Arc::clone(&relay.relist));
    tokio::select! {
        () = stop.cancelled() => {}
        end = files.run() => {
            if let Err(error) = end { tracing::error!(error = %error, "the source ended") }
            broken.store(true, Ordering::Release);
            stop.cancel();
        }
    }
}
