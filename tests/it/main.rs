//! The integration tests: one binary, so that one API server, one PostgreSQL and one Backstage serve all of them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod arrows;
mod backstage;
mod env;
mod env_smoke;
mod notifications_vectors;
mod promises;
mod relay;
mod running;
mod services_cloud;
