//! The API of a running Gatepost: pages and filters, what no answer shows, problems, the stream, and Schemathesis, which asks
//! whatever the OpenAPI document allows and forbids. The real binary on a folder of manifests.

mod lists;
mod problems;
pub mod scene;
mod schemathesis;
mod stream;
