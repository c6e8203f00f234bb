//! The pages of the dashboard: HTML made on the server, for people.
//!
//! One file a page: a `Page` (the template's values, made by one function from what a room below knows), one handler, tests beside it.
//! A page only shows. What changes something goes to the API, called by `gatepost.js`; no page changes anything on GET. Whatever others
//! wrote is shown as a [`Text`], which can only be made by scrubbing ([`Words`]).

mod application;
mod applications;
mod approval;
mod approvals;
mod callback;
mod causes;
mod configuration;
mod dead_letters;
mod deliveries;
mod delivery;
mod destinations;
mod frame;
mod gate;
mod gates;
mod layout;
mod outcome;
mod overview;
mod parts;
mod picture;
mod reasons;
mod request;
mod rows;
#[cfg(test)]
mod testing;
mod text;

#[cfg(test)]
mod tests;

pub(super) use callback::show as callback;
use frame::Frame;
pub(super) use frame::not_found;
use layout::{Layout, Section};
use parts::{Badge, Count, Link, Millis, Moment, Paging, Tone, href};
use rows::DeliveryRow;
use text::{Text, Words};

use actix_web::web;

/// Rows of a page.
const PAGE_ROWS: usize = 50;

/// Adds the routes.
pub(super) fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(overview::show))
        .route("/applications", web::get().to(applications::show))
        .route("/applications/{namespace}/{name}", web::get().to(application::show))
        .route("/deliveries", web::get().to(deliveries::show))
        .route("/deliveries/{id}", web::get().to(delivery::show))
        .route("/dead-letters", web::get().to(dead_letters::show))
        .route("/destinations", web::get().to(destinations::show))
        .route("/gates", web::get().to(gates::show))
        .route("/gates/{namespace}/{name}", web::get().to(gate::show))
        .route("/approvals", web::get().to(approvals::show))
        .route("/approvals/{id}", web::get().to(approval::show))
        .route("/configuration", web::get().to(configuration::show));
}
