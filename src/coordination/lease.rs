//! One Lease for each (namespace, name of the ConfigMap): whoever holds it decides, the others stand by.
//!
//! Another's Lease has expired when *we* have not seen its record change for its duration, never by the times in it: clocks
//! of nodes differ. Without the right to use Leases, as under the Argo CD controller's own Role, there is no guard and that
//! is said once.

use crate::clock;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Renewals in one duration: two may fail before others may take the Lease.
const RENEWALS: u32 = 5;

/// Name of the Lease of a ConfigMap.
#[must_use]
pub fn lease_name(config_map: &str) -> String {
    format!("gatepost-{config_map}")
}

/// What this process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is not known yet.
    Unknown,
    /// It holds the Lease.
    Holder,
    /// Another process does.
    Standby {
        /// Its identity.
        holder: String,
    },
    /// There is no guard: Leases are switched off, not allowed, or there is no cluster.
    Unguarded,
}

/// What this process is, for readiness and for the relay. Cheap to clone.
#[derive(Clone)]
pub struct Status(Arc<Mutex<watch::Receiver<Standing>>>);

impl Status {
    /// Nobody to share with.
    #[must_use]
    pub fn unguarded() -> Self {
        Self(Arc::new(Mutex::new(watch::channel(Standing::Unguarded).1)))
    }
    /// What it is now.
    #[must_use]
    pub fn now(&self) -> Standing {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).borrow().clone()
    }
    /// Whether this process may decide now.
    #[must_use]
    pub fn decides(&self) -> bool {
        matches!(self.now(), Standing::Holder | Standing::Unguarded)
    }
    /// Waits until this process may decide.
    pub async fn may_decide(&self) {
        let mut changes = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // An error says that the guard is gone: the process is stopping.
        let _ = changes.wait_for(|standing| matches!(standing, Standing::Holder | Standing::Unguarded)).await;
    }
}

/// Holds the Lease, or waits for it.
pub struct Guard {
    leases: Api<Lease>,
    name: String,
    identity: String,
    duration: Duration,
    standing: watch::Sender<Standing>,
}

/// Another's record as we last saw it change.
struct Sighting {
    version: String,
    since: Instant,
}

/// What one round came to.
enum Round {
    Held,
    Others(String),
    Forbidden(String),
    Failed(String),
}

impl Guard {
    /// A guard and what it tells. `identity` is the same after a restart on the same host and store, so that a crash costs no wait.
    #[must_use]
    pub fn new(
        client: kube::Client,
        namespace: &str,
        config_map: &str,
        identity: String,
        duration: Duration,
    ) -> (Self, Status) {
        let (standing, told) = watch::channel(Standing::Unknown);
        let leases = Api::namespaced(client, namespace);
        let guard = Self { leases, name: lease_name(config_map), identity, duration, standing };
        (guard, Status(Arc::new(Mutex::new(told))))
    }

    /// Takes and renews the Lease until the stop, then gives it back.
    pub async fn run(self, stop: CancellationToken) {
        let mut other: Option<Sighting> = None;
        let mut renewed = Instant::now();
        loop {
            let began = Instant::now();
            match self.round(&mut other).await {
                Round::Held => {
                    renewed = began;
                    self.tell(Standing::Holder);
                }
                Round::Others(holder) => self.tell(Standing::Standby { holder }),
                Round::Forbidden(cause) => {
                    tracing::warn!(
                        cause,
                        "Leases cannot be used: nothing keeps a second Gatepost from sending the same (give the Role get, create and update on leases)"
                    );
                    self.tell(Standing::Unguarded);
                    return;
                }
                Round::Failed(cause) => {
                    tracing::warn!(cause, "failed to renew the Lease; trying again");
                    // Others may take it once they have waited its whole duration.
                    if renewed.elapsed() > self.duration * 2 / 3 && *self.standing.borrow() == Standing::Holder {
                        self.tell(Standing::Unknown);
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(self.duration / RENEWALS) => {}
            }
        }
        if *self.standing.borrow() == Standing::Holder {
            self.give_back().await;
        }
    }

    fn tell(&self, now: Standing) {
        self.standing.send_if_modified(|standing| {
            let changed = *standing != now;
            if changed {
                match &now {
                    Standing::Standby { holder } => tracing::warn!(
                        lease = self.name,
                        holder,
                        "another Gatepost serves this namespace and ConfigMap; this one stands by"
                    ),
                    Standing::Holder => tracing::info!(lease = self.name, "this process holds the Lease and decides"),
                    Standing::Unknown => {
                        tracing::warn!(lease = self.name, "the Lease may be lost: decisions pause until it is renewed")
                    }
                    Standing::Unguarded => {}
                }
                *standing = now;
            }
            changed
        });
    }

    async fn round(&self, other: &mut Option<Sighting>) -> Round {
        let found = match self.leases.get_opt(&self.name).await {
            Ok(found) => found,
            Err(error) => return failed(&error),
        };
        let Some(mut lease) = found else { return self.write(None).await };
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.clone().unwrap_or_default();
        if holder == self.identity || holder.is_empty() {
            *other = None;
            return self.write(Some(lease)).await;
        }
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let seen = match other.take().filter(|seen| seen.version == version) {
            Some(seen) => seen,
            None => Sighting { version, since: Instant::now() },
        };
        let theirs = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        let expired = seen.since.elapsed() > theirs.map_or(self.duration, Duration::from_secs);
        *other = Some(seen);
        if !expired {
            return Round::Others(holder);
        }
        tracing::info!(lease = self.name, holder, "the holder of the Lease has not been heard of for its duration");
        lease.spec = Some(LeaseSpec { lease_transitions: Some(spec.lease_transitions.unwrap_or(0) + 1), ..spec });
        self.write(Some(lease)).await
    }

    /// Writes our record over the one that was read; whoever was quicker wins.
    async fn write(&self, before: Option<Lease>) -> Round {
        let parameters = PostParams::default();
        let now = micro_time();
        let old = before.as_ref().and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let ours = old.holder_identity.as_deref() == Some(&self.identity);
        let spec = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.duration.as_secs()).ok(),
            acquire_time: if ours { old.acquire_time.clone() } else { Some(now.clone()) },
            renew_time: Some(now),
            ..old
        };
        let written = match before {
            Some(lease) => self.leases.replace(&self.name, &parameters, &Lease { spec: Some(spec), ..lease }).await,
            None => {
                let metadata = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
                self.leases.create(&parameters, &Lease { metadata, spec: Some(spec) }).await
            }
        };
        match written {
            Ok(_) => Round::Held,
            Err(kube::Error::Api(status)) if status.code == 409 => {
                Round::Failed("another process wrote it meanwhile".into())
            }
            Err(error) => failed(&error),
        }
    }

    async fn give_back(&self) {
        let Ok(Some(mut lease)) = self.leases.get_opt(&self.name).await else { return };
        let Some(spec) = lease.spec.as_mut().filter(|spec| spec.holder_identity.as_deref() == Some(&self.identity))
        else {
            return;
        };
        spec.holder_identity = None;
        if let Err(error) = self.leases.replace(&self.name, &PostParams::default(), &lease).await {
            tracing::info!(error = %error, "the Lease was not given back; others wait for its end");
        }
    }
}

/// For people who look at the record; nothing is decided by it.
fn micro_time() -> MicroTime {
    let clock::Now { secs, nanos } = clock::now();
    let nanos = i32::try_from(nanos).unwrap_or(0);
    MicroTime(k8s_openapi::jiff::Timestamp::new(secs, nanos).unwrap_or_default())
}

fn failed(error: &kube::Error) -> Round {
    match error {
        kube::Error::Api(status) if matches!(status.code, 401 | 403 | 404) => Round::Forbidden(status.message.clone()),
        other => Round::Failed(other.to_string()),
    }
}
