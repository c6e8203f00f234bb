//! The integration tests: one binary, so that one API server, one PostgreSQL and one Backstage serve all of them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod arrows;
mod attacks;
mod backstage;
mod canary;
mod catalog;
mod chart;
mod destinations;
mod docs;
mod env;
mod env_smoke;
mod fuzzing;
mod notifications_vectors;
mod outbox_postgres;
mod outbox_scale;
mod promises;
mod relay;
mod repo_server;
mod running;
mod schema;
mod services_alerts;
mod services_chat;
mod services_cloud;
mod tenants;
