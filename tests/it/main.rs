//! The integration tests: one binary, so that one API server, one PostgreSQL and one Backstage serve all of them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod arrows;
mod backstage;
mod catalog;
mod chart;
mod command_line;
mod crash;
mod docs;
mod dropin;
mod env;
mod env_smoke;
mod notifications_vectors;
mod outbox_postgres;
mod outbox_scale;
mod poison;
mod promises;
mod relay;
mod repo_server;
mod running;
mod schema;
mod services_alerts;
mod services_chat;
mod services_cloud;
mod tenants;
